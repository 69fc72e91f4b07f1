"""What must hold for every backend on every device, as plain functions; hypothesis draws the problems."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import strategies as st
from torch import Tensor

from lrprop.alignment import dtw, dtw_distance, soft_alignment, soft_dtw
from lrprop.errors import InputError
from tests.alignment.conftest import Place
from tests.oracle import allowed_cells, dtw_oracle, soft_dtw_oracle


@dataclass(frozen=True)
class Problem:
    """A batch of random costs and the limits of its paths."""

    sizes: list[tuple[int, int]]
    seed: int
    band: int | float | None
    open_begin: bool
    open_end: bool

    @property
    def lengths(self) -> Tensor:
        return torch.tensor(self.sizes)

    @property
    def ends(self) -> dict[str, bool]:
        return {"open_begin": self.open_begin, "open_end": self.open_end}

    @property
    def limits(self) -> dict[str, Any]:
        return {"band": self.band, **self.ends}

    def whole_costs(self, levels: int) -> Tensor:
        """Whole numbers from -1 on, so that ties are everywhere and sums are exact."""
        return torch.randint(-1, levels, self._shape, generator=self._generator).double()

    def costs(self, scale: float) -> Tensor:
        return scale * (torch.rand(self._shape, generator=self._generator, dtype=torch.float64) - 0.2)

    def pair_without_path(self) -> int | None:
        """The first pair whose band has a gap."""
        for b, (n, m) in enumerate(self.sizes):
            if math.isinf(dtw_oracle(np.zeros((n, m)), **self.limits)[0]):
                return b
        return None

    @property
    def _shape(self) -> tuple[int, ...]:
        return (len(self.sizes), *self.lengths.amax(0).tolist())

    @property
    def _generator(self) -> torch.Generator:
        return torch.Generator().manual_seed(self.seed)


_BANDS = st.none() | st.integers(0, 5) | st.integers(0, 100).map(lambda percent: percent / 100)


def problems(longest: int = 40) -> st.SearchStrategy[Problem]:
    """Small shapes mostly, as those hold most special cases, and some beyond the widths that kernels work in."""
    frames = st.integers(1, 9) | st.integers(1, longest)
    sizes = st.lists(st.tuples(frames, frames), min_size=1, max_size=4)
    return st.builds(Problem, sizes, st.integers(0, 2**32), _BANDS, st.booleans(), st.booleans())


def check_dtw(place: Place, problem: Problem, levels: int, dtype: torch.dtype) -> None:
    """Distances, paths and first matches are the oracle's, or the band that allows none is refused."""
    cost = problem.whole_costs(levels).to(place.device, dtype)
    if refused(place, problem, cost):
        return
    result = dtw(cost, problem.lengths, **problem.limits, backend=place.backend)
    distance = dtw_distance(cost, problem.lengths, **problem.limits, backend=place.backend)
    assert distance.dtype == result.distance.dtype == dtype
    first = [result.first_match(axis).cpu() for axis in (0, 1)]
    for b, (n, m) in enumerate(problem.sizes):
        expected, path = dtw_oracle(cost[b, :n, :m].cpu().numpy(), **problem.limits)
        assert result.distance[b].item() == distance[b].item() == expected
        assert result.path(b).tolist() == [list(cell) for cell in path]
        for axis, size in enumerate((n, m)):
            matches = [
                min((cell[1 - axis] for cell in path if cell[axis] == frame), default=-1) for frame in range(size)
            ]
            assert first[axis][b].tolist() == matches + [0] * (first[axis].shape[1] - size)


def check_path(place: Place, problem: Problem) -> None:
    """A path is monotone and connected, keeps to its ends and its band, and adds up to its distance."""
    cost = problem.costs(1.0)
    if refused(place, problem, cost):
        return
    result = dtw(cost.to(place.device), problem.lengths, **problem.limits, backend=place.backend)
    for b, (n, m) in enumerate(problem.sizes):
        path = result.path(b).cpu()
        i, j = path.T
        assert {tuple(step) for step in path.diff(dim=0).tolist()} <= {(1, 1), (1, 0), (0, 1)}
        assert (i[0], i[-1]) == (0, n - 1)
        assert problem.open_begin or j[0] == 0
        assert problem.open_end or j[-1] == m - 1
        assert allowed_cells(n, m, problem.band)[i, j].all()
        assert cost[b, i, j].sum().item() == pytest.approx(result.distance[b].item(), rel=1e-12, abs=1e-12)


def check_soft_dtw(place: Place, problem: Problem, gamma: float, scale: float) -> None:
    """Values and soft alignments are the oracle's; the alignment is 0 wherever no path may go."""
    cost = problem.costs(scale)
    if refused(place, problem, cost):
        return
    value, alignment = value_and_alignment(place, cost, gamma, problem)
    reached = torch.zeros_like(alignment, dtype=torch.bool)
    for b, (n, m) in enumerate(problem.sizes):
        expected, expected_alignment = soft_dtw_oracle(cost[b, :n, :m].numpy(), gamma, **problem.limits)
        assert value[b].item() == pytest.approx(expected, rel=1e-9, abs=1e-12)
        np.testing.assert_allclose(alignment[b, :n, :m], expected_alignment, rtol=1e-6, atol=1e-9)
        reached[b, :n, :m] = torch.from_numpy(allowed_cells(n, m, problem.band))
    assert not alignment[~reached].any()


def check_soft_alignment(place: Place, problem: Problem, gamma: float) -> None:
    """Probabilities: 1 at closed corners, and every frame that must be matched is matched at least once."""
    cost = problem.costs(1.0)
    if refused(place, problem, cost):
        return
    options = {**problem.limits, "backend": place.backend}
    alignment = soft_alignment(cost.to(place.device), gamma, problem.lengths, **options).cpu()
    assert not alignment.requires_grad
    assert alignment.amin() >= 0
    assert alignment.amax() <= 1 + 1e-9
    for b, (n, m) in enumerate(problem.sizes):
        inside = alignment[b, :n, :m]
        assert inside.sum(1).amin() >= 1 - 1e-9
        if not (problem.open_begin or problem.open_end):
            assert inside.sum(0).amin() >= 1 - 1e-9
        assert problem.open_begin or inside[0, 0].item() == pytest.approx(1)
        assert problem.open_end or inside[-1, -1].item() == pytest.approx(1)


def check_transposition(place: Place, problem: Problem, gamma: float) -> None:
    """Swapping the two sequences changes nothing but the order of the axes (with closed ends)."""
    closed = Problem(problem.sizes, problem.seed, problem.band, open_begin=False, open_end=False)
    cost = closed.costs(1.0)
    if refused(place, closed, cost):
        return
    swapped = Problem([(m, n) for n, m in closed.sizes], closed.seed, closed.band, open_begin=False, open_end=False)
    value, alignment = value_and_alignment(place, cost, gamma, closed)
    swapped_value, swapped_alignment = value_and_alignment(place, cost.mT, gamma, swapped)
    torch.testing.assert_close(swapped_value, value, rtol=1e-11, atol=1e-11)
    torch.testing.assert_close(swapped_alignment.mT, alignment, rtol=1e-7, atol=1e-10)


def check_one_by_one(place: Place, problem: Problem, gamma: float) -> None:
    """A batch gives what its pairs give alone, without padding; NaN on padding and outside the band is never read."""
    cost = problem.costs(1.0)
    if refused(place, problem, cost):
        return
    dirty = torch.full_like(cost, torch.nan)
    for b, (n, m) in enumerate(problem.sizes):
        inside = torch.from_numpy(allowed_cells(n, m, problem.band))
        dirty[b, :n, :m][inside] = cost[b, :n, :m][inside]
    value, alignment = value_and_alignment(place, dirty, gamma, problem)
    hard = dtw(dirty.to(place.device), problem.lengths, **problem.limits, backend=place.backend)
    for b, (n, m) in enumerate(problem.sizes):
        alone = Problem([(n, m)], problem.seed, problem.band, **problem.ends)
        pair = cost[b : b + 1, :n, :m]
        one_value, one_alignment = value_and_alignment(place, pair, gamma, alone)
        torch.testing.assert_close(one_value[0], value[b], rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(one_alignment[0], alignment[b, :n, :m], rtol=1e-9, atol=1e-12)
        one_hard = dtw(pair.to(place.device), **problem.limits, backend=place.backend)
        assert one_hard.distance[0] == hard.distance[b]
        assert torch.equal(one_hard.path(0), hard.path(b))


def refused(place: Place, problem: Problem, cost: Tensor) -> bool:
    """True where the band leaves a pair no path: then an error must name that pair."""
    pair = problem.pair_without_path()
    if pair is None:
        return False
    for function in (dtw, soft_dtw):
        with pytest.raises(InputError, match=f"leaves pair {pair} of .* no path from end to end"):
            function(cost.to(place.device), lengths=problem.lengths, **problem.limits, backend=place.backend)
    return True


def value_and_alignment(place: Place, cost: Tensor, gamma: float, problem: Problem) -> tuple[Tensor, Tensor]:
    """The values and the gradient of their sum, both back on the CPU."""
    cost = cost.detach().clone().to(place.device).requires_grad_()
    value = soft_dtw(cost, gamma, problem.lengths, **problem.limits, backend=place.backend)
    (alignment,) = torch.autograd.grad(value.sum(), cost)
    return value.detach().cpu(), alignment.cpu()
