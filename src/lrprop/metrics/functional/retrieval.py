"""Fine-grained frame retrieval: do a frame's nearest neighbours show its phase?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from lrprop.metrics.functional.inputs import as_embeddings, as_labels, check_positive
from lrprop.metrics.functional.neighbours import k_nearest


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
    check_positive(stride, "stride")
    for k in ks:
        check_positive(k, "ks")
    videos = as_embeddings(embeddings)
    frames, phases = _labelled_frames(videos, as_labels(labels, videos), stride)
    sizes = np.array([len(video) for video in frames])
    pool_size = sizes.sum() - sizes.max() if sizes.size else 0
    answered = [k for k in ks if k <= pool_size]
    values = dict.fromkeys(ks, float("nan"))
    if answered:
        shares = _precisions(frames, phases, answered)
        values.update({k: float(share) for k, share in zip(answered, shares.mean(axis=0), strict=True)})
    return values


def _labelled_frames(
    videos: list[np.ndarray], labels: list[np.ndarray], stride: int
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The strided frames that have a phase, float64, and their phases; only of videos that have such frames."""
    strided = [(video[::stride], track[::stride]) for video, track in zip(videos, labels, strict=True)]
    kept = [(video, track, track >= 0) for video, track in strided if (track >= 0).any()]
    return [video[real].astype(np.float64) for video, _, real in kept], [track[real] for _, track, real in kept]


def _precisions(frames: list[np.ndarray], phases: list[np.ndarray], ks: Sequence[int]) -> np.ndarray:
    """(V, len(ks)) the mean precision of each video's frames."""
    pool, pool_phases = np.concatenate(frames), np.concatenate(phases)
    bounds = np.cumsum([0] + [len(video) for video in frames])
    rows = []
    for index, (video, track) in enumerate(zip(frames, phases, strict=True)):
        neighbours = k_nearest(video, pool, max(ks), exclude=slice(bounds[index], bounds[index + 1]))
        agree = pool_phases[neighbours] == track[:, None]
        rows.append([agree[:, :k].mean() for k in ks])
    return np.array(rows)
