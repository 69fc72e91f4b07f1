"""Which paths are allowed: the lengths of each pair, a band around its diagonal, open ends.

A band keeps to the cells whose relative positions i / (n - 1) and j / (m - 1) differ by little: it follows the slope
of unequal lengths (Sakoe & Chiba 1978). In whole numbers, so that every backend agrees on every cell:

    |i (m - 1) - j (n - 1)| <= slack
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from lrprop.errors import InputError


@dataclass(frozen=True, eq=False)
class PathLimits:
    """What a path of each pair may visit.

    Attributes:
        lengths: (B, 2) int64, the frames n and m of each pair, on the cost's device.
        slack: (B,) int64, the half width of the band as above, on the cost's device; (n - 1)(m - 1) or more is no band.
        open_begin: a path may begin at any allowed (0, j), instead of (0, 0).
        open_end: a path may end at any allowed (n - 1, j), instead of (n - 1, m - 1).
    """

    lengths: Tensor
    slack: Tensor
    open_begin: bool = False
    open_end: bool = False

    def cells(self, rows: int, columns: int) -> Tensor:
        """(B, rows, columns) bool: true on the cells a path may visit, false outside the band and on padding."""
        n, m = self.lengths[:, 0, None, None], self.lengths[:, 1, None, None]
        i = torch.arange(rows, device=n.device)[:, None]
        j = torch.arange(columns, device=n.device)
        band = (i * (m - 1) - j * (n - 1)).abs() <= self.slack[:, None, None]
        return band & (i < n) & (j < m)


def path_limits(
    cost: Tensor,
    lengths: Tensor | None,
    band: int | float | None,
    open_begin: bool,
    open_end: bool,
    check: bool = False,
) -> PathLimits:
    """Check what a caller asked for and make it ready for a backend.

    Args:
        cost: (B, N, M).
        lengths: (B, 2) integers n and m, or None where no pair is padded. Values are checked where they can be read
            without waiting: on the CPU, or anywhere with `check`.
        band: half width of the band: an int in frames of the longer sequence, a float in [0, 1] as a share of it.
        open_begin: see `PathLimits`.
        open_end: see `PathLimits`.
        check: also read lengths that lie on another device, which waits for it.

    Raises:
        ValueError: lengths of a wrong shape, dtype or value; names the pair.
        InputError: a band of a wrong type or value, or too narrow for a path from end to end; names the pair.
    """
    _check_band(band)
    if lengths is None:
        return _whole_cost(*cost.shape, cost.device, band, open_begin, open_end)
    lengths = torch.as_tensor(lengths)
    _check_kind(lengths, len(cost))
    if check or lengths.device.type == "cpu":
        lengths = lengths.cpu()
        _check_values(lengths, cost.shape[1], cost.shape[2])
    return _limits(lengths.to(torch.int64), band, open_begin, open_end, cost.device)


@lru_cache(
    maxsize=64, typed=True
)  # typed: band=1 is not band=1.0. Training asks for the same few shapes again and again
def _whole_cost(
    batch: int,
    rows: int,
    columns: int,
    device: torch.device,
    band: int | float | None,
    open_begin: bool,
    open_end: bool,
) -> PathLimits:
    lengths = torch.tensor([[rows, columns]]).expand(batch, 2).contiguous()
    return _limits(lengths, band, open_begin, open_end, device)


def _limits(
    lengths: Tensor, band: int | float | None, open_begin: bool, open_end: bool, device: torch.device
) -> PathLimits:
    slack = _slack(lengths, band)
    if band is not None and lengths.device.type == "cpu":
        _check_reach(lengths, slack, band)
    lengths, slack = (values.contiguous().to(device, non_blocking=True) for values in (lengths, slack))
    return PathLimits(lengths, slack, open_begin, open_end)


def _slack(lengths: Tensor, band: int | float | None) -> Tensor:
    """(B,) the band in the whole numbers of `PathLimits`: the share of the longer sequence times (n - 1)(m - 1)."""
    steps = lengths - 1
    everything = steps[:, 0] * steps[:, 1]
    if band is None:
        return everything
    if isinstance(band, int):
        return band * steps.amin(1)  # band / (longer - 1) of (longer - 1)(shorter - 1)
    return (band * everything.double() + 1e-6).floor().long()  # .29 * 100 shall be 29


def _check_band(band: int | float | None) -> None:
    if band is None:
        return
    if isinstance(band, bool) or not isinstance(band, int | float):
        raise InputError(f"band must be None, a number of frames (int) or a share (float); got {band!r}")
    if isinstance(band, float) and not 0 <= band <= 1:
        raise InputError(f"band as a share must be in [0, 1]; got {band} (an int is a width in frames)")
    if band < 0:
        raise InputError(f"band as a width must be at least 0 frames; got {band}")


def _check_kind(lengths: Tensor, batch: int) -> None:
    if lengths.shape != (batch, 2):
        raise ValueError(f"lengths must be (B, 2) = ({batch}, 2), the n and m of each pair; got {tuple(lengths.shape)}")
    if lengths.dtype == torch.bool or lengths.is_floating_point() or lengths.is_complex():
        raise ValueError(f"lengths must be integers; got {lengths.dtype}")


def _check_values(lengths: Tensor, rows: int, columns: int) -> None:
    wrong = ((lengths < 1) | (lengths > torch.tensor([rows, columns]))).any(1)
    if wrong.any():
        pair = int(wrong.int().argmax())
        n, m = lengths[pair].tolist()
        raise ValueError(f"lengths of pair {pair} must be 1 <= n <= {rows} and 1 <= m <= {columns}; got n={n}, m={m}")


def _check_reach(lengths: Tensor, slack: Tensor, band: int | float) -> None:
    """Refuse a band with a gap: a row without a cell, or a row that does not touch the one above it."""
    n, m = lengths[:, :1], lengths[:, 1:]
    i = torch.arange(int(lengths.amax()) if lengths.numel() else 0)
    run, rise = (n - 1).clamp(min=1), i * (m - 1)
    first = (-((slack[:, None] - rise) // run)).clamp(min=0)  # the ceiling of (rise - slack) / run
    last = ((rise + slack[:, None]) // run).clamp(max=m - 1)
    touches = torch.ones_like(first, dtype=torch.bool)
    touches[:, 1:] = first[:, 1:] <= last[:, :-1] + 1
    gap = (((first > last) | ~touches) & (i < n)).any(1)
    if gap.any():
        pair = int(gap.int().argmax())
        frames = " and ".join(map(str, lengths[pair].tolist()))
        raise InputError(f"band={band} leaves pair {pair} of {frames} frames no path from end to end; widen the band")
