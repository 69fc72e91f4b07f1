from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from lrprop.alignment import dtw_distance
from lrprop.objectives import GTA
from lrprop.objectives.gta import accumulated_costs
from tests.objectives.test_lrprop import random_views
from tests.oracle import gta_oracle, smooth_minimum_dtw_oracle


@pytest.mark.parametrize(
    "options",
    [{}, {"weight": 0.7, "temperature": 0.3, "gamma": 0.02}, {"label_smoothing": 0.0}, {"cycle_as_logits": True}],
    ids=str,
)
@pytest.mark.parametrize("videos", [2, 3])
def test_equals_the_oracle(options: dict[str, Any], videos: int) -> None:
    z, views = random_views(videos, videos)
    expected = gta_oracle(z.numpy(), views.mask.numpy(), views.video.numpy(), **options)
    terms = GTA(**options)(z, views)
    assert terms.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(terms[name].item(), value, rtol=1e-10, err_msg=name)


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (5, 1), (4, 7), (7, 4)], ids=str)
@pytest.mark.parametrize("gamma", [1.0, 0.1, 1e-3])
def test_accumulated_costs_equal_the_oracle(shape: tuple[int, int], gamma: float) -> None:
    cost = np.random.default_rng(0).uniform(0, 9, (2, *shape))
    totals = accumulated_costs(torch.from_numpy(cost), gamma).numpy()
    for total, one in zip(totals, cost, strict=True):
        np.testing.assert_allclose(total, smooth_minimum_dtw_oracle(one, gamma), rtol=1e-12)


def test_a_sharp_minimum_is_dtw() -> None:
    cost = torch.from_numpy(np.random.default_rng(1).uniform(0, 1, (1, 6, 5)))
    assert accumulated_costs(cost, 1e-6)[0, -1, -1].item() == pytest.approx(dtw_distance(cost).item(), rel=1e-6)


@pytest.mark.parametrize("options", [{}, {"cycle_as_logits": True}], ids=str)
def test_gradient(options: dict[str, Any]) -> None:
    z, views = random_views(frames=5, dim=3)
    objective = GTA(**options)
    assert torch.autograd.gradcheck(lambda x: objective(x, views)["loss"], z.requires_grad_())


def test_padding_takes_no_part() -> None:
    z, views = random_views()
    loss = GTA()(z, views)["loss"]
    leaf = torch.where(views.mask.unsqueeze(-1), z, torch.full_like(z, 7.0)).requires_grad_()
    again = GTA()(leaf, views)["loss"]
    again.backward()
    assert again.item() == pytest.approx(loss.item(), rel=1e-12)
    assert leaf.grad is not None
    assert leaf.grad[~views.mask].abs().max() == 0


def test_time_reversed_in_all_views_changes_only_what_the_paths_see() -> None:
    """Both accumulated corners are those of the mirrored problem: a path read backwards costs as much by DTW."""
    z, views = random_views()
    views.mask[:] = True
    mirrored = GTA(gamma=1e-6)(z.flip(1), views)["smooth_dtw"]
    assert mirrored.item() == pytest.approx(GTA(gamma=1e-6)(z, views)["smooth_dtw"].item(), rel=1e-6)


def test_float32_stays_finite_at_the_training_length() -> None:
    z, views = random_views(frames=80, dim=16)
    leaf = z.float().requires_grad_()
    loss = GTA()(leaf, views)["loss"]
    loss.backward()
    assert leaf.grad is not None
    assert torch.isfinite(leaf.grad).all()
    expected = gta_oracle(z.numpy(), views.mask.numpy(), views.video.numpy())["loss"]
    assert loss.item() == pytest.approx(expected, rel=1e-4)


def test_one_video_has_no_pair() -> None:
    z, views = random_views(videos=1)
    with pytest.raises(ValueError, match="different videos"):
        GTA()(z, views)
