"""Euclidean distances between the frames of two sequences: the cost that DTW and SoftDTW align.

On the CPU a matrix multiplication does the work, |x - y|^2 = |x|^2 + |y|^2 - 2 x y, many times faster than taking the
differences. But it loses the digits of a distance that is small beside |x| and |y|. So the origin is moved to a frame
first, the cells that are still near are computed from their differences, and where those are many, the multiplication
runs in double precision, in which far fewer cells are near. The gradient, sum_j w_ij (x_i - y_j), is as delicate and
goes the same way.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

# A cell is near where |x - y|^2 <= NEAR (|x|^2 + |y|^2). The multiplication errs by some roundings of |x|^2 + |y|^2, so
# that the distance of a far cell is right to 1e-5 in float32 (1e-6 as a rule) and 1e-9 in float64.
NEAR = {torch.float32: 3e-2, torch.float64: 1e-6}
# From here on the next tier (float64, then all differences) is faster than mending the near cells.
MANY_NEAR = 1 / 32
# The cells of one step, a few megabytes: the passes over them find them in the cache.
STEP = 2**18


def pairwise_distances(x: Tensor, y: Tensor, *, squared: bool = False) -> Tensor:
    """Euclidean distance of every frame of `x` to every frame of `y`.

    Small distances keep their digits: each is right to 1e-5 of itself in float32 and to 1e-9 in float64, and that of
    equal frames is exactly 0. Where two frames coincide the gradient is the zero subgradient.

    Args:
        x: (B, N, D) embeddings of the first sequences; half precision is promoted to float32.
        y: (B, M, D) embeddings of the second sequences.
        squared: return squared distances.

    Returns:
        (B, N, M) distances, >= 0, float32 or float64; differentiable in `x` and `y`. On the CPU also twice, in memory
        for (B, N, M, D).

    Raises:
        ValueError: if the shapes are not (B, N, D) and (B, M, D).
    """
    if x.ndim != 3 or y.ndim != 3 or x.shape[0] != y.shape[0] or x.shape[2] != y.shape[2]:
        raise ValueError(f"x and y must be (B, N, D) and (B, M, D); got {tuple(x.shape)} and {tuple(y.shape)}")
    dtype = torch.promote_types(torch.promote_types(x.dtype, y.dtype), torch.float32)
    x, y = x.to(dtype), y.to(dtype)
    if x.device.type == "cpu":
        distances: Tensor = _Distances.apply(x, y, squared)
        return distances
    distances = _cdist(x, y)  # to find the near cells would wait for the device
    return distances.square() if squared else distances


def _cdist(x: Tensor, y: Tensor) -> Tensor:
    return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")


class _Distances(torch.autograd.Function):
    """A few pairs at a time, so that the gradient holds no further (B, N, M)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, squared: bool) -> Tensor:
        distances = x.new_empty(x.shape[0], x.shape[1], y.shape[1])
        for pairs in _steps(distances):
            squares = _squares(x[pairs], y[pairs])
            distances[pairs] = squares if squared else squares.sqrt_()
        ctx.save_for_backward(x, y, distances)
        ctx.squared = squared
        return distances

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, y, distances = ctx.saved_tensors
        if torch.is_grad_enabled():  # create_graph=True
            inputs = [embeddings for embeddings in (x, y) if embeddings.requires_grad]
            grads = iter(torch.autograd.grad(_by_differences(x, y, ctx.squared), inputs, grad, create_graph=True))
            return (*(next(grads) if needed else None for needed in ctx.needs_input_grad[:2]), None)
        x_grad, y_grad = torch.empty_like(x), torch.empty_like(y)
        for pairs in _steps(distances):
            x_grad[pairs], y_grad[pairs] = _pulled_back(x[pairs], y[pairs], distances[pairs], grad[pairs], ctx.squared)
        return x_grad, y_grad, None


def _steps(cells: Tensor) -> Iterator[slice]:
    pairs = max(1, STEP // max(1, cells[0].numel())) if len(cells) else 1
    return (slice(start, start + pairs) for start in range(0, len(cells), pairs))


def _squares(x: Tensor, y: Tensor) -> Tensor:
    """(B, N, M) squared distances."""
    u, v, norms = _moved(x, y)
    squares = (norms[0] + norms[1]).baddbmm_(u, v.mT, alpha=-2)
    near = _near(squares, norms)
    if near is None:
        return squares
    if len(near[0]) > MANY_NEAR * squares.numel():
        return _squares(x.double(), y.double()).to(x.dtype) if x.dtype == torch.float32 else _cdist(x, y).square_()
    for b, i, j in _batches(near, x.shape[2]):
        squares[b, i, j] = (x[b, i] - y[b, j]).square_().sum(-1)
    return squares


def _pulled_back(x: Tensor, y: Tensor, distances: Tensor, grad: Tensor, squared: bool) -> tuple[Tensor, Tensor]:
    """The gradients in x and y: sums of w_ij (x_i - y_j) over j, and of w_ij (y_j - x_i) over i."""
    u, v, norms = _moved(x, y)
    near = _near(distances if squared else distances.square(), norms)
    weights = 2 * grad if squared else grad / distances
    pulls = weights.new_empty(0)
    if near is not None:
        pulls = weights[near].masked_fill_(distances[near] == 0, 0.0)
        weights[near] = 0.0
        near, pulls = tuple(index[pulls != 0] for index in near), pulls[pulls != 0]  # most of padding goes here
    if len(pulls) > MANY_NEAR * distances.numel() and x.dtype == torch.float32:
        x_grad, y_grad = _pulled_back(x.double(), y.double(), distances.double(), grad.double(), squared)
        return x_grad.to(x.dtype), y_grad.to(x.dtype)
    x_grad = (weights.sum(2)[:, :, None] * u).baddbmm_(weights, v, alpha=-1)
    y_grad = (weights.sum(1)[:, :, None] * v).baddbmm_(weights.mT, u, alpha=-1)
    for b, i, j, pull in _batches((*near, pulls), x.shape[2]) if near is not None else ():
        pulled = pull[:, None] * (x[b, i] - y[b, j])
        x_grad.flatten(0, 1).index_add_(0, b * x.shape[1] + i, pulled)
        y_grad.flatten(0, 1).index_add_(0, b * y.shape[1] + j, pulled, alpha=-1)
    return x_grad, y_grad


def _moved(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor]]:
    """Both sequences with the first frame of `x` as the origin, and their squared norms (B, N, 1) and (B, 1, M).

    The mean would do as well, but for NaN on padding.
    """
    origin = x[:, :1]
    u, v = x - origin, y - origin
    return u, v, (u.square().sum(2, keepdim=True), v.square().sum(2)[:, None])


def _near(squares: Tensor, norms: tuple[Tensor, Tensor]) -> tuple[Tensor, ...] | None:
    """The near cells (b, i, j), or None."""
    share = NEAR[squares.dtype]
    if squares.amin() > share * (norms[0].amax() + norms[1].amax()):
        return None  # as mostly; NaN goes on
    near = squares <= share * (norms[0] + norms[1])
    return near.nonzero(as_tuple=True)


def _batches(cells: tuple[Tensor, ...], dimension: int) -> Iterator[tuple[Tensor, ...]]:
    """The near cells a few at a time, as each needs its two frames."""
    return zip(*(index.split(max(1, STEP // dimension)) for index in cells), strict=True)


def _by_differences(x: Tensor, y: Tensor, squared: bool) -> Tensor:
    """In torch's own operations, which it differentiates as often as one likes."""
    squares = (x[:, :, None] - y[:, None]).square().sum(-1)
    if squared:
        return squares
    same = squares == 0
    return squares.masked_fill(same, 1.0).sqrt().masked_fill(same, 0.0)
