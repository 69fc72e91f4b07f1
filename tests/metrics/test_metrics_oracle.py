"""Every metric against the loops of the oracle, on random videos with hidden labels and many ties."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.svm import SVC

from lrprop.metrics.functional import (
    alignment_scores,
    average_precision_at_k,
    canonical_error,
    dtw_accuracy,
    kendalls_tau,
    phase_classification,
    phase_progression,
)
from lrprop.metrics.functional.order import Ties
from tests.metrics.embedded_samples import random_samples
from tests.oracle import average_precision_oracle, kendalls_tau_oracle, path_scores_oracle, phase_progression_oracle

SEEDS = st.integers(0, 2**32 - 1)
EXAMPLES = settings(max_examples=60, deadline=None)


def same(value: float) -> object:
    return pytest.approx(value, rel=1e-9, abs=1e-9, nan_ok=True)


@EXAMPLES
@given(SEEDS, st.integers(0, 5), st.booleans(), st.integers(1, 3), st.sampled_from(["tau_b", "discordant"]))
def test_kendalls_tau(seed: int, videos: int, grid: bool, stride: int, ties: Ties) -> None:
    samples = random_samples(seed, videos, grid)
    tau, undefined = kendalls_tau(samples.embeddings, stride, ties, return_undefined=True)
    expected, count = kendalls_tau_oracle(samples.embeddings, stride, ties)
    assert tau == same(expected)
    assert undefined == count


@EXAMPLES
@given(SEEDS, st.integers(0, 5), st.booleans(), st.integers(1, 3), st.sampled_from([0.0, 0.3, 1.0]))
def test_average_precision(seed: int, videos: int, grid: bool, stride: int, missing: float) -> None:
    samples = random_samples(seed, videos, grid, missing)
    values = average_precision_at_k(samples.embeddings, samples.labels, (1, 2, 5, 12), stride)
    for k, value in values.items():
        assert value == same(average_precision_oracle(samples.embeddings, samples.labels, k, stride))


@EXAMPLES
@given(SEEDS, st.integers(1, 5), st.sampled_from([0.0, 0.3]))
@example(1822, 5, 0.3)  # all targets of a phase are equal, so that it has no R^2
@example(28149, 3, 0.3)  # fewer training frames than unknowns
def test_phase_progression(seed: int, videos: int, missing: float) -> None:
    train, val = random_samples(seed, videos + 4, missing=missing), random_samples(seed + 1, videos, missing=missing)
    with np.errstate(all="raise"):
        value = phase_progression(train.embeddings, train.labels, val.embeddings, val.labels)
    expected = phase_progression_oracle(train.embeddings, train.labels, val.embeddings, val.labels)
    assert value == pytest.approx(expected, rel=1e-6, abs=1e-6, nan_ok=True)


@EXAMPLES
@given(SEEDS, st.integers(1, 6))
def test_phase_classification(seed: int, videos: int) -> None:
    train, val = random_samples(seed, videos), random_samples(seed + 1, 3)
    accuracies = phase_classification(train.embeddings, train.labels, val.embeddings, val.labels, (0.1, 0.5, 1.0))
    for fraction, accuracy in accuracies.items():
        count = max(1, int(fraction * videos))
        frames: list[np.ndarray] = []
        phases: list[int] = []
        for video, track in zip(train.embeddings[:count], train.labels[:count], strict=True):
            frames.extend(video[t] for t in range(len(track)) if track[t] >= 0)
            phases.extend(phase for phase in track if phase >= 0)
        judged = np.concatenate(val.labels) >= 0
        if len(set(phases)) < 2 or not judged.any():
            assert math.isnan(accuracy)
        else:
            predicted = SVC().fit(np.array(frames), phases).predict(np.concatenate(val.embeddings))
            assert accuracy == same(np.mean((predicted == np.concatenate(val.labels))[judged]))


@EXAMPLES
@given(SEEDS, st.integers(0, 5), st.booleans(), st.booleans(), st.sampled_from([0.0, 0.3, 1.0]))
def test_alignment_scores(seed: int, videos: int, open_begin: bool, open_end: bool, missing: float) -> None:
    samples = random_samples(seed, videos, missing=missing)
    columns = samples.embeddings, samples.labels, samples.truths
    accuracy, error = path_scores_oracle(*columns, (open_begin, open_end))
    assert alignment_scores(*columns, open_begin, open_end) == (same(accuracy), same(error))
    assert dtw_accuracy(samples.embeddings, samples.labels, open_begin, open_end) == same(accuracy)
    if not (open_begin or open_end):
        assert canonical_error(samples.embeddings, samples.truths) == same(error)
