"""The distances between the frames of all videos: computed once, each as soon as it is there read by every metric.

They are those of `lrprop.alignment.distance_kernels`: summed from differences and for every pair of frames in the same
order, so that equal frames are equally far from any third.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike

from lrprop.alignment.distance_kernels import BLOCK, COLUMNS, ROWS, fill_distances
from lrprop.alignment.threads import over_pairs
from lrprop.metrics.processes import ALONE, Processes

_TILE = 2**19
"""Bytes of distances that a thread holds at once where videos are short: they stay in its cache."""
_SECONDS_PER_COORDINATE = 3e-11


@dataclass(frozen=True)
class Tile:
    """The squared Euclidean distances of one video's frames to those of some later videos.

    Attributes:
        first: the video of the rows.
        start: the first video of the columns, after `first`.
        stop: the video after the last one of the columns.
        squares: (n, m) contiguous, between the frames that the reader uses.
    """

    first: int
    start: int
    stop: int
    squares: np.ndarray


class Reader(Protocol):
    """A metric that is computed from distances.

    Attributes:
        used: (n_i,) bool a video, true on the frames between which it reads distances.
        precision: float64, or float32 if distances of float32 frames may be summed in float32.
    """

    used: list[np.ndarray]
    precision: DTypeLike

    def read(self, tile: Tile) -> None:
        """Take the distances of one tile in; any two videos meet in one tile, in any order and on any thread."""

    def found(self) -> Any:
        """What the tiles so far have given, for the readers of other processes."""

    def join(self, found: Any) -> None:
        """Take in what the reader of another process has found in other tiles."""


def video_bounds(used: Sequence[np.ndarray]) -> np.ndarray:
    """(V + 1,) where each video begins among the frames used of all videos, and their number."""
    return np.cumsum([0, *(np.count_nonzero(mask) for mask in used)])


def pooled(tracks: Sequence[np.ndarray], used: Sequence[np.ndarray], out: np.ndarray | None = None) -> np.ndarray:
    """The frames used of all videos, one video after another."""
    masked = [track if mask.all() else track[mask] for track, mask in zip(tracks, used, strict=True)]
    return np.concatenate(masked, out=out) if tracks else np.empty(0)


def read_distances(videos: Sequence[np.ndarray], readers: Sequence[Reader], processes: Processes = ALONE) -> None:
    """Hand every reader the distances between the frames it uses of different videos.

    Frames that nobody uses are left out, the tiles are spread over as many threads as torch may use, and over the
    processes: afterwards, every process's readers know what they would know of all tiles.

    Args:
        videos: one (n_i, D) array a video.
        readers: what reads the distances.
        processes: each has the same videos, and readers made alike.
    """
    if len(videos) < 2:
        return
    used = [np.logical_or.reduce(masks) for masks in zip(*(reader.used for reader in readers), strict=True)]
    bounds, dimension = video_bounds(used), videos[0].shape[1]
    dtype = np.result_type(*videos, *(reader.precision for reader in readers))
    # Zeros make up whole blocks of coordinates, and the frames that the kernel wants of a short video.
    frames = np.zeros((bounds[-1] + COLUMNS, -(-dimension // BLOCK) * BLOCK), dtype)
    pooled(videos, used, frames[: bounds[-1], :dimension])
    views = [_View(reader, used) for reader in readers]
    tiles = list(_tiles(bounds, _TILE // dtype.itemsize))[processes.rank :: processes.size]

    def run(begin: int, end: int) -> None:
        for first, start, stop in tiles[begin:end]:
            top, bottom, left, right = bounds[[first, first + 1, start, stop]].tolist()
            rows, columns = frames[None, top : max(bottom, top + ROWS)], frames[None, left : max(right, left + COLUMNS)]
            squares = np.empty((1, rows.shape[1], columns.shape[1]), dtype)
            fill_distances(rows, columns, dimension, True, squares, 0, 1)
            squares = np.ascontiguousarray(squares[0, : bottom - top, : right - left])
            for view in views:
                view.read(Tile(first, start, stop, squares), slice(top, bottom), slice(left, right))

    over_pairs(run, len(tiles), bounds[-1] ** 2 / 2 * dimension * _SECONDS_PER_COORDINATE / processes.size)
    for reader in readers:
        for found in processes.of_others(reader.found()):
            reader.join(found)


class _View:
    """One reader's part of the frames that all of them use together."""

    def __init__(self, reader: Reader, used: list[np.ndarray]) -> None:
        self.reader = reader
        self.mine = pooled(reader.used, used)
        self.is_all = bool(self.mine.all())

    def read(self, tile: Tile, rows: slice, columns: slice) -> None:
        squares = tile.squares
        if not self.is_all:
            squares = np.ascontiguousarray(squares[np.ix_(self.mine[rows], self.mine[columns])])
        if squares.size:
            self.reader.read(Tile(tile.first, tile.start, tile.stop, squares))


def _tiles(bounds: np.ndarray, size: int) -> Iterator[tuple[int, int, int]]:
    """(first, start, stop): each video's own tiles, of as many whole later videos as fit `size`, at least one."""
    videos = len(bounds) - 1
    for first in range(videos - 1):
        width = size // max(1, bounds[first + 1] - bounds[first])
        start = first + 1
        while start < videos:
            stop = max(start + 1, int(np.searchsorted(bounds, bounds[start] + width, side="right")) - 1)
            if bounds[first] < bounds[first + 1] and bounds[start] < bounds[stop]:
                yield first, start, stop
            start = stop
