"""Every metric of the paper on a training and a validation set of embedded videos, under its name."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from lrprop.batch import EmbeddedVideo
from lrprop.metrics.functional import phase_classification, phase_progression
from lrprop.metrics.functional.alignment import PathScores
from lrprop.metrics.functional.distances import Reader, read_distances
from lrprop.metrics.functional.inputs import as_embeddings
from lrprop.metrics.functional.order import NeighbourOrder
from lrprop.metrics.functional.retrieval import NearestFrames
from lrprop.metrics.functional.some_pairs import SomePairs, draw_pairs, standard_error
from lrprop.metrics.processes import ALONE, Processes


def evaluate(
    train: Sequence[EmbeddedVideo],
    val: Sequence[EmbeddedVideo],
    *,
    tau_stride: int = 1,
    ap_stride: int = 1,
    fractions: Sequence[float] = (0.05, 0.1, 0.25, 0.5, 0.75, 1.0),
    ks: Sequence[int] = (1, 5, 10, 15, 20, 25, 30),
    max_pairs: int | None = None,
    processes: Processes = ALONE,
) -> dict[str, float | None]:
    """All metrics, by name; the order in which the videos are given plays no part.

    Videos without a single labelled frame are left out of the metrics that need labels; one warning names what is
    left out or cannot be computed for want of labels.

    Args:
        train: the videos that the phase classifier and the regression are trained on.
        val: the videos that are judged.
        tau_stride: of Kendall's tau; 1, or 2 (Penn Action) and 5 (Pouring) as in the original evaluation.
        ap_stride: of AP@K; likewise.
        fractions: parts of the labelled training videos, in id order, that the classifier is trained on.
        ks: the K of AP@K.
        max_pairs: of so many pairs of videos at most are tau, dtw_accuracy and canonical_error computed; of more, that
            many are drawn, always the same ones. None: of all.
        processes: those that share the work; each has all the videos, and gets the very values of one alone.

    Returns:
        Fractions, not percent, under `kendalls_tau`, `phase_progression`, `phase_classification@P` (P percent of the
        training videos), `ap@K`, `dtw_accuracy` and `dtw_accuracy_open` (with both ends open: all of one video is
        aligned to the part of another that suits it best), None where not defined; the number of pairs of videos
        without a tau under `kendalls_tau_undefined`; and `canonical_error` only where a val video has its canonical
        time. Where pairs were drawn, `kendalls_tau_error` and `dtw_accuracy_error` are the standard errors of the two
        against the values of all pairs.

    Raises:
        ValueError: an id that occurs twice, embeddings that are not finite (names the video), a bad option, or
            max_pairs < 1.
    """
    if max_pairs is not None and max_pairs < 1:
        raise ValueError(f"max_pairs = {max_pairs}; expected at least 1, or None for all pairs")
    train, val = _in_id_order(train, "train"), _in_id_order(val, "val")
    labelled_train, labelled_val = ([video for video in side if _has_labels(video)] for side in (train, val))
    _warn_of_missing_labels(train, val)
    sides = (*_columns(labelled_train), *_columns(labelled_val))
    accuracies = _phase_classification(sides, fractions, processes)
    orders, others = _distance_metrics(val, (tau_stride, ap_stride), ks, max_pairs, processes)
    values = {
        **orders,
        "phase_progression": phase_progression(*sides),
        **{f"phase_classification@{round(100 * part, 6):g}": value for part, value in accuracies.items()},
        **others,
    }
    if all(video.truth is None for video in val):
        del values["canonical_error"]
    return {name: None if math.isnan(value) else value for name, value in values.items()}


def _in_id_order(videos: Sequence[EmbeddedVideo], side: str) -> list[EmbeddedVideo]:
    ordered = sorted(videos, key=lambda video: video.id)
    for video, following in pairwise(ordered):
        if video.id == following.id:
            raise ValueError(f"{side} holds the video '{video.id}' twice; give every video once")
    for video in ordered:
        if not np.isfinite(video.embeddings).all():
            raise ValueError(f"{side} video '{video.id}': its embeddings hold NaN or infinite values")
    return ordered


def _has_labels(video: EmbeddedVideo) -> bool:
    return video.labels is not None and bool((np.asarray(video.labels) >= 0).any())


def _columns(videos: Sequence[EmbeddedVideo]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The embeddings and the labels, -1 all through where a video has none."""
    labels = [np.full(len(v.embeddings), -1) if v.labels is None else v.labels for v in videos]
    return [video.embeddings for video in videos], labels


_Columns = list[np.ndarray]


def _phase_classification(
    sides: tuple[_Columns, _Columns, _Columns, _Columns], fractions: Sequence[float], processes: Processes
) -> dict[float, float]:
    """Each process trains the classifiers of some of the fractions."""
    mine = phase_classification(*sides, fractions[processes.rank :: processes.size])
    found = {fraction: accuracy for part in processes.gather(mine) for fraction, accuracy in part.items()}
    return {fraction: found[fraction] for fraction in fractions}


def _distance_metrics(
    videos: Sequence[EmbeddedVideo],
    strides: tuple[int, int],
    ks: Sequence[int],
    max_pairs: int | None,
    processes: Processes,
) -> tuple[dict[str, float], dict[str, float]]:
    """Kendall's tau; AP@K and path scores with fixed and with open ends; every distance is computed once for all."""
    columns, labels = _columns(videos)
    truths = [np.full(len(v.embeddings), np.nan) if v.truth is None else v.truth for v in videos]
    embeddings = as_embeddings(columns)
    order, nearest = NeighbourOrder(embeddings, strides[0]), NearestFrames(embeddings, labels, ks, strides[1])
    fixed = PathScores(embeddings, labels, truths)
    open_ends = PathScores(embeddings, labels, truths, open_begin=True, open_end=True)
    of_pairs: list[Reader] = [order, fixed, open_ends]
    pairs = len(videos) * (len(videos) - 1) // 2
    is_drawn = max_pairs is not None and max_pairs < pairs
    if is_drawn:
        chosen = draw_pairs(len(videos), max_pairs or 0)
        of_pairs = [SomePairs(reader, chosen) for reader in of_pairs]
    read_distances(embeddings, [nearest, *of_pairs], processes)
    tau, undefined = order.result()
    accuracy, error = fixed.result()
    orders = {"kendalls_tau": tau, "kendalls_tau_undefined": float(undefined)}
    others = {f"ap@{k}": value for k, value in nearest.result().items()}
    others |= {"dtw_accuracy": accuracy, "dtw_accuracy_open": open_ends.result()[0], "canonical_error": error}
    if is_drawn:
        orders["kendalls_tau_undefined"] -= 2.0 * (pairs - (max_pairs or 0))
        orders["kendalls_tau_error"] = standard_error(order.taus)
        others["dtw_accuracy_error"] = standard_error(fixed.accuracies)
    return orders, others


def _warn_of_missing_labels(train: Sequence[EmbeddedVideo], val: Sequence[EmbeddedVideo]) -> None:
    sides = {"train": train, "held-out": val}  # of val or of tune
    counts = {side: sum(map(_has_labels, videos)) for side, videos in sides.items()}
    notices = [
        f"{len(videos) - counts[side]} of {len(videos)} {side} videos have no phase labels and take no part in the "
        "metrics that need them"
        for side, videos in sides.items()
        if counts[side] < len(videos)
    ]
    probes = "phase_progression, phase_classification"
    if not counts["held-out"]:
        notices.append(f"no labelled held-out video: {probes}, ap and dtw_accuracy are skipped")
    elif not counts["train"]:
        notices.append(f"no labelled train video: {probes} are skipped")
    if notices:
        warnings.warn("; ".join(notices), UserWarning, stacklevel=3)
