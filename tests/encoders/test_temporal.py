from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from lrprop.batch import Views
from lrprop.encoders import Encoder
from lrprop.encoders.temporal import TemporalTransformer, _Layer, sinusoidal_codes, windows
from lrprop.errors import InputError
from tests.oracle import windowed_oracle

LENGTHS = [(5, 4), (9, 2), (10, 3), (16, 8), (17, 8), (23, 8), (24, 8), (100, 7), (1025, 1024), (54_000, 1024)]


def transformer(window: int, position_scale: float = 1.0) -> TemporalTransformer:
    torch.manual_seed(0)
    return TemporalTransformer(16, 2, 2, 16, num_frames=6, window=window, position_scale=position_scale).eval()


@torch.no_grad()
def seen_by(network: TemporalTransformer, frames: Tensor) -> Tensor:
    """What the transformer makes of one video (n, 16)."""
    whole: Tensor = network(frames.unsqueeze(0), torch.ones(1, len(frames), dtype=torch.bool))[0]
    return whole


def random_frames(n: int) -> Tensor:
    return torch.randn(n, 16, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("n", "length"), LENGTHS)
def test_windows_overlap_by_half_and_keep_every_frame_once(n: int, length: int) -> None:
    found = windows(n, length)
    assert [step for seen, kept in found for step in range(n)[seen][kept]] == list(range(n))
    assert all(len(range(n)[seen]) == length for seen, _ in found)
    assert all(b.start - a.start <= length // 2 for (a, _), (b, _) in pairwise(found))
    for seen, kept in found:
        assert seen.start == 0 or kept.start >= length // 4
        assert seen.stop == n or length - kept.stop >= length // 4


@pytest.mark.parametrize("n", [1, 5, 12])
def test_a_video_that_fits_the_window_is_seen_whole(n: int) -> None:
    assert torch.equal(seen_by(transformer(window=12), random_frames(n)), seen_by(transformer(10**6), random_frames(n)))


@pytest.mark.parametrize(("n", "length"), [(9, 2), (11, 3), (17, 8), (30, 8), (33, 32)])
def test_each_frame_is_taken_where_it_lies_farthest_from_an_edge(n: int, length: int) -> None:
    """And has the position that it has in the whole video."""
    frames, network = random_frames(n), transformer(length)

    def encode(part: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            contextual: np.ndarray = network.layers(torch.from_numpy(part).unsqueeze(0))[0].numpy()
        return contextual

    coded = frames + sinusoidal_codes(torch.linspace(0, network.num_frames - 1, n), 16)
    starts = [seen.start for seen, _ in windows(n, length)]
    expected = windowed_oracle(coded.numpy(), starts, length, encode)
    np.testing.assert_allclose(seen_by(network, frames).numpy(), expected, atol=1e-5)


def test_what_repeats_in_a_long_video_is_seen_alike() -> None:
    """Without positions: frames of period 4 in windows that begin at multiples of 4 are the same all along."""
    frames = random_frames(4).repeat(10, 1)
    codes = seen_by(transformer(window=8, position_scale=0.0), frames)
    torch.testing.assert_close(codes, codes[:4].repeat(10, 1), atol=1e-5, rtol=0)


def test_a_frame_knows_nothing_beyond_its_window() -> None:
    network, frames = transformer(window=8), random_frames(40)
    before = seen_by(network, frames)
    frames[30:] = 100
    after = seen_by(network, frames)
    assert torch.equal(after[:22], before[:22])
    assert not torch.allclose(after[26:30], before[26:30])


@pytest.mark.parametrize(("training", "lengths"), [(False, [8] * 9), (True, [40])])
def test_attention_never_sees_more_than_a_window_but_in_training(training: bool, lengths: list[int]) -> None:
    network = transformer(window=8).train(training)
    seen: list[int] = []
    network.layers.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape[1]))
    seen_by(network, random_frames(40))
    assert seen == lengths


def test_a_view_that_ended_before_a_window_stays_finite() -> None:
    encoder = Encoder("poses", layers=1, width=16, heads=2, feedforward=16, fc_units=(16,), embedding=8, window=8)
    mask = torch.arange(40) < torch.tensor([[40], [5]])
    views = Views(
        torch.randn(2, 40, 13, 3), torch.arange(40).repeat(2, 1), mask, torch.tensor([40, 5]), torch.arange(2)
    )
    z = encoder.eval()(views)
    torch.testing.assert_close(z.norm(dim=-1), mask.float())


def test_a_window_of_one_frame_is_refused() -> None:
    with pytest.raises(InputError, match="window=1"):
        Encoder("poses", window=1)


@pytest.mark.parametrize("relative", [False, True])
def test_attention_in_float32_within_bfloat16_changes_the_rounding_only(
    relative: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    network = TemporalTransformer(16, 2, 2, 16, dropout=0.0, num_frames=6, relative=relative)
    x, mask = 3 * torch.randn(2, 6, 16), torch.arange(6) < torch.tensor([[6], [2]])

    def output_and_gradient() -> tuple[Tensor, Tensor]:
        leaf = x.clone().requires_grad_()
        output = network(leaf, mask)[mask].float()
        return output.detach(), torch.autograd.grad(output.square().sum(), leaf)[0]

    exact = output_and_gradient()
    with torch.autocast("cpu", torch.bfloat16):
        ours = output_and_gradient()
        monkeypatch.setattr(_Layer, "_sa_block", torch.nn.TransformerEncoderLayer._sa_block)
        torchs = output_and_gradient()
    for mine, theirs, right in zip(ours, torchs, exact, strict=True):
        error = (mine - right).abs().max()
        assert 0 < error < 0.02 * right.abs().max()
        assert error < 1.5 * (theirs - right).abs().max()
