"""Which frame of the second video stands beside each frame of the first."""

from __future__ import annotations

import numpy as np


def matched_frames(path: np.ndarray, n: int, m: int) -> np.ndarray:
    """The frame of the second video that the path matches to each frame of the first.

    Where a frame has several matches the middle one is taken (the earlier of two), so that a frame of the first that
    waits while the second moves on shows what it waits through, not its edge.

    Args:
        path: (L, 2) integers, the matched pairs (i, j).
        n: number of frames of the first video.
        m: number of frames of the second video.

    Returns:
        (n,) int64, values in [0, m).

    Raises:
        ValueError: where the path is not (L, 2) integers, leaves the videos, or leaves a frame of the first unmatched.
    """
    path = check_path(path, n, m)
    ordered = path[np.lexsort((path[:, 1], path[:, 0]))]
    start = np.searchsorted(ordered[:, 0], np.arange(n))
    count = np.searchsorted(ordered[:, 0], np.arange(n), side="right") - start
    if not count.all():
        raise ValueError(f"path matches no frame of the second video to frame {count.argmin()} of the first")
    middle: np.ndarray = ordered[start + (count - 1) // 2, 1]
    return middle


def same_time_frames(n: int, m: int) -> np.ndarray:
    """The frame of the second video at the same normalised time as each frame of the first: no alignment at all.

    Args:
        n: number of frames of the first video.
        m: number of frames of the second video.

    Returns:
        (n,) int64, values in [0, m), from 0 to m - 1 where n > 1.
    """
    return np.rint(np.linspace(0, m - 1, n)).astype(np.int64)


def check_path(path: np.ndarray, n: int, m: int) -> np.ndarray:
    """The path as an int64 array, or the reason why it is none.

    Args:
        path: (L, 2) integers, i in [0, n), j in [0, m).
        n: number of frames of the first video.
        m: number of frames of the second video.

    Returns:
        (L, 2) int64.

    Raises:
        ValueError: naming the shape or the first pair that is out of range.
    """
    path = np.asarray(path)
    if path.ndim != 2 or path.shape[1] != 2 or len(path) == 0 or not np.issubdtype(path.dtype, np.integer):
        raise ValueError(f"path must be (L, 2) integers with L > 0; got {path.dtype} of shape {path.shape}")
    outside = ((path < 0) | (path >= (n, m))).any(axis=1)
    if outside.any():
        i, j = path[outside.argmax()]
        raise ValueError(f"path holds ({i}, {j}), but the videos have {n} and {m} frames")
    return path.astype(np.int64)
