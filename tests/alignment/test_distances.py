from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from lrprop.alignment import pairwise_distances, soft_dtw_divergence


def embeddings(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return normalize(torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype), dim=-1)


@pytest.mark.parametrize("squared", [False, True])
def test_equals_the_definition(squared: bool) -> None:
    x, y = embeddings(2, 5, 8), embeddings(2, 7, 8, seed=1)
    expected = (x[:, :, None] - y[:, None]).square().sum(-1)
    ours = pairwise_distances(x, y, squared=squared)
    assert ours.shape == (2, 5, 7)
    torch.testing.assert_close(ours, expected if squared else expected.sqrt())


@pytest.mark.parametrize("squared", [False, True])
def test_gradcheck_of_distinct_points(squared: bool) -> None:
    x, y = embeddings(2, 3, 4).requires_grad_(), embeddings(2, 5, 4, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda x, y: pairwise_distances(x, y, squared=squared), (x, y))


@pytest.mark.parametrize("squared", [False, True])
def test_coincident_points_have_distance_zero_and_the_zero_subgradient(squared: bool) -> None:
    x = embeddings(1, 4, 8).requires_grad_()
    y = x.detach().clone().requires_grad_()
    ours = pairwise_distances(x, y, squared=squared)
    assert (ours.diagonal(0, 1, 2) == 0).all()
    for grad in torch.autograd.grad(ours.diagonal(0, 1, 2).sum(), (x, y)):
        assert not grad.any()
        assert grad.isfinite().all()


def test_coincident_points_do_not_disturb_the_gradient_of_the_others() -> None:
    x, y = embeddings(1, 3, 4), embeddings(1, 5, 4, seed=1)
    y[0, 2] = x[0, 1]
    apart = torch.ones(3, 5, dtype=torch.bool)
    apart[1, 2] = False
    x.requires_grad_()
    (grad,) = torch.autograd.grad(pairwise_distances(x, y).sum(), x)
    difference = x.detach()[0, :, None] - y[0]
    units = torch.where(apart[..., None], normalize(difference, dim=-1), 0.0)
    torch.testing.assert_close(grad[0], units.sum(1))


def test_squared_distances_pass_gradcheck_at_coincident_points() -> None:
    x = embeddings(1, 3, 4).requires_grad_()
    y = x.detach().clone()
    assert torch.autograd.gradcheck(lambda x: pairwise_distances(x, y, squared=True), x)


def relative_error(ours: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> float:
    """The largest relative error of a distance, against differences in float64."""
    exact = (x.double()[:, :, None] - y.double()[:, None]).square().sum(-1).sqrt()
    assert (ours[exact == 0] == 0).all()
    return ((ours.double() - exact).abs() / exact.clamp(min=1e-300)).max().item()


def hard_cases(kind: str) -> tuple[torch.Tensor, torch.Tensor]:
    x, y = embeddings(3, 50, 128), embeddings(3, 40, 128, seed=1)
    if kind == "all distances":
        y = x[:, :40] + torch.logspace(-7, 1, 40, dtype=torch.float64)[:, None] * y
    if kind == "far from the origin":
        x, y = x + 1000, y + 1000
    if kind == "a slow video":
        x = normalize(embeddings(3, 1, 128) + 1e-3 * x.cumsum(1), dim=-1)
        y = normalize(x[:, 5:45] + 1e-4 * y, dim=-1)
    if kind == "equal frames":
        y = x[:, ::2].clone()
    if kind == "one frame again and again":
        x, y = x[:, :1].expand(3, 50, 128).clone(), x[:, :1].expand(3, 40, 128).clone()
    if kind == "a broken pair beside":
        y = x[:, :40] + 1e-6 * y
        x[1] = torch.nan
    return x, y


KINDS = ["all distances", "far from the origin", "a slow video", "equal frames", "one frame again and again"]


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-9)])
@pytest.mark.parametrize("kind", [*KINDS, "apart"])
def test_every_distance_keeps_its_digits(kind: str, dtype: torch.dtype, tolerance: float) -> None:
    x, y = (z.to(dtype) for z in hard_cases(kind))
    assert relative_error(pairwise_distances(x, y), x, y) <= tolerance
    assert relative_error(pairwise_distances(x, y, squared=True).sqrt(), x, y) <= tolerance


@pytest.mark.parametrize("squared", [False, True])
@pytest.mark.parametrize("kind", [*KINDS, "apart"])
def test_the_gradient_keeps_its_digits(kind: str, squared: bool) -> None:
    x, y = (z.float().requires_grad_() for z in hard_cases(kind))
    weights = torch.randn(3, 50, y.shape[1], generator=torch.Generator().manual_seed(2))
    grads = torch.autograd.grad(pairwise_distances(x, y, squared=squared), (x, y), weights)
    u, v = (z.detach().double().requires_grad_() for z in (x, y))
    squares = (u[:, :, None] - v[:, None]).square().sum(-1)
    apart = squares.detach() > 0
    exact = squares if squared else squares.where(apart, 1.0).sqrt() * apart
    for ours, theirs in zip(grads, torch.autograd.grad(exact, (u, v), weights.double()), strict=True):
        torch.testing.assert_close(ours.double(), theirs, rtol=0, atol=1e-5 * max(theirs.abs().max().item(), 1.0))


def test_nan_in_one_pair_or_on_padding_touches_nothing_else() -> None:
    x, y = (z.float() for z in hard_cases("a broken pair beside"))
    ours = pairwise_distances(x, y)
    assert ours.isnan().all(2).all(1).tolist() == [False, True, False]
    assert relative_error(ours[::2], x[::2], y[::2]) <= 1e-5
    x[1] = 0.0
    x[0, 30:], y[0, 20:] = torch.nan, torch.inf
    assert relative_error(pairwise_distances(x, y)[:1, :30, :20], x[:1, :30], y[:1, :20]) <= 1e-5


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 33, 2), (5, 31, 16), (4, 65, 64), (7, 40, 65), (2, 3, 200)])
@pytest.mark.parametrize("squared", [False, True])
def test_every_size_meets_the_whole_blocks_of_the_kernels(shape: tuple[int, int, int], squared: bool) -> None:
    n, m, dimension = shape
    x = (2 * embeddings(2, n, dimension)).requires_grad_()
    y = embeddings(2, m, dimension, seed=1).requires_grad_()
    weights = embeddings(2, n, m, seed=2)
    exact = (x[:, :, None] - y[:, None]).square().sum(-1)
    exact = exact if squared else exact.sqrt()
    ours = pairwise_distances(x, y, squared=squared)
    torch.testing.assert_close(ours, exact, rtol=1e-12, atol=0)
    expected = torch.autograd.grad(exact, (x, y), weights)
    for grad, wanted in zip(torch.autograd.grad(ours, (x, y), weights), expected, strict=True):
        torch.testing.assert_close(grad, wanted, rtol=1e-11, atol=1e-12)


def test_frames_without_gradient_are_not_read_in_the_backward_pass() -> None:
    x, y = embeddings(1, 9, 4).requires_grad_(), embeddings(1, 7, 4, seed=1).requires_grad_()
    weights = torch.zeros(1, 9, 7, dtype=x.dtype)
    weights[:, :6, :5] = 1.0
    expected = torch.autograd.grad(pairwise_distances(x, y), (x, y), weights)
    with torch.no_grad():
        x[:, 6:], y[:, 5:] = torch.nan, torch.inf
    for grad, wanted in zip(torch.autograd.grad(pairwise_distances(x, y), (x, y), weights), expected, strict=True):
        assert torch.equal(grad, wanted)


@pytest.mark.parametrize("squared", [False, True])
def test_twice_differentiable(squared: bool) -> None:
    x, y = embeddings(2, 3, 4).requires_grad_(), embeddings(2, 5, 4, seed=1).requires_grad_()
    assert torch.autograd.gradgradcheck(lambda x, y: pairwise_distances(x, y, squared=squared), (x, y))
    assert torch.autograd.gradgradcheck(lambda x: pairwise_distances(x, y.detach(), squared=squared), x)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: pairwise_distances(x, x, squared=True),
        lambda x: pairwise_distances(x, 2 * x),
        lambda x: pairwise_distances(x.flip(1), x),
        lambda x: soft_dtw_divergence(x, x.cumsum(1), 5.0),
    ],
)
def test_twice_differentiable_where_one_sequence_comes_from_the_other(
    function: Callable[[torch.Tensor], torch.Tensor],
) -> None:
    x = embeddings(1, 4, 3).requires_grad_()
    values = function(x)
    weights = embeddings(*values.shape, seed=2)
    (plain,) = torch.autograd.grad(values, x, weights)
    (graph,) = torch.autograd.grad(function(x), x, weights, create_graph=True)
    torch.testing.assert_close(graph, plain)
    assert torch.autograd.gradgradcheck(function, x)


def test_of_a_sequence_with_itself() -> None:
    x = embeddings(2, 6, 4).requires_grad_()
    y = x.detach().clone().requires_grad_()
    weights = embeddings(2, 6, 6)
    (once,) = torch.autograd.grad(pairwise_distances(x, x), x, weights)
    torch.testing.assert_close(once, sum(torch.autograd.grad(pairwise_distances(x, y), (x, y), weights)))
    assert not pairwise_distances(x, x).diagonal(0, 1, 2).any()


def test_half_precision_is_promoted() -> None:
    x = embeddings(1, 3, 4).to(torch.bfloat16)
    assert pairwise_distances(x, x).dtype == torch.float32


def test_empty_batches_and_wrong_shapes() -> None:
    assert pairwise_distances(torch.zeros(0, 3, 4), torch.zeros(0, 5, 4)).shape == (0, 3, 5)
    with pytest.raises(ValueError, match=r"got \(1, 3, 4\) and \(1, 3, 5\)"):
        pairwise_distances(torch.zeros(1, 3, 4), torch.zeros(1, 3, 5))


def test_what_is_no_tensor_of_real_numbers_is_refused_by_name() -> None:
    good = torch.zeros(1, 3, 4)
    with pytest.raises(ValueError, match=r"x must be a torch.Tensor; got list \(torch.as_tensor converts it\)"):
        pairwise_distances([[[1.0]]], good)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"y must be a torch.Tensor; got ndarray"):
        pairwise_distances(good, np.zeros((1, 3, 4)))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"y must be real; got torch.complex64 \(torch.view_as_real"):
        pairwise_distances(good, good.to(torch.complex64))
