"""Squared distances by their differences, and their gradient, on vectors of `lanes`.

Four frames of the first sequence meet 2 LANES frames of the second one at a time: every number that is loaded is used
several times over, as in a matrix product, and no digit is lost, as it is in |x|^2 + |y|^2 - 2 x y. Each sum is taken
in the order of the coordinates, so that equal frames are at bit-equal distances from any other.

Frames come as (B, frames, D) with D a multiple of BLOCK, at least ROWS of the first and COLUMNS of the second.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from lrprop.alignment.compiled import kernel
from lrprop.alignment.lanes import LANES, load, load_transposed, splat, square_root, store

ROWS, COLUMNS = 4, 2 * LANES
# Coordinates of two frames whose gradient is summed in registers.
BLOCK = 4 * LANES
# Frames whose BLOCK of coordinates stays in the first cache.
NEAR = 64


@kernel
def fill_distances(
    x: np.ndarray, y: np.ndarray, dimension: int, squared: bool, distances: np.ndarray, start: int, stop: int
) -> None:
    """The distances (B, N, M) of the pairs start .. stop - 1, in the first `dimension` coordinates."""
    n, m, stride = x.shape[1], y.shape[1], x.shape[2]
    panel = np.empty(stride * COLUMNS, x.dtype)
    for b in range(start, stop):
        first, second, squares = x[b].reshape(-1), y[b].reshape(-1), distances[b].reshape(-1)
        for column in range(0, m, COLUMNS):
            left = min(column, m - COLUMNS)  # the last ones overlap those before
            _pack(panel, second, left, stride)
            for row in range(0, n, ROWS):
                top = min(row, n - ROWS)
                _meet(first, top * stride, stride, panel, dimension, squared, squares, top * m + left, m)


@njit(nogil=True)
def _pack(panel: np.ndarray, frames: np.ndarray, left: int, stride: int) -> None:
    """Coordinate d of frame left + j at d * COLUMNS + j."""
    tile = np.empty(LANES * LANES, panel.dtype)
    for half in range(0, COLUMNS, LANES):
        for d in range(0, stride, LANES):
            load_transposed(tile, frames, (left + half) * stride + d, stride)
            for t in range(LANES):
                store(panel, (d + t) * COLUMNS + half, load(tile, t * LANES))


@njit(nogil=True, error_model="numpy")
def _meet(
    frames: np.ndarray,
    top: int,
    stride: int,
    panel: np.ndarray,
    dimension: int,
    squared: bool,
    squares: np.ndarray,
    corner: int,
    width: int,
) -> None:
    """The ROWS frames from `top` on with the COLUMNS frames of the panel."""
    a0 = splat(load(panel, 0), 0)
    a1, a2, a3, b0, b1, b2, b3 = a0, a0, a0, a0, a0, a0, a0
    for d in range(dimension):
        a, b = load(panel, d * COLUMNS), load(panel, d * COLUMNS + LANES)
        x = splat(a, frames[top + d])
        a0, b0 = a0 + (a - x) * (a - x), b0 + (b - x) * (b - x)
        x = splat(a, frames[top + stride + d])
        a1, b1 = a1 + (a - x) * (a - x), b1 + (b - x) * (b - x)
        x = splat(a, frames[top + 2 * stride + d])
        a2, b2 = a2 + (a - x) * (a - x), b2 + (b - x) * (b - x)
        x = splat(a, frames[top + 3 * stride + d])
        a3, b3 = a3 + (a - x) * (a - x), b3 + (b - x) * (b - x)
    if not squared:
        a0, a1, a2, a3 = square_root(a0), square_root(a1), square_root(a2), square_root(a3)
        b0, b1, b2, b3 = square_root(b0), square_root(b1), square_root(b2), square_root(b3)
    store(squares, corner, a0)
    store(squares, corner + LANES, b0)
    store(squares, corner + width, a1)
    store(squares, corner + width + LANES, b1)
    store(squares, corner + 2 * width, a2)
    store(squares, corner + 2 * width + LANES, b2)
    store(squares, corner + 3 * width, a3)
    store(squares, corner + 3 * width + LANES, b3)


@kernel
def pull_back(
    x: np.ndarray,
    y: np.ndarray,
    squared: bool,
    distances: np.ndarray,
    grad: np.ndarray,
    x_grad: np.ndarray,
    y_grad: np.ndarray,
    start: int,
    stop: int,
) -> None:
    """The gradients of the pairs start .. stop - 1: sums of w_ij (x_i - y_j) over j, and of w_ij (y_j - x_i) over i."""
    n, m = distances.shape[1:]
    weights = np.empty(n * m, x.dtype)
    for b in range(start, stop):
        _weigh(grad[b].reshape(-1), distances[b].reshape(-1), squared, weights)
        x_grad[b], y_grad[b] = 0, 0
        first, second = x[b].reshape(-1), y[b].reshape(-1)
        for block in range(0, x.shape[2], BLOCK):
            _pull(first, n, second, m, weights, m, 1, x.shape[2], block, x_grad[b].reshape(-1))
            _pull(second, m, first, n, weights, 1, m, x.shape[2], block, y_grad[b].reshape(-1))


@njit(nogil=True, error_model="numpy")
def _weigh(grads: np.ndarray, distances: np.ndarray, squared: bool, weights: np.ndarray) -> None:
    """The w of all cells; 0 where frames coincide (the zero subgradient) or there is nothing to pass on."""
    if squared:
        for k in range(len(weights)):
            weights[k] = grads[k] + grads[k]
    else:
        for k in range(len(weights)):
            quotient = grads[k] / distances[k]
            weights[k] = quotient if grads[k] != 0 and distances[k] != 0 else grads[k] - grads[k]


@njit(nogil=True)
def _pull(
    frames: np.ndarray,
    rows: int,
    others: np.ndarray,
    count: int,
    weights: np.ndarray,
    down: int,
    right: int,
    stride: int,
    block: int,
    gradient: np.ndarray,
) -> None:
    """All frames, pulled away from the other ones, in one BLOCK of coordinates; w_ij lies at i * down + j * right.

    Two frames at a time, and NEAR other ones, which stay in the cache while all frames pass by.
    """
    for near in range(0, count, NEAR):
        for row in range(0, rows, 2):
            # The last row meets itself where they are odd: then the second sum, which is the same, is kept.
            both, some = (row, min(row + 1, rows - 1)), (near, min(near + NEAR, count))
            _pull_two(frames, both, others, some, weights, down, right, stride, block, gradient)


@njit(nogil=True)
def _pull_two(
    frames: np.ndarray,
    both: tuple[int, int],
    others: np.ndarray,
    some: tuple[int, int],
    weights: np.ndarray,
    down: int,
    right: int,
    stride: int,
    block: int,
    gradient: np.ndarray,
) -> None:
    """Two frames and some others. Frames without any weight are not read: they may be padding."""
    row, second = both
    a, b = row * stride + block, second * stride + block
    a0, a1, a2, a3 = _block(frames, a)
    b0, b1, b2, b3 = _block(frames, b)
    p0, p1, p2, p3 = _block(gradient, a)
    q0, q1, q2, q3 = _block(gradient, b)
    seen_a, seen_b = False, False
    for j in range(some[0], some[1]):
        weight_a, weight_b = weights[row * down + j * right], weights[second * down + j * right]
        if weight_a != 0 or weight_b != 0:
            seen_a, seen_b = seen_a or weight_a != 0, seen_b or weight_b != 0
            v, w = splat(a0, weight_a), splat(a0, weight_b)
            y0, y1, y2, y3 = _block(others, j * stride + block)
            p0, p1, p2, p3 = p0 + v * (a0 - y0), p1 + v * (a1 - y1), p2 + v * (a2 - y2), p3 + v * (a3 - y3)
            q0, q1, q2, q3 = q0 + w * (b0 - y0), q1 + w * (b1 - y1), q2 + w * (b2 - y2), q3 + w * (b3 - y3)
    if seen_a:
        _keep(gradient, a, p0, p1, p2, p3)
    if seen_b:
        _keep(gradient, b, q0, q1, q2, q3)


@njit(inline="always")
def _block(frames: np.ndarray, at: int) -> tuple[Any, Any, Any, Any]:
    return load(frames, at), load(frames, at + LANES), load(frames, at + 2 * LANES), load(frames, at + 3 * LANES)


@njit(inline="always")
def _keep(gradient: np.ndarray, at: int, g0: Any, g1: Any, g2: Any, g3: Any) -> None:
    store(gradient, at, g0)
    store(gradient, at + LANES, g1)
    store(gradient, at + 2 * LANES, g2)
    store(gradient, at + 3 * LANES, g3)
