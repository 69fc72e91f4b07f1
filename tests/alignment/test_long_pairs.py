"""Float32 on pairs so long that roundings of the same sign add up: the worst cases that a review could find."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from lrprop.alignment import soft_alignment

FRAMES = 2000


def a_narrow_cost() -> Tensor:
    return torch.rand(1, FRAMES, 2, generator=torch.Generator().manual_seed(0))


def a_corner() -> Tensor:
    """Down the first column and along the last row, nothing else is cheap."""
    cost = torch.full((1, FRAMES, FRAMES), 256.0)
    cost[0, :, 0] = torch.rand(FRAMES, generator=torch.Generator().manual_seed(1))
    cost[0, -1] = torch.rand(FRAMES, generator=torch.Generator().manual_seed(2))
    return cost


def two_rivals() -> Tensor:
    """Two ways of equal cost, which one is constant and the other alternates on: their roundings differ."""
    cost = torch.full((1, FRAMES, FRAMES), 256.0)
    cost[0, 0, :] = cost[0, :, -1] = cost[0, -1, :-1] = 0.5710335
    cost[0, 1:-1:2, 0], cost[0, 2:-1:2, 0] = 0.5710335 - 0.2871, 0.5710335 + 0.2871
    return cost


def one_step_to_spare() -> Tensor:
    """One diagonal too short by one step, which may be taken anywhere."""
    return torch.full((1, FRAMES, FRAMES - 1), 0.3)


@pytest.mark.parametrize("gamma", [0.1, 1e-3])
@pytest.mark.parametrize("case", [a_narrow_cost, a_corner, two_rivals, one_step_to_spare])
def test_soft_alignments_stay_right(case: Callable[[], Tensor], gamma: float) -> None:
    cost = case()
    ours, exact = soft_alignment(cost, gamma), soft_alignment(cost.double(), gamma)
    assert (ours - exact).abs().max() < 1e-5
    assert ours.sum(2).min() > 1 - 1e-5


@pytest.mark.parametrize("size", [200, 319, 320])
def test_just_below_the_length_that_float64_takes_over(size: int) -> None:
    cost = torch.full((1, size, size), 256.0)
    cost[0, 0, :] = cost[0, :, -1] = cost[0, -1, :-1] = 0.5710335
    cost[0, 1:-1:2, 0], cost[0, 2:-1:2, 0] = 0.5710335 - 0.2871, 0.5710335 + 0.2871
    assert (soft_alignment(cost, 0.1) - soft_alignment(cost.double(), 0.1)).abs().max() < 1e-5
