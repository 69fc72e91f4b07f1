from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from lrprop.batch import EmbeddedVideo
from lrprop.metrics import evaluate
from lrprop.metrics.functional import (
    alignment_scores,
    average_precision_at_k,
    dtw_accuracy,
    kendalls_tau,
    phase_classification,
    phase_progression,
)
from tests.metrics.embedded_samples import perfect_samples, random_samples
from tests.oracle import path_scores_oracle

KEYS = [
    "kendalls_tau",
    "kendalls_tau_undefined",
    "phase_progression",
    *(f"phase_classification@{percent}" for percent in (5, 10, 25, 50, 75, 100)),
    *(f"ap@{k}" for k in (1, 5, 10, 15, 20, 25, 30)),
    "dtw_accuracy",
    "dtw_accuracy_open",
    "canonical_error",
]
LABEL_KEYS = set(KEYS) - {"kendalls_tau", "kendalls_tau_undefined", "canonical_error"}


@pytest.fixture(autouse=True)
def _no_unexpected_warning() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def _without(videos: list[EmbeddedVideo], field: str) -> list[EmbeddedVideo]:
    return [replace(video, **{field: None}) for video in videos]  # type: ignore[arg-type]


def test_the_names_and_the_values_of_a_perfect_embedding() -> None:
    values = evaluate(perfect_samples(6).videos(), perfect_samples(5, seed=1).videos())
    assert list(values) == KEYS
    ones = ("kendalls_tau", "dtw_accuracy", "dtw_accuracy_open", "ap@1", "phase_classification@100")
    assert [values[key] for key in ones] == [1] * 5
    assert values["kendalls_tau_undefined"] == values["canonical_error"] == 0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("grid", [False, True])
def test_every_value_is_that_of_its_function(grid: bool, dtype: str) -> None:
    """On the grid of whole numbers almost every distance is tied."""
    train, val = random_samples(0, 9, grid), random_samples(1, 8, grid)
    for side in (train, val):
        side.embeddings = [video.astype(dtype) for video in side.embeddings]
    values = evaluate(train.videos(), val.videos(), tau_stride=2, ap_stride=3, fractions=(0.29, 1.0), ks=(2, 3))
    sides = train.embeddings, train.labels, val.embeddings, val.labels
    precisions = average_precision_at_k(val.embeddings, val.labels, (2, 3), stride=3)
    accuracies = phase_classification(*sides, (0.29, 1.0))
    assert values["kendalls_tau"] == kendalls_tau(val.embeddings, stride=2)
    assert [values["ap@2"], values["ap@3"]] == [precisions[2], precisions[3]]
    assert [values["phase_classification@29"], values["phase_classification@100"]] == list(accuracies.values())
    assert values["phase_progression"] == phase_progression(*sides)
    scores = alignment_scores(val.embeddings, val.labels, val.truths)
    assert (values["dtw_accuracy"], values["canonical_error"]) == scores
    assert values["dtw_accuracy_open"] == dtw_accuracy(val.embeddings, val.labels, open_begin=True, open_end=True)


def test_open_ends_leave_out_what_only_the_second_video_shows() -> None:
    """Cut clips of one walk: fixed ends must join their ends, open ones find a clip within the whole walk."""
    walk = perfect_samples(1).videos()[0]
    middle = replace(
        walk, id="middle", **{name: getattr(walk, name)[5:8] for name in ("embeddings", "labels", "truth")}
    )
    values = evaluate([walk], [walk, middle])
    assert values["dtw_accuracy"] == pytest.approx(4 / 12)
    # All of the walk goes into its middle in the other direction, where open ends change nothing.
    assert values["dtw_accuracy_open"] == pytest.approx((1 + 4 / 12) / 2)


@pytest.mark.parametrize("seed", range(5))
def test_the_accuracy_with_open_ends_is_the_oracles(seed: int) -> None:
    samples = random_samples(seed, 6, missing=0.1)
    expected = path_scores_oracle(samples.embeddings, samples.labels, samples.truths, (True, True))[0]
    values = evaluate(samples.videos(), samples.videos())
    assert values["dtw_accuracy_open"] == pytest.approx(expected, abs=1e-12)
    assert values["dtw_accuracy_open"] != values["dtw_accuracy"]


def test_videos_are_taken_in_id_order() -> None:
    train, val = (random_samples(seed, 9, missing=0).videos() for seed in (2, 3))
    assert evaluate(train[::-1], val[::-1]) == evaluate(train, val)


def test_the_canonical_error_is_there_only_where_the_truth_is() -> None:
    train, val = perfect_samples(3).videos(), perfect_samples(4).videos()
    assert "canonical_error" not in evaluate(train, _without(val, "truth"))
    some = [*val[:2], *_without(val[2:], "truth")]
    assert evaluate(train, some)["canonical_error"] == 0


def test_unlabelled_videos_give_none_and_one_notice() -> None:
    train, val = perfect_samples(3).videos(), perfect_samples(4).videos()
    with pytest.warns(
        UserWarning, match=r"4 of 4 held-out videos .* no labelled held-out video: phase_progression"
    ) as notices:
        values = evaluate(_without(train, "labels"), _without(val, "labels"))
    assert len(notices) == 1
    assert {key for key, value in values.items() if value is None} == LABEL_KEYS
    assert values["kendalls_tau"] == 1
    assert values["canonical_error"] == 0


def test_without_labelled_training_videos_only_the_probes_are_skipped() -> None:
    with pytest.warns(
        UserWarning, match="no labelled train video: phase_progression, phase_classification are skipped"
    ):
        values = evaluate([], perfect_samples(4).videos())
    skipped = {key for key, value in values.items() if value is None}
    assert skipped == {key for key in KEYS if key.startswith("phase_")}


def test_a_video_without_labels_is_left_out_of_the_label_metrics_and_named() -> None:
    train, val = random_samples(4, 8).videos(), random_samples(5, 7).videos()
    expected = evaluate(train[1:], val[1:])
    hidden = replace(train[0], labels=None), replace(val[0], labels=np.full_like(val[0].labels, -1))
    with pytest.warns(UserWarning, match=r"1 of 8 train videos .*; 1 of 7 held-out videos"):
        values = evaluate([hidden[0], *train[1:]], [hidden[1], *val[1:]])
    assert {key: values[key] for key in LABEL_KEYS} == {key: expected[key] for key in LABEL_KEYS}
    assert values["kendalls_tau"] != expected["kendalls_tau"]


def test_a_collapsed_embedding_reports_no_tau() -> None:
    still = [replace(video, embeddings=np.ones((12, 4), dtype=np.float32)) for video in perfect_samples(3).videos()]
    values = evaluate(still, still)
    assert values["kendalls_tau"] is None
    assert values["kendalls_tau_undefined"] == 6


def test_too_small_a_pool_is_none() -> None:
    videos = perfect_samples(2).videos()
    values = evaluate(videos, videos)
    assert values["ap@10"] is not None
    assert values["ap@15"] is None


def test_a_video_given_twice_or_not_finite_is_refused_by_name() -> None:
    videos = perfect_samples(2).videos()
    with pytest.raises(ValueError, match="val holds the video 'video01' twice"):
        evaluate(videos, [*videos, videos[1]])
    broken = replace(videos[1], embeddings=np.full((12, 2), np.nan))
    with pytest.raises(ValueError, match="train video 'video01': its embeddings hold NaN"):
        evaluate([videos[0], broken], videos)
