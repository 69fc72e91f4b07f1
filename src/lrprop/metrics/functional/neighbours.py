"""Exact nearest neighbours of frames, at the speed of a matrix product.

||a||^2 + ||b||^2 - 2ab is fast but rounds, so two frames at the same distance may swap places. Its rounding error is
bounded; wherever two candidates are closer than that bound, the distances are taken again from the differences.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from scipy.spatial.distance import cdist

_BLOCK = 2**22
"""Distances held at once: 32 MiB of float64."""


def nearest_in_each(queries: np.ndarray, pool: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """The nearest frame in every video, for every query; the first of equally near ones.

    Args:
        queries: (n, D) float64.
        pool: (F, D) float64, the frames of V videos one after another.
        bounds: (V + 1,) where each video begins in the pool, and F.

    Returns:
        (n, V) int64 indices, each counted from the start of its video.
    """
    nearest = np.empty((len(queries), len(bounds) - 1), dtype=np.int64)
    for rows, distances, slack in _distance_blocks(queries, pool):
        for video, (start, end) in enumerate(pairwise(bounds)):
            block = distances[:, start:end]
            best = block.argmin(axis=1)
            smallest = block[np.arange(len(block)), best]
            tied = np.count_nonzero(block <= smallest[:, None] + slack, axis=1) > 1
            if tied.any():
                best[tied] = cdist(queries[rows][tied], pool[start:end], "sqeuclidean").argmin(axis=1)
            nearest[rows, video] = best
    return nearest


def k_nearest(queries: np.ndarray, pool: np.ndarray, k: int, exclude: slice) -> np.ndarray:
    """The k nearest frames of the pool, nearest first, equally near ones in the pool's order.

    Args:
        queries: (n, D) float64.
        pool: (F, D) float64.
        k: how many, at most the frames of the pool outside `exclude`.
        exclude: the part of the pool that may not answer, such as the query's own video.

    Returns:
        (n, k) int64 indices into the pool.
    """
    nearest = np.empty((len(queries), k), dtype=np.int64)
    for rows, distances, slack in _distance_blocks(queries, pool):
        distances[:, exclude] = np.inf
        chosen = np.argpartition(distances, k - 1, axis=1)[:, :k]
        exact = np.square(queries[rows][:, None, :] - pool[chosen]).sum(axis=2)
        nearest[rows] = np.take_along_axis(chosen, np.lexsort((chosen, exact), axis=1), axis=1)
        farthest = np.take_along_axis(distances, chosen, axis=1).max(axis=1, keepdims=True)
        tied = np.flatnonzero(np.count_nonzero(distances <= farthest + slack, axis=1) > k)
        if tied.size:
            again = cdist(queries[rows][tied], pool, "sqeuclidean")
            again[:, exclude] = np.inf
            nearest[rows.start + tied] = np.argsort(again, axis=1, kind="stable")[:, :k]
    return nearest


def _distance_blocks(queries: np.ndarray, pool: np.ndarray) -> Iterator[tuple[slice, np.ndarray, float]]:
    """Row blocks of squared distances, and how far two of them may be apart that are equal in truth."""
    query_norms, pool_norms = np.square(queries).sum(axis=1), np.square(pool).sum(axis=1)
    slack = 4 * (queries.shape[1] + 4) * np.finfo(np.float64).eps * (query_norms.max() + pool_norms.max())
    step = max(1, _BLOCK // len(pool))
    for start in range(0, len(queries), step):
        rows = slice(start, min(start + step, len(queries)))
        yield rows, query_norms[rows, None] + pool_norms - 2 * (queries[rows] @ pool.T), slack
