"""The backend for the CPU: serial Numba kernels over one pair, spread over threads pair by pair.

Every thread keeps its scratch memory: fresh pages would cost more than the recursion.
"""

from __future__ import annotations

import threading
from functools import partial

import numpy as np
import torch
from torch import Tensor

from lrprop.alignment.lanes import LANES
from lrprop.alignment.limits import PathLimits
from lrprop.alignment.numba_kernels import ROOM, align_pairs, soft_align_pairs
from lrprop.alignment.threads import over_pairs

_SECONDS_PER_CELL, _SECONDS_PER_PRODUCT = 1.5e-9, 2e-10
_SCRATCH_KEPT = 2**26
"""Bytes a thread; larger ones are given back."""


def dtw(cost: Tensor, limits: PathLimits) -> tuple[Tensor, Tensor, Tensor]:
    """The least total cost (B,), the direction codes (B, N, M) int8 and the column (B,) in which each path ends."""
    directions = np.empty(cost.shape, np.int8)
    distance, last_columns = _align(cost, limits, directions)
    return distance, torch.from_numpy(directions), last_columns


def dtw_distance(cost: Tensor, limits: PathLimits) -> Tensor:
    """The least total cost (B,)."""
    return _align(cost, limits, np.empty((0, 0, 0), np.int8))[0]


def _align(cost: Tensor, limits: PathLimits, directions: np.ndarray) -> tuple[Tensor, Tensor]:
    distance, last_columns = np.empty(len(cost)), np.empty(len(cost), np.int64)
    arguments = *_arrays(cost, limits), limits.open_begin, limits.open_end, distance, last_columns, directions

    def run(start: int, stop: int) -> None:
        align_pairs(*arguments, start, stop)

    over_pairs(run, len(cost), cost.numel() * _SECONDS_PER_CELL)
    return torch.from_numpy(distance).to(cost.dtype), torch.from_numpy(last_columns)


def soft_dtw(cost: Tensor, limits: PathLimits, gamma: float) -> Tensor:
    """The soft minimum over all paths (B,)."""
    return _soft_align(cost, limits, gamma, np.empty((0, 0, 0), _dtype(cost)))


def soft_dtw_forward(cost: Tensor, limits: PathLimits, gamma: float) -> tuple[Tensor, Tensor]:
    """The soft minimum over all paths (B,), and as a tape the soft alignment (B, N, M)."""
    alignment = np.empty(cost.shape, _dtype(cost))
    return _soft_align(cost, limits, gamma, alignment), torch.from_numpy(alignment)


def soft_dtw_backward(tape: Tensor, limits: PathLimits, grad: Tensor, shape: torch.Size) -> Tensor:
    """The soft alignment of each pair times its `grad` (B,): the cost's gradient (B, N, M), written over the tape."""
    shares, factors = tape.numpy(), grad.detach().numpy()[:, None, None]

    def run(start: int, stop: int) -> None:
        np.multiply(shares[start:stop], factors[start:stop], out=shares[start:stop])

    over_pairs(run, len(tape), tape.numel() * _SECONDS_PER_PRODUCT)  # torch would wake threads of its own
    return tape


def _soft_align(cost: Tensor, limits: PathLimits, gamma: float, alignment: np.ndarray) -> Tensor:
    """The values, and the soft alignments unless `alignment` is empty."""
    value, pending = torch.empty(len(cost), dtype=cost.dtype), np.ones(len(cost), np.bool_)
    arrays, outputs = (*_arrays(cost, limits), limits.open_begin, limits.open_end), (value.numpy(), pending, alignment)
    strips, steps = -(-cost.shape[1] // LANES), cost.shape[2] + 2 * LANES
    scratch = 2 * LANES * strips * steps if len(alignment) else LANES

    def run(dtype: type[np.floating], room: int, start: int, stop: int) -> None:
        memory = np.empty(LANES * (LANES + steps), dtype), _scratch(scratch, alignment.dtype)
        soft_align_pairs(*arrays, gamma, room, *outputs, *memory, start, stop)

    seconds = cost.numel() * _SECONDS_PER_CELL
    if cost.dtype == torch.float32:
        over_pairs(partial(run, np.float32, ROOM[4]), len(cost), seconds)
    if pending.any():  # what float32 did not suffice for
        over_pairs(partial(run, np.float64, ROOM[8]), len(cost), seconds)
    return value


def _arrays(cost: Tensor, limits: PathLimits) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return cost.detach().contiguous().numpy(), limits.lengths.numpy(), limits.slack.numpy()


def _dtype(cost: Tensor) -> type[np.floating]:
    return np.float32 if cost.dtype == torch.float32 else np.float64


_local = threading.local()


def _scratch(size: int, dtype: np.dtype) -> np.ndarray:
    """`size` numbers of any value, this thread's until its next call."""
    needed = size * dtype.itemsize
    memory: np.ndarray | None = getattr(_local, "memory", None)
    if memory is None or memory.nbytes < needed:
        memory = np.empty(needed, np.uint8)
        if needed <= _SCRATCH_KEPT:
            _local.memory = memory
    return memory[:needed].view(dtype)
