"""Relative positions in attention, and the time that joins an embedding after training."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from lrprop.encoders import Encoder
from lrprop.encoders.relative import RelativePositions
from lrprop.encoders.temporal import TemporalTransformer
from lrprop.errors import InputError
from tests.encoders.test_encoder import SMALL, pose_views


def relative_encoder(**options: float) -> Encoder:
    torch.manual_seed(0)
    return Encoder("poses", relative_positions=True, position_scale=0.0, dropout=0.0, **SMALL, **options)  # type: ignore


def test_a_bias_depends_on_the_signed_distance_only() -> None:
    biases = RelativePositions(4)(torch.arange(5.0) + 7)
    assert biases.shape == (4, 5, 5)
    for offset in range(-4, 5):
        diagonal = biases.diagonal(offset, 1, 2)
        torch.testing.assert_close(diagonal, diagonal[:, :1].expand_as(diagonal))
    assert (biases[:, 0, 4] - biases[:, 4, 0]).abs().max() > 1e-3, "before and after differ"


def test_a_bias_is_what_the_network_makes_of_the_distance() -> None:
    relative, positions = RelativePositions(4), torch.linspace(0, 9, 5)
    for i, j in ((0, 0), (1, 4), (4, 1)):
        distance = positions[j] - positions[i]
        magnitude = torch.log2(1 + distance.abs()) / 4
        expected = 8 * relative.network(torch.stack((distance.sign() * magnitude, magnitude, distance / 20)))
        torch.testing.assert_close(relative(positions)[:, i, j], expected)


def test_order_is_seen_without_position_codes() -> None:
    views = pose_views([6])
    backwards = replace(views, frames=views.frames.flip(1))
    encoder = relative_encoder().eval()
    assert (encoder(views) - encoder(backwards).flip(1)).abs().max() > 1e-3
    unordered = Encoder("poses", position_scale=0.0, **SMALL).eval()
    torch.testing.assert_close(unordered(views), unordered(backwards).flip(1))


def test_the_place_in_a_view_is_not_seen() -> None:
    """A view that lies later in time is embedded alike: only distances count."""
    transformer = TemporalTransformer(32, 1, 4, 32, 0.0, 6, position_scale=0.0, relative=True).eval()
    x, mask = torch.randn(1, 6, 32), torch.ones(1, 6, dtype=torch.bool)
    torch.testing.assert_close(transformer._attend(x, mask, torch.arange(6.0)), transformer(x, mask))
    torch.testing.assert_close(transformer._attend(x, mask, torch.arange(6.0) + 100), transformer(x, mask))


@pytest.mark.parametrize("lengths", [[6, 6], [6, 4], [1, 3]], ids=str)
def test_evaluation_without_gradients_gives_what_training_computes(lengths: list[int]) -> None:
    """Torch's shortcut for evaluation would read the biases as a mask of bools and give NaN."""
    views, encoder = pose_views(lengths), relative_encoder().eval()
    expected = encoder(views).detach()
    with torch.inference_mode():
        torch.testing.assert_close(encoder(views), expected, rtol=1e-4, atol=1e-5)


def test_padding_changes_nothing() -> None:
    views, encoder = pose_views([6, 4]), relative_encoder().eval()
    z = encoder(views)
    views.frames = torch.where(views.mask[..., None, None], views.frames, torch.full_like(views.frames, 1e6))
    torch.testing.assert_close(encoder(views), z)


def test_time_joins_what_evaluation_sees_and_not_what_training_sees() -> None:
    views = pose_views([6, 4, 1])
    torch.manual_seed(0)
    plain, timed = Encoder("poses", **SMALL).eval(), Encoder("poses", time_weight=0.5, **SMALL).eval()
    timed.load_state_dict(plain.state_dict())
    for expected, seen in zip(plain.training_embeddings(views), timed.training_embeddings(views), strict=True):
        torch.testing.assert_close(seen, expected)
    z = timed(views)
    assert z.shape == (3, 6, 10)
    torch.testing.assert_close(z.norm(dim=-1), views.mask.float())
    torch.testing.assert_close(z[..., :8] * (1 + 0.5**2) ** 0.5, plain(views))
    arc = z[0, :, 8:] * (1 + 0.5**2) ** 0.5
    angles = torch.linspace(0, 1, 6)
    torch.testing.assert_close(arc, 0.5 * torch.stack((angles.cos(), angles.sin()), -1))
    torch.testing.assert_close(z[1, 3, 8:], z[0, 5, 8:], msg="the last real frame of every view has the time 1")


def test_a_negative_time_weight_is_refused() -> None:
    with pytest.raises(InputError, match="time_weight=-1"):
        Encoder("poses", time_weight=-1.0)
