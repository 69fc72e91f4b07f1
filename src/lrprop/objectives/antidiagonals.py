"""Recurrences over the cells of matrices, one anti-diagonal at a time, with automatic gradients."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.functional import pad


def antidiagonals(cells: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """The cells (i, k - i) for k = 0, 1, ..., N + M - 2: those before them are on the last two diagonals.

    Args:
        cells: (..., N, M).

    Yields:
        The diagonal (..., N) by row, and which rows (N,) have a cell on it; the others hold some other cell.
    """
    rows, columns = cells.shape[-2:]
    row = torch.arange(rows, device=cells.device)
    for step in range(rows + columns - 1):
        column = step - row
        yield cells[..., row, column.clamp(0, columns - 1)], (column >= 0) & (column < columns)


def one_row_down(diagonal: Tensor, above: float) -> Tensor:
    """The diagonal (..., N) with each row's value in the row below it, and `above` in the first."""
    return pad(diagonal[..., :-1], (1, 0), value=above)


def from_antidiagonals(diagonals: list[Tensor], columns: int) -> Tensor:
    """The matrices (B, N, M) with these anti-diagonals (B, N), in the order of `antidiagonals`."""
    row = torch.arange(diagonals[0].shape[1], device=diagonals[0].device).unsqueeze(1)
    steps = row + torch.arange(columns, device=row.device)
    return torch.stack(diagonals, 1)[:, steps, row]
