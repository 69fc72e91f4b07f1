"""Euclidean distances between the frames of two sequences: the cost that DTW and SoftDTW align."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from lrprop.alignment.distance_kernels import BLOCK, COLUMNS, ROWS, fill_distances, pull_back
from lrprop.alignment.threads import over_pairs
from lrprop.alignment.validation import check_embeddings

_SECONDS_PER_COORDINATE = 1.5e-11


def pairwise_distances(x: Tensor, y: Tensor, *, squared: bool = False) -> Tensor:
    """Euclidean distance of every frame of `x` to every frame of `y`.

    All distances are summed from the differences of the coordinates, so that small ones keep their digits, and equal
    frames are at distance exactly 0. Where two frames coincide the gradient is the zero subgradient. A frame that gets
    no gradient from any distance, such as padding, is not read in the backward pass.

    Args:
        x: (B, N, D) embeddings of the first sequences; half precision is promoted to float32.
        y: (B, M, D) embeddings of the second sequences.
        squared: return squared distances.

    Returns:
        (B, N, M) distances, >= 0, float32 or float64; differentiable in `x` and `y`. On the CPU also twice, in memory
        for (B, N, M, D).

    Raises:
        ValueError: for what are no real tensors (B, N, D) and (B, M, D).
    """
    check_embeddings(x, y)
    dtype = torch.promote_types(torch.promote_types(x.dtype, y.dtype), torch.float32)
    x, y = x.to(dtype), y.to(dtype)
    if x.device.type == "cpu":
        wants_gradient = torch.is_grad_enabled() and (x.requires_grad or y.requires_grad)
        return _Distances.apply(x, y, squared) if wants_gradient else _fill(x.detach(), y.detach(), squared)
    # The matrix-multiplication mode would be faster, but it loses every digit of a distance below 1e-3 in float32.
    distances = torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")
    return distances.square() if squared else distances


class _Distances(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, squared: bool) -> Tensor:
        distances = _fill(x.detach(), y.detach(), squared)
        ctx.save_for_backward(x, y, distances)
        ctx.squared = squared
        return distances

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, y, distances = ctx.saved_tensors
        if not torch.is_grad_enabled():
            return (*_pull_back(x.detach(), y.detach(), ctx.squared, distances.detach(), grad), None)
        # create_graph=True. Aliases, as y may be x or computed from it, and the way through y is not x's own gradient.
        x, y = x.view_as(x), y.view_as(y)
        inputs = [embeddings for embeddings in (x, y) if embeddings.requires_grad]
        grads = iter(torch.autograd.grad(_by_differences(x, y, ctx.squared), inputs, grad, create_graph=True))
        return (*(next(grads) if needed else None for needed in ctx.needs_input_grad[:2]), None)


def _fill(x: Tensor, y: Tensor, squared: bool) -> Tensor:
    shape, dimension = (x.shape[0], x.shape[1], y.shape[1]), x.shape[2]
    x, y = _padded(x, ROWS), _padded(y, COLUMNS)
    distances = x.new_empty(x.shape[0], x.shape[1], y.shape[1])
    arrays = x.numpy(), y.numpy(), dimension, squared, distances.numpy()
    _over_pairs(lambda start, stop: fill_distances(*arrays, start, stop), distances, dimension)
    return distances if distances.shape == shape else distances[:, : shape[1], : shape[2]].contiguous()


def _pull_back(x: Tensor, y: Tensor, squared: bool, distances: Tensor, grad: Tensor) -> tuple[Tensor, Tensor]:
    frames, dimension = (x.shape[1], y.shape[1]), x.shape[2]
    x, y = _padded(x, 1), _padded(y, 1)
    x_grad, y_grad = torch.empty_like(x), torch.empty_like(y)
    inputs = x.numpy(), y.numpy(), squared, distances.numpy(), grad.contiguous().numpy()
    outputs = x_grad.numpy(), y_grad.numpy()
    _over_pairs(lambda start, stop: pull_back(*inputs, *outputs, start, stop), distances, 4 * dimension)
    return x_grad[:, : frames[0], :dimension], y_grad[:, : frames[1], :dimension]


def _padded(frames: Tensor, count: int) -> Tensor:
    """At least `count` frames of whole BLOCKs of coordinates, as the kernels want them, filled up with zeros."""
    missing = max(0, count - frames.shape[1]), -frames.shape[2] % BLOCK
    return pad(frames, (0, missing[1], 0, missing[0])) if any(missing) else frames.contiguous()


def _over_pairs(run: Any, distances: Tensor, coordinates: int) -> None:
    over_pairs(run, len(distances), distances.numel() * coordinates * _SECONDS_PER_COORDINATE)


def _by_differences(x: Tensor, y: Tensor, squared: bool) -> Tensor:
    """In torch's own operations, which it differentiates as often as one likes."""
    squares = (x[:, :, None] - y[:, None]).square().sum(-1)
    if squared:
        return squares
    same = squares == 0
    return squares.masked_fill(same, 1.0).sqrt().masked_fill(same, 0.0)
