"""What a small supervised model reads from the frozen embedding: the phase, and the progress within the action."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from sklearn.linear_model import LinearRegression
from sklearn.svm import SVC

from lrprop.metrics.functional.inputs import as_embeddings, as_labels


def phase_classification(
    train_embeddings: Sequence[ArrayLike],
    train_labels: Sequence[ArrayLike],
    embeddings: Sequence[ArrayLike],
    labels: Sequence[ArrayLike],
    fractions: Sequence[float] = (0.1, 0.5, 1.0),
) -> dict[float, float]:
    """Accuracy of scikit-learn's `SVC()` on single frames, trained on few or all of the training videos.

    Dwibedi et al., TCC, CVPR 2019. A fraction f takes the first max(1, int(f n)) of the n training videos, as they
    are ordered; the accuracy is that over the pooled frames of `embeddings`.

    Args:
        train_embeddings: one (n_i, D) array a training video.
        train_labels: one (n_i,) integer array a training video; frames with -1 are not trained on.
        embeddings: one (n_i, D) array a video to judge.
        labels: one (n_i,) integer array a video to judge; frames with -1 are not judged.
        fractions: parts of the training videos, each in (0, 1].

    Returns:
        {fraction: accuracy in [0, 1]}, nan where the training frames show fewer than two phases or no frame is judged.

    Raises:
        ValueError: a fraction out of its range, or arrays that do not fit each other.
    """
    for fraction in fractions:
        if not 0 < fraction <= 1:
            raise ValueError(f"fractions holds {fraction!r}; expected a part of the training videos in (0, 1]")
    train, train_tracks = _checked(train_embeddings, train_labels, "train_")
    val, val_tracks = _checked(embeddings, labels)
    judged = _pooled(val, val_tracks)
    counts = {fraction: max(1, int(fraction * len(train))) for fraction in fractions}
    return {
        fraction: _svm_accuracy(_pooled(train[:count], train_tracks[:count]), judged)
        for fraction, count in counts.items()
    }


def phase_confusion(
    train_embeddings: Sequence[ArrayLike],
    train_labels: Sequence[ArrayLike],
    embeddings: Sequence[ArrayLike],
    labels: Sequence[ArrayLike],
) -> np.ndarray | None:
    """What the classifier of `phase_classification`, trained on all training videos, takes each phase for.

    Args:
        train_embeddings: one (n_i, D) array a training video.
        train_labels: one (n_i,) integer array a training video; frames with -1 are not trained on.
        embeddings: one (n_i, D) array a video to judge.
        labels: one (n_i,) integer array a video to judge; frames with -1 are not judged.

    Returns:
        (K, K) int64, how many frames of phase i are taken for phase j; K is one more than the largest label. None
        where the training frames show fewer than two phases or no frame is judged.

    Raises:
        ValueError: arrays that do not fit each other.
    """
    train = _pooled(*_checked(train_embeddings, train_labels, "train_"))
    frames, phases = _pooled(*_checked(embeddings, labels))
    if len(np.unique(train[1])) < 2 or not len(phases):
        return None
    counts = np.zeros((1 + max(train[1].max(), phases.max()),) * 2, dtype=np.int64)
    np.add.at(counts, (phases, SVC().fit(*train).predict(frames)), 1)
    return counts


def phase_progression(
    train_embeddings: Sequence[ArrayLike],
    train_labels: Sequence[ArrayLike],
    embeddings: Sequence[ArrayLike],
    labels: Sequence[ArrayLike],
) -> float:
    """R^2 of a linear regression of the signed, normalised time to each phase's end (TCC, CVPR 2019).

    For each phase c < K - 1 the target of frame t is (t - last frame of c) / n. One `LinearRegression` a phase is
    fitted on the training videos; the value is the mean over phases of R^2 on `embeddings`. K is one more than the
    largest label of either side. A video that lacks phase c has no target for it and takes no part in that phase's
    regression; a phase that no training video has, or fewer than two frames to judge have, is left out of the mean.
    The regression runs in the precision of the embeddings, float32 or float64, as the original code does.

    Args:
        train_embeddings: one (n_i, D) array a training video.
        train_labels: one (n_i,) integer array a training video; frames with -1 are not trained on.
        embeddings: one (n_i, D) array a video to judge.
        labels: one (n_i,) integer array a video to judge; frames with -1 are not judged.

    Returns:
        R^2, at most 1 and without a lower bound; nan where no phase defines it.

    Raises:
        ValueError: arrays that do not fit each other, or embeddings that are not finite.
    """
    train, train_tracks = _checked(train_embeddings, train_labels, "train_")
    val, val_tracks = _checked(embeddings, labels)
    last_phase = max((int(track.max()) for track in train_tracks + val_tracks), default=0)
    scores = []
    for phase in range(last_phase):
        frames, targets = _progress(train, train_tracks, phase)
        judged, judged_targets = _progress(val, val_tracks, phase)
        # R^2 compares with the spread of the targets, which must have one.
        if len(frames) and len(judged) >= 2 and np.ptp(judged_targets) > 0:
            scores.append(LinearRegression().fit(frames, targets).score(judged, judged_targets))
    return float(np.mean(scores)) if scores else float("nan")


def _checked(
    embeddings: Sequence[ArrayLike], labels: Sequence[ArrayLike], prefix: str = ""
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    videos = as_embeddings(embeddings, f"{prefix}embeddings")
    return videos, as_labels(labels, videos, f"{prefix}labels")


def _pooled(videos: list[np.ndarray], labels: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The labelled frames of all videos, (F, D), and their phases, (F,)."""
    if not videos:
        return np.empty((0, 0)), np.empty(0, dtype=np.int64)
    frames, phases = np.concatenate(videos), np.concatenate(labels)
    return frames[phases >= 0], phases[phases >= 0]


def _svm_accuracy(train: tuple[np.ndarray, np.ndarray], val: tuple[np.ndarray, np.ndarray]) -> float:
    if len(np.unique(train[1])) < 2 or not len(val[1]):
        return float("nan")
    return float(SVC().fit(*train).score(*val))


def _progress(videos: list[np.ndarray], labels: list[np.ndarray], phase: int) -> tuple[np.ndarray, np.ndarray]:
    """The labelled frames of the videos that have the phase, and their progress relative to its last frame."""
    targets = []
    for track in labels:
        ends = np.flatnonzero(track == phase)
        last = ends[-1] if ends.size else np.nan
        targets.append(np.where(track >= 0, (np.arange(len(track)) - last) / len(track), np.nan))
    if not videos:
        return np.empty((0, 0)), np.empty(0)
    frames, progress = np.concatenate(videos), np.concatenate(targets)
    defined = ~np.isnan(progress)
    return frames[defined], progress[defined]
