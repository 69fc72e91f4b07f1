"""Dynamic time warping (Sakoe & Chiba 1978): the path with its distance, or the distance alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from lrprop.alignment.backends import choose_backend
from lrprop.alignment.limits import path_limits
from lrprop.alignment.traceback import first_matches, trace_paths
from lrprop.alignment.validation import check_cost, refuse_nan


@dataclass(frozen=True, eq=False)
class DTWResult:
    """The best alignment of every pair of a batch.

    Attributes:
        distance: (B,) the sum of the costs along each path, in the cost's dtype; carries no gradient.
        lengths: (B, 2) int64, the frames n and m of each pair; a copy of its own.
        directions: (B, N, M) int8, the codes of `lrprop.alignment.traceback`; undefined where no path may go.
        last_columns: (B,) int64, the column in which each path ends: m - 1 unless the end is open.
    """

    distance: Tensor
    lengths: Tensor
    directions: Tensor
    last_columns: Tensor

    def path(self, b: int) -> Tensor:
        """The matched frames of pair `b`.

        Returns:
            (L, 2) int64, the pairs (i, j) from (0, 0) to (n - 1, m - 1), or from (0, j) and to (n - 1, j) at open ends;
            monotone and connected.

        Raises:
            ValueError: if `lengths`, never checked on another device than the CPU, go beyond the cost.
        """
        path = self._paths[b]
        start = np.count_nonzero(path[:, 0] < 0)
        return torch.from_numpy(path[start:]).to(self.directions.device)

    def first_match(self, axis: int = 0) -> Tensor:
        """The first frame that each frame is matched with: k(i) of Eq. 7 (Bar-Shalom et al. 2023).

        Args:
            axis: 0 asks for the frames of the first sequence, 1 for those of the second.

        Returns:
            (B, N) int64 for axis 0: the smallest j on the path for each i. (B, M) int64 for axis 1: the smallest i for
            each j, and -1 where open ends leave the frame j without a match. 0 on padding.

        Raises:
            ValueError: if `axis` is neither 0 nor 1, and as `path`.
        """
        if axis not in (0, 1):
            raise ValueError(f"axis must be 0 (first sequence) or 1 (second sequence); got {axis}")
        first = first_matches(self._paths, self.lengths.cpu().numpy(), axis, self.directions.shape[1 + axis])
        return torch.from_numpy(first).to(self.directions.device)

    @cached_property
    def _paths(self) -> np.ndarray:
        """(B, N + M - 1, 2): every path, at the end of its row; traced on the CPU when it is first asked for."""
        ends = self.lengths[:, 0] - 1, self.last_columns
        return trace_paths(*(codes.cpu().contiguous().numpy() for codes in (self.directions, *ends)))


def dtw(
    cost: Tensor,
    lengths: Tensor | None = None,
    *,
    band: int | float | None = None,
    open_begin: bool = False,
    open_end: bool = False,
    backend: str = "auto",
    check: bool = False,
) -> DTWResult:
    """Align the two sequences of every pair at the least total cost (Eq. 6 of Bar-Shalom et al. 2023).

    A path is a monotone and connected list of matches (i, j). Ties are broken diagonal first, then up (i - 1), then
    left (j - 1), and at an open end the earliest j wins.

    With open ends the first sequence is aligned to a part of the second: every frame of the FIRST sequence is still
    matched, but frames of the second may stay without a match before the beginning and after the end of the path.

    Args:
        cost: (B, N, M) float32 or float64, the cost of matching frame i of the first with frame j of the second
            sequence; finite, may be negative.
        lengths: (B, 2) integers, the frames 1 <= n <= N and 1 <= m <= M of each pair; the rest is padding, never read.
            None where nothing is padded.
        band: keep the path near the diagonal, whose slope is that of the two lengths (Sakoe & Chiba 1978): the half
            width as a number of frames of the longer sequence (int) or as a share of it (float in [0, 1]). None for no
            band.
        open_begin: the path may begin at any (0, j) instead of (0, 0).
        open_end: the path may end at any (n - 1, j) instead of (n - 1, m - 1).
        backend: "auto" or a name of `lrprop.alignment.BACKENDS`.
        check: on another device than the CPU, wait for it and check lengths and costs there too.

    Returns:
        The distances, paths and first matches of the B pairs. Nothing here carries a gradient. Off the CPU and without
        `check`, a pair with NaN or infinity gets the distance NaN and a path without meaning.

    Raises:
        ValueError: for a wrong shape, dtype or length, and (on the CPU or with `check`) for NaN or infinity in a cell
            that a path may visit, naming the pair.
        InputError: for a band that is wrong or leaves no path, or a backend that is unknown or not available.
    """
    check_cost(cost)
    limits = path_limits(cost, lengths, band, open_begin, open_end, check)
    distance, directions, last_columns = choose_backend(backend, cost.device).dtw(cost.detach(), limits)
    refuse_nan(distance, cost, limits, check)
    return DTWResult(distance, limits.lengths.clone(), directions, last_columns)  # the limits are cached


def dtw_distance(
    cost: Tensor,
    lengths: Tensor | None = None,
    *,
    band: int | float | None = None,
    open_begin: bool = False,
    open_end: bool = False,
    backend: str = "auto",
    check: bool = False,
) -> Tensor:
    """The distance of `dtw` without the path: faster, and beside the cost only memory for N + M cells of each pair.

    Args:
        cost: (B, N, M), as in `dtw`, like all that follow.
        lengths: (B, 2) integers, or None.
        band: a width in frames (int), a share (float), or None.
        open_begin: the path may begin at any (0, j).
        open_end: the path may end at any (n - 1, j).
        backend: "auto" or a name of `lrprop.alignment.BACKENDS`.
        check: wait for the device to check what lies there.

    Returns:
        (B,) distances in the cost's dtype; carries no gradient.

    Raises:
        ValueError: as `dtw`.
        InputError: as `dtw`.
    """
    check_cost(cost)
    limits = path_limits(cost, lengths, band, open_begin, open_end, check)
    distance = choose_backend(backend, cost.device).dtw_distance(cost.detach(), limits)
    refuse_nan(distance, cost, limits, check)
    return distance
