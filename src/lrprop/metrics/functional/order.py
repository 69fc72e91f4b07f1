"""Kendall's tau: does the nearest neighbour move forward where the video does?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, overload

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, DTypeLike

from lrprop.alignment.compiled import kernel
from lrprop.metrics.functional.distances import Tile, read_distances, video_bounds
from lrprop.metrics.functional.inputs import as_embeddings, check_positive

Ties = Literal["tau_b", "discordant"]


@overload
def kendalls_tau(
    embeddings: Sequence[ArrayLike], stride: int = 1, ties: Ties = "tau_b", return_undefined: Literal[False] = False
) -> float: ...
@overload
def kendalls_tau(
    embeddings: Sequence[ArrayLike], stride: int = 1, ties: Ties = "tau_b", *, return_undefined: Literal[True]
) -> tuple[float, int]: ...
@overload
def kendalls_tau(
    embeddings: Sequence[ArrayLike], stride: int, ties: Ties, return_undefined: Literal[True]
) -> tuple[float, int]: ...
def kendalls_tau(
    embeddings: Sequence[ArrayLike], stride: int = 1, ties: Ties = "tau_b", return_undefined: bool = False
) -> float | tuple[float, int]:
    """Kendall's tau between frame order and the order of nearest neighbours (Dwibedi et al., TCC, CVPR 2019).

    For each ordered pair of videos, every frame of the first is sent to its nearest frame (squared Euclidean
    distance) in the second; tau compares the two index sequences; the value is the mean over the pairs where it is
    defined. Labels play no part: every frame counts.

    Args:
        embeddings: one (n_i, D) array a video.
        stride: every stride-th frame is used, from frame 0.
        ties: "tau_b" is scipy's tau-b, as the original evaluation code computes it, undefined where all frames have
            one and the same neighbour; "discordant" is the paper's wording, (concordant - discordant - tied) / all,
            which is -1 there.
        return_undefined: also return the number of undefined pairs, so that a collapsed embedding cannot look good.

    Returns:
        tau in [-1, 1], nan where no pair is defined; with `return_undefined`, (tau, number of undefined pairs).

    Raises:
        ValueError: an argument out of its range, or embeddings that are not finite.
    """
    videos = as_embeddings(embeddings)
    reader = NeighbourOrder(videos, stride, ties)
    read_distances(videos, [reader])
    tau, undefined = reader.result()
    return (tau, undefined) if return_undefined else tau


class NeighbourOrder:
    """Reads the tau of every ordered pair of videos; the arguments are those of `kendalls_tau`."""

    precision: DTypeLike = np.float64

    def __init__(self, videos: list[np.ndarray], stride: int = 1, ties: Ties = "tau_b") -> None:
        check_positive(stride, "stride")
        if ties not in ("tau_b", "discordant"):
            raise ValueError(f"ties = {ties!r}; expected 'tau_b' or 'discordant'")
        self.used = [np.arange(len(video)) % stride == 0 for video in videos]
        self.ties = ties
        self.bounds = video_bounds(self.used)
        self.taus = np.full((len(videos), len(videos)), np.nan)

    def read(self, tile: Tile) -> None:
        """Take the tau of the tile's pairs of videos, both ways."""
        _read_taus(tile.squares, self.bounds, tile.first, tile.start, tile.stop, self.ties == "tau_b", self.taus)

    def found(self) -> np.ndarray:
        """(V, V), nan where a pair was not read or has no tau."""
        return self.taus

    def join(self, found: np.ndarray) -> None:
        """Take in the pairs that another process has read."""
        self.taus = np.fmax(self.taus, found)

    def result(self) -> tuple[float, int]:
        """The mean tau, nan where no pair has one, and the number of pairs without."""
        taus = self.taus[~np.eye(len(self.taus), dtype=bool)]
        defined = taus[~np.isnan(taus)]
        return float(defined.mean()) if defined.size else float("nan"), taus.size - defined.size


@kernel
def _read_taus(
    squares: np.ndarray, bounds: np.ndarray, first: int, start: int, stop: int, tau_b: bool, taus: np.ndarray
) -> None:
    for second in range(start, stop):
        forward, backward = _nearest(squares, bounds[second] - bounds[start], bounds[second + 1] - bounds[start])
        taus[first, second] = _tau(forward, tau_b)
        taus[second, first] = _tau(backward, tau_b)


@njit(nogil=True)
def _nearest(squares: np.ndarray, left: int, right: int) -> tuple[np.ndarray, np.ndarray]:
    """(n,) the nearest column of each row and (m,) the nearest row of each column, the first of equally near ones.

    Only the m columns from `left` to `right` count, and are counted from `left`.
    """
    columns, rows = np.zeros(len(squares), np.int64), np.zeros(right - left, np.int64)
    nearest = squares[0, left:right].copy()
    for i in range(len(squares)):
        row = squares[i, left:right]
        for j in range(len(row)):
            is_nearer = row[j] < nearest[j]
            nearest[j] = row[j] if is_nearer else nearest[j]
            rows[j] = i if is_nearer else rows[j]
        columns[i] = row.argmin()
    return columns, rows


@njit(nogil=True)
def _tau(sequence: np.ndarray, tau_b: bool) -> float:
    """Tau of an index sequence against 0..n-1, which has no ties itself; nan where it is not defined."""
    concordant, discordant = 0, 0
    for t in range(1, len(sequence)):
        for earlier in sequence[:t]:
            concordant += earlier < sequence[t]
            discordant += earlier > sequence[t]
    pairs = len(sequence) * (len(sequence) - 1) / 2
    denominator = np.sqrt(pairs * (concordant + discordant)) if tau_b else pairs
    if denominator == 0:
        return np.nan
    return (concordant - discordant if tau_b else 2 * concordant - pairs) / denominator
