"""The distances between the frames of all videos: computed once, each as soon as it is there read by every metric.

They are summed from the differences of the coordinates, in float64 and for every pair of frames in the same order:
equal frames are equally far from any third, and nothing cancels as it does in ||a||^2 + ||b||^2 - 2ab. On eight
coordinates and four frames at a time that is as fast as a matrix product.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numba import njit

_TILE = 2**16
"""Distances held at once by a thread where videos are short: 512 KiB, which stay in its cache."""
_WORTH_THREADS = 2**14
"""Fewer distances than this are computed before a second thread has woken up."""
_FRAMES, _COORDINATES = 4, 8


@dataclass(frozen=True)
class Tile:
    """The squared Euclidean distances of one video's frames to those of some later videos.

    Attributes:
        first: the video of the rows.
        start: the first video of the columns, after `first`.
        stop: the video after the last one of the columns.
        squares: (n, m) float64, the frames that the reader uses.
    """

    first: int
    start: int
    stop: int
    squares: np.ndarray


class Reader(Protocol):
    """A metric that is computed from distances.

    Attributes:
        used: (n_i,) bool a video, true on the frames between which it reads distances.
    """

    used: list[np.ndarray]

    def read(self, tile: Tile) -> None:
        """Take the distances of one tile in; any two videos meet in one tile, in any order and on any thread."""


def video_bounds(used: Sequence[np.ndarray]) -> np.ndarray:
    """(V + 1,) where each video begins among the frames used of all videos, and their number."""
    return np.cumsum([0, *(np.count_nonzero(mask) for mask in used)])


def read_distances(videos: Sequence[np.ndarray], readers: Sequence[Reader]) -> None:
    """Hand every reader the distances between the frames it uses of different videos.

    Frames that nobody uses are left out, the tiles are spread over as many threads as torch may use.

    Args:
        videos: one (n_i, D) array a video.
        readers: what reads the distances.
    """
    if len(videos) < 2:
        return
    used = [np.logical_or.reduce(masks) for masks in zip(*(reader.used for reader in readers), strict=True)]
    pool, bounds = np.concatenate([video[mask] for video, mask in zip(videos, used, strict=True)]), video_bounds(used)
    rows, columns = _padded(pool)
    views = [_View(reader, used) for reader in readers]
    tiles = list(_tiles(bounds))

    def work(share: list[tuple[int, int, int]]) -> None:
        buffer = np.empty(max(_size(bounds, *tile) for tile in share))
        for first, start, stop in share:
            (top, bottom), (left, right) = bounds[[first, first + 1]], bounds[[start, stop]]
            squares = buffer[: _size(bounds, first, start, stop)].reshape(-1, right - left)
            _squared_distances(rows, columns, top, left, squares)
            for view in views:
                view.read(Tile(first, start, stop, squares[: bottom - top]), (top, bottom), (left, right))

    threads = min(len(tiles), torch.get_num_threads() if len(pool) ** 2 > 2 * _WORTH_THREADS else 1)
    with ThreadPoolExecutor(max(threads, 1)) as executor:
        list(executor.map(work, (tiles[thread::threads] for thread in range(threads))))


def _size(bounds: np.ndarray, first: int, start: int, stop: int) -> int:
    """How many distances the kernel fills in for a tile, whose rows it takes in whole steps."""
    return _up(bounds[first + 1] - bounds[first], _FRAMES) * int(bounds[stop] - bounds[start])


def _up(number: int, step: int) -> int:
    return -(-int(number) // step) * step


class _View:
    """One reader's part of the frames that all of them use together."""

    def __init__(self, reader: Reader, used: list[np.ndarray]) -> None:
        self.reader = reader
        self.mine = np.concatenate([own[mask] for own, mask in zip(reader.used, used, strict=True)])
        self.is_all = bool(self.mine.all())

    def read(self, tile: Tile, rows: tuple[int, int], columns: tuple[int, int]) -> None:
        squares = tile.squares
        if not self.is_all:
            mine = np.ix_(self.mine[slice(*rows)], self.mine[slice(*columns)])
            squares = np.ascontiguousarray(squares[mine])
        if squares.size:
            self.reader.read(Tile(tile.first, tile.start, tile.stop, squares))


def _tiles(bounds: np.ndarray) -> Iterator[tuple[int, int, int]]:
    """(first, start, stop): each video's own tiles, of as many whole later videos as `_TILE` allows, at least one."""
    videos = len(bounds) - 1
    for first in range(videos - 1):
        width = _TILE // max(1, bounds[first + 1] - bounds[first])
        start = first + 1
        while start < videos:
            stop = max(start + 1, int(np.searchsorted(bounds, bounds[start] + width, side="right")) - 1)
            if bounds[first] < bounds[first + 1] and bounds[start] < bounds[stop]:
                yield first, start, stop
            start = stop


def _padded(pool: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(F + 3, D') frames and (D', F) the same transposed, float64, with zeros for whole steps of the kernel."""
    frames, dimension = pool.shape
    rows = np.zeros((frames + _FRAMES - 1, _up(dimension, _COORDINATES)))
    rows[:frames, :dimension] = pool
    return rows, np.ascontiguousarray(rows[:frames].T)


@njit(nogil=True, cache=True, fastmath={"contract"})
def _squared_distances(rows: np.ndarray, columns: np.ndarray, top: int, left: int, squares: np.ndarray) -> None:
    """Fill `squares` with the distances of the frames from `top` on to those from `left` on.

    Four frames and eight coordinates a step: what is loaded is used four times, a sum is stored after eight terms.
    """
    height, width = squares.shape
    squares[:] = 0.0
    part = slice(left, left + width)
    for i in range(0, height, 4):
        s0, s1, s2, s3 = squares[i], squares[i + 1], squares[i + 2], squares[i + 3]
        for d in range(0, len(columns), 8):
            x0, x1 = _eight(rows[top + i], d), _eight(rows[top + i + 1], d)
            x2, x3 = _eight(rows[top + i + 2], d), _eight(rows[top + i + 3], d)
            y0, y1, y2, y3 = columns[d, part], columns[d + 1, part], columns[d + 2, part], columns[d + 3, part]
            y4, y5, y6, y7 = columns[d + 4, part], columns[d + 5, part], columns[d + 6, part], columns[d + 7, part]
            for j in range(width):
                y = y0[j], y1[j], y2[j], y3[j], y4[j], y5[j], y6[j], y7[j]
                s0[j] = _add_squares(s0[j], x0, y)
                s1[j] = _add_squares(s1[j], x1, y)
                s2[j] = _add_squares(s2[j], x2, y)
                s3[j] = _add_squares(s3[j], x3, y)


_Eight = tuple[float, float, float, float, float, float, float, float]


@njit(nogil=True, cache=True)
def _eight(frame: np.ndarray, d: int) -> _Eight:
    first = frame[d], frame[d + 1], frame[d + 2], frame[d + 3]
    return *first, frame[d + 4], frame[d + 5], frame[d + 6], frame[d + 7]


@njit(nogil=True, cache=True, fastmath={"contract"})
def _add_squares(total: float, x: _Eight, y: _Eight) -> float:
    total += (x[0] - y[0]) * (x[0] - y[0])
    total += (x[1] - y[1]) * (x[1] - y[1])
    total += (x[2] - y[2]) * (x[2] - y[2])
    total += (x[3] - y[3]) * (x[3] - y[3])
    total += (x[4] - y[4]) * (x[4] - y[4])
    total += (x[5] - y[5]) * (x[5] - y[5])
    total += (x[6] - y[6]) * (x[6] - y[6])
    total += (x[7] - y[7]) * (x[7] - y[7])
    return total
