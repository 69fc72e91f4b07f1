"""Which paths are allowed: the lengths of each pair, a band around its diagonal, open ends.

A band keeps to the cells whose relative positions i / (n - 1) and j / (m - 1) differ by little: it follows the slope
of unequal lengths (Sakoe & Chiba 1978). In whole numbers, so that every backend agrees on every cell:

    |i (m - 1) - j (n - 1)| <= slack
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from numbers import Integral, Real

import numpy as np
import torch
from torch import Tensor

from lrprop.errors import InputError

_NO_BAND = 2**31
"""Frames; wider than any sequence, and its product with a length is an int64."""


@dataclass(frozen=True, eq=False)
class PathLimits:
    """What a path of each pair may visit.

    Attributes:
        lengths: (B, 2) int64, the frames n and m of each pair, on the cost's device; nobody else's memory.
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
    batch, rows, columns = cost.shape
    band = _plain_band(band)
    if lengths is None:
        return _whole_cost(batch, rows, columns, cost.device, band, open_begin, open_end)
    lengths = own_lengths(lengths, batch, rows, columns, check)
    return _limits(lengths, band, open_begin, open_end, cost.device)


def own_lengths(lengths: Tensor, batch: int, rows: int, columns: int, check: bool) -> Tensor:
    """A copy (B, 2) int64 of the lengths, checked as `path_limits` says; what the caller does to theirs is no matter.

    Raises:
        ValueError: lengths of a wrong shape, dtype or value; names the pair.
    """
    lengths = torch.as_tensor(lengths)
    _check_kind(lengths, batch)
    lengths = lengths.to("cpu" if check else lengths.device, torch.int64, copy=True)
    if lengths.device.type == "cpu":
        _check_values(lengths, rows, columns)
    return lengths


def pair_without_path(lengths: Tensor, band: int | float | None) -> int | None:
    """The first pair of (B, 2) lengths on the CPU that the band leaves no path from end to end.

    Raises:
        InputError: a band of a wrong type or value.
    """
    band = _plain_band(band)
    return None if band is None else _first_gap(lengths, _slack(lengths, band))


# Training asks for the same few shapes again and again. Typed, as band=1 is not band=1.0.
@lru_cache(maxsize=64, typed=True)
def _whole_cost(
    batch: int,
    rows: int,
    columns: int,
    device: torch.device,
    band: int | float | None,
    open_begin: bool,
    open_end: bool,
) -> PathLimits:
    with torch.inference_mode(False):  # the next caller may want a gradient
        lengths = torch.tensor([[rows, columns]]).repeat(batch, 1)
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
    everything = steps.prod(1)
    if band is None:
        return everything
    if isinstance(band, int):
        return band * steps.amin(1)  # band / (longer - 1) of (longer - 1)(shorter - 1)
    return (band * everything.double() + 1e-6).floor().long()  # .29 * 100 shall be 29


def _plain_band(band: object) -> int | float | None:
    """The band as Python's own number, and no wider than the sums of `_slack` have room for."""
    if band is None:
        return None
    if isinstance(band, bool) or not isinstance(band, Real):
        raise InputError(f"band must be None, a number of frames (int) or a share (float); got {band!r}")
    if not isinstance(band, Integral):
        share = float(band)
        if not 0 <= share <= 1:
            raise InputError(f"band as a share must be in [0, 1]; got {band} (an int is a width in frames)")
        return share
    width = int(band)
    if width < 0:
        raise InputError(f"band as a width must be at least 0 frames; got {band}")
    return min(width, _NO_BAND)


def _check_kind(lengths: Tensor, batch: int) -> None:
    if lengths.shape != (batch, 2):
        raise ValueError(f"lengths must be (B, 2) = ({batch}, 2), the n and m of each pair; got {tuple(lengths.shape)}")
    if lengths.dtype == torch.bool or lengths.is_floating_point() or lengths.is_complex():
        raise ValueError(f"lengths must be integers; got {lengths.dtype}")


def _check_values(lengths: Tensor, rows: int, columns: int) -> None:
    frames = lengths.numpy()  # on few numbers NumPy takes a fraction of torch's time
    wrong = (frames < 1) | (frames > (rows, columns))
    if wrong.any():
        pair = wrong.any(1).argmax()
        n, m = frames[pair]
        raise ValueError(f"lengths of pair {pair} must be 1 <= n <= {rows} and 1 <= m <= {columns}; got n={n}, m={m}")


def _check_reach(lengths: Tensor, slack: Tensor, band: int | float) -> None:
    pair = _first_gap(lengths, slack)
    if pair is not None:
        frames = " and ".join(map(str, lengths[pair].tolist()))
        raise InputError(f"band={band} leaves pair {pair} of {frames} frames no path from end to end; widen the band")


def _first_gap(lengths: Tensor, slack: Tensor) -> int | None:
    """The first pair whose band has a gap: a row without a cell, or a row that does not touch the one above it.

    With p = n - 1, q = m - 1 and g their greatest common divisor, row i spans (i q +- slack) / p, and over the rows
    i q mod p takes every multiple of g below p. The worst of them decides: g floor(p / 2g), the farthest from a
    multiple of p, must be within the slack, and with (i q + slack) mod p at its largest, p - g + slack mod g, the next
    row begins too far right unless q - g + slack mod g <= 2 slack.
    """
    (p, q), half_width = lengths.numpy().T - 1, slack.numpy()
    g = np.maximum(np.gcd(p, q), 1)
    gap = (p // (2 * g) * g > half_width) | (q - g + half_width % g > 2 * half_width)
    return int(gap.argmax()) if gap.any() else None
