"""The checks that `dtw` and `soft_dtw` share; the backends behind them trust their input."""

from __future__ import annotations

import torch
from torch import Tensor


def check_cost(cost: Tensor) -> None:
    """Refuse a cost that is not a (B, N, M) tensor of float32 or float64 with N, M >= 1; B may be 0.

    Raises:
        ValueError: naming the shape or dtype found.
    """
    if cost.ndim != 3 or 0 in cost.shape[1:]:
        shape = tuple(cost.shape)
        raise ValueError(f"cost must be (B, N, M) with N, M >= 1; got shape {shape} (cost[None] makes a batch of one)")
    if cost.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"cost must be float32 or float64; got {cost.dtype} (cost.float() converts it)")


def check_lengths(cost: Tensor, lengths: Tensor | None) -> Tensor:
    """The frames (n, m) of every pair, checked against the shape of the cost.

    Args:
        cost: (B, N, M).
        lengths: (B, 2) integers n and m, or None where no pair is padded.

    Returns:
        (B, 2) int64 on the cost's device.

    Raises:
        ValueError: if the shape or dtype is wrong, or a length is outside 1 <= n <= N, 1 <= m <= M: names the pair.
    """
    batch, rows, columns = cost.shape
    limits = torch.tensor([rows, columns])
    lengths = limits.expand(batch, 2) if lengths is None else torch.as_tensor(lengths)
    if lengths.shape != (batch, 2):
        raise ValueError(f"lengths must be (B, 2) = ({batch}, 2), the n and m of each pair; got {tuple(lengths.shape)}")
    if lengths.dtype == torch.bool or lengths.is_floating_point() or lengths.is_complex():
        raise ValueError(f"lengths must be integers; got {lengths.dtype}")
    wrong = ((lengths < 1) | (lengths > limits.to(lengths.device))).any(1)
    if wrong.any():
        pair = int(wrong.int().argmax())
        n, m = lengths[pair].tolist()
        raise ValueError(f"lengths of pair {pair} must be 1 <= n <= {rows} and 1 <= m <= {columns}; got n={n}, m={m}")
    return lengths.to(cost.device, torch.int64).contiguous()


def valid_cells(cost: Tensor, lengths: Tensor) -> Tensor:
    """(B, N, M) bool: true inside a pair's own n x m cells, false on padding."""
    rows = torch.arange(cost.shape[1], device=cost.device) < lengths[:, :1]
    columns = torch.arange(cost.shape[2], device=cost.device) < lengths[:, 1:]
    return rows[:, :, None] & columns[:, None, :]


def check_finite(cost: Tensor, lengths: Tensor) -> None:
    """Refuse NaN and infinity in a cell that is not padding. CPU only: elsewhere it would wait for the device.

    Raises:
        ValueError: naming the first such pair and cell.
    """
    if cost.device.type != "cpu":
        return
    finite = cost.detach().isfinite()
    if finite.all():
        return
    wrong = (~finite & valid_cells(cost, lengths)).nonzero()
    if len(wrong):
        pair, i, j = wrong[0].tolist()
        value = cost[pair, i, j].item()
        raise ValueError(f"cost of pair {pair} must be finite; got {value} at ({i}, {j}): are the embeddings finite?")
