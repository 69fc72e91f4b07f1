"""The confusion of phases is that of the classifier behind `phase_classification`."""

from __future__ import annotations

import numpy as np
import pytest

from lrprop.metrics.functional import phase_classification, phase_confusion


def videos(count: int, seed: int, spread: float = 1.0) -> tuple[list[np.ndarray], list[np.ndarray]]:
    rng = np.random.default_rng(seed)
    labels = [np.sort(rng.integers(-1, 4, 20)) for _ in range(count)]
    return [track[:, None] + spread * rng.normal(size=(20, 3)) for track in labels], labels


def test_its_diagonal_is_the_accuracy() -> None:
    train, val = videos(6, 0), videos(4, 1)
    counts = phase_confusion(*train, *val)
    assert counts is not None
    accuracy = phase_classification(*train, *val, fractions=(1.0,))[1.0]
    assert 0.3 < accuracy < 0.95
    assert np.trace(counts) / counts.sum() == pytest.approx(accuracy)
    assert counts.sum(axis=1).tolist() == np.bincount(np.concatenate(val[1]) + 1, minlength=5)[1:].tolist()


def test_rows_are_true_phases_and_columns_predicted_ones() -> None:
    train = ([np.array([[0.0], [0.1], [5.0], [5.1]])], [np.array([0, 0, 1, 1])])
    counts = phase_confusion(*train, [np.array([[0.0], [5.0], [5.05]])], [np.array([0, 0, 2])])
    assert counts is not None
    assert counts.tolist() == [[1, 1, 0], [0, 0, 0], [0, 1, 0]]


def test_one_phase_or_no_labels_give_none() -> None:
    train, val = videos(2, 0), videos(2, 1)
    one = [np.zeros(20, int)] * 2
    none = [np.full(20, -1)] * 2
    assert phase_confusion(train[0], one, *val) is None
    assert phase_confusion(*train, val[0], none) is None
    assert phase_confusion([], [], *val) is None
