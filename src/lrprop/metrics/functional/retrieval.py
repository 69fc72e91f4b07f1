"""Fine-grained frame retrieval: do a frame's nearest neighbours show its phase?"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from threading import Lock

import numpy as np
from numba import njit
from numpy.typing import ArrayLike

from lrprop.metrics.functional.distances import Tile, read_distances, video_bounds
from lrprop.metrics.functional.inputs import as_embeddings, as_labels, check_positive


def average_precision_at_k(
    embeddings: Sequence[ArrayLike], labels: Sequence[ArrayLike], ks: Sequence[int] = (5, 10, 15), stride: int = 1
) -> dict[int, float]:
    """AP@K: the share of a frame's K nearest frames of all other videos that have its phase.

    The mean over a video's frames, then over videos (Haresh et al., LAV, CVPR 2021). A video without a labelled
    frame is not asked. AP@K is defined only where every video that is asked finds K labelled frames in the others.

    Args:
        embeddings: one (n_i, D) array a video.
        labels: one (n_i,) integer array a video; frames with -1 neither ask nor answer.
        ks: the K, each at least 1.
        stride: every stride-th frame is used, from frame 0.

    Returns:
        {K: value in [0, 1]}, nan where it is not defined.

    Raises:
        ValueError: an argument out of its range, or arrays that do not fit each other.
    """
    videos = as_embeddings(embeddings)
    reader = NearestFrames(videos, labels, ks, stride)
    read_distances(videos, [reader])
    return reader.result()


_LANES = 8
"""Places that are written at once."""


class NearestFrames:
    """Reads the nearest frames of every frame; the arguments are those of `average_precision_at_k`."""

    def __init__(
        self, videos: list[np.ndarray], labels: Sequence[ArrayLike], ks: Sequence[int] = (5, 10, 15), stride: int = 1
    ) -> None:
        check_positive(stride, "stride")
        for k in ks:
            check_positive(k, "ks")
        self.ks, self.tracks = ks, as_labels(labels, videos)
        self.used = [(track >= 0) & (np.arange(len(track)) % stride == 0) for track in self.tracks]
        self.bounds = video_bounds(self.used)
        # Every frame finds the frames of the other videos: as many as the ks that it can answer.
        found = self.bounds[-1] - np.diff(self.bounds).max(initial=0)
        self.answered = [k for k in ks if k <= found]
        # A list begins with what is nearer than any frame, and is filled up with what is farther.
        shape = self.bounds[-1], 1 + -(-max(self.answered, default=0) // _LANES) * _LANES
        self.squares, self.frames = np.full(shape, np.inf), np.full(shape, self.bounds[-1])
        self.squares[:, 0] = -np.inf
        self._lock = Lock()

    def read(self, tile: Tile) -> None:
        """Enter the tile's frames into each other's lists of the nearest."""
        if self.answered:
            rows, columns = self.bounds[[tile.first, tile.start]]
            with self._lock:  # two tiles may have a video in common
                _read_nearest(tile.squares, rows, columns, self.squares, self.frames)

    def result(self) -> dict[int, float]:
        """{K: value}, nan where it is not defined."""
        values = dict.fromkeys(self.ks, float("nan"))
        if self.answered:
            phases = np.concatenate([track[mask] for track, mask in zip(self.tracks, self.used, strict=True)])
            agree = phases[self.frames[:, 1 : max(self.answered) + 1]] == phases[:, None]
            videos = [agree[start:stop] for start, stop in pairwise(self.bounds) if start < stop]
            shares = np.array([[video[:, :k].mean() for k in self.answered] for video in videos]).mean(axis=0)
            values.update({k: float(share) for k, share in zip(self.answered, shares, strict=True)})
        return values


@njit(nogil=True, cache=True)
def _read_nearest(squares: np.ndarray, top: int, left: int, nearest: np.ndarray, frames: np.ndarray) -> None:
    """Enter the distances between the frames from `top` on and those from `left` on into the lists of both."""
    n, m = squares.shape
    last = nearest.shape[1] - 1
    farthest = nearest[left : left + m, last].copy()  # side by side, where the lists lie apart
    for i in range(n):
        row, own_farthest = squares[i], nearest[top + i, last]
        for j in range(m):
            if row[j] <= farthest[j]:
                farthest[j] = _enter(row[j], top + i, nearest[left + j], frames[left + j])
        for j in range(m):
            if row[j] <= own_farthest:
                own_farthest = _enter(row[j], left + j, nearest[top + i], frames[top + i])


@njit(nogil=True, cache=True)
def _enter(square: float, frame: int, squares: np.ndarray, frames: np.ndarray) -> float:
    """Enter a frame into a list in the order of distance, then of frames; return the list's farthest distance.

    Every place is written without a branch, which the compiler vectorises.
    """
    last = len(squares) - 1
    for place in range(last, 0, -1):
        stays = (squares[place] < square) | ((squares[place] == square) & (frames[place] < frame))
        before = (squares[place - 1] < square) | ((squares[place - 1] == square) & (frames[place - 1] < frame))
        squares[place] = squares[place] if stays else (square if before else squares[place - 1])
        frames[place] = frames[place] if stays else (frame if before else frames[place - 1])
    return squares[last]
