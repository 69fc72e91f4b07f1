"""The backend for the CPU: serial Numba kernels over one pair, spread over threads pair by pair.

The kernels release the GIL, so Python threads run them side by side. Numba's own `parallel=True` is left alone: its
OpenMP pool does not survive a fork, and the workers of a DataLoader are forks.

Every kernel computes in float64, whatever the dtype of the cost, and reads no padding.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from math import exp, inf, log
from typing import Any

import numpy as np
import torch
from numba import njit
from torch import Tensor

from lrprop.alignment.traceback import DIAGONAL, LEFT, UP

# Below this much work (seconds, one thread) waking the threads costs more than they save.
_WORTH_THREADS = 3e-4
_HARD_CELL, _SOFT_CELL = 4e-9, 3e-8
_CHUNKS_PER_THREAD = 4


def dtw(cost: Tensor, lengths: Tensor, open_begin: bool, open_end: bool) -> tuple[Tensor, Tensor, Tensor]:
    """The least total cost (B,), the direction codes (B, N, M) int8 and the column (B,) in which each path ends."""
    distance = np.empty(len(cost))
    directions = np.zeros(cost.shape, np.int8)
    last_columns = np.empty(len(cost), np.int64)
    arrays = _array(cost), _array(lengths)
    _over_batch(_dtw, lengths, _HARD_CELL, *arrays, open_begin, open_end, distance, directions, last_columns)
    return _tensor(distance, cost.dtype), torch.from_numpy(directions), torch.from_numpy(last_columns)


def soft_dtw(cost: Tensor, lengths: Tensor, gamma: float, open_begin: bool, open_end: bool) -> tuple[Tensor, Tensor]:
    """The soft minimum over all paths (B,), and the table (B, N, M) float64 that the backward pass needs."""
    value = np.empty(len(cost))
    table = np.empty(cost.shape)
    arrays = _array(cost), _array(lengths)
    _over_batch(_soft_dtw, lengths, _SOFT_CELL, *arrays, gamma, open_begin, open_end, value, table)
    return _tensor(value, cost.dtype), torch.from_numpy(table)


def soft_dtw_backward(
    table: Tensor, lengths: Tensor, gamma: float, open_begin: bool, open_end: bool, grad: Tensor
) -> Tensor:
    """The soft alignment of each pair times its `grad` (B,): the gradient (B, N, M) of the cost, 0 on padding."""
    alignment = np.zeros(table.shape)
    arrays = _array(table), _array(lengths)
    grads = _array(grad.double())
    _over_batch(_soft_alignment, lengths, _SOFT_CELL, *arrays, gamma, open_begin, open_end, grads, alignment)
    return _tensor(alignment, grad.dtype)


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().contiguous().numpy()


def _tensor(array: np.ndarray, dtype: torch.dtype) -> Tensor:
    return torch.from_numpy(array).to(dtype)


def _over_batch(kernel: Callable[..., None], lengths: Tensor, seconds_per_cell: float, *arguments: Any) -> None:
    """Run a kernel over all pairs, on as many threads as torch may use (`torch.set_num_threads`)."""
    pairs = len(lengths)
    threads = min(torch.get_num_threads(), pairs)
    seconds = int(lengths.prod(1).sum()) * seconds_per_cell
    if threads < 2 or seconds < _WORTH_THREADS:
        kernel(*arguments, 0, pairs)
        return
    chunks = min(pairs, threads * _CHUNKS_PER_THREAD)
    edges = [pairs * chunk // chunks for chunk in range(chunks + 1)]
    # list() waits for every chunk and raises what one of them raised.
    list(_threads(threads).map(lambda start, stop: kernel(*arguments, start, stop), edges[:-1], edges[1:]))


@cache
def _threads(count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count, thread_name_prefix="lrprop-alignment")


# Threads do not live on in a forked process, so that a pool inherited from the parent would wait for ever.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_threads.cache_clear)


@njit(nogil=True, cache=True)
def _dtw(
    cost: np.ndarray,
    lengths: np.ndarray,
    open_begin: bool,
    open_end: bool,
    distance: np.ndarray,
    directions: np.ndarray,
    last_columns: np.ndarray,
    start: int,
    stop: int,
) -> None:
    for b in range(start, stop):
        n, m = lengths[b]
        last_row = _directions_of_pair(cost[b], n, m, open_begin, directions[b])
        column = 0 if open_end else m - 1
        for j in range(column + 1, m):
            if last_row[j] < last_row[column]:
                column = j
        distance[b] = last_row[column]
        last_columns[b] = column


@njit(nogil=True, cache=True)
def _directions_of_pair(cost: np.ndarray, n: int, m: int, open_begin: bool, directions: np.ndarray) -> np.ndarray:
    """Fill in the codes; of the table itself only the row at work is kept, and the last one returned."""
    row = np.full(m, inf)
    for i in range(n):
        diagonal = 0.0 if i == 0 else inf
        left = inf
        for j in range(m):
            up = row[j]
            if diagonal <= up and diagonal <= left:
                best, code = diagonal, DIAGONAL
            elif up <= left:
                best, code = up, UP
            else:
                best, code = left, LEFT
            directions[i, j] = code
            left = cost[i, j] + best
            row[j] = left
            diagonal = 0.0 if i == 0 and open_begin else up
    return row


@njit(nogil=True, cache=True)
def _soft_dtw(
    cost: np.ndarray,
    lengths: np.ndarray,
    gamma: float,
    open_begin: bool,
    open_end: bool,
    value: np.ndarray,
    table: np.ndarray,
    start: int,
    stop: int,
) -> None:
    for b in range(start, stop):
        n, m = lengths[b]
        for i in range(n):
            for j in range(m):
                diagonal, up, left = _predecessors(table[b], i, j, open_begin)
                low = min(diagonal, up, left)
                total = exp((low - diagonal) / gamma) + exp((low - up) / gamma) + exp((low - left) / gamma)
                table[b, i, j] = cost[b, i, j] + low - gamma * log(total)
        value[b] = _soft_minimum(table[b, n - 1, 0 if open_end else m - 1 : m], gamma)


@njit(nogil=True, cache=True)
def _soft_alignment(
    table: np.ndarray,
    lengths: np.ndarray,
    gamma: float,
    open_begin: bool,
    open_end: bool,
    grad: np.ndarray,
    alignment: np.ndarray,
    start: int,
    stop: int,
) -> None:
    """Hand each cell's share on to its predecessors, from the last cell back.

    The same sum as Algorithm 2 of Cuturi & Blondel 2017, spread from a cell instead of gathered into it: a cell's three
    weights are then one softmax, which cannot overflow and sums to 1 however small gamma is.
    """
    for b in range(start, stop):
        n, m = lengths[b]
        first = 0 if open_end else m - 1
        value = _soft_minimum(table[b, n - 1, first:m], gamma)
        for j in range(first, m):
            alignment[b, n - 1, j] = grad[b] * exp((value - table[b, n - 1, j]) / gamma)
        for i in range(n - 1, -1, -1):
            for j in range(m - 1, -1, -1):
                if alignment[b, i, j] != 0.0:
                    _spread(table[b], alignment[b], i, j, gamma, open_begin)


@njit(nogil=True, cache=True)
def _spread(table: np.ndarray, alignment: np.ndarray, i: int, j: int, gamma: float, open_begin: bool) -> None:
    diagonal, up, left = _predecessors(table, i, j, open_begin)
    low = min(diagonal, up, left)
    diagonal, up, left = exp((low - diagonal) / gamma), exp((low - up) / gamma), exp((low - left) / gamma)
    share = alignment[i, j] / (diagonal + up + left)
    if i > 0 and j > 0:
        alignment[i - 1, j - 1] += share * diagonal
    if i > 0:
        alignment[i - 1, j] += share * up
    if j > 0:
        alignment[i, j - 1] += share * left


@njit(nogil=True, cache=True)
def _predecessors(table: np.ndarray, i: int, j: int, open_begin: bool) -> tuple[float, float, float]:
    """The table at (i-1, j-1), (i-1, j) and (i, j-1): infinite outside, 0 where a path may begin."""
    left = table[i, j - 1] if j > 0 else inf
    if i == 0:
        return (0.0 if j == 0 or open_begin else inf), inf, left
    return (table[i - 1, j - 1] if j > 0 else inf), table[i - 1, j], left


@njit(nogil=True, cache=True)
def _soft_minimum(values: np.ndarray, gamma: float) -> float:
    low: float = values.min()
    return low - gamma * log(np.exp((low - values) / gamma).sum())
