"""Two aligned videos: the path is that of DTW, the accuracy that of the metric."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lrprop.batch import EmbeddedVideo
from lrprop.metrics.functional import dtw_accuracy
from lrprop.viz import align


def line(name: str, at: list[float], labels: list[int] | None) -> EmbeddedVideo:
    """Embeddings on a line."""
    return EmbeddedVideo(name, np.array(at)[:, None], None if labels is None else np.array(labels))


def test_path_and_cost() -> None:
    pair = align(line("a", [0, 1, 2], [0, 0, 1]), line("b", [0, 2], [0, 1]))
    np.testing.assert_array_equal(pair.cost, [[0, 2], [1, 1], [2, 0]])
    assert pair.path.tolist() in ([[0, 0], [1, 0], [2, 1]], [[0, 0], [1, 1], [2, 1]])


def test_accuracy_is_the_metric() -> None:
    rng = np.random.default_rng(0)
    videos = [EmbeddedVideo(str(n), rng.normal(size=(n, 3)), rng.integers(-1, 3, n)) for n in (9, 14)]
    labels = [video.labels for video in videos if video.labels is not None]
    expected = dtw_accuracy([video.embeddings for video in videos], labels)
    both = (align(*videos).accuracy + align(*videos[::-1]).accuracy) / 2
    assert both == pytest.approx(expected)
    assert str(align(*videos)) == f"9 and 14: {align(*videos).accuracy:.0%} of the path within one phase"


def test_without_labels() -> None:
    first, second = line("a", [0, 1], [0, 1]), line("b", [0, 1], None)
    for other in (second, replace(second, labels=np.array([-1, -1]))):
        pair = align(first, other)
        assert np.isnan(pair.accuracy)
        assert str(pair) == "a and b"
