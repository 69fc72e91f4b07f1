from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from lrprop.batch import Views
from lrprop.errors import InputError
from lrprop.objectives import LAC
from lrprop.objectives.lac import local_alignment_scores
from tests.objectives.test_lrprop import random_views
from tests.oracle import lac_oracle, local_alignments


def uneven(options: dict[str, Any], frames: int) -> LAC:
    """LAC in float64 whose penalties differ from cell to cell, as after some training."""
    objective = LAC(frames=frames, **options).double()
    rng = np.random.default_rng(3)
    for penalty in objective.parameters():
        penalty.data = torch.from_numpy(rng.uniform(0, 1.5, penalty.shape))
    return objective


@pytest.mark.parametrize("options", [{}, {"weight": 0.7, "temperature": 0.2, "variance": 3.0}], ids=str)
@pytest.mark.parametrize("videos", [1, 2])
@pytest.mark.parametrize("frames", [5, 7])
def test_equals_the_oracle(options: dict[str, Any], videos: int, frames: int) -> None:
    z, views = random_views(videos, videos, frames=5)
    objective = uneven(options, frames)
    penalties = [penalty.detach().numpy() for penalty in (objective.gap_open, objective.gap_extend)]
    expected = lac_oracle(
        z.numpy(), views.steps.numpy(), views.mask.numpy(), views.video.numpy(), *penalties, **options
    )
    terms = objective(z, views)
    assert terms.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(terms[name].item(), value, rtol=1e-10, err_msg=name)


@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (4, 1), (3, 5), (5, 3)], ids=str)
@pytest.mark.parametrize("temperature", [1.0, 0.1])
def test_scores_equal_the_oracle(shape: tuple[int, int], temperature: float) -> None:
    rng = np.random.default_rng(0)
    similarity, opening, extending = rng.normal(size=(2, *shape)), rng.uniform(0, 1, shape), rng.uniform(0, 1, shape)
    matches, *penalties = map(torch.from_numpy, (similarity, opening, extending))
    scores = local_alignment_scores(matches, penalties[0], penalties[1], temperature)
    for one, of_one in zip(scores.numpy(), similarity, strict=True):
        for cell, values in local_alignments(of_one, opening, extending).items():
            expected = temperature * np.logaddexp.reduce(np.array(values) / temperature)
            np.testing.assert_allclose(one[cell], expected, rtol=1e-10, atol=1e-12, err_msg=str(cell))


def test_gradient_of_embeddings_and_penalties() -> None:
    z, views = random_views(videos=1, frames=5, dim=3)
    objective = uneven({"weight": 1.0}, 5)

    def loss(leaf: Tensor, *penalties: Tensor) -> Tensor:
        given = dict(zip(("gap_open", "gap_extend"), penalties, strict=True))
        return torch.func.functional_call(objective, given, (leaf, views))["loss"]  # type: ignore

    assert torch.autograd.gradcheck(loss, (z.requires_grad_(), objective.gap_open, objective.gap_extend))


def test_padding_takes_no_part() -> None:
    z, views = random_views()
    objective = uneven({}, 9)
    loss = objective(z, views)["loss"]
    leaf = torch.where(views.mask.unsqueeze(-1), z, torch.full_like(z, 7.0)).requires_grad_()
    again = objective(leaf, views)["loss"]
    again.backward()
    assert again.item() == pytest.approx(loss.item(), rel=1e-12)
    assert leaf.grad is not None
    assert leaf.grad[~views.mask].abs().max() == 0


def test_the_order_of_the_videos_does_not_matter() -> None:
    z, views = random_views(videos=3)
    order = torch.tensor([4, 5, 0, 1, 2, 3])
    turned = Views(*(track[order] for track in vars(views).values()))
    assert LAC()(z[order], turned)["loss"].item() == pytest.approx(LAC()(z, views)["loss"].item(), rel=1e-6)


def test_without_gaps_a_mirror_changes_nothing() -> None:
    z, views = random_views()
    views.mask[:] = True
    objective = LAC(gap_penalty=1e3).double()
    mirrored = Views(views.frames, views.steps.flip(1), views.mask, views.lengths, views.video)
    for name, term in objective(z, views).items():
        assert objective(z.flip(1), mirrored)[name].item() == pytest.approx(term.item(), rel=1e-12), name


def test_free_gaps_are_worth_more() -> None:
    z, views = random_views()
    free, dear = (LAC(gap_penalty=penalty).double()(z, views)["local_alignment"] for penalty in (0.0, 10.0))
    assert free > dear


def test_float32_stays_finite_at_the_training_length() -> None:
    z, views = random_views(frames=80, dim=16)
    leaf = z.float().requires_grad_()
    objective = LAC()
    loss = objective(leaf, views)["loss"]
    loss.backward()
    for gradient in (leaf.grad, objective.gap_open.grad, objective.gap_extend.grad):
        assert gradient is not None
        assert torch.isfinite(gradient).all()
        assert gradient.abs().max() > 0
    assert loss.item() == pytest.approx(objective.double()(z, views)["loss"].item(), rel=1e-4)


def test_longer_views_need_more_penalties() -> None:
    z, views = random_views(frames=9)
    with pytest.raises(InputError, match=r"penalties for 8 frames, and a view has 9.*objective\.init_args\.frames"):
        LAC(frames=8)(z, views)


def test_one_view_a_video_has_no_pair() -> None:
    z, views = random_views(videos=1)
    views.video = torch.arange(2)
    with pytest.raises(ValueError, match="same video"):
        LAC()(z, views)
