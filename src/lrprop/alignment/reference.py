"""The backend in plain torch: any device, any float dtype, differentiable by autograd as often as one likes.

All cells (i, j) of an anti-diagonal i + j = k depend on the two anti-diagonals before it only, so that each of the
N + M - 1 steps computes a whole one for the whole batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import inf, nan

import torch
from torch import Tensor
from torch.nn.functional import pad

from lrprop.alignment.limits import PathLimits
from lrprop.alignment.traceback import DIAGONAL, LEFT, UP

# Reduces the costs of reaching a cell from (diagonal, up, left), along a dimension.
Minimum = Callable[[Tensor, int], Tensor]


def soft_dtw(cost: Tensor, limits: PathLimits, gamma: float) -> Tensor:
    """The soft minimum over all allowed paths (B,)."""

    def soft_minimum(values: Tensor, dim: int) -> Tensor:
        nowhere = (values == inf).all(dim, keepdim=True)  # torch.logsumexp has no gradient there but NaN
        minimum = -gamma * torch.logsumexp(-values.masked_fill(nowhere, 0.0) / gamma, dim, keepdim=True)
        return minimum.masked_fill(nowhere, inf).squeeze(dim)

    row = [last for last, _ in _steps(cost, limits, soft_minimum)]
    return soft_minimum(_ends(row, limits), 1).to(cost.dtype)


def dtw_distance(cost: Tensor, limits: PathLimits) -> Tensor:
    """The least total cost (B,)."""
    row = [last for last, _ in _steps(cost, limits, torch.amin)]
    return _ends(row, limits).amin(1).to(cost.dtype)


def dtw(cost: Tensor, limits: PathLimits) -> tuple[Tensor, Tensor, Tensor]:
    """The least total cost (B,), the direction codes (B, N, M) int8 and the column (B,) in which each path ends."""
    row, codes = [], []
    for last, (diagonal, up, left) in _steps(cost, limits, torch.amin):
        row.append(last)
        straight = torch.where(up <= left, UP, LEFT)
        codes.append(torch.where(diagonal <= torch.minimum(up, left), DIAGONAL, straight).to(torch.int8))
    i, j = (torch.arange(size, device=cost.device) for size in cost.shape[1:])
    directions = torch.stack(codes, 2).gather(2, (i[:, None] + j).expand(len(cost), -1, -1))
    distance, last_step = _ends(row, limits).min(1)
    return distance.to(cost.dtype), directions, last_step - limits.lengths[:, 0] + 1


def _allowed(cost: Tensor, limits: PathLimits) -> Tensor:
    """The cost in double precision, where the device has it: infinite where no path may go, NaN where a pair has one.

    A pair with an infinite cost becomes NaN as a whole, and `where` gives no gradient to the cells it takes away.
    """
    wide = cost if cost.device.type == "mps" else cost.double()
    cells = limits.cells(*cost.shape[1:])
    broken = (cells & ~cost.detach().isfinite()).any(2).any(1)
    poison = torch.where(broken, nan, 0.0).to(wide.dtype)[:, None, None]
    return torch.where(cells, wide + poison, inf)


def _steps(cost: Tensor, limits: PathLimits, minimum: Minimum) -> Iterator[tuple[Tensor, Tensor]]:
    """Walk the anti-diagonals i + j = k of the table R(i, j) = cost(i, j) + minimum of R at the three predecessors.

    Yields:
        R(n - 1, k - n + 1) as (B, 1), and the three predecessors of every cell (3, B, N). Infinite outside the table.
    """
    last_row = limits.lengths[:, :1] - 1
    skewed = _skewed(_allowed(cost, limits))
    before = last = torch.full_like(skewed[:, :, 0], inf)
    for step, step_cost in enumerate(skewed.unbind(2)):
        begin = 0.0 if step == 0 or limits.open_begin else inf
        predecessors = torch.stack([pad(before, (1, -1), value=begin), pad(last, (1, -1), value=inf), last])
        before, last = last, step_cost + minimum(predecessors, 0)
        yield last.gather(1, last_row), predecessors


def _skewed(cost: Tensor) -> Tensor:
    """(B, N, N + M - 1): cost(i, k - i) at (i, k), infinite where there is no such cell."""
    batch, rows, columns = cost.shape
    i, k = (torch.arange(size, device=cost.device) for size in (rows, rows + columns - 1))
    j = k - i[:, None]
    cells = cost.gather(2, j.clamp(0, columns - 1).expand(batch, -1, -1))
    return torch.where((j >= 0) & (j < columns), cells, inf)


def _ends(row: list[Tensor], limits: PathLimits) -> Tensor:
    """(B, N + M - 1): row n - 1 as it was met step by step, infinite where no path may end."""
    n, m = limits.lengths[:, :1], limits.lengths[:, 1:]
    j = torch.arange(len(row), device=n.device) - n + 1
    allowed = (j >= 0) & (j < m) if limits.open_end else j == m - 1
    return torch.where(allowed, torch.cat(row, 1), inf)
