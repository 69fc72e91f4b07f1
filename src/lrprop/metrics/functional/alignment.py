"""What the DTW alignment of two videos' embeddings gets right: phases, and canonical time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, DTypeLike

from lrprop.alignment.compiled import kernel
from lrprop.metrics.functional.distances import Tile, pooled, read_distances, video_bounds
from lrprop.metrics.functional.inputs import as_embeddings, as_labels, as_truths


def dtw_accuracy(
    embeddings: Sequence[ArrayLike], labels: Sequence[ArrayLike], open_begin: bool = False, open_end: bool = False
) -> float:
    """The share of DTW path cells whose two frames have the same phase, the mean over all ordered pairs of videos.

    The cost is the Euclidean distance. Cells with a -1 on either side are left out; so is a pair without any other.

    Args:
        embeddings: one (n_i, D) array a video.
        labels: one (n_i,) integer array a video, -1 where a frame has no phase.
        open_begin: the first video may begin anywhere in the second.
        open_end: the first video may end anywhere in the second.

    Returns:
        The accuracy in [0, 1], nan where no pair defines it.

    Raises:
        ValueError: arrays that do not fit each other, or embeddings that are not finite.
    """
    unknown = [np.full(len(np.asarray(track)), np.nan) for track in labels]
    return alignment_scores(embeddings, labels, unknown, open_begin, open_end)[0]


def canonical_error(embeddings: Sequence[ArrayLike], truths: Sequence[ArrayLike]) -> float:
    """How far apart in canonical time the frames are that DTW matches.

    The mean over path cells (i, j) of |t_first(i) - t_second(j)|, then over all ordered pairs of videos. The cost is
    the Euclidean distance, both ends are fixed. Cells with a nan on either side are left out.

    Args:
        embeddings: one (n_i, D) array a video.
        truths: one (n_i,) array of canonical times in [0, 1] a video.

    Returns:
        The error in [0, 1], lower is better; nan where no pair defines it.

    Raises:
        ValueError: arrays that do not fit each other, times outside [0, 1], or embeddings that are not finite.
    """
    unknown = [np.full(len(np.asarray(track)), -1) for track in truths]
    return alignment_scores(embeddings, unknown, truths)[1]


def alignment_scores(
    embeddings: Sequence[ArrayLike],
    labels: Sequence[ArrayLike],
    truths: Sequence[ArrayLike],
    open_begin: bool = False,
    open_end: bool = False,
) -> tuple[float, float]:
    """Both metrics, `dtw_accuracy` and `canonical_error`, from one alignment of every pair.

    Args:
        embeddings: one (n_i, D) array a video.
        labels: one (n_i,) integer array a video, -1 where a frame has no phase.
        truths: one (n_i,) array of canonical times in [0, 1] a video, nan where a frame has none.
        open_begin: the first video may begin anywhere in the second.
        open_end: the first video may end anywhere in the second.

    Returns:
        (accuracy, error), each nan where no pair defines it.

    Raises:
        ValueError: arrays that do not fit each other, times outside [0, 1], or embeddings that are not finite.
    """
    videos = as_embeddings(embeddings)
    reader = PathScores(videos, labels, truths, open_begin, open_end)
    read_distances(videos, [reader])
    return reader.result()


class PathScores:
    """Reads the scores of the path of every ordered pair of videos; the arguments are those of `alignment_scores`.

    A video without any phase or time takes no part.
    """

    precision: DTypeLike = np.float64

    def __init__(
        self,
        videos: list[np.ndarray],
        labels: Sequence[ArrayLike],
        truths: Sequence[ArrayLike],
        open_begin: bool = False,
        open_end: bool = False,
    ) -> None:
        self.ends = open_begin, open_end
        phases, times = as_labels(labels, videos), as_truths(truths, videos)
        known = [(phase >= 0).any() or not np.isnan(time).all() for phase, time in zip(phases, times, strict=True)]
        self.used = [np.full(len(video), is_known) for video, is_known in zip(videos, known, strict=True)]
        self.bounds = video_bounds(self.used)
        self.phases, self.times = pooled(phases, self.used), pooled(times, self.used)
        self.accuracies, self.errors = np.full((2, len(videos), len(videos)), np.nan)

    def read(self, tile: Tile) -> None:
        """Score the paths between the tile's videos, both ways."""
        _read_scores(
            tile.squares,
            self.bounds,
            (tile.first, tile.start, tile.stop),
            (self.phases, self.times),
            self.ends,
            (self.accuracies, self.errors),
        )

    def found(self) -> tuple[np.ndarray, np.ndarray]:
        """The accuracies and the errors (V, V), nan where a pair was not read or defines none."""
        return self.accuracies, self.errors

    def join(self, found: tuple[np.ndarray, np.ndarray]) -> None:
        """Take in the pairs that another process has read."""
        self.accuracies, self.errors = np.fmax((self.accuracies, self.errors), found)

    def result(self) -> tuple[float, float]:
        """(accuracy, error), the means over the pairs that define them, nan where none does."""
        return _mean(self.accuracies), _mean(self.errors)


def _mean(values: np.ndarray) -> float:
    """The mean of the values that are defined, nan where none is."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else float("nan")


_Tracks = tuple[np.ndarray, np.ndarray]
"""The phases and the canonical times of the same frames."""


@kernel
def _read_scores(
    squares: np.ndarray,
    bounds: np.ndarray,
    videos: tuple[int, int, int],
    tracks: _Tracks,
    ends: tuple[bool, bool],
    scores: tuple[np.ndarray, np.ndarray],
) -> None:
    first, start, stop = videos
    rows = _of_video(tracks, bounds, first)
    for second in range(start, stop):
        columns = _of_video(tracks, bounds, second)
        if len(columns[0]):
            cost = _distances(squares, bounds[second] - bounds[start], bounds[second + 1] - bounds[start])
            forward, backward = _score_both(cost, rows, columns, ends)
            scores[0][first, second], scores[1][first, second] = forward
            scores[0][second, first], scores[1][second, first] = backward


@njit(nogil=True)
def _of_video(tracks: _Tracks, bounds: np.ndarray, video: int) -> _Tracks:
    start, stop = bounds[video], bounds[video + 1]
    return tracks[0][start:stop], tracks[1][start:stop]


@njit(nogil=True)
def _distances(squares: np.ndarray, left: int, right: int) -> np.ndarray:
    distances = np.empty((len(squares), right - left))
    for i in range(len(squares)):
        row = squares[i, left:right]
        for j in range(len(row)):
            distances[i, j] = np.sqrt(row[j])
    return distances


@njit(nogil=True)
def _score_both(
    cost: np.ndarray, rows: _Tracks, columns: _Tracks, ends: tuple[bool, bool]
) -> tuple[tuple[float, float], tuple[float, float]]:
    """The scores of the path, and of the path of the transposed cost.

    With fixed ends the transposed table is the table transposed: the two paths differ in how they break ties alone.
    """
    table = _dtw_table(cost, ends[0])
    forward = _score(table, rows, columns, ends, False)
    if ends[0] or ends[1]:
        return forward, _score(_dtw_table(cost.T.copy(), ends[0]), columns, rows, ends, False)
    return forward, _score(table, rows, columns, ends, True)


@njit(nogil=True)
def _dtw_table(cost: np.ndarray, open_begin: bool) -> np.ndarray:
    """(n, m) the least cost of a path to each cell, as `lrprop.alignment.dtw` sums it; the cost is >= 0."""
    table = np.empty_like(cost)
    table[0] = cost[0]
    if not open_begin:
        for j in range(1, cost.shape[1]):
            table[0, j] += table[0, j - 1]
    for i in range(1, len(cost)):
        above, row, costs = table[i - 1], table[i], cost[i]
        # Apart from the loop below, whose steps wait for one another, this one is vectorised.
        for j in range(1, len(row)):
            row[j] = above[j] if above[j] < above[j - 1] else above[j - 1]
        left = row[0] = costs[0] + above[0]
        for j in range(1, len(row)):
            left = costs[j] + (left if left < row[j] else row[j])
            row[j] = left
    return table


@njit(nogil=True)
def _score(
    table: np.ndarray, rows: _Tracks, columns: _Tracks, ends: tuple[bool, bool], left_before_up: bool
) -> tuple[float, float]:
    """Follow the path back through the table: the share of its cells with equal phases, the mean gap in time.

    Ties go to the diagonal, then up, then left, or in the transposed order.
    """
    agree, known, gap, timed = 0, 0, 0.0, 0
    i = len(table) - 1
    j = table[i].argmin() if ends[1] else table.shape[1] - 1
    while True:
        if rows[0][i] >= 0 and columns[0][j] >= 0:
            known += 1
            agree += rows[0][i] == columns[0][j]
        difference = abs(rows[1][i] - columns[1][j])
        if not np.isnan(difference):
            timed += 1
            gap += difference
        if i == 0 and (j == 0 or ends[0]):
            break
        i, j = _step_back(table, i, j, left_before_up)
    return agree / known if known else np.nan, gap / timed if timed else np.nan


@njit(nogil=True)
def _step_back(table: np.ndarray, i: int, j: int, left_before_up: bool) -> tuple[int, int]:
    if i == 0:
        return i, j - 1
    if j == 0:
        return i - 1, j
    diagonal, up, left = table[i - 1, j - 1], table[i - 1, j], table[i, j - 1]
    if diagonal <= up and diagonal <= left:
        return i - 1, j - 1
    if up < left or (up == left and not left_before_up):
        return i - 1, j
    return i, j - 1
