"""The backend in plain torch: any device, any float dtype, differentiable by autograd as often as one likes.

All cells (i, j) of an anti-diagonal i + j = k depend on the two anti-diagonals before it only, so that each of the
N + M - 1 steps computes a whole one for the whole batch.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf

import torch
from torch import Tensor
from torch.nn.functional import pad

from lrprop.alignment.traceback import DIAGONAL, LEFT, UP
from lrprop.alignment.validation import valid_cells


def soft_dtw(cost: Tensor, lengths: Tensor, gamma: float, open_begin: bool, open_end: bool) -> tuple[Tensor, Tensor]:
    """The soft minimum over all paths (B,), and the table (B, N, M) of the recursion."""

    def soft_minimum(values: Tensor, dim: int) -> Tensor:
        return -gamma * torch.logsumexp(-values / gamma, dim)

    table = _accumulate(_unpadded(cost, lengths), open_begin, soft_minimum)
    value = soft_minimum(_last_row(table, lengths, open_end), 1)
    return value.to(cost.dtype), table


def dtw(cost: Tensor, lengths: Tensor, open_begin: bool, open_end: bool) -> tuple[Tensor, Tensor, Tensor]:
    """The least total cost (B,), the direction codes (B, N, M) int8 and the column (B,) in which each path ends."""
    table = _accumulate(_unpadded(cost, lengths), open_begin, torch.amin)
    last_row = _last_row(table, lengths, open_end)
    return last_row.amin(1).to(cost.dtype), _directions(table, open_begin), last_row.argmin(1)


def _unpadded(cost: Tensor, lengths: Tensor) -> Tensor:
    """The cost in double precision, where the device has it; 0 on padding, so that no NaN there reaches a gradient."""
    wide = cost if cost.device.type == "mps" else cost.double()
    return torch.where(valid_cells(cost, lengths), wide, 0.0)


def _accumulate(cost: Tensor, open_begin: bool, minimum: Callable[[Tensor, int], Tensor]) -> Tensor:
    """The table R(i, j) = cost(i, j) + minimum of R at the cell's three predecessors."""
    batch, rows, columns = cost.shape
    i, j, k = (torch.arange(size, device=cost.device) for size in (rows, columns, rows + columns - 1))
    column_of = (k - i[:, None]).clamp(0, columns - 1).expand(batch, -1, -1)
    cost_of = cost.gather(2, column_of).unbind(2)
    before = last = torch.full_like(cost_of[0], inf)
    diagonals = []
    for step, step_cost in enumerate(cost_of):
        low, high = max(0, step - columns + 1), min(rows, step + 1)
        begin = 0.0 if step == 0 or open_begin else inf
        up_left, up, left = pad(before, (1, -1), value=begin), pad(last, (1, -1), value=inf), last
        best = minimum(torch.stack([up_left, up, left])[..., low:high], 0)
        before, last = last, pad(step_cost[:, low:high] + best, (low, rows - high), value=inf)
        diagonals.append(last)
    return torch.stack(diagonals, 2).gather(2, (i[:, None] + j).expand(batch, -1, -1))


def _last_row(table: Tensor, lengths: Tensor, open_end: bool) -> Tensor:
    """(B, M): row n - 1 of each pair's table where a path may end, infinity elsewhere."""
    n, m = lengths.unbind(1)
    row = table[torch.arange(len(table), device=table.device), n - 1]
    columns = torch.arange(table.shape[2], device=table.device)
    allowed = columns < m[:, None] if open_end else columns == m[:, None] - 1
    return torch.where(allowed, row, inf)


def _directions(table: Tensor, open_begin: bool) -> Tensor:
    """(B, N, M) int8: the predecessor that each cell took, with ties broken diagonal, up, left."""
    diagonal, up, left = (pad(table, shift, value=inf) for shift in ((1, -1, 1, -1), (0, 0, 1, -1), (1, -1, 0, 0)))
    diagonal[:, 0, slice(None) if open_begin else 0] = 0.0
    code = torch.where(up <= left, UP, LEFT)
    return torch.where(diagonal <= torch.minimum(up, left), DIAGONAL, code).to(torch.int8)
