"""The recursions of DTW and SoftDTW for one pair after another, on vectors of `lanes`.

A strip is LANES rows of the cost. The strip is walked column by column, with lane l one column behind lane l - 1: at
step t lane l stands on column t - l. So all lanes stand on one anti-diagonal, and the three predecessors of a cell are
at hand in registers: left is the same lane a step ago, up the lane above a step ago, diagonal what was up a step ago.

            column  0 1 2 3            step 0 1 2 3 4 5
        row 0 lane  a b c d             0   a b c d . .
        row 1 lane  e f g h     -->     1   . e f g h .
        row 2 lane  i j k l             2   . . i j k l

What leaves the last row of a strip waits in `above`, one entry a column, for the first row of the next one. A path
begins there too: at (-1, -1), or at half the weight at every (-1, j) where the beginning is open, so that diagonal and
up together bring weight 1 to each (0, j). Entry LANES + j of such an array belongs to column j.

Cells that no path may visit are read as infinitely costly: padding, cells outside the band, and what fills up the last
strip and the skewed corners.

SoftDTW carries the weight exp(-R / gamma) of all paths into a cell instead of R, as a mantissa and an exponent of two:
then a cell needs one exponential and no logarithm, nothing overflows, and what is rounded is rounded relative to the
weight, wherever R is. Only cost / gamma is formed in float64, whose digits before the point are the exponent.
"""

from __future__ import annotations

import math
from math import inf

import numpy as np
from numba import njit

from lrprop.alignment.compiled import kernel
from lrprop.alignment.lanes import (
    LANES,
    absolute,
    exp2,
    exponent_of,
    first_least,
    if_at_least,
    if_negative,
    lane,
    load,
    load_skewed,
    mantissa_of,
    maximum,
    minimum,
    narrow,
    nearest,
    negated,
    power_of_two,
    shift_down,
    shift_up,
    splat,
    store,
    store_skewed,
    widen,
)

_LOG2_E = 1 / math.log(2)
# Exponents of weights stay below 2 ** ROOM, by the bytes of a number. A cell that no path may visit takes off four
# times as much, so that its weight is 0 beside any other, and nothing leaves the integer of 32 or 64 bits.
ROOM = {4: 27, 8: 58}
# Frames of both sequences up to which weights in float32 give shares right to 1e-5: they err by (N + M) 1.4e-8.
_LONG = 640


@kernel
def align_pairs(
    cost: np.ndarray,
    lengths: np.ndarray,
    slack: np.ndarray,
    open_begin: bool,
    open_end: bool,
    distance: np.ndarray,
    last_columns: np.ndarray,
    directions: np.ndarray,
    start: int,
    stop: int,
) -> None:
    """DTW of the pairs start .. stop - 1; without their direction codes where `directions` is empty."""
    steps = cost.shape[2] + 2 * LANES
    rows = np.empty(LANES * (LANES + steps))
    tile, cost_tile = np.empty(LANES * LANES), np.empty(LANES, cost.dtype)
    code_rows = np.empty(LANES * (LANES + steps) if len(directions) else 0, np.int8)
    code_tile = np.empty(LANES * LANES, np.int8)
    above = np.empty(LANES + steps)
    for b in range(start, stop):
        n, m = lengths[b]
        above[:] = 0.0 if open_begin else inf
        above[LANES - 1] = 0.0
        finite = _peak(cost[b], n, m, slack[b], cost_tile) < inf
        for top in range(0, n if finite else 0, LANES):
            height = min(LANES, n - top)
            begin, end = _steps(top, height, n, m, slack[b])
            _fill_rows(rows, cost[b], top, height, n, m, slack[b], begin, end)
            _align_strip(rows, begin, end, height - 1, tile, above, code_tile, code_rows)
            if len(directions):
                _copy_rows(directions[b], code_rows, top, height, n, m, slack[b])
            above[LANES + end - height + 1 :] = inf
        first, last = _columns(n - 1, n, m, slack[b])
        column = first if open_end else last
        for j in range(column + 1, last + 1):
            if above[LANES + j] < above[LANES + column]:
                column = j
        last_columns[b] = column
        distance[b] = above[LANES + column] if finite else math.nan


@njit(nogil=True, error_model="numpy")
def _align_strip(
    rows: np.ndarray,
    begin: int,
    end: int,
    last: int,
    tile: np.ndarray,
    above: np.ndarray,
    code_tile: np.ndarray,
    code_rows: np.ndarray,
) -> None:
    """R(i, j) = cost(i, j) + the least of R at the three predecessors; and which one that was, unless nobody asks."""
    keep = len(code_rows) > 0
    left = splat(load(tile, 0), inf)
    up = shift_up(left, above[LANES + begin - 1])
    for t0 in range(begin, end, LANES):
        load_skewed(tile, rows, LANES + t0)
        for u in range(LANES):
            diagonal, up = up, shift_up(left, above[LANES + t0 + u])
            if keep:
                store(code_tile, u * LANES, first_least(diagonal, up, left))
            left = load(tile, u * LANES) + minimum(diagonal, minimum(up, left))
            above[LANES + t0 + u - last] = lane(left, last)
        if keep:
            store_skewed(code_rows, LANES + t0, code_tile)


@kernel
def soft_align_pairs(
    cost: np.ndarray,
    lengths: np.ndarray,
    slack: np.ndarray,
    open_begin: bool,
    open_end: bool,
    gamma: float,
    room: int,
    value: np.ndarray,
    pending: np.ndarray,
    alignment: np.ndarray,
    rows: np.ndarray,
    weights: np.ndarray,
    start: int,
    stop: int,
) -> None:
    """SoftDTW of those pairs start .. stop - 1 that are `pending`; without soft alignments where `alignment` is empty.

    All is computed in the type of `rows`; `weights` only keeps. A pair stays pending where that is float32 and does
    not suffice: its exponents could outgrow 2 ** room, or its paths are so long that roundings add up. In float64,
    exponents outgrow their room where costs are 2 ** 58 gamma / (N + M); gamma is then raised to what the digits of
    such costs can tell apart.
    """
    tile, cost_tile = np.empty(LANES * LANES, rows.dtype), np.empty(LANES, cost.dtype)
    columns = len(rows) // LANES
    above, exponents = np.empty(columns, rows.dtype), np.empty(columns, np.int64)
    below = np.empty(columns, rows.dtype)
    for b in range(start, stop):
        if not pending[b]:
            continue
        n, m = lengths[b]
        peak = _peak(cost[b], n, m, slack[b], cost_tile)
        reach = peak * (n + m) * _LOG2_E * 2.0**-room
        if not (rows.itemsize == 8 or (reach <= gamma and n + m <= _LONG) or not peak < inf):
            continue
        pending[b] = False
        if peak < inf:
            memory, raised = (rows, tile, above, exponents, weights), max(gamma, reach)
            stored = _weigh_paths(cost[b], n, m, slack[b], open_begin, raised, room, *memory)
            value[b] = _soft_end(n, m, slack[b], open_end, raised, above, exponents, below)
            if len(alignment):
                _share_paths(alignment[b], n, m, slack[b], rows, tile, below, weights, stored)
        else:
            value[b] = math.nan
            if len(alignment):
                alignment[b] = 0
                alignment[b, :n, :m] = math.nan


@njit(nogil=True, error_model="numpy")
def _weigh_paths(
    cost: np.ndarray,
    n: int,
    m: int,
    slack: int,
    open_begin: bool,
    gamma: float,
    room: int,
    rows: np.ndarray,
    tile: np.ndarray,
    above: np.ndarray,
    exponents: np.ndarray,
    weights: np.ndarray,
) -> int:
    """Forward: leaves the weights of the last row in `above`; in `weights`, if it has room, what `_share_paths` needs.

    Returns:
        Where in `weights` the next number would go.
    """
    least = -(8 << room)
    above[:] = 1
    exponents[:] = -1 if open_begin else least
    exponents[LANES - 1] = -1 if open_begin else 0
    position = 0
    for top in range(0, n, LANES):
        height = min(LANES, n - top)
        begin, end = _steps(top, height, n, m, slack)
        _fill_rows(rows, cost, top, height, n, m, slack, begin, end)
        position = _weigh_strip(
            rows, begin, end, height - 1, -_LOG2_E / gamma, room, tile, above, exponents, weights, position
        )
        exponents[LANES + end - height + 1 :] = least
    return position


@njit(nogil=True, error_model="numpy")
def _weigh_strip(
    rows: np.ndarray,
    begin: int,
    end: int,
    last: int,
    scale: float,
    room: int,
    tile: np.ndarray,
    above: np.ndarray,
    exponents: np.ndarray,
    weights: np.ndarray,
    position: int,
) -> int:
    """W(i, j) = exp(-cost(i, j) / gamma) * the sum of W at the three predecessors; stores their shares in that sum.

    Of the three shares the largest one is what the two others leave of 1, so that it need not be stored and nothing is
    lost to rounding. First comes that of diagonal, or minus that of up where diagonal is the largest; second that of
    left, or minus that of up where left is the largest.
    """
    one = splat(load(tile, 0), 1)
    none = splat(exponent_of(one), -(8 << room))
    forbidden, scales = splat(widen(one), -(4.0 * 2.0**room)), splat(widen(one), scale)
    left, left_exponent = one, none
    up, up_exponent = shift_up(one, above[LANES + begin - 1]), shift_up(none, exponents[LANES + begin - 1])
    keep, stored = len(weights) > LANES, load(weights, 0)
    for t0 in range(begin, end, LANES):
        load_skewed(tile, rows, LANES + t0)
        for u in range(LANES):
            logarithm = maximum(widen(load(tile, u * LANES)) * scales, forbidden)
            whole = nearest(logarithm)
            diagonal, diagonal_exponent = up, up_exponent
            up, up_exponent = shift_up(left, above[LANES + t0 + u]), shift_up(left_exponent, exponents[LANES + t0 + u])
            top = maximum(maximum(diagonal_exponent, up_exponent), left_exponent)
            from_diagonal = diagonal * power_of_two(diagonal_exponent - top)
            from_up = up * power_of_two(up_exponent - top)
            from_left = left * power_of_two(left_exponent - top)
            total = from_diagonal + from_up + from_left
            if keep:
                lesser = negated(from_up)
                first = if_at_least(from_diagonal, maximum(from_up, from_left), lesser, from_diagonal)
                second = if_at_least(maximum(from_diagonal, from_up), from_left, from_left, lesser)
                everything = narrow(total, stored)
                store(weights, position, narrow(first, stored) / everything)
                store(weights, position + LANES, narrow(second, stored) / everything)
                position += 2 * LANES
            weight = total * exp2(narrow(logarithm - whole, one), stored)
            left = mantissa_of(weight)
            left_exponent = maximum(top + narrow(whole, none) + exponent_of(weight), none)
            above[LANES + t0 + u - last] = lane(left, last)
            exponents[LANES + t0 + u - last] = lane(left_exponent, last)
    return position


@njit(nogil=True, error_model="numpy")
def _soft_end(
    n: int,
    m: int,
    slack: int,
    open_end: bool,
    gamma: float,
    above: np.ndarray,
    exponents: np.ndarray,
    below: np.ndarray,
) -> float:
    """The value, and in `below` the share of all paths that end in each column of the last row."""
    first, last = _columns(n - 1, n, m, slack)
    if not open_end:
        first = last
    top = exponents[LANES + first : LANES + last + 1].max()
    below[:] = 0
    total = 0.0
    for j in range(LANES + first, LANES + last + 1):
        weight = math.ldexp(float(above[j]), max(exponents[j] - top, -1000))
        below[j] = weight
        total += weight
    for j in range(LANES + first, LANES + last + 1):
        below[j] /= total
    return -gamma * (math.log(total) + top * math.log(2.0))


@njit(nogil=True, error_model="numpy")
def _share_paths(
    alignment: np.ndarray,
    n: int,
    m: int,
    slack: int,
    rows: np.ndarray,
    tile: np.ndarray,
    below: np.ndarray,
    weights: np.ndarray,
    position: int,
) -> None:
    """Backward: the share of all paths through each cell, from the shares that its predecessors have in its weight."""
    for top in range((n - 1) // LANES * LANES, -1, -LANES):
        height = min(LANES, n - top)
        begin, end = _steps(top, height, n, m, slack)
        position -= 2 * LANES * (end - begin)
        _share_strip(rows, begin, end, height - 1, tile, below, weights, position)
        _copy_rows(alignment, rows, top, height, n, m, slack)
        for i in range(top, top + height):
            first, last = _columns(i, n, m, slack)
            alignment[i, :first] = 0
            alignment[i, last + 1 :] = 0
    alignment[n:] = 0


@njit(nogil=True, error_model="numpy")
def _share_strip(
    rows: np.ndarray,
    begin: int,
    end: int,
    last: int,
    tile: np.ndarray,
    below: np.ndarray,
    weights: np.ndarray,
    position: int,
) -> None:
    """E(i, j) = what its three successors hand on; a cell hands on all it has, as `_weigh_strip` tells."""
    nothing = splat(load(tile, 0), 0)
    tile[:LANES] = 0
    tile[last] = 1
    entering = load(tile, 0)
    to_diagonal, to_above, to_left = nothing, nothing, nothing
    position += 2 * LANES * (end - begin)
    for t0 in range(end - LANES, begin - 1, -LANES):
        for u in range(LANES - 1, -1, -1):
            position -= 2 * LANES
            share = shift_down(to_above) + to_left + entering * splat(nothing, below[LANES + t0 + u - last])
            store(tile, u * LANES, share)
            first = narrow(widen(load(weights, position)), nothing)
            second = narrow(widen(load(weights, position + LANES)), nothing)
            one, other = share * absolute(first), share * absolute(second)
            rest = share - one - other
            to_up = if_negative(first, one, if_negative(second, other, rest))
            to_above = to_diagonal + to_up
            to_diagonal = if_negative(first, rest, one)
            to_left = if_negative(second, rest, other)
            below[LANES + t0 + u] = lane(to_above, 0)
        store_skewed(rows, LANES + t0, tile)
    below[LANES + begin - 1] = lane(to_diagonal, 0)


@njit(inline="always")
def _columns(i: int, n: int, m: int, slack: int) -> tuple[int, int]:
    """The first and the last column that the band leaves to row i: |i (m - 1) - j (n - 1)| <= slack."""
    if n == 1:
        return 0, m - 1
    rise, run = i * (m - 1), n - 1
    return max(0, -((slack - rise) // run)), min(m - 1, (rise + slack) // run)


@njit(nogil=True)
def _steps(top: int, height: int, n: int, m: int, slack: int) -> tuple[int, int]:
    """The steps of a strip, whole tiles of LANES: up to the last column in the last lane."""
    begin = _columns(top, n, m, slack)[0]
    end = _columns(top + height - 1, n, m, slack)[1] + height
    return begin // LANES * LANES, -(-end // LANES) * LANES


@njit(nogil=True)
def _peak(cost: np.ndarray, n: int, m: int, slack: int, tile: np.ndarray) -> float:
    """A power of two above the size of all costs that a path may visit; infinite where one is not finite."""
    tile[:LANES] = 0
    exponent = exponent_of(load(tile, 0))
    for i in range(n):
        first, last = _columns(i, n, m, slack)
        row = cost[i, first : last + 1]
        whole = len(row) // LANES * LANES
        for j in range(0, whole, LANES):
            exponent = maximum(exponent, exponent_of(absolute(load(row, j))))
        tile[:LANES] = 0
        _copy(tile[: len(row) - whole], row[whole:])
        exponent = maximum(exponent, exponent_of(absolute(load(tile, 0))))
    top = lane(exponent, 0)
    for index in range(1, LANES):
        top = max(top, lane(exponent, index))
    of_infinity = 128 if cost.itemsize == 4 else 1024
    return inf if top == of_infinity else math.ldexp(2.0, min(top, 1022))


@njit(nogil=True)
def _fill_rows(
    rows: np.ndarray, cost: np.ndarray, top: int, height: int, n: int, m: int, slack: int, begin: int, end: int
) -> None:
    """The rows of a strip, one beneath the other, with infinity wherever no path may go."""
    stride = len(rows) // LANES
    for r in range(LANES):
        row = rows[r * stride : (r + 1) * stride]
        first, last = _columns(top + r, n, m, slack) if r < height else (end, end - 1)
        row[begin : LANES + first] = inf
        row[LANES + last + 1 : LANES + end] = inf
        if r < height:
            _copy(row[LANES + first : LANES + last + 1], cost[top + r, first : last + 1])


@njit(nogil=True)
def _copy_rows(target: np.ndarray, rows: np.ndarray, top: int, height: int, n: int, m: int, slack: int) -> None:
    """Row by row, the cells that a path may visit."""
    stride = len(rows) // LANES
    for r in range(height):
        first, last = _columns(top + r, n, m, slack)
        offset = r * stride + LANES
        _copy(target[top + r, first : last + 1], rows[offset + first : offset + last + 1])


@njit(nogil=True)
def _copy(target: np.ndarray, source: np.ndarray) -> None:
    """A plain loop: what Numba makes of `target[:] = source` looks at more than this needs."""
    for j in range(len(target)):
        target[j] = source[j]
