from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lrprop.alignment import BACKENDS, dtw, soft_dtw
from tests.alignment.conftest import Place
from tests.oracle import soft_dtw_oracle

CPU_BACKENDS = [name for name, backend in BACKENDS.items() if backend.devices is None or "cpu" in backend.devices]


def value_and_grad(
    place: Place,
    cost: torch.Tensor,
    gamma: float,
    lengths: torch.Tensor | None = None,
    weights: torch.Tensor | None = None,
    open_begin: bool = False,
    open_end: bool = False,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The values and the gradient of their (weighted) sum, both back on the CPU."""
    cost = cost.detach().clone().to(place.device).requires_grad_()
    value = soft_dtw(cost, gamma, lengths, open_begin=open_begin, open_end=open_end, backend=place.backend)
    total = (value if weights is None else value * weights.to(place.device)).sum()
    (grad,) = torch.autograd.grad(total, cost)
    return value.detach().cpu(), grad.cpu()


def random_costs(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@settings(max_examples=80, deadline=None)
@given(
    sizes=st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=4),
    seed=st.integers(0, 2**32),
    gamma=st.floats(1e-3, 1.0),
    scale=st.sampled_from([1e-3, 1.0, 50.0]),
    open_begin=st.booleans(),
    open_end=st.booleans(),
)
def test_value_and_gradient_match_the_oracle(
    place: Place, sizes: list[tuple[int, int]], seed: int, gamma: float, scale: float, open_begin: bool, open_end: bool
) -> None:
    lengths = torch.tensor(sizes)
    cost = scale * (random_costs(len(sizes), *lengths.amax(0), seed=seed) - 0.2)
    value, grad = value_and_grad(place, cost, gamma, lengths, open_begin=open_begin, open_end=open_end)
    for b, (n, m) in enumerate(sizes):
        expected, alignment = soft_dtw_oracle(cost[b, :n, :m].numpy(), gamma, open_begin, open_end)
        assert value[b].item() == pytest.approx(expected, rel=1e-9, abs=1e-12)
        np.testing.assert_allclose(grad[b, :n, :m], alignment, rtol=1e-6, atol=1e-9)
        assert not grad[b, n:].any()
        assert not grad[b, :, m:].any()


@pytest.mark.parametrize("gamma", [1.0, 0.1, 0.01, 1e-3])
@pytest.mark.parametrize("ends", [(False, False), (True, True)])
def test_long_unequal_pairs_match_the_oracle_down_to_small_gamma(
    place: Place, gamma: float, ends: tuple[bool, bool]
) -> None:
    cost = random_costs(2, 60, 43, seed=5)
    lengths = torch.tensor([[60, 43], [31, 40]])
    value, grad = value_and_grad(place, cost, gamma, lengths, open_begin=ends[0], open_end=ends[1])
    for b, (n, m) in enumerate(lengths.tolist()):
        expected, alignment = soft_dtw_oracle(cost[b, :n, :m].numpy(), gamma, *ends)
        assert value[b].item() == pytest.approx(expected, rel=1e-10)
        np.testing.assert_allclose(grad[b, :n, :m], alignment, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("case", ["12x17_g1.0", "40x31_g0.1", "60x60_g0.01"])
def test_golden_values_and_gradients(place: Place, shared: Path, case: str) -> None:
    """Golden values to 1e-6; gradients to the oracle's 1e-6, and to the golden ones only as far as those are right.

    The stored SoftDTW values and gradients are float32 numbers, and the gradients carry the rounding of a float32
    recursion: at (0, 0), which every path visits, they say 0.998 to 1.0003 where the answer is 1. A table entry R
    rounded to float32 changes a weight exp(R / gamma) by about eps R / gamma, so that is the unit of the comparison.
    """
    gamma = float(case.split("_g")[1])
    with np.load(shared / "golden" / "losses.npz") as golden:
        cost, value, grad = (golden[f"softdtw_{case}_{part}"] for part in ("cost", "value", "grad"))
    ours, our_grad = value_and_grad(place, torch.from_numpy(cost), gamma)
    np.testing.assert_allclose(ours, value, rtol=1e-6)
    for b in range(len(cost)):
        np.testing.assert_allclose(our_grad[b], soft_dtw_oracle(cost[b], gamma)[1], rtol=1e-6, atol=1e-9)
        rounding = np.finfo(np.float32).eps * abs(value[b]) / gamma
        np.testing.assert_allclose(our_grad[b], grad[b], rtol=0, atol=rounding)


@pytest.mark.parametrize("gamma", [1.0, 0.1, 0.02])
@pytest.mark.parametrize("ends", [(False, False), (True, False), (False, True), (True, True)])
def test_gradcheck(place: Place, gamma: float, ends: tuple[bool, bool]) -> None:
    cost = random_costs(2, 5, 4).to(place.device).requires_grad_()
    lengths = torch.tensor([[5, 4], [3, 2]])

    def values(cost: torch.Tensor) -> torch.Tensor:
        return soft_dtw(cost, gamma, lengths, open_begin=ends[0], open_end=ends[1], backend=place.backend)

    assert torch.autograd.gradcheck(values, cost)


@pytest.mark.parametrize("ends", [(False, False), (True, True)])
def test_the_reference_is_twice_differentiable(ends: tuple[bool, bool]) -> None:
    cost = random_costs(2, 4, 3).requires_grad_()
    lengths = torch.tensor([[4, 3], [2, 3]])

    def values(cost: torch.Tensor) -> torch.Tensor:
        return soft_dtw(cost, 0.3, lengths, open_begin=ends[0], open_end=ends[1], backend="reference")

    assert torch.autograd.gradgradcheck(values, cost)


def test_a_second_derivative_of_the_kernels_is_an_error() -> None:
    cost = random_costs(1, 3, 3).requires_grad_()
    with pytest.raises(RuntimeError, match="'numba' is differentiable once; use 'reference'"):
        torch.autograd.grad(soft_dtw(cost, backend="numba").sum(), cost, create_graph=True)


@pytest.mark.parametrize("ends", [(False, False), (True, True)])
def test_tends_to_dtw_as_gamma_tends_to_zero(place: Place, ends: tuple[bool, bool]) -> None:
    cost = random_costs(3, 15, 12, seed=1)
    hard = dtw(cost, open_begin=ends[0], open_end=ends[1])
    gaps = []
    for gamma in (1.0, 0.1, 1e-2, 1e-3):
        value, grad = value_and_grad(place, cost, gamma, open_begin=ends[0], open_end=ends[1])
        assert (value <= hard.distance + 1e-12).all()
        gaps.append((hard.distance - value).max().item())
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[-1] < 1e-3
    for b in range(3):
        assert (grad[b][tuple(hard.path(b).T)] > 0.5).all()


def test_each_row_and_each_weighted_pair_gets_its_share(place: Place) -> None:
    weights = torch.tensor([2.0, -0.5, 0.0], dtype=torch.float64)
    cost = random_costs(3, 6, 9)
    _, grad = value_and_grad(place, cost, 0.1, weights=weights)
    _, plain = value_and_grad(place, cost, 0.1)
    torch.testing.assert_close(grad, plain * weights[:, None, None], rtol=1e-12, atol=0)
    assert (plain.sum(2) >= 1 - 1e-12).all()
    torch.testing.assert_close(plain[:, 0, 0], torch.ones(3, dtype=torch.float64))


def test_may_be_negative(place: Place) -> None:
    value, _ = value_and_grad(place, torch.zeros(1, 3, 3, dtype=torch.float64), 1.0)
    assert value.item() == pytest.approx(-np.log(13))  # the Delannoy number of paths


def test_padding_is_never_read_and_gets_exactly_no_gradient(place: Place) -> None:
    lengths = torch.tensor([[3, 4], [5, 2], [5, 6]])
    cost = random_costs(3, 5, 6)
    for ends in ((False, False), (True, True)):
        value, grad = value_and_grad(place, cost, 0.1, lengths, None, *ends)
        for filler in (torch.nan, torch.inf, -torch.inf, -1e9):
            dirty = cost.clone()
            for b, (n, m) in enumerate(lengths.tolist()):
                dirty[b, n:] = filler
                dirty[b, :, m:] = filler
            dirty_value, dirty_grad = value_and_grad(place, dirty, 0.1, lengths, None, *ends)
            assert torch.equal(dirty_value, value)
            assert torch.equal(dirty_grad, grad)
            assert (dirty_grad[~dirty.isfinite() | (dirty == filler)] == 0).all()


def test_a_batch_equals_its_pairs_one_by_one(place: Place) -> None:
    cost = random_costs(5, 12, 17)
    value, grad = value_and_grad(place, cost, 0.05)
    for b in range(5):
        one_value, one_grad = value_and_grad(place, cost[b : b + 1], 0.05)
        torch.testing.assert_close(one_value[0], value[b], rtol=1e-14, atol=0)
        torch.testing.assert_close(one_grad[0], grad[b], rtol=1e-10, atol=1e-14)


def test_an_empty_batch_gives_empty_results(place: Place) -> None:
    value, grad = value_and_grad(place, torch.zeros(0, 3, 4), 0.1)
    assert value.shape == (0,)
    assert grad.shape == (0, 3, 4)


def test_strided_costs_and_expanded_gradients_are_welcome(place: Place) -> None:
    cost = random_costs(3, 8, 6)
    strided = cost.transpose(1, 2).contiguous().transpose(1, 2).to(place.device).requires_grad_()
    assert not strided.is_contiguous()
    (strided_grad,) = torch.autograd.grad(soft_dtw(strided, backend=place.backend).sum(), strided)
    _, grad = value_and_grad(place, cost, 0.1)
    torch.testing.assert_close(strided_grad.cpu(), grad, rtol=1e-12, atol=0)


@pytest.mark.parametrize("gamma", [0.1, 1e-3])
def test_float32_is_as_good_as_float64_on_the_same_cost(place: Place, gamma: float) -> None:
    cost = 2 * random_costs(2, 80, 80, dtype=torch.float32)
    value, grad = value_and_grad(place, cost, gamma)
    exact, exact_grad = value_and_grad(place, cost.double(), gamma)
    assert value.dtype == grad.dtype == torch.float32
    assert exact.dtype == exact_grad.dtype == torch.float64
    torch.testing.assert_close(value, exact.float(), rtol=2e-7, atol=0)
    torch.testing.assert_close(grad, exact_grad.float(), rtol=2e-7, atol=1e-30)


@pytest.mark.parametrize("backend", CPU_BACKENDS)
@pytest.mark.parametrize("poison", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("function", [dtw, soft_dtw])
def test_a_cost_that_is_not_finite_names_its_pair(function: Callable[..., object], poison: float, backend: str) -> None:
    cost = torch.zeros(4, 3, 3)
    cost[0, 2, 2] = torch.nan  # padding
    cost[2, 1, 0] = poison
    lengths = torch.tensor([[2, 2], [3, 3], [3, 3], [3, 3]])
    with pytest.raises(ValueError, match=r"pair 2 must be finite; got -?(nan|inf) at \(1, 0\)"):
        function(cost, lengths=lengths, backend=backend)


@pytest.mark.parametrize("function", [dtw, soft_dtw])
@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ([[3, 4], [0, 4]], "pair 1 .* n=0, m=4"),
        ([[3, 5], [1, 4]], "pair 0 .* n=3, m=5"),
        ([[3, 4], [4, 1]], "pair 1 .* n=4, m=1"),
        ([[3, 4], [-1, 1]], "pair 1 .* n=-1, m=1"),
        ([[3, 4]], r"\(B, 2\) = \(2, 2\).* got \(1, 2\)"),
        ([3, 4], r"got \(2,\)"),
        ([[3.0, 4.0], [3.0, 4.0]], "integers; got torch.float32"),
        ([[True, True], [True, True]], "integers; got torch.bool"),
    ],
)
def test_wrong_lengths_name_the_pair(function: Callable[..., object], lengths: list[object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        function(torch.zeros(2, 3, 4), lengths=torch.tensor(lengths))


@pytest.mark.parametrize("function", [dtw, soft_dtw])
@pytest.mark.parametrize(
    ("cost", "message"),
    [
        (torch.zeros(3, 4), r"\(B, N, M\).* got shape \(3, 4\)"),
        (torch.zeros(1, 0, 4), r"N, M >= 1; got shape \(1, 0, 4\)"),
        (torch.zeros(1, 3, 4, dtype=torch.bfloat16), "float32 or float64; got torch.bfloat16"),
        (torch.zeros(1, 3, 4, dtype=torch.int64), "float32 or float64; got torch.int64"),
    ],
)
def test_wrong_costs_are_refused(function: Callable[..., object], cost: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        function(cost)


@pytest.mark.parametrize("gamma", [0.0, -1.0, float("nan"), float("inf")])
def test_gamma_must_be_positive(gamma: float) -> None:
    with pytest.raises(ValueError, match="gamma must be a positive number"):
        soft_dtw(torch.zeros(1, 2, 2), gamma)
