"""Dynamic time warping (Sakoe & Chiba 1978): the public function and what it returns."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from lrprop.alignment.backends import choose_backend
from lrprop.alignment.traceback import trace_paths
from lrprop.alignment.validation import check_cost, check_finite, check_lengths


@dataclass(frozen=True, eq=False)
class DTWResult:
    """The best alignment of every pair of a batch.

    Attributes:
        distance: (B,) the sum of the costs along each path, in the cost's dtype; carries no gradient.
        lengths: (B, 2) int64, the frames n and m of each pair.
        directions: (B, N, M) int8, the codes of `lrprop.alignment.traceback`; undefined on padding.
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
        """
        path = self._paths[b]
        return path[path[:, 0] >= 0]

    def first_match(self, axis: int = 0) -> Tensor:
        """The first frame that each frame is matched with: k(i) of Eq. 7 (Bar-Shalom et al. 2023).

        Args:
            axis: 0 asks for the frames of the first sequence, 1 for those of the second.

        Returns:
            (B, N) int64 for axis 0: the smallest j on the path for each i. (B, M) int64 for axis 1: the smallest i for
            each j, and -1 where open ends leave the frame j without a match. 0 on padding.

        Raises:
            ValueError: if `axis` is neither 0 nor 1.
        """
        if axis not in (0, 1):
            raise ValueError(f"axis must be 0 (first sequence) or 1 (second sequence); got {axis}")
        batch, *shape = self.directions.shape
        frames, matches = self._paths[..., axis], self._paths[..., 1 - axis]
        unmatched = shape[1 - axis]
        first = torch.full((batch, shape[axis] + 1), unmatched, device=frames.device)
        # The cells before a path's start are (-1, -1): they fall into one more column, which is cut off again.
        first.scatter_reduce_(1, frames.where(frames >= 0, shape[axis]), matches, "amin")
        first = first[:, :-1].masked_fill(first[:, :-1] == unmatched, -1)
        padding = torch.arange(shape[axis], device=first.device) >= self.lengths[:, axis, None]
        return first.masked_fill(padding, 0)

    @cached_property
    def _paths(self) -> Tensor:
        """(B, N + M - 1, 2): every path, at the end of its row; traced on the CPU when it is first asked for."""
        last_rows = self.lengths[:, 0] - 1
        codes, rows, columns = (t.cpu().contiguous().numpy() for t in (self.directions, last_rows, self.last_columns))
        return torch.from_numpy(trace_paths(codes, rows, columns)).to(self.directions.device)


@torch.no_grad()
def dtw(
    cost: Tensor,
    lengths: Tensor | None = None,
    *,
    open_begin: bool = False,
    open_end: bool = False,
    backend: str = "auto",
) -> DTWResult:
    """Align the two sequences of every pair at the least total cost (Eq. 6 of Bar-Shalom et al. 2023).

    A path is a monotone and connected list of matches (i, j). Ties are broken diagonal first, then up (i - 1), then
    left (j - 1), and at an open end the earliest j wins.

    With open ends the first sequence is aligned to a part of the second: every frame of the FIRST sequence is still
    matched, but frames of the second may stay without a match before the beginning and after the end of the path.

    Args:
        cost: (B, N, M) float32 or float64, the cost of matching frame i of the first with frame j of the second
            sequence; finite, may be negative. The recursion runs in float64 for both.
        lengths: (B, 2) integers, the frames 1 <= n <= N and 1 <= m <= M of each pair; the rest is padding, never read.
            None where nothing is padded.
        open_begin: the path may begin at any (0, j) instead of (0, 0).
        open_end: the path may end at any (n - 1, j) instead of (n - 1, m - 1).
        backend: "auto" or a name of `lrprop.alignment.BACKENDS`.

    Returns:
        The distances, paths and first matches of the B pairs. Nothing here carries a gradient.

    Raises:
        ValueError: for a wrong shape, dtype or length, and (on the CPU) for NaN or infinity in a valid cell, naming the
            pair.
        InputError: for a backend that is unknown or not available.
    """
    check_cost(cost)
    lengths = check_lengths(cost, lengths)
    check_finite(cost, lengths)
    distance, directions, last_columns = choose_backend(backend, cost.device).dtw(cost, lengths, open_begin, open_end)
    return DTWResult(distance, lengths, directions, last_columns)
