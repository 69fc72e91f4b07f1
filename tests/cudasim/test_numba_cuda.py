"""The CUDA kernels in Numba's simulator, which has to be asked for before Numba is imported: `make test-cudasim`."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from lrprop.alignment import BACKENDS, dtw, soft_dtw
from lrprop.alignment.limits import PathLimits, path_limits
from lrprop.alignment.traceback import trace_paths
from tests.oracle import allowed_cells, dtw_oracle, soft_dtw_oracle

if os.environ.get("NUMBA_ENABLE_CUDASIM") != "1":
    pytest.skip("these run in a process of their own: make test-cudasim", allow_module_level=True)

from lrprop.alignment import numba_cuda

Band = int | float | None
TOLERANCE = {torch.float32: 3e-7, torch.float64: 1e-12}


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each thread is a thread of Python: few of them, and many strips."""
    monkeypatch.setattr(numba_cuda, "THREADS", 4)
    monkeypatch.setattr(numba_cuda, "TILE", (4, 2))


@pytest.fixture(params=[torch.float32, torch.float64], ids=["float32", "float64"])
def dtype(request: pytest.FixtureRequest) -> torch.dtype:
    chosen: torch.dtype = request.param
    return chosen


def random_cost(*shape: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def limits_of(
    cost: Tensor,
    lengths: list[tuple[int, int]] | None = None,
    band: Band = None,
    begin: bool = False,
    end: bool = False,
) -> PathLimits:
    return path_limits(cost, None if lengths is None else torch.tensor(lengths), band, begin, end)


def soft_alignment(cost: Tensor, limits: PathLimits, gamma: float) -> tuple[Tensor, Tensor]:
    value, tape = numba_cuda.soft_dtw_forward(cost, limits, gamma)
    return value, numba_cuda.soft_dtw_backward(tape, limits, torch.ones_like(value), cost.shape)


def check_soft(cost: Tensor, limits: PathLimits, gamma: float, band: Band = None) -> None:
    value, alignment = soft_alignment(cost, limits, gamma)
    assert value.dtype == alignment.dtype == cost.dtype
    tolerance = TOLERANCE[cost.dtype]
    for b, (n, m) in enumerate(limits.lengths.tolist()):
        inside = cost[b, :n, :m].double().numpy()
        expected, paths = soft_dtw_oracle(inside, gamma, limits.open_begin, limits.open_end, band)
        assert abs(value[b].item() - expected) <= tolerance * max(abs(expected), gamma * (n + m))
        np.testing.assert_allclose(alignment[b, :n, :m], paths, rtol=0, atol=10 * tolerance)
        forbidden = torch.ones(cost.shape[1:], dtype=torch.bool)
        forbidden[:n, :m] = torch.from_numpy(~allowed_cells(n, m, band))
        assert (alignment[b][forbidden] == 0).all()


def check_hard(cost: Tensor, limits: PathLimits, band: Band = None) -> None:
    distance, directions, last_columns = numba_cuda.dtw(cost, limits)
    paths = trace_paths(directions.numpy(), limits.lengths[:, 0].numpy() - 1, last_columns.numpy())
    for b, (n, m) in enumerate(limits.lengths.tolist()):
        inside = cost[b, :n, :m].double().numpy()
        expected, path = dtw_oracle(inside, limits.open_begin, limits.open_end, band)
        assert distance[b].item() == pytest.approx(expected, rel=TOLERANCE[cost.dtype])
        assert [tuple(cell) for cell in paths[b] if cell[0] >= 0] == path


@pytest.mark.parametrize("band", [None, 3, 0.45])
@pytest.mark.parametrize("ends", [(False, False), (True, True)])
def test_lengths_bands_and_open_ends(ends: tuple[bool, bool], band: Band, dtype: torch.dtype) -> None:
    cost = random_cost(3, 7, 4, dtype=dtype) - 0.2
    limits = limits_of(cost, [(7, 4), (4, 3), (1, 2)], band, *ends)
    check_soft(cost, limits, 0.1, band)
    check_hard(cost, limits, band)


@pytest.mark.parametrize("ends", [(False, True), (True, False)])
def test_one_open_end(ends: tuple[bool, bool]) -> None:
    cost = random_cost(1, 3, 5)
    check_soft(cost, limits_of(cost, None, None, *ends), 0.1)
    check_hard(cost, limits_of(cost, None, None, *ends))


def test_without_path_and_gradient_the_numbers_are_the_same(dtype: torch.dtype) -> None:
    cost = random_cost(2, 5, 3, dtype=dtype)
    limits = limits_of(cost, [(5, 3), (3, 2)])
    assert torch.equal(numba_cuda.soft_dtw(cost, limits, 0.1), numba_cuda.soft_dtw_forward(cost, limits, 0.1)[0])
    assert torch.equal(numba_cuda.dtw_distance(cost, limits), numba_cuda.dtw(cost, limits)[0])


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (9, 1), (4, 4), (8, 3), (3, 7)])
def test_shapes_of_less_and_more_than_a_strip(shape: tuple[int, int]) -> None:
    cost = random_cost(1, *shape)
    check_soft(cost, limits_of(cost), 1.0)
    check_hard(cost, limits_of(cost))


@pytest.mark.parametrize("is_open", [False, True])
def test_ties_are_broken_diagonal_up_left_and_the_earliest_end_wins(is_open: bool) -> None:
    cost = (random_cost(2, 5, 4) * 2).floor()
    cost[1] = 0
    check_hard(cost, limits_of(cost, begin=is_open, end=is_open))


@pytest.mark.parametrize("gamma", [1.0, 1e-3, 1e-6, 1e-9])
def test_float32_of_every_size_against_gamma(gamma: float) -> None:
    """At 1e-6 the log-weights reach 10^8, at 1e-9 the exponents no longer fit and the kernel turns to float64."""
    cost = random_cost(1, 5, 4) * 256
    check_soft(cost, limits_of(cost), gamma)


def test_one_prohibitive_cost_does_not_matter() -> None:
    cost = random_cost(1, 4, 4)
    cost[0, 2, 3] = 1e30
    check_soft(cost, limits_of(cost), 0.1)


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), float("-inf")])
def test_a_cost_that_is_not_finite_makes_its_own_pair_nan(wrong: float, dtype: torch.dtype) -> None:
    cost = random_cost(2, 4, 3, dtype=dtype)
    limits = limits_of(cost, [(3, 3), (3, 2)])
    value, alignment = soft_alignment(cost, limits, 0.1)
    distance = numba_cuda.dtw_distance(cost, limits)
    cost[0, 2, 1] = wrong
    cost[1, :, 2] = cost[1, 3] = wrong  # padding
    value_now, alignment_now = soft_alignment(cost, limits, 0.1)
    distance_now = numba_cuda.dtw_distance(cost, limits)
    assert value_now[0].isnan()
    assert distance_now[0].isnan()
    assert alignment_now[0, :3].isnan().all()
    assert (alignment_now[0, 3] == 0).all()
    assert torch.equal(value_now[1], value[1])
    assert torch.equal(distance_now[1], distance[1])
    assert torch.equal(alignment_now[1], alignment[1])


def test_nan_outside_the_band_is_not_read() -> None:
    cost = random_cost(1, 5, 5)
    cost[0, 0, 4] = cost[0, 4, 0] = float("nan")
    value, alignment = soft_alignment(cost, limits_of(cost, band=2), 0.1)
    assert value.isfinite().all()
    assert alignment.isfinite().all()


@pytest.mark.parametrize("wrong", [(0, 3), (3, 0), (-1, 2), (5, 3), (3, 4), (2**32 + 3, 3)])
def test_lengths_that_do_not_fit_give_nan_and_touch_nothing_else(wrong: tuple[int, int]) -> None:
    """On a device nobody reads the lengths before the kernel does."""
    cost = random_cost(2, 4, 3)
    good = limits_of(cost)
    bad = replace(good, lengths=torch.tensor([wrong, (4, 3)]))
    for expected, found in [
        (soft_alignment(cost, good, 0.1), soft_alignment(cost, bad, 0.1)),
        (numba_cuda.dtw(cost, good), numba_cuda.dtw(cost, bad)),
    ]:
        assert found[0][0].isnan()
        for before, now in zip(expected, found, strict=True):
            assert torch.equal(before[1], now[1])


def test_an_empty_batch() -> None:
    cost = torch.empty(0, 3, 2)
    limits = limits_of(cost)
    value, alignment = soft_alignment(cost, limits, 0.1)
    assert value.shape == (0,)
    assert alignment.shape == (0, 3, 2)
    assert numba_cuda.dtw(cost, limits)[1].shape == (0, 3, 2)


def test_costs_that_are_not_contiguous() -> None:
    cost = random_cost(1, 3, 4).transpose(1, 2)
    check_soft(cost, limits_of(cost), 0.1)
    check_hard(cost, limits_of(cost))


@pytest.fixture
def on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> str:
    simulated = replace(BACKENDS["numba_cuda"], devices=None, is_available=lambda: True)
    monkeypatch.setitem(BACKENDS, "numba_cuda", simulated)
    return "numba_cuda"


def test_the_public_functions_and_autograd(on_the_cpu: str) -> None:
    cost = random_cost(2, 3, 4, dtype=torch.float64).requires_grad_()
    weight = torch.tensor([1.0, -3.0], dtype=torch.float64)
    found, expected = (
        torch.autograd.grad((soft_dtw(cost, 0.5, backend=name) * weight).sum(), cost)[0]
        for name in (on_the_cpu, "reference")
    )
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    result = dtw(cost.detach(), backend=on_the_cpu)
    assert torch.equal(result.path(1), dtw(cost.detach(), backend="reference").path(1))
