"""The checks of a cost that `dtw` and `soft_dtw` share; the backends behind them trust their input."""

from __future__ import annotations

import torch
from torch import Tensor

from lrprop.alignment.limits import PathLimits


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


def refuse_nan(value: Tensor, cost: Tensor, limits: PathLimits, check: bool) -> None:
    """Say which cell made a value NaN. Elsewhere than on the CPU only where `check` allows to wait for the device.

    Args:
        value: (B,) what a backend returned: NaN for a pair with NaN or infinity on a cell that a path may visit.
        cost: (B, N, M).
        limits: which cells those are.
        check: wait for the device.

    Raises:
        ValueError: naming the first such pair and cell.
    """
    if not check and value.device.type != "cpu":
        return
    if not value.isnan().any():
        return
    wrong = (~cost.detach().isfinite() & limits.cells(*cost.shape[1:])).nonzero()
    pair, i, j = wrong[0].tolist()
    value_there = cost[pair, i, j].item()
    raise ValueError(f"cost of pair {pair} must be finite; got {value_there} at ({i}, {j}): are the embeddings finite?")
