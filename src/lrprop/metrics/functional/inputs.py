"""What every metric asks of its arguments, checked in one place."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike


def as_embeddings(embeddings: Sequence[ArrayLike], name: str = "embeddings") -> list[np.ndarray]:
    """One (n_i, D) array a video, in the precision it came in: float32 or float64.

    Raises:
        ValueError: an entry is not a non-empty (n, D) array, differs in D from the first, or is not finite.
    """
    videos = [np.asarray(video) for video in embeddings]
    videos = [video if video.dtype == np.float32 else video.astype(np.float64) for video in videos]
    for index, video in enumerate(videos):
        if video.ndim != 2 or 0 in video.shape:
            raise ValueError(f"{name}[{index}] has shape {video.shape}; expected (n, D) with n >= 1 and D >= 1")
        if video.shape[1] != videos[0].shape[1]:
            raise ValueError(f"{name}[{index}] has D = {video.shape[1]} but {name}[0] has D = {videos[0].shape[1]}")
        if not np.isfinite(video).all():
            raise ValueError(f"{name}[{index}] holds NaN or infinite values; no metric is defined on it")
    return videos


def as_labels(labels: Sequence[ArrayLike], videos: list[np.ndarray], name: str = "labels") -> list[np.ndarray]:
    """One int64 (n_i,) array a video, as long as the video.

    Raises:
        ValueError: another number of videos or of frames than the embeddings have, or labels that are not integers.
    """
    arrays = [np.asarray(track) for track in labels]
    _check_lengths(arrays, videos, name)
    for index, track in enumerate(arrays):
        if not np.issubdtype(track.dtype, np.integer):
            raise ValueError(f"{name}[{index}] has dtype {track.dtype}; expected integers, -1 where there is no phase")
    return [track.astype(np.int64) for track in arrays]


def as_truths(truths: Sequence[ArrayLike], videos: list[np.ndarray], name: str = "truths") -> list[np.ndarray]:
    """One float64 (n_i,) array of canonical times in [0, 1] a video; nan where a frame has none.

    Raises:
        ValueError: another number of videos or of frames than the embeddings have, or a time outside [0, 1].
    """
    arrays = [np.asarray(track, dtype=np.float64) for track in truths]
    _check_lengths(arrays, videos, name)
    for index, track in enumerate(arrays):
        if ((track < 0) | (track > 1)).any():
            raise ValueError(f"{name}[{index}] leaves [0, 1]; canonical time runs from 0 at the start to 1 at the end")
    return arrays


def check_positive(value: int, name: str) -> None:
    """Raise ValueError unless the argument is a whole number of at least 1."""
    if value != int(value) or value < 1:
        raise ValueError(f"{name} = {value!r}; expected a whole number >= 1")


def _check_lengths(tracks: list[np.ndarray], videos: list[np.ndarray], name: str) -> None:
    if len(tracks) != len(videos):
        raise ValueError(f"{name} holds {len(tracks)} videos but the embeddings hold {len(videos)}")
    for index, (track, video) in enumerate(zip(tracks, videos, strict=True)):
        if track.shape != (len(video),):
            raise ValueError(f"{name}[{index}] has shape {track.shape}; its video has {len(video)} frames")
