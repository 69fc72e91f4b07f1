"""SoftDTW (Cuturi & Blondel 2017): its value, its soft alignment, its divergence, and its autograd."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from lrprop.alignment import reference
from lrprop.alignment.backends import Backend, choose_backend
from lrprop.alignment.distances import pairwise_distances
from lrprop.alignment.limits import PathLimits, own_lengths, path_limits
from lrprop.alignment.validation import check_cost, check_embeddings, check_gamma, refuse_nan


def soft_dtw(
    cost: Tensor,
    gamma: float = 0.1,
    lengths: Tensor | None = None,
    *,
    band: int | float | None = None,
    open_begin: bool = False,
    open_end: bool = False,
    backend: str = "auto",
    check: bool = False,
) -> Tensor:
    """The soft minimum, -gamma log sum exp(-cost / gamma), over the costs of all paths (Cuturi & Blondel 2017, Eq. 1).

    These are Eq. 10 and 11 of Bar-Shalom et al. 2023. The value tends to that of `dtw` as gamma tends to 0, is never
    above it, and may be negative. Its gradient in the cost is `soft_alignment`.

    With open ends the first sequence is aligned to a part of the second: every frame of the FIRST sequence is still
    matched, but frames of the second may stay without a match before the beginning and after the end of a path.

    Args:
        cost: (B, N, M) float32 or float64, the cost of matching frame i of the first with frame j of the second
            sequence; finite, may be negative.
        gamma: the temperature, > 0, in the unit of the cost; a number, to which no gradient flows.
        lengths: (B, 2) integers, the frames 1 <= n <= N and 1 <= m <= M of each pair; the rest is padding, never read,
            and its gradient is exactly 0. None where nothing is padded.
        band: keep paths near the diagonal, whose slope is that of the two lengths (Sakoe & Chiba 1978): the half width
            as a number of frames of the longer sequence (int) or as a share of it (float in [0, 1]). None for no band.
        open_begin: a path may begin at any (0, j) instead of (0, 0).
        open_end: a path may end at any (n - 1, j) instead of (n - 1, m - 1).
        backend: "auto" or a name of `lrprop.alignment.BACKENDS`.
        check: on another device than the CPU, wait for it and check lengths and costs there too.

    Returns:
        (B,) values in the dtype of the cost, twice differentiable in it: a second derivative is computed by the
        "reference" backend. Off the CPU and without `check`, a pair with NaN or infinity gets NaN, and only that pair.

    Raises:
        ValueError: for a wrong shape, dtype or length, and (on the CPU or with `check`) for NaN or infinity in a cell
            that a path may visit, naming the pair.
        InputError: for a gamma that is not positive, a band that is wrong or leaves no path, or a backend that is
            unknown or not available.
    """
    check_gamma(gamma)
    check_cost(cost)
    limits = path_limits(cost, lengths, band, open_begin, open_end, check)
    chosen = choose_backend(backend, cost.device)
    value = _differentiable(cost, limits, float(gamma), chosen)
    refuse_nan(value.detach(), cost, limits, check)
    return value


def soft_alignment(
    cost: Tensor,
    gamma: float = 0.1,
    lengths: Tensor | None = None,
    *,
    band: int | float | None = None,
    open_begin: bool = False,
    open_end: bool = False,
    backend: str = "auto",
    check: bool = False,
) -> Tensor:
    """The expected path: how likely a path visits each cell, if it is drawn with probability ~ exp(-cost / gamma).

    It is the gradient of `soft_dtw` in the cost (Algorithm 2 of Cuturi & Blondel 2017), and tends to the path of `dtw`
    as gamma tends to 0.

    Args:
        cost: as in `soft_dtw`, like all that follow.
        gamma: the temperature, > 0, in the unit of the cost.
        lengths: (B, 2) integers, or None.
        band: a width in frames (int), a share (float), or None.
        open_begin: paths may begin at any (0, j).
        open_end: paths may end at any (n - 1, j).
        backend: "auto" or a name of `lrprop.alignment.BACKENDS`.
        check: wait for the device to check what lies there.

    Returns:
        (B, N, M) probabilities in [0, 1], exactly 0 outside the band and on padding. Every row of a pair sums to at
        least 1, and so does every column where the ends are not open. Differentiable in the cost: where that asks for
        a graph, the "reference" backend computes it, whatever the backend chosen.

    Raises:
        ValueError: as `soft_dtw`.
        InputError: as `soft_dtw`.
    """
    check_gamma(gamma)
    check_cost(cost)
    limits = path_limits(cost, lengths, band, open_begin, open_end, check)
    chosen = choose_backend(backend, cost.device)
    value, alignment = _value_and_alignment(cost, limits, float(gamma), chosen)
    refuse_nan(value, cost, limits, check)
    return alignment


def soft_dtw_divergence(
    x: Tensor,
    y: Tensor,
    gamma: float = 0.1,
    lengths: Tensor | None = None,
    *,
    squared: bool = True,
    band: int | float | None = None,
    backend: str = "auto",
    check: bool = False,
) -> Tensor:
    """What SoftDTW lacks of a divergence, corrected: soft_dtw(x, y) - (soft_dtw(x, x) + soft_dtw(y, y)) / 2.

    `soft_dtw` alone may be negative and is not least at x = y; this is 0 there (Blondel, Mensch & Vert 2021).

    Args:
        x: (B, N, D) embeddings of the first sequences.
        y: (B, M, D) embeddings of the second sequences.
        gamma: the temperature, > 0, in the unit of the cost.
        lengths: (B, 2) integers, the frames n and m of each pair; the rest is padding, never read. None where nothing
            is padded.
        squared: the cost is the squared Euclidean distance, else the Euclidean distance.
        band: as in `soft_dtw`, in all three terms.
        backend: "auto" or a name of `lrprop.alignment.BACKENDS`.
        check: wait for the device to check what lies there.

    Returns:
        (B,) values, 0 where both sequences are equal; differentiable in `x` and `y`.

    Raises:
        ValueError: as `pairwise_distances` and `soft_dtw`, and for sequences without a frame.
        InputError: as `soft_dtw`.
    """

    def term(u: Tensor, v: Tensor, columns: list[int]) -> Tensor:
        frames = None if lengths is None else lengths[:, columns]
        cost = pairwise_distances(u, v, squared=squared)
        return soft_dtw(cost, gamma, frames, band=band, backend=backend, check=check)

    check_gamma(gamma)
    check_embeddings(x, y)
    if 0 in (x.shape[1], y.shape[1]):
        raise ValueError(f"x and y must have at least one frame; got {tuple(x.shape)} and {tuple(y.shape)}")
    if lengths is not None:
        lengths = own_lengths(lengths, len(x), x.shape[1], y.shape[1], check)
        x, y = _without_padding(x, lengths[:, 0]), _without_padding(y, lengths[:, 1])
    return term(x, y, [0, 1]) - (term(x, x, [0, 0]) + term(y, y, [1, 1])) / 2


def _without_padding(x: Tensor, lengths: Tensor) -> Tensor:
    """Zeros for whatever lies there: NaN would reach the gradient of the distances."""
    padding = torch.arange(x.shape[1], device=x.device) >= lengths.to(x.device)[:, None]
    return x.masked_fill(padding[:, :, None], 0.0)


def _differentiable(cost: Tensor, limits: PathLimits, gamma: float, backend: Backend) -> Tensor:
    if backend.soft_dtw_forward is None or not (cost.requires_grad and torch.is_grad_enabled()):
        return backend.soft_dtw(cost, limits, gamma)
    value: Tensor = _SoftDTW.apply(cost, limits, gamma, backend)
    return value


def _value_and_alignment(cost: Tensor, limits: PathLimits, gamma: float, backend: Backend) -> tuple[Tensor, Tensor]:
    if torch.is_grad_enabled() and cost.requires_grad:  # the kernels' gradient has no derivative
        return _by_autograd(cost, limits, gamma, create_graph=True)
    if backend.soft_dtw_forward is None or backend.soft_dtw_backward is None:
        with torch.inference_mode(False), torch.enable_grad():
            return _by_autograd(cost.detach().clone().requires_grad_(), limits, gamma, create_graph=False)
    value, tape = backend.soft_dtw_forward(cost.detach(), limits, gamma)
    return value, backend.soft_dtw_backward(tape, limits, torch.ones_like(value), cost.shape)


def _by_autograd(cost: Tensor, limits: PathLimits, gamma: float, create_graph: bool) -> tuple[Tensor, Tensor]:
    value = reference.soft_dtw(cost, limits, gamma)
    (alignment,) = torch.autograd.grad(value, cost, torch.ones_like(value), create_graph=create_graph)
    return value.detach(), alignment


class _SoftDTW(torch.autograd.Function):
    """Joins a backend's forward and backward kernels."""

    @staticmethod
    def forward(ctx: Any, cost: Tensor, limits: PathLimits, gamma: float, backend: Backend) -> Tensor:
        assert backend.soft_dtw_forward is not None  # or torch would differentiate `backend.soft_dtw`
        value, tape = backend.soft_dtw_forward(cost, limits, gamma)
        ctx.save_for_backward(cost)
        ctx.tape, ctx.shape = tape, cost.shape
        ctx.limits, ctx.gamma, ctx.backend = limits, gamma, backend
        return value

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():  # create_graph=True, and the kernels' gradient has no derivative
            (cost,) = ctx.saved_tensors
            value = reference.soft_dtw(cost, ctx.limits, ctx.gamma)
            (cost_grad,) = torch.autograd.grad(value, cost, grad, create_graph=True)
            return cost_grad, None, None, None
        # The kernels use up the tape, so that no third (B, N, M) is ever held; retain_graph=True pays with another one.
        tape, ctx.tape = ctx.tape, None
        if tape is None:
            tape = ctx.backend.soft_dtw_forward(ctx.saved_tensors[0], ctx.limits, ctx.gamma)[1]
        return ctx.backend.soft_dtw_backward(tape, ctx.limits, grad, ctx.shape), None, None, None
