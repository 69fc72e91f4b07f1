from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from lrprop.alignment import (
    dtw_distance,
    dtw_pairs,
    pairs,
    pairwise_distances,
    soft_dtw,
    soft_dtw_divergence,
    soft_dtw_pairs,
)
from lrprop.errors import InputError

OPTIONS: list[dict[str, Any]] = [{}, {"band": 0.7}, {"open_begin": True}, {"open_begin": True, "open_end": True}]


def sequences(*lengths: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(length, 3, generator=generator, dtype=dtype).requires_grad_() for length in lengths]


OURS, OTHERS = sequences(4, 7, 5, 3, 9), sequences(6, 4, seed=1)


@pytest.fixture(params=[1, 60, 2**20], autouse=True)
def block(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """One pair a block, some, all."""
    monkeypatch.setattr(pairs, "BLOCK", request.param)


@pytest.mark.parametrize("others", [None, OTHERS])
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("squared", [False, True])
def test_dtw_pairs_are_the_pairs_one_by_one(
    others: list[Tensor] | None, options: dict[str, Any], squared: bool
) -> None:
    table = dtw_pairs(OURS, others, squared=squared, **options)
    assert not table.requires_grad
    for i, x in enumerate(OURS):
        for j, y in enumerate(others or OURS):
            cost = pairwise_distances(x[None], y[None], squared=squared)
            torch.testing.assert_close(table[i, j : j + 1], dtw_distance(cost, **options), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("others", [None, OTHERS])
@pytest.mark.parametrize("options", [*OPTIONS, {"divergence": True}, {"divergence": True, "band": 0.7}])
@pytest.mark.parametrize("squared", [False, True])
def test_soft_dtw_pairs_and_their_gradient_are_those_one_by_one(
    others: list[Tensor] | None, options: dict[str, Any], squared: bool
) -> None:
    gamma, plain = 0.5, {name: value for name, value in options.items() if name != "divergence"}

    def one(x: Tensor, y: Tensor) -> Tensor:
        if "divergence" in options:
            return soft_dtw_divergence(x[None], y[None], gamma, squared=squared, **plain)
        return soft_dtw(pairwise_distances(x[None], y[None], squared=squared), gamma, **plain)

    table = soft_dtw_pairs(OURS, others, gamma, squared=squared, **options)
    expected = torch.stack([torch.cat([one(x, y) for y in others or OURS]) for x in OURS])
    torch.testing.assert_close(table, expected, rtol=1e-9, atol=1e-9)
    weights = torch.randn(expected.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    embeddings = OURS + (others or [])
    grads, expected_grads = (torch.autograd.grad(values, embeddings, weights) for values in (table, expected))
    for grad, expected_grad in zip(grads, expected_grads, strict=True):
        torch.testing.assert_close(grad, expected_grad, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize(("options", "count"), [({}, 15), ({"open_end": True}, 25)])
def test_a_symmetric_pair_is_aligned_once(monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], count: int) -> None:
    aligned = []

    def counted(cost: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        aligned.append(len(cost))
        return dtw_distance(cost, *args, **kwargs)

    monkeypatch.setattr(pairs, "dtw_distance", counted)
    dtw_pairs(OURS, **options)
    assert sum(aligned) == count


def test_no_block_is_larger_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = []

    def measured(x: Tensor, y: Tensor, *, squared: bool) -> Tensor:
        cells.append((len(x), x.shape[1] * y.shape[1] * len(x)))
        return pairwise_distances(x, y, squared=squared)

    monkeypatch.setattr(pairs, "pairwise_distances", measured)
    soft_dtw_pairs(OURS).sum().backward()
    assert all(count <= pairs.BLOCK or many == 1 for many, count in cells)


def test_a_block_must_not_hold_its_tape_until_the_backward_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = []

    def watched(cost: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        wanted.append(cost.requires_grad)
        return soft_dtw(cost, *args, **kwargs)

    monkeypatch.setattr(pairs, "soft_dtw", watched)
    table = soft_dtw_pairs(OURS)
    assert not any(wanted)
    torch.autograd.grad(table.sum(), OURS, retain_graph=True)
    assert any(wanted)


@pytest.mark.parametrize("function", [dtw_pairs, soft_dtw_pairs])
def test_wrong_sequences_are_named(function: Any) -> None:
    good = torch.zeros(4, 3)
    with pytest.raises(ValueError, match="sequences must hold at least one"):
        function([])
    with pytest.raises(ValueError, match="others must hold at least one"):
        function([good], [])
    with pytest.raises(ValueError, match=r"sequences\[1\] must be \(T, D\) .* D = 3; got shape \(4, 2\)"):
        function([good, torch.zeros(4, 2)])
    with pytest.raises(ValueError, match=r"others\[0\] must be .*got shape \(0, 3\)"):
        function([good], [good[:0]])
    with pytest.raises(ValueError, match=r"sequences\[1\] holds NaN"):
        function([good, good.log() - good.log()])
    with pytest.raises(InputError, match="of 4 and 9 frames no path from end to end"):
        function([good, torch.zeros(9, 3)], band=0.0)


def test_divergences_refuse_open_ends() -> None:
    with pytest.raises(InputError, match="divergence=True needs closed ends"):
        soft_dtw_pairs(OURS, divergence=True, open_end=True)


def test_sequences_of_different_dimensions_are_refused() -> None:
    with pytest.raises(ValueError, match=r"others\[0\] must be \(T, D\) .* D = 3; got shape \(4, 2\)"):
        dtw_pairs([torch.zeros(4, 3)], [torch.zeros(4, 2)])


@pytest.mark.parametrize("function", [dtw_pairs, soft_dtw_pairs])
def test_a_band_without_a_path_names_the_sequences(function: Any) -> None:
    short, long = torch.zeros(4, 3), torch.zeros(9, 3)
    with pytest.raises(InputError, match=r"band=1 leaves sequences\[1\] and sequences\[3\] of 4 and 9 frames no path"):
        function([long[:1], short, short, long], band=1)
    with pytest.raises(InputError, match=r"band=0.1 leaves sequences\[1\] and others\[2\] of 9 and 4 frames no path"):
        function([short[:1], long], [long[:1], long, short], band=0.1)
    with pytest.raises(InputError, match="band must be None"):
        function([short, long], band="1")


@pytest.mark.parametrize("function", [dtw_pairs, soft_dtw_pairs])
def test_the_widest_dtype_of_all_sequences_is_that_of_the_result(function: Any) -> None:
    narrow, wide = sequences(4, 6, dtype=torch.float32), sequences(5, seed=1)
    mixed = function([*narrow, *wide])
    assert mixed.dtype == torch.float64
    torch.testing.assert_close(mixed, function([x.double() for x in narrow] + wide))
    torch.testing.assert_close(function(narrow, wide), mixed[:2, 2:])


@pytest.mark.parametrize("function", [dtw_pairs, soft_dtw_pairs])
def test_what_is_no_tensor_of_real_numbers_is_refused_by_name(function: Any) -> None:
    good = torch.zeros(4, 3)
    with pytest.raises(ValueError, match=r"sequences\[1\] must be a torch.Tensor; got ndarray"):
        function([good, good.numpy()])
    with pytest.raises(ValueError, match=r"others\[0\] must be real; got torch.complex64"):
        function([good], [good.to(torch.complex64)])
    with pytest.raises(ValueError, match=r"sequences\[0\] must be \(T, D\) with T >= 1; got shape \(4,\)"):
        function([good[:, 0]])


def test_a_wrong_gamma_is_refused_before_anything_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "pairwise_distances", None)
    with pytest.raises(InputError, match="gamma must be a positive number"):
        soft_dtw_pairs(OURS, gamma=0.0)
