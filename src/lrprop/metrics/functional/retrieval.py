"""Fine-grained frame retrieval: do a frame's nearest neighbours show its phase?"""

from __future__ import annotations

from collections.abc import Sequence
from threading import local

import numpy as np
import torch
from numba import njit
from numpy.typing import ArrayLike, DTypeLike

from lrprop.alignment import pairwise_distances
from lrprop.alignment.compiled import kernel
from lrprop.alignment.lanes import LANES, less, load, lowest_bit, maximum, minimum, shift_up, splat, store
from lrprop.metrics.functional.distances import Tile, pooled, read_distances, video_bounds
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


class NearestFrames:
    """Reads the nearest frames of every frame; the arguments are those of `average_precision_at_k`.

    They are found by distances in float32. Where those cannot tell for sure which the K nearest are, a frame's
    distances are taken again in float64; among equally near frames the first count.
    """

    precision: DTypeLike = np.float32

    def __init__(
        self, videos: list[np.ndarray], labels: Sequence[ArrayLike], ks: Sequence[int] = (5, 10, 15), stride: int = 1
    ) -> None:
        check_positive(stride, "stride")
        for k in ks:
            check_positive(k, "ks")
        tracks = as_labels(labels, videos)
        self.used = [(track >= 0) & (np.arange(len(track)) % stride == 0) for track in tracks]
        self.videos, self.phases = videos, pooled(tracks, self.used)
        self.bounds = video_bounds(self.used)
        # Every frame finds the frames of the other videos: as many as the ks that it can answer.
        found = self.bounds[-1] - np.diff(self.bounds).max(initial=0)
        self.ks, self.answered = ks, [k for k in ks if k <= found]
        self._own, self._lists = local(), [self._new_lists()]

    def read(self, tile: Tile) -> None:
        """Enter the tile's frames into each other's lists of the nearest."""
        if self.answered:
            if not hasattr(self._own, "lists"):
                self._own.lists = self._new_lists()
                self._lists.append(self._own.lists)
            self._own.lists.enter(tile.squares, *self.bounds[[tile.first, tile.start]])

    def found(self) -> np.ndarray:
        """(F, L) the entries of one list a frame."""
        while len(self._lists) > 1:
            self._lists[0].merge(self._lists.pop().entries)
        return self._lists[0].entries

    def join(self, found: np.ndarray) -> None:
        """Take in the entries of another process."""
        self._lists[0].merge(found)

    def result(self) -> dict[int, float]:
        """{K: value}, nan where it is not defined."""
        values = dict.fromkeys(self.ks, float("nan"))
        if self.answered:
            agree = self.phases[self.nearest()] == self.phases[:, None]
            sizes = np.diff(self.bounds)
            asked = np.add.reduceat(agree.cumsum(1)[:, np.array(self.answered) - 1], self.bounds[:-1][sizes > 0])
            shares = (asked / sizes[sizes > 0, None] / self.answered).mean(0)
            values.update({k: float(share) for k, share in zip(self.answered, shares, strict=True)})
        return values

    def _new_lists(self) -> _Lists:
        return _Lists(len(self.phases), max(self.answered, default=0) + 1)

    def nearest(self) -> np.ndarray:
        """(F, max K) the nearest frames of each; those between two of the ks may be in another order."""
        self.found()
        squares, frames = self._lists[0].sorted()
        nearest, unclear = frames[:, : max(self.answered)], np.flatnonzero(self._is_unclear(squares))
        if len(unclear):
            nearest[unclear] = self._by_float64(unclear, nearest.shape[1])
        return nearest

    def _is_unclear(self, squares: np.ndarray) -> np.ndarray:
        """(F,) whether the rounding of (F, L) sorted distances may have put a frame on the wrong side of a K.

        A sum of D squared differences is rounded D + 2 times, its first term most often: the relative error is at most
        u (D + 2) / (1 - u (D + 2)) with u = 2^-24, beside one of D 2^-126 where terms underflow (Higham 2002, Eq. 3.4).
        One rounding more, and a 2^-126 more, stand for those of float64 and of these lines.
        """
        dimension = self.videos[0].shape[1]
        relative, absolute = (dimension + 3) / (2**24 - dimension - 3), dimension * 2.0**-125
        last = np.array(self.answered) - 1
        inside, outside = squares[:, last], squares[:, last + 1]
        is_clear = (outside - absolute) * (1 - relative) > (inside + absolute) * (1 + relative)
        return ~(is_clear & np.isfinite(outside)).all(1)

    def _by_float64(self, queries: np.ndarray, count: int) -> np.ndarray:
        """(q, count) the nearest frames in the order of distance, then of frames."""
        pool, nearest = torch.from_numpy(pooled(self.videos, self.used)).double()[None], []
        for block in np.array_split(queries, -(-len(queries) // _BLOCK)):
            squares = pairwise_distances(pool[:, block], pool, squared=True)[0].numpy()
            video = np.searchsorted(self.bounds, block, side="right") - 1
            nearest.append(_first(squares, self.bounds[video], self.bounds[video + 1], count))
        return np.concatenate(nearest)


_BLOCK = 64
"""Frames whose distances to all frames are held at once in float64."""


class _Lists:
    """For every frame a list of the nearest ones that one thread or process has met.

    Distances are not negative, and so in the order of their bits: an entry is one integer, the bits of a float32 above
    the number of the frame.
    """

    def __init__(self, frames: int, length: int) -> None:
        length = -(-length // LANES) * LANES
        infinity = np.float32(np.inf).view(np.int32)
        self.farthest = np.full(frames, infinity)
        self.entries = np.full((frames, length), np.int64(infinity) << 32)

    def enter(self, squares: np.ndarray, top: int, left: int) -> None:
        """Enter the distances between the frames from `top` on and those from `left` on into the lists of both."""
        with np.errstate(over="ignore"):
            bits = squares.astype(np.float32, copy=False).view(np.int32)
        _enter_tile(
            bits.reshape(-1), len(bits), top, left, self.farthest, self.entries.reshape(-1), self.entries.shape[1]
        )

    def merge(self, entries: np.ndarray) -> None:
        """Enter the entries (F, L) of the lists of another thread or process."""
        _merge(self.farthest, self.entries.reshape(-1), entries)

    def sorted(self) -> tuple[np.ndarray, np.ndarray]:
        """(F, L) squared distances, infinite where there is none, and (F, L) the frames."""
        return (self.entries >> 32).astype(np.int32).view(np.float32).astype(np.float64), self.entries & (2**32 - 1)


@kernel
def _enter_tile(
    bits: np.ndarray, height: int, top: int, left: int, farthest: np.ndarray, entries: np.ndarray, length: int
) -> None:
    width = len(bits) // height
    whole = width // LANES * LANES
    for i in range(height):
        for j in range(0, whole, LANES):
            distances = load(bits, i * width + j)
            nearer_row = less(distances, splat(distances, farthest[top + i]))
            nearer_columns = less(distances, load(farthest, left + j))
            while nearer_row:
                k = j + lowest_bit(nearer_row)
                _enter(bits[i * width + k] << 32 | (left + k), top + i, farthest, entries, length)
                nearer_row &= nearer_row - 1
            while nearer_columns:
                k = j + lowest_bit(nearer_columns)
                _enter(bits[i * width + k] << 32 | (top + i), left + k, farthest, entries, length)
                nearer_columns &= nearer_columns - 1
        for k in range(whole, width):
            _enter(bits[i * width + k] << 32 | (left + k), top + i, farthest, entries, length)
            _enter(bits[i * width + k] << 32 | (top + i), left + k, farthest, entries, length)


@njit(inline="always")
def _enter(entry: int, frame: int, farthest: np.ndarray, entries: np.ndarray, length: int) -> None:
    """Each place takes the least of its entry and the greater one of the new entry and of that before."""
    start = frame * length
    place = start + length - LANES
    while place > start:
        _insert(entries, place, entry, entries[place - 1])
        place -= LANES
    _insert(entries, start, entry, -1)
    farthest[frame] = entries[start + length - 1] >> 32


@njit(inline="always")
def _insert(entries: np.ndarray, place: int, entry: int, before: int) -> None:
    old = load(entries, place)
    store(entries, place, minimum(old, maximum(shift_up(old, before), splat(old, entry))))


@kernel
def _merge(farthest: np.ndarray, entries: np.ndarray, others: np.ndarray) -> None:
    for frame in range(len(others)):
        for entry in others[frame]:
            if entry >> 32 >= farthest[frame]:
                break
            _enter(entry, frame, farthest, entries, others.shape[1])


@kernel
def _first(squares: np.ndarray, starts: np.ndarray, stops: np.ndarray, count: int) -> np.ndarray:
    """(q, count) the columns of the least squares in each row, in order; those from start to stop are left out."""
    columns, least = np.zeros((len(squares), count), np.int64), np.empty(count)
    for i in range(len(squares)):
        found = 0
        for j in range(squares.shape[1]):
            if starts[i] <= j < stops[i] or (found == count and squares[i, j] >= least[-1]):
                continue
            found = min(found + 1, count)
            place = found - 1
            while place > 0 and least[place - 1] > squares[i, j]:
                least[place], columns[i, place] = least[place - 1], columns[i, place - 1]
                place -= 1
            least[place], columns[i, place] = squares[i, j], j
    return columns
