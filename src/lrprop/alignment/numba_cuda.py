"""The backend for NVIDIA GPUs: one block of threads a pair, one thread a row, one barrier an anti-diagonal.

The cells of an anti-diagonal i + j = k need the two anti-diagonals before it only. A thread keeps its row's last value
in a register and hands it to the row below through shared memory. Pairs with more rows than a block has threads are
done in strips of rows; the last row of a strip waits for the next one in a border in global memory.

Costs lie row by row, but an anti-diagonal needs one cell of every row. So a block copies CHUNK columns of all its rows
at a time into shared memory, neighbouring threads reading neighbouring cells. What the backward pass needs is kept
skewed, cell (i, j) at [(i + j) mod M, i], where the cells of an anti-diagonal lie side by side and nothing is wasted.

SoftDTW is computed on P = exp(-R / gamma), R the recursion of Cuturi & Blondel (2017): P(i, j) is exp(-cost / gamma)
times the sum of P at the three predecessors. For float32 costs P is an integer mantissa and a power of two: one exp a
cell and no log. Where a cost is too large for that power, and for float64 costs, it is log P in float64. The shares
of the three predecessors in that sum are all that the backward pass needs (Algorithm 2 there, without an exp).

Nothing here waits for the device: a pair with lengths that do not fit its cost, or with NaN or infinity on an allowed
cell, gets NaN.
"""

# mypy: disable-error-code="no-untyped-def, attr-defined"
# Numba infers the kernels' types, and finds its own names only when they are compiled.
from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import torch
from numba import config, cuda
from torch import Tensor

from lrprop.alignment.limits import PathLimits
from lrprop.alignment.traceback import DIAGONAL, LEFT, UP

# A block a pair is few blocks, and Numba says so at every launch.
warnings.filterwarnings("ignore", "Grid size .* GPU under-utilization")

THREADS = 512  # at most, a block: rows done at a time
TILE = (32, 8)  # columns and rows that a block copies back from the skewed layout: whole sectors on both sides
CHUNK_BITS = 2
CHUNK = 1 << CHUNK_BITS
CHUNK_ROWS = THREADS + 8  # 8 more keep a warp, that is CHUNK columns of 8 rows, on different banks of shared memory

# P as mantissa * 2^exponent in one integer: the exponent above, below it 29 bits, so that three add up to 31.
MANTISSA = np.int64((1 << 32) - 1)
PACKED_ONE = np.int64(1 << 28)
PACKED_ZERO = np.int64(-(1 << 62))
# The largest |log2 P| that stays clear of PACKED_ZERO's exponent and of the integer's end.
LARGEST_EXPONENT = 2.0**29

LN2 = np.float32(math.log(2))
UNIT = np.float32(1 << 30)

# A block has 65,536 registers; the simulator has neither registers nor a cache.
_options: dict[str, Any] = {} if config.ENABLE_CUDASIM else {"cache": True, "max_registers": 65536 // THREADS}
_kernel = cuda.jit(**_options)
_device = cuda.jit(device=True)


def is_available() -> bool:
    """Whether Numba finds a device and its compiler, or simulates one."""
    return bool(cuda.is_available())


def dtw(cost: Tensor, limits: PathLimits) -> tuple[Tensor, Tensor, Tensor]:
    """See `lrprop.alignment.backends.Backend`."""
    directions = torch.zeros(cost.shape, dtype=torch.int8, device=cost.device)  # also where nothing is recorded
    last_columns = torch.zeros(len(cost), dtype=torch.int64, device=cost.device)
    return _dtw(cost, limits, True, directions, last_columns), directions, last_columns


def dtw_distance(cost: Tensor, limits: PathLimits) -> Tensor:
    """See `lrprop.alignment.backends.Backend`."""
    directions = torch.empty((1, 1, 1), dtype=torch.int8, device=cost.device)
    return _dtw(cost, limits, False, directions, limits.slack)


def soft_dtw(cost: Tensor, limits: PathLimits, gamma: float) -> Tensor:
    """See `lrprop.alignment.backends.Backend`."""
    return _soft_dtw(cost, limits, gamma, False, cost.new_empty((1, 1, 1, 1)))


def soft_dtw_forward(cost: Tensor, limits: PathLimits, gamma: float) -> tuple[Tensor, Tensor]:
    """See `lrprop.alignment.backends.Backend`.

    Returns:
        value (B,); tape (B, 2, M, W), the shares of the diagonal and the upper predecessor in every cell, skewed. Row n
        of each pair holds the same for the sum over its ends.
    """
    batch, rows, columns = cost.shape
    tape = cost.new_empty((batch, 2, columns, (rows // 32 + 1) * 32))  # every anti-diagonal begins a cache line
    return _soft_dtw(cost, limits, gamma, True, tape), tape


def soft_dtw_backward(tape: Tensor, limits: PathLimits, grad: Tensor, shape: torch.Size) -> Tensor:
    """See `lrprop.alignment.backends.Backend`. Uses up the tape."""
    batch, rows, columns = shape
    cost_grad = tape.new_empty(shape)
    if not batch:
        return cost_grad
    border = tape.new_empty((batch, 2, columns))
    threads = _threads(rows)
    _launch(_soft_backward, batch, threads, rows, limits.lengths, limits.slack, tape, border)
    tiles = (batch, -(-columns // TILE[0]), -(-rows // TILE[1]))
    _launch(_unskew, tiles, TILE, tape, limits.lengths, limits.slack, grad.contiguous(), cost_grad)
    return cost_grad


def _dtw(cost: Tensor, limits: PathLimits, keep: bool, directions: Tensor, last_columns: Tensor) -> Tensor:
    batch, rows, columns = cost.shape
    distance = cost.new_empty(batch)
    if batch:
        border = cost.new_empty((batch, columns), dtype=torch.float64)
        ends = limits.open_begin, limits.open_end
        arrays = cost.contiguous(), limits.lengths, limits.slack
        _launch(_dtw_forward, batch, _threads(rows), *arrays, *ends, keep, distance, border, directions, last_columns)
    return distance


def _soft_dtw(cost: Tensor, limits: PathLimits, gamma: float, keep: bool, tape: Tensor) -> Tensor:
    batch, rows, columns = cost.shape
    value = cost.new_empty(batch)
    if batch:
        border = cost.new_empty((batch, columns), dtype=torch.float64)
        ends = limits.open_begin, limits.open_end
        arrays = cost.contiguous(), limits.lengths, limits.slack
        results = value, border, border.view(torch.int64), tape
        kernel = _soft_forward_32 if cost.dtype == torch.float32 else _soft_forward_64
        _launch(kernel, batch, _threads(rows), *arrays, *ends, np.float64(gamma), keep, *results)
    return value


def _threads(rows: int) -> int:
    """As many threads as there are rows, or as the rows of equal strips, in whole warps."""
    strips = -(-rows // THREADS)
    return min(THREADS, -(-rows // strips // 32) * 32)


def _launch(kernel: Any, blocks: int | tuple[int, ...], threads: int | tuple[int, ...], *arguments: Any) -> None:
    """Start a kernel on the device of its tensors, in torch's current stream there."""
    device = next(a.device for a in arguments if isinstance(a, Tensor))
    views = [_view(a) if isinstance(a, Tensor) else a for a in arguments]
    if device.type == "cpu":
        kernel[blocks, threads](*views)
        return
    with torch.cuda.device(device):
        stream = cuda.external_stream(torch.cuda.current_stream(device).cuda_stream)
        kernel[blocks, threads, stream](*views)


def _view(tensor: Tensor) -> Any:
    """The tensor's memory as Numba's kernels take it: on the device, or for the simulator on the CPU."""
    tensor = tensor.detach()
    return tensor.numpy() if tensor.device.type == "cpu" else cuda.as_cuda_array(tensor, sync=False)


# --- kernels ---------------------------------------------------------------------------------------------------------
# Block b does pair b: (b, n, m, band, open_begin, open_end).


@_kernel
def _dtw_forward(cost, lengths, slack, open_begin, open_end, keep, distance, border, directions, last_columns):
    """Fill distance (B,) and, to keep, directions (B, N, M) and last_columns (B,)."""
    pair = _pair(lengths, slack, open_begin, open_end)
    tile = cuda.shared.array((2, CHUNK, CHUNK_ROWS), cost.dtype)
    handed = cuda.shared.array((2, THREADS), np.float64)
    algebra = math.inf, 0.0, 1.0, math.inf
    out = directions, last_columns
    total, broken = _sweep(_hard, algebra, pair, cost, tile, handed, border, _keep_direction, keep, out)
    if _owns_the_end(pair):
        distance[pair[0]] = math.nan if broken else total


@_kernel
def _soft_forward_32(cost, lengths, slack, open_begin, open_end, gamma, keep, value, border, packed_border, tape):
    """Fill value (B,) and, to keep, the tape. The two borders share their memory."""
    pair = _pair(lengths, slack, open_begin, open_end)
    tile = cuda.shared.array((2, CHUNK, CHUNK_ROWS), np.float32)
    packed = cuda.shared.array((2, THREADS), np.int64)
    handed = cuda.shared.array((2, THREADS), np.float64)
    limit = LARGEST_EXPONENT / (cost.shape[1] + cost.shape[2])
    algebra = PACKED_ZERO, PACKED_ONE, -1.0 / (gamma * math.log(2.0)), limit
    total, broken = _sweep(_scaled, algebra, pair, cost, tile, packed, packed_border, _keep_shares, keep, tape)
    log_weight = _log_of(total)
    if broken:  # or only too large
        exact = -math.inf, 0.0, -1.0 / gamma, math.inf
        log_weight, broken = _sweep(_logarithmic, exact, pair, cost, tile, handed, border, _keep_shares, keep, tape)
    _finish(pair, gamma, log_weight, broken, value, keep, tape)


@_kernel
def _soft_forward_64(cost, lengths, slack, open_begin, open_end, gamma, keep, value, border, packed_border, tape):
    """The same in float64 throughout."""
    pair = _pair(lengths, slack, open_begin, open_end)
    tile = cuda.shared.array((2, CHUNK, CHUNK_ROWS), np.float64)
    handed = cuda.shared.array((2, THREADS), np.float64)
    algebra = -math.inf, 0.0, -1.0 / gamma, math.inf
    log_weight, broken = _sweep(_logarithmic, algebra, pair, cost, tile, handed, border, _keep_shares, keep, tape)
    _finish(pair, gamma, log_weight, broken, value, keep, tape)


@_kernel
def _soft_backward(rows, lengths, slack, tape, border):
    """Turn the shares of the diagonal, tape[:, 0], into the soft alignment, from the last cell to the first."""
    b, t, threads = cuda.blockIdx.x, cuda.threadIdx.x, cuda.blockDim.x
    n, m, band = lengths[b, 0], lengths[b, 1], slack[b]
    columns = tape.shape[2]
    if not _fits(n, m, rows, columns):
        return
    handed = cuda.shared.array((2, 2, THREADS), tape.dtype)
    zero, one = tape.dtype.type(0), tape.dtype.type(1)  # typed: a Python number would make all of it float64
    ending = one  # the weight of the paths whose end is still to come, on the thread of row n - 1
    for strip in range((n - 1) // threads, -1, -1):
        first = np.int32(strip * threads)
        i, count = np.int32(first + t), np.int32(min(threads, n - first))
        from_right = from_below_right = zero
        handed[0, 0, t] = handed[1, 0, t] = handed[0, 1, t] = handed[1, 1, t] = zero
        begin, end = _columns(i, n, m, band)
        below = np.int32((first + count + m - 1) % columns)
        cuda.syncthreads()
        for step in range(np.int32(count + m - 2), np.int32(-1), np.int32(-1)):
            j = np.int32(step - t)
            inside = i < n and 0 <= j < m
            slot = np.int32((below if below > 0 else columns) - 1)
            now, last = np.uint32(step & 1), np.uint32((step + 1) & 1)
            from_below = next_from_below_right = zero
            if inside and i == n - 1:
                kept = tape[b, 1, np.uint32(below), np.uint32(n)]
                from_below = ending * (one - kept)
                ending = ending * kept
            elif t + 1 < threads:
                from_below = handed[last, 0, np.uint32(t + 1)]
                next_from_below_right = handed[last, 1, np.uint32(t + 1)]
            elif inside:
                from_below, next_from_below_right = border[b, 0, j], border[b, 1, j]
            weight = from_right + from_below + from_below_right
            from_below_right = next_from_below_right
            to_up = to_diagonal = from_right = zero
            if begin <= j < end:
                diagonal, up = tape[b, 0, np.uint32(slot), np.uint32(i)], tape[b, 1, np.uint32(slot), np.uint32(i)]
                tape[b, 0, np.uint32(slot), np.uint32(i)] = weight
                to_diagonal, to_up = weight * diagonal, weight * up
                from_right = weight * max(one - diagonal - up, zero)
            handed[now, 0, np.uint32(t)] = to_up
            handed[now, 1, np.uint32(t)] = to_diagonal
            if t == 0 and inside:
                border[b, 0, j], border[b, 1, j] = to_up, to_diagonal
            below = slot
            cuda.syncthreads()


@_kernel
def _unskew(tape, lengths, slack, grad, cost_grad):
    """Bring the soft alignment in order, times the incoming gradient; 0 where no path may go, NaN for broken pairs."""
    b = cuda.blockIdx.x
    j = cuda.blockIdx.y * cuda.blockDim.x + cuda.threadIdx.x
    i = cuda.blockIdx.z * cuda.blockDim.y + cuda.threadIdx.y
    rows, columns = cost_grad.shape[1], cost_grad.shape[2]
    if i >= rows or j >= columns:
        return
    n, m = lengths[b, 0], lengths[b, 1]
    result = tape.dtype.type(0)
    if i < n and j < m and abs(i * (m - 1) - j * (n - 1)) <= slack[b]:
        result = grad[b] * tape[b, 0, (i + j) % columns, i]
        if not _fits(n, m, rows, columns) or math.isnan(tape[b, 1, (n + m - 1) % columns, n]):
            result = tape.dtype.type(math.nan)
    cost_grad[b, i, j] = result


# --- the recursion, for any algebra ----------------------------------------------------------------------------------


@_device
def _sweep(combine, algebra, pair, cost, tile, handed, border, record, keep, out):
    """Walk the anti-diagonals of a pair.

    combine makes (diagonal, up, left, scaled cost) the cell's value and the shares of diagonal and up in it. The rest
    of its algebra is zero, the value that adds nothing; one, that of the empty path; scale, what costs are multiplied
    with in float64; and limit, which a scaled cost has to stay below.
    In shared memory lie a tile of costs and the values handed down on the last two anti-diagonals; the border (B, M)
    holds the last row of a strip. The shares go to `record` where they are to be kept in `out`.

    Returns:
        the value of all ends together, on the thread of row n - 1; whether its lengths or a cost do not fit.
    """
    zero, one, scale, limit = algebra
    b, n, m, band, open_begin, _ = pair
    if not _fits(n, m, cost.shape[1], cost.shape[2]):
        return zero, True
    t, threads, columns = cuda.threadIdx.x, cuda.blockDim.x, np.int32(cost.shape[2])
    n, m = np.int32(n), np.int32(m)  # numbers of 64 bits take twice the instructions
    total, trouble = zero, np.int32(0)
    for first in range(np.int32(0), n, threads):
        i, count = np.int32(first + t), min(threads, np.int32(n - first))
        for position in range(np.int32(CHUNK)):
            _put(tile, position, _get(cost, b, first, count, m, position))
        coming = _get(cost, b, first, count, m, np.int32(CHUNK))
        handed[1, t] = zero
        left = diagonal = zero
        begin, end = _columns(i, pair[1], pair[2], band)
        slot = np.int32(first % columns)
        cuda.syncthreads()
        for step in range(np.int32(count + m - 1)):
            _put(tile, np.int32(step + CHUNK), coming)
            coming = _get(cost, b, first, count, m, np.int32(step + CHUNK + 1))
            j = np.int32(step - t)
            inside = i < n and 0 <= j < m
            up = zero
            if t > 0:
                up = handed[np.uint32((step + 1) & 1), np.uint32(t - 1)]
            elif first > 0 and inside:
                up = border[b, j]
            if i == 0:
                diagonal = one if j == 0 or open_begin else zero
            value = zero
            if begin <= j < end:
                x = np.float64(tile[np.uint32((step >> CHUNK_BITS) & 1), np.uint32(step & (CHUNK - 1)), np.uint32(t)])
                x *= scale
                if abs(x) < limit:
                    value, along, down = combine(diagonal, up, left, x)
                    if keep:
                        record(out, b, np.uint32(slot), np.uint32(i), np.uint32(j), n, along, down)
                else:
                    trouble = np.int32(1)
            below = np.int32(slot + 1) if slot + 1 < columns else np.int32(0)
            if inside and i == n - 1:
                total = _end(combine, zero, pair, total, value, np.uint32(below), np.uint32(j), record, keep, out)
            diagonal, left = up, value
            handed[np.uint32(step & 1), np.uint32(t)] = value
            if inside and t == threads - 1:
                border[b, j] = value
            slot = below
            cuda.syncthreads()
    return total, cuda.syncthreads_or(trouble) != 0


@_device
def _end(combine, zero, pair, total, value, below, j, record, keep, out):
    """Add cell (n - 1, j) to the total if a path may end there. Recorded as row n, where up is the total so far."""
    b, n, m, _, _, open_end = pair
    n = np.uint32(n)
    if open_end or j == m - 1:
        total, along, kept = combine(zero, total, value, 0.0)
        if keep:
            record(out, b, below, n, j, n, along, kept)
    elif keep:
        record(out, b, below, n, j, n, 0.0, 1.0)
    return total


@_device
def _get(cost, b, first, count, m, position):
    """This thread's share of a chunk: for `position`, one of CHUNK columns of threads / CHUNK rows, row by row."""
    row = _row_of_chunk(position)
    j = np.int32((position & ~(CHUNK - 1)) + (cuda.threadIdx.x & (CHUNK - 1)) - row)
    if row < count and 0 <= j < m:
        return cost[b, np.uint32(first + row), np.uint32(j)]
    return cost.dtype.type(0)


@_device
def _put(tile, position, value):
    """Put what `_get` got where its row finds it at the step of its anti-diagonal."""
    half, lane = (position >> CHUNK_BITS) & 1, cuda.threadIdx.x & (CHUNK - 1)
    tile[np.uint32(half), np.uint32(lane), np.uint32(_row_of_chunk(position))] = value


@_device
def _row_of_chunk(position):
    return np.int32((position & (CHUNK - 1)) * (cuda.blockDim.x >> CHUNK_BITS) + (cuda.threadIdx.x >> CHUNK_BITS))


@_device
def _pair(lengths, slack, open_begin, open_end):
    b = cuda.blockIdx.x
    return b, lengths[b, 0], lengths[b, 1], slack[b], open_begin, open_end


@_device
def _owns_the_end(pair):
    return cuda.threadIdx.x == (pair[1] - 1) % cuda.blockDim.x


@_device
def _fits(n, m, rows, columns):
    return 1 <= n <= rows and 1 <= m <= columns


@_device
def _columns(i, n, m, band):
    """The columns begin <= j < end of row i that a path may visit, see `PathLimits`."""
    if i >= n or band < 0:
        return np.int32(0), np.int32(0)
    if n == 1:
        return np.int32(0), np.int32(m)
    begin = -((band - i * (m - 1)) // (n - 1))
    end = (band + i * (m - 1)) // (n - 1) + 1
    return np.int32(max(begin, 0)), np.int32(min(end, m))


# --- the algebras ----------------------------------------------------------------------------------------------------


@_device
def _hard(diagonal, up, left, x):
    """Costs of the best path (min, +). The shares are 0 or 1."""
    if diagonal <= up and diagonal <= left:
        return diagonal + x, 1.0, 0.0
    if up <= left:
        return up + x, 0.0, 1.0
    return left + x, 0.0, 0.0


@_device
def _logarithmic(diagonal, up, left, x):
    """Logarithms of P; x is log of the cell's own factor. Where nothing leads, the shares let no gradient in."""
    largest = max(max(diagonal, up), left)
    if largest == -math.inf:
        return -math.inf, 0.0, 1.0
    along, down, across = math.exp(diagonal - largest), math.exp(up - largest), math.exp(left - largest)
    everything = along + down + across
    return x + largest + math.log(everything), along / everything, down / everything


@_device
def _scaled(diagonal, up, left, x):
    """P as packed integers; x is log2 of the cell's own factor, |x| < LARGEST_EXPONENT."""
    exponent = np.int32(max(max(diagonal, up), left) >> 32)
    along, down, across = _align(diagonal, exponent), _align(up, exponent), _align(left, exponent)
    everything = np.int32(along + down + across)
    if everything == 0:
        return PACKED_ZERO, np.float32(0), np.float32(1)
    power = np.int32(x)
    factor = np.int32(math.exp(np.float32(x - power) * LN2) * UNIT)  # in (2^29, 2^31)
    product = np.int32((np.int64(factor) * np.int64(everything)) >> 31)  # in (2^26, 2^31)
    leading = np.int32(cuda.clz(product))
    value = (np.int64(exponent + power + 4 - leading) << 32) | ((np.int64(product) << leading) >> 3)
    whole = np.float32(
        everything
    )  # divided twice: a product with its inverse can miss 1, and so lose weight every step
    return value, np.float32(along) / whole, np.float32(down) / whole


@_device
def _align(packed, exponent):
    """The mantissa at a higher exponent."""
    return np.int32((packed & MANTISSA) >> min(np.int32(exponent - (packed >> 32)), np.int32(31)))


@_device
def _log_of(packed):
    """The natural logarithm of a packed P, in float64."""
    mantissa = packed & MANTISSA
    if mantissa == 0:
        return -math.inf
    return math.log(mantissa / PACKED_ONE) + (packed >> 32) * math.log(2.0)


# --- what becomes of the shares --------------------------------------------------------------------------------------


@_device
def _keep_shares(tape, b, slot, i, j, n, along, down):
    tape[b, 0, slot, i] = along
    tape[b, 1, slot, i] = down


@_device
def _keep_direction(out, b, slot, i, j, n, along, down):
    directions, last_columns = out
    if i < n:
        directions[b, i, j] = DIAGONAL if along > 0 else UP if down > 0 else LEFT
    elif along == 0 and down == 0:
        last_columns[b] = j


@_device
def _finish(pair, gamma, log_weight, broken, value, keep, tape):
    """The value of a pair, and NaN at its last end where a cost is not finite."""
    b, n, m, _, _, _ = pair
    if _owns_the_end(pair):
        value[b] = math.nan if broken else -gamma * log_weight
        if broken and keep and 1 <= n < tape.shape[3] and 1 <= m <= tape.shape[2]:
            tape[b, 1, (n + m - 1) % tape.shape[2], n] = math.nan
