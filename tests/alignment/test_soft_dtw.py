from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lrprop.alignment import (
    BACKENDS,
    dtw,
    dtw_distance,
    pairwise_distances,
    soft_alignment,
    soft_dtw,
    soft_dtw_divergence,
)
from lrprop.alignment.limits import path_limits
from lrprop.errors import InputError
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


@pytest.mark.parametrize("band", [None, 0.5])
@pytest.mark.parametrize("ends", [(False, False), (True, True)])
def test_every_backend_is_twice_differentiable(place: Place, ends: tuple[bool, bool], band: float | None) -> None:
    cost = random_costs(2, 4, 3).to(place.device).requires_grad_()
    lengths = torch.tensor([[4, 3], [3, 3]])

    def values(cost: torch.Tensor) -> torch.Tensor:
        return soft_dtw(cost, 0.3, lengths, band=band, open_begin=ends[0], open_end=ends[1], backend=place.backend)

    assert torch.autograd.gradgradcheck(values, cost)


def test_a_retained_graph_gives_the_same_gradient_again_and_again(place: Place) -> None:
    cost = random_costs(3, 9, 7).to(place.device).requires_grad_()
    value = soft_dtw(cost, backend=place.backend)
    once, twice, thrice = (
        torch.autograd.grad(value, cost, scale * torch.ones_like(value), retain_graph=True)[0] for scale in (1, 2, 1)
    )
    torch.testing.assert_close(twice, 2 * once, rtol=1e-12, atol=0)
    assert torch.equal(once, thrice)


def test_lengths_that_change_after_the_forward_pass_change_nothing(place: Place) -> None:
    cost = random_costs(1, 9, 9).to(place.device).requires_grad_()
    lengths = torch.tensor([[5, 5]])
    value = soft_dtw(cost, 0.1, lengths, backend=place.backend)
    (once,) = torch.autograd.grad(value, cost, retain_graph=True)
    lengths.fill_(9)
    (twice,) = torch.autograd.grad(value, cost)
    torch.testing.assert_close(twice, once, rtol=1e-12, atol=0)


def test_no_tape_is_kept_where_no_gradient_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> Any:
        raise AssertionError("a tape")

    monkeypatch.setitem(BACKENDS, "numba", replace(BACKENDS["numba"], soft_dtw_forward=refuse))
    cost = random_costs(1, 3, 3).requires_grad_()
    soft_dtw(cost.detach(), backend="numba")
    with torch.no_grad():
        soft_dtw(cost, backend="numba")
    with pytest.raises(AssertionError, match="a tape"):
        soft_dtw(cost, backend="numba")


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


def float32_costs(kind: str) -> torch.Tensor:
    if kind == "long":
        return 256 * random_costs(1, 2000, 1931, seed=1, dtype=torch.float32)
    if kind == "odd":
        return 256 * random_costs(3, 61, 243, seed=2, dtype=torch.float32)
    time = torch.linspace(0, 1, 150)[:, None]  # a valley along the diagonal, and close rivals of the best path
    x, y = (torch.cat([time**p, torch.sin(9 * time**p)], 1)[None] for p in (1.0, 1.5))
    return pairwise_distances(x, y, squared=True) * 20


@pytest.mark.parametrize(
    ("kind", "gamma"),
    [
        *((kind, gamma) for kind in ("odd", "valley") for gamma in (1.0, 0.1, 0.01, 1e-3, 1e-4)),
        *(("long", gamma) for gamma in (1.0, 1e-3, 1e-4)),
    ],
)
def test_float32_is_right_at_every_gamma(kind: str, gamma: float) -> None:
    cost = float32_costs(kind)
    exact, exact_grad = value_and_grad(Place("reference", "cpu"), cost.double(), gamma)
    bound = 1e-6 * exact.abs().clamp(min=gamma * sum(cost.shape[1:]))
    for backend in (name for name in CPU_BACKENDS if name != "reference" or kind != "long"):  # that alone takes seconds
        value, grad = value_and_grad(Place(backend, "cpu"), cost, gamma)
        assert value.dtype == grad.dtype == torch.float32
        assert ((value - exact).abs() <= bound).all()
        torch.testing.assert_close(grad.double(), exact_grad, rtol=0, atol=1e-5)


@pytest.mark.parametrize("backend", CPU_BACKENDS)
@pytest.mark.parametrize("poison", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("function", [dtw, dtw_distance, soft_dtw, soft_alignment])
def test_a_cost_that_is_not_finite_names_its_pair(function: Callable[..., object], poison: float, backend: str) -> None:
    cost = torch.zeros(4, 3, 3)
    cost[0, 2, 2] = torch.nan  # padding
    cost[2, 1, 0] = poison
    lengths = torch.tensor([[2, 2], [3, 3], [3, 3], [3, 3]])
    with pytest.raises(ValueError, match=r"pair 2 must be finite; got -?(nan|inf) at \(1, 0\)"):
        function(cost, lengths=lengths, backend=backend)


@pytest.mark.parametrize("function", [dtw, dtw_distance, soft_dtw, soft_alignment])
def test_with_check_every_device_names_the_pair(place: Place, function: Callable[..., object]) -> None:
    cost = torch.zeros(2, 3, 3, device=place.device)
    cost[1, 2, 1] = torch.inf
    with pytest.raises(ValueError, match=r"pair 1 must be finite; got inf at \(2, 1\)"):
        function(cost, backend=place.backend, check=True)
    if place.device == "cpu":
        return
    assert soft_dtw(cost, backend=place.backend).isnan().tolist() == [False, True]
    lengths = torch.tensor([[3, 3], [3, 4]], device=place.device)
    with pytest.raises(ValueError, match="lengths of pair 1"):
        function(cost, lengths=lengths, backend=place.backend, check=True)


@pytest.mark.parametrize("function", [dtw, dtw_distance, soft_dtw, soft_alignment])
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


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32, torch.uint16, torch.uint32, torch.uint64])
def test_lengths_may_be_any_integers(dtype: torch.dtype) -> None:
    cost = random_costs(1, 300, 3)  # more rows than a uint8 can tell
    lengths = torch.tensor([[4, 3]])
    assert torch.equal(soft_dtw(cost, lengths=lengths.to(dtype)), soft_dtw(cost, lengths=lengths))
    with pytest.raises(ValueError, match=r"lengths of pair 0 .* n=4, m=4"):
        soft_dtw(cost, lengths=torch.tensor([[4, 4]]).to(dtype))


@pytest.mark.parametrize("function", [dtw, dtw_distance, soft_dtw, soft_alignment])
@pytest.mark.parametrize(
    ("cost", "message"),
    [
        (torch.zeros(3, 4), r"\(B, N, M\).* got shape \(3, 4\)"),
        (torch.zeros(1, 0, 4), r"N, M >= 1; got shape \(1, 0, 4\)"),
        (torch.zeros(1, 3, 4, dtype=torch.bfloat16), "float32 or float64; got torch.bfloat16"),
        (torch.zeros(1, 3, 4, dtype=torch.int64), "float32 or float64; got torch.int64"),
        (np.zeros((1, 3, 4)), r"cost must be a torch.Tensor; got ndarray \(torch.as_tensor converts it\)"),
        ([[[1.0]]], "cost must be a torch.Tensor; got list"),
    ],
)
def test_wrong_costs_are_refused(function: Callable[..., object], cost: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        function(cost)


@pytest.mark.parametrize("gamma", [0.0, -1.0, float("nan"), float("inf")])
def test_gamma_must_be_positive(gamma: float) -> None:
    for function in (soft_dtw, soft_alignment):
        with pytest.raises(InputError, match="gamma must be a positive number"):
            function(torch.zeros(1, 2, 2), gamma)


@pytest.mark.parametrize("gamma", [torch.tensor(0.1, requires_grad=True), "0.1", None, True, [0.1]])
def test_gamma_must_be_a_plain_number(gamma: Any) -> None:
    for function in (soft_dtw, soft_alignment):
        with pytest.raises(InputError, match=r"gamma must be a positive number, not .*float"):
            function(torch.zeros(1, 2, 2), gamma)


@pytest.mark.parametrize("gamma", [1, np.float32(0.5), np.float64(0.5), np.int64(2)])
def test_gamma_may_be_a_number_of_numpy(gamma: Any) -> None:
    cost = random_costs(1, 4, 3)
    assert torch.equal(soft_dtw(cost, gamma), soft_dtw(cost, float(gamma)))


@pytest.mark.parametrize("function", [dtw, dtw_distance, soft_dtw, soft_alignment])
@pytest.mark.parametrize(
    ("band", "message"),
    [
        (-1, "band as a width must be at least 0 frames; got -1"),
        (1.5, r"band as a share must be in \[0, 1\]; got 1.5"),
        (float("nan"), r"band as a share must be in \[0, 1\]; got nan"),
        (True, "band must be None, .* got True"),
        ("0.1", "band must be None, .* got '0.1'"),
        (0.1, "band=0.1 leaves pair 1 of 3 and 9 frames no path from end to end; widen the band"),
        (1, "band=1 leaves pair 1 of 3 and 9 frames no path from end to end; widen the band"),
    ],
)
def test_wrong_bands_say_what_is_wrong(function: Callable[..., object], band: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        function(torch.zeros(2, 9, 9), lengths=torch.tensor([[9, 9], [3, 9]]), band=band)


def test_a_cell_outside_the_band_need_not_be_finite(place: Place) -> None:
    cost = torch.zeros(1, 9, 9, device=place.device)
    cost[0, 0, 8] = torch.nan
    assert soft_dtw(cost, band=0.5, backend=place.backend).isfinite().all()
    assert dtw(cost, band=0.5, backend=place.backend).distance == 0


@pytest.mark.parametrize("backend", list(BACKENDS))
@pytest.mark.parametrize("poison", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("band", [None, 0.5])
def test_behind_the_check_a_pair_that_is_not_finite_is_nan_and_no_other_is_touched(
    backend: str, poison: float, band: float | None
) -> None:
    device = torch.device((BACKENDS[backend].devices or ("cpu",))[0])
    if not BACKENDS[backend].is_available():
        pytest.skip(f"backend {backend} is not available here")
    cost = random_costs(3, 6, 5, dtype=torch.float32).to(device)
    broken = cost.clone()
    broken[1, 2, 2] = poison
    limits = path_limits(cost, None, band, open_begin=False, open_end=False)
    chosen = BACKENDS[backend]
    for name, values in (("dtw_distance", []), ("soft_dtw", [0.1])):
        clean, result = (getattr(chosen, name)(c, limits, *values) for c in (cost, broken))
        assert result.isnan().tolist() == [False, True, False]
        assert torch.equal(result[::2], clean[::2])
    assert chosen.dtw(broken, limits)[0].isnan().tolist() == [False, True, False]
    if chosen.soft_dtw_forward is not None and chosen.soft_dtw_backward is not None:
        ones = torch.ones(3, device=device)
        grads = []
        for c in (cost, broken):
            _, tape = chosen.soft_dtw_forward(c, limits, 0.1)
            grads.append(chosen.soft_dtw_backward(tape, limits, ones, c.shape))
        assert torch.equal(grads[1][::2], grads[0][::2])
        assert grads[1][1][limits.cells(6, 5)[1]].isnan().all()


def test_the_soft_alignment_is_the_gradient_and_has_one_itself(place: Place) -> None:
    cost = random_costs(2, 5, 4)
    _, grad = value_and_grad(place, cost, 0.2)
    plain = soft_alignment(cost.to(place.device), 0.2, backend=place.backend)
    assert not plain.requires_grad
    torch.testing.assert_close(plain.cpu(), grad)
    cost = cost.to(place.device).requires_grad_()
    with torch.no_grad():
        assert not soft_alignment(cost, 0.2, backend=place.backend).requires_grad
    assert torch.autograd.gradcheck(lambda c: soft_alignment(c, 0.2, backend=place.backend), cost)


@pytest.mark.parametrize("band", [None, 0.6])
def test_the_soft_alignment_needs_no_autograd(place: Place, band: float | None) -> None:
    cost = random_costs(2, 5, 4).to(place.device)
    lengths = torch.tensor([[5, 4], [3, 3]])
    expected = soft_alignment(cost, 0.2, lengths, band=band, backend=place.backend)
    with torch.inference_mode():
        frozen = cost.clone()
        assert torch.equal(soft_alignment(frozen, 0.2, lengths, band=band, backend=place.backend), expected)
        assert torch.equal(soft_alignment(cost, 0.2, lengths, band=band, backend=place.backend), expected)
    assert torch.equal(soft_alignment(frozen, 0.2, lengths, band=band, backend=place.backend), expected)


def test_limits_first_met_in_inference_mode_serve_training_too(place: Place) -> None:
    cost = random_costs(1, 23, 19).to(place.device)  # a shape of no other test
    with torch.inference_mode():
        frozen = soft_dtw(cost, 0.2, backend=place.backend)
    value, _ = value_and_grad(place, cost, 0.2)
    torch.testing.assert_close(value, frozen.cpu())


@pytest.mark.parametrize("squared", [True, False])
def test_the_divergence_is_least_and_zero_for_equal_sequences(place: Place, squared: bool) -> None:
    x, y = (random_costs(4, frames, 3, seed=frames).to(place.device) for frames in (7, 9))
    lengths = torch.tensor([[7, 9], [3, 5], [6, 1], [7, 2]])
    options: dict[str, Any] = {"squared": squared, "backend": place.backend}
    same = soft_dtw_divergence(x, x.clone(), 0.3, lengths[:, [0, 0]], **options)
    torch.testing.assert_close(same, torch.zeros_like(same), atol=1e-12, rtol=0)
    other = soft_dtw_divergence(x, y, 0.3, lengths, **options)
    assert (other > 0).all()

    def own(z: torch.Tensor) -> torch.Tensor:
        return soft_dtw(pairwise_distances(z, z, squared=squared), 0.3, backend=place.backend)

    n, m = lengths[1].tolist()
    u, v = x[1:2, :n], y[1:2, :m]
    between = soft_dtw(pairwise_distances(u, v, squared=squared), 0.3, backend=place.backend)
    torch.testing.assert_close(other[1:2], between - (own(u) + own(v)) / 2)


def test_padding_never_reaches_the_divergence_or_its_gradient(place: Place) -> None:
    x, y = (random_costs(2, frames, 3, seed=frames) for frames in (5, 6))
    lengths = torch.tensor([[5, 6], [3, 2]])
    grads = []
    for filler in (0.0, torch.nan):
        u, v = x.clone(), y.clone()
        u[1, 3:], v[1, 2:] = filler, filler
        u, v = u.to(place.device).requires_grad_(), v.to(place.device).requires_grad_()
        value = soft_dtw_divergence(u, v, 0.3, lengths, backend=place.backend)
        grads.append(torch.cat([g.flatten() for g in torch.autograd.grad(value.sum(), (u, v))]))
    assert torch.equal(grads[0], grads[1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((torch.zeros(3, 2), torch.zeros(1, 3, 2)), r"x and y must be .*got \(3, 2\) and \(1, 3, 2\)"),
        ((torch.zeros(1, 3, 2), [[[0.0, 0.0]]]), "y must be a torch.Tensor; got list"),
        ((torch.zeros(1, 3, 2), torch.zeros(1, 0, 2)), r"at least one frame; got \(1, 3, 2\) and \(1, 0, 2\)"),
        ((torch.zeros(1, 3, 2), torch.zeros(1, 4, 2), 0.0), "gamma must be a positive number"),
        ((torch.zeros(1, 3, 2), torch.zeros(1, 4, 2), 1.0, [3, 4]), r"lengths must be \(B, 2\) = \(1, 2\).*got \(2,\)"),
        ((torch.zeros(1, 3, 2), torch.zeros(1, 4, 2), 1.0, [[4, 4]]), "lengths of pair 0 .*m <= 4; got n=4, m=4"),
        ((torch.zeros(1, 3, 2), torch.zeros(1, 4, 2), 1.0, torch.ones(1, 2)), "lengths must be integers"),
    ],
)
def test_a_divergence_refuses_what_is_wrong_before_it_computes(
    arguments: Any, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_module("lrprop.alignment.soft_dtw"), "pairwise_distances", None)
    with pytest.raises(ValueError, match=message):
        soft_dtw_divergence(*arguments)
