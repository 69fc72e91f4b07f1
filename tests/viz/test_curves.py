"""Curves: every value at its step, one line a run."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lrprop.viz import draw_curves
from tests.viz.readable import trouble, written


def history(*runs: str) -> pd.DataFrame:
    rows = [
        (run, step, step // 10, metric, value + k)
        for k, run in enumerate(runs)
        for metric, value in (("train/loss", 3.0), ("val/dtw_accuracy", 0.5), ("val/kendalls_tau", 0.25))
        for step in (20, 10, 0)
    ]
    return pd.DataFrame(rows, columns=["run", "step", "epoch", "metric", "value"])


def test_values_stand_at_their_steps_in_percent() -> None:
    figure = draw_curves(history("a"), ["train/loss", "val/dtw_accuracy"])
    loss, accuracy = figure.axes
    np.testing.assert_array_equal(loss.lines[0].get_xydata(), [(0, 3), (10, 3), (20, 3)])
    np.testing.assert_array_equal(accuracy.lines[0].get_ydata(), [50, 50, 50])
    assert [axes.get_title("left") for axes in figure.axes] == ["training loss", "DTW accuracy (val)"]
    assert [(axes.get_xlabel(), axes.get_ylabel()) for axes in figure.axes] == [
        ("training step", "loss"),
        ("training step", "%"),
    ]
    assert not figure.legends, "one run needs no key"


@pytest.mark.parametrize("count", [1, 3])
def test_a_line_a_run_and_a_readable_picture(count: int) -> None:
    runs = [f"squat-lrprop-{k}" for k in range(8)]
    metrics = ["train/loss", "val/dtw_accuracy", "val/kendalls_tau"][:count]
    figure = draw_curves(history(*runs), metrics)
    assert [len(axes.lines) for axes in figure.axes] == [8] * count
    assert set(runs) <= set(written(figure))
    assert trouble(figure) == []


def test_an_unknown_metric_is_named() -> None:
    with pytest.raises(ValueError, match="metric 'loss' is none of train/loss, val/dtw_accuracy"):
        draw_curves(history("a"), ["loss"])
    with pytest.raises(ValueError, match="metrics is empty"):
        draw_curves(history("a"), [])
