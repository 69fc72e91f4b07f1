"""Metrics over pairs of videos, estimated from some of the pairs: their number grows with the square of the videos'."""

from __future__ import annotations

from typing import Any

import numpy as np

from lrprop.metrics.functional.distances import Reader, Tile, video_bounds


def draw_pairs(videos: int, count: int, seed: int = 0) -> np.ndarray:
    """Some of the V (V - 1) / 2 pairs of V videos, drawn without replacement, as `SomePairs` takes them."""
    pairs = np.stack(np.triu_indices(videos, 1))
    drawn = np.random.default_rng(seed).choice(pairs.shape[1], count, replace=False)
    chosen = np.zeros((videos, videos), dtype=bool)
    chosen[tuple(pairs[:, drawn])] = True
    return chosen


class SomePairs:
    """Shows a reader only some pairs of videos.

    Args:
        reader: would read all pairs.
        chosen: (V, V) bool, true at (first, second) of a pair that is shown, first < second.
    """

    def __init__(self, reader: Reader, chosen: np.ndarray) -> None:
        self.reader, self.used, self.precision = reader, reader.used, reader.precision
        self.bounds, self.chosen = video_bounds(reader.used), chosen

    def read(self, tile: Tile) -> None:
        """Hand on the chosen pairs of the tile."""
        for second in tile.start + np.flatnonzero(self.chosen[tile.first, tile.start : tile.stop]):
            left, right = self.bounds[[second, second + 1]] - self.bounds[tile.start]
            squares = np.ascontiguousarray(tile.squares[:, left:right])
            if squares.size:
                self.reader.read(Tile(tile.first, int(second), int(second) + 1, squares))

    def found(self) -> Any:
        """As the reader."""
        return self.reader.found()

    def join(self, found: Any) -> None:
        """As the reader."""
        self.reader.join(found)


def standard_error(values: np.ndarray) -> float:
    """How far, on average, the mean over drawn pairs lies from that over all pairs.

    With s the standard deviation of the m values that were drawn of M: s / sqrt(m) sqrt(1 - m / M) (Cochran, Sampling
    Techniques, 1977, Eq. 2.21). The value of a pair is the mean of its two directions.

    Args:
        values: (V, V) of ordered pairs, nan where one was not drawn or has no value.

    Returns:
        The error, nan where fewer than two pairs have a value.
    """
    first, second = np.triu_indices(len(values), 1)
    both = np.stack((values[first, second], values[second, first]))
    defined = both[:, ~np.isnan(both).all(0)]
    if defined.shape[1] < 2:
        return float("nan")
    means = np.nanmean(defined, 0)
    return float(means.std(ddof=1) / np.sqrt(len(means)) * np.sqrt(1 - len(means) / both.shape[1]))
