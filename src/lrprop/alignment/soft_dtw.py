"""SoftDTW (Cuturi & Blondel 2017), differentiable in the cost: the public function and its autograd."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from lrprop.alignment.backends import Backend, choose_backend
from lrprop.alignment.validation import check_cost, check_finite, check_lengths
from lrprop.errors import InputError


def soft_dtw(
    cost: Tensor,
    gamma: float = 0.1,
    lengths: Tensor | None = None,
    *,
    open_begin: bool = False,
    open_end: bool = False,
    backend: str = "auto",
) -> Tensor:
    """The soft minimum, -gamma log sum exp(-cost / gamma), over the costs of all paths (Cuturi & Blondel 2017, Eq. 1).

    These are Eq. 10 and 11 of Bar-Shalom et al. 2023. The value tends to that of `dtw` as gamma tends to 0, is never
    above it, and may be negative. Its gradient in the cost is the soft alignment: the share of the paths, each weighted
    by exp(-cost / gamma), that visit a cell (Algorithm 2 of Cuturi & Blondel 2017).

    With open ends the first sequence is aligned to a part of the second: every frame of the FIRST sequence is still
    matched, but frames of the second may stay without a match before the beginning and after the end of a path.

    Args:
        cost: (B, N, M) float32 or float64, the cost of matching frame i of the first with frame j of the second
            sequence; finite, may be negative. The recursion runs in float64 for both.
        gamma: the temperature, > 0, in the unit of the cost.
        lengths: (B, 2) integers, the frames 1 <= n <= N and 1 <= m <= M of each pair; the rest is padding, never read,
            and its gradient is exactly 0. None where nothing is padded.
        open_begin: a path may begin at any (0, j) instead of (0, 0).
        open_end: a path may end at any (n - 1, j) instead of (n - 1, m - 1).
        backend: "auto" or a name of `lrprop.alignment.BACKENDS`; "reference" is twice differentiable, the others once.

    Returns:
        (B,) values in the dtype of the cost, differentiable in it.

    Raises:
        ValueError: for a wrong shape, dtype or length, and (on the CPU) for NaN or infinity in a valid cell, naming the
            pair.
        InputError: for a gamma that is not positive, or a backend that is unknown or not available.
        RuntimeError: in the backward pass, for `create_graph=True` on another backend than "reference".
    """
    if not (gamma > 0 and math.isfinite(gamma)):
        raise InputError(f"gamma must be a positive number; got {gamma} (dtw is the limit at 0)")
    check_cost(cost)
    lengths = check_lengths(cost, lengths)
    check_finite(cost, lengths)
    chosen = choose_backend(backend, cost.device)
    if chosen.soft_dtw_backward is None:
        return chosen.soft_dtw(cost, lengths, float(gamma), open_begin, open_end)[0]
    value: Tensor = _SoftDTW.apply(cost, lengths, float(gamma), open_begin, open_end, chosen)
    return value


class _SoftDTW(torch.autograd.Function):
    """Joins a backend's forward and backward kernels."""

    @staticmethod
    def forward(
        ctx: Any, cost: Tensor, lengths: Tensor, gamma: float, open_begin: bool, open_end: bool, backend: Backend
    ) -> Tensor:
        value, table = backend.soft_dtw(cost, lengths, gamma, open_begin, open_end)
        ctx.save_for_backward(table, lengths)
        ctx.options = (gamma, open_begin, open_end)
        ctx.backend = backend
        return value

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():  # create_graph=True: the kernels' gradient would silently count as a constant
            raise RuntimeError(f"soft_dtw on backend {ctx.backend.name!r} is differentiable once; use 'reference'")
        table, lengths = ctx.saved_tensors
        cost_grad = ctx.backend.soft_dtw_backward(table, lengths, *ctx.options, grad)
        return cost_grad, None, None, None, None, None
