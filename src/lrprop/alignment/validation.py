"""The checks that the public functions share; the backends behind them trust their input."""

from __future__ import annotations

import math
from numbers import Real

import torch
from torch import Tensor

from lrprop.alignment.limits import PathLimits
from lrprop.errors import InputError


def check_cost(cost: Tensor) -> None:
    """Refuse a cost that is not a (B, N, M) tensor of float32 or float64 with N, M >= 1; B may be 0.

    Raises:
        ValueError: naming the type, shape or dtype found.
    """
    _check_tensor(cost, "cost")
    if cost.ndim != 3 or 0 in cost.shape[1:]:
        shape = tuple(cost.shape)
        raise ValueError(f"cost must be (B, N, M) with N, M >= 1; got shape {shape} (cost[None] makes a batch of one)")
    if cost.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"cost must be float32 or float64; got {cost.dtype} (cost.float() converts it)")


def check_embeddings(x: Tensor, y: Tensor) -> None:
    """Refuse what are no embeddings (B, N, D) and (B, M, D) of real numbers.

    Raises:
        ValueError: naming the argument and the type, shape or dtype found.
    """
    check_real(x, "x")
    check_real(y, "y")
    if x.ndim != 3 or y.ndim != 3 or x.shape[0] != y.shape[0] or x.shape[2] != y.shape[2]:
        raise ValueError(f"x and y must be (B, N, D) and (B, M, D); got {tuple(x.shape)} and {tuple(y.shape)}")


def check_real(embeddings: Tensor, name: str) -> None:
    """Refuse what is no tensor of real numbers.

    Raises:
        ValueError: naming the type or dtype found.
    """
    _check_tensor(embeddings, name)
    if embeddings.is_complex():
        remedy = "torch.view_as_real(...).flatten(-2) makes two coordinates of each"
        raise ValueError(f"{name} must be real; got {embeddings.dtype} ({remedy})")


def check_gamma(gamma: float) -> None:
    """Refuse a temperature that is no positive number of Python or NumPy; a tensor would get no gradient.

    Raises:
        InputError: naming the value.
    """
    if isinstance(gamma, bool) or not isinstance(gamma, Real):
        raise InputError(f"gamma must be a positive number, not {gamma!r}: float(gamma) makes one, without a gradient")
    if not (gamma > 0 and math.isfinite(gamma)):
        raise InputError(f"gamma must be a positive number; got {gamma} (dtw is the limit at 0)")


def _check_tensor(value: object, name: str) -> None:
    if not isinstance(value, Tensor):
        raise ValueError(f"{name} must be a torch.Tensor; got {type(value).__name__} (torch.as_tensor converts it)")


def refuse_nan(value: Tensor, cost: Tensor, limits: PathLimits, check: bool) -> None:
    """Say what made a value NaN. Elsewhere than on the CPU only where `check` allows to wait for the device.

    Args:
        value: (B,) what a backend returned: NaN for a pair with NaN or infinity on a cell that a path may visit, or
            with costs whose sums are beyond the numbers.
        cost: (B, N, M).
        limits: which cells those are.
        check: wait for the device.

    Raises:
        ValueError: naming the first such pair, and its cell.
    """
    if not check and value.device.type != "cpu":
        return
    if not value.isnan().any():
        return
    wrong = (~cost.detach().isfinite() & limits.cells(*cost.shape[1:])).nonzero()
    if not len(wrong):
        pair = int(value.isnan().nonzero()[0])
        raise ValueError(f"cost of pair {pair} is too large to be summed; scale it down")
    pair, i, j = wrong[0].tolist()
    value_there = cost[pair, i, j].item()
    raise ValueError(f"cost of pair {pair} must be finite; got {value_there} at ({i}, {j}): are the embeddings finite?")
