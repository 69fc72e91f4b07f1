"""What the DTW alignment of two videos' embeddings gets right: phases, and canonical time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy.spatial.distance import cdist

from lrprop.alignment import dtw
from lrprop.metrics.functional.inputs import as_embeddings, as_labels, as_truths

_CHUNK = 2**21
"""Cost cells aligned at once: 16 MiB of float64."""


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
    phases, times = as_labels(labels, videos), as_truths(truths, videos)
    scores = [
        (_agreement(phases[first][rows], phases[second][columns]), _gap(times[first][rows], times[second][columns]))
        for first, second, rows, columns in _paths(videos, open_begin, open_end)
    ]
    accuracies, errors = np.array(scores).reshape(-1, 2).T
    return _mean(accuracies), _mean(errors)


def _agreement(first: np.ndarray, second: np.ndarray) -> float:
    known = (first >= 0) & (second >= 0)
    return float((first == second)[known].mean()) if known.any() else float("nan")


def _gap(first: np.ndarray, second: np.ndarray) -> float:
    return _mean(np.abs(first - second))


def _mean(values: np.ndarray) -> float:
    """The mean of the values that are defined, nan where none is."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else float("nan")


def _paths(
    videos: list[np.ndarray], open_begin: bool, open_end: bool
) -> Iterator[tuple[int, int, np.ndarray, np.ndarray]]:
    """(first, second, rows, columns) for every ordered pair; a distance is computed once for both orders."""
    for first, seconds in _chunks(videos):
        costs = [cdist(videos[first], videos[second]) for second in seconds]
        forward = zip(seconds, _align(costs, open_begin, open_end), strict=True)
        yield from ((first, second, *path) for second, path in forward)
        backward = zip(seconds, _align([cost.T for cost in costs], open_begin, open_end), strict=True)
        yield from ((second, first, *path) for second, path in backward)


def _chunks(videos: list[np.ndarray]) -> Iterator[tuple[int, range]]:
    longest = max((len(video) for video in videos), default=1)
    for first, video in enumerate(videos):
        step = max(1, _CHUNK // (len(video) * longest))
        for start in range(first + 1, len(videos), step):
            yield first, range(start, min(start + step, len(videos)))


def _align(costs: list[np.ndarray], open_begin: bool, open_end: bool) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    lengths = np.array([cost.shape for cost in costs])
    padded = np.zeros((len(costs), *lengths.max(axis=0)))
    for cost, target in zip(costs, padded, strict=True):
        target[: cost.shape[0], : cost.shape[1]] = cost
    result = dtw(
        torch.from_numpy(padded), torch.from_numpy(lengths), open_begin=open_begin, open_end=open_end, backend="auto"
    )
    for pair in range(len(costs)):
        rows, columns = result.path(pair).numpy().T
        yield rows, columns
