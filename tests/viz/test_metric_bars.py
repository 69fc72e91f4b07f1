"""Bars: as long as their numbers, the trained row apart from the floors."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from lrprop.viz import draw_action_bars, draw_metric_bars
from lrprop.viz.plots import ACCENT
from tests.viz.readable import trouble, written


def metrics(*runs: str) -> pd.DataFrame:
    rows = [
        (run, row, metric, value)
        for run in runs
        for row, value in (("time_only", 0.6), ("final", 0.9), ("untrained", None))
        for metric, value in (("dtw_accuracy", value), ("phase_progression", -1.5), ("canonical_error", 0.05))
    ]
    return pd.DataFrame(rows, columns=["run", "row", "metric", "value"]).astype({"value": float})


def bars(axes: Axes) -> list[Rectangle]:
    return [patch for patch in axes.patches if isinstance(patch, Rectangle)]


def test_trained_first_and_in_colour_then_the_floors() -> None:
    figure = draw_metric_bars(metrics("a"), ["dtw_accuracy", "phase_progression", "canonical_error"])
    accuracy, progression, error = figure.axes
    assert [label.get_text() for label in accuracy.get_yticklabels()] == ["trained", "untrained", "time only"]
    assert [bar.get_width() for bar in bars(accuracy)] == pytest.approx([90, 0, 60])
    assert [to_hex(bar.get_facecolor()) == ACCENT for bar in bars(accuracy)] == [True, False, False]
    assert [text.get_text().strip() for text in accuracy.texts] == ["90.0", "60.0"], "nothing for what is not defined"
    assert [bar.get_width() for bar in bars(progression)] == [0, 0, 0]
    assert [text.get_text().strip() for text in progression.texts] == ["-150.0"] * 3
    assert error.get_xlabel() == "%, lower is better"
    assert trouble(figure) == []


def test_a_row_on_tune_was_trained_too() -> None:
    table = metrics("a").replace({"row": {"untrained": "tune"}})
    (accuracy,) = draw_metric_bars(table, ["dtw_accuracy"]).axes
    assert [label.get_text() for label in accuracy.get_yticklabels()] == ["trained", "on tune", "time only"]
    assert [to_hex(bar.get_facecolor()) == ACCENT for bar in bars(accuracy)] == [True, True, False]


def test_several_runs_are_called_by_what_differs() -> None:
    trained = metrics("x", "y")
    trained = trained[trained["row"] == "final"]
    figure = draw_metric_bars(trained, ["dtw_accuracy"])
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["x", "y"]
    figure = draw_metric_bars(metrics("x", "y"), ["dtw_accuracy"])
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == [f"{run}, {row}" for run in "xy" for row in ("trained", "untrained", "time only")]
    assert trouble(figure) == []


def test_an_unknown_metric_is_named() -> None:
    with pytest.raises(ValueError, match="metric 'accuracy' is none of canonical_error, dtw_accuracy"):
        draw_metric_bars(metrics("a"), ["accuracy"])


def table() -> pd.DataFrame:
    """Floors are measured beside one method alone, as in a benchmark."""
    cells = {("x", "squat", 0): 0.9, ("x", "squat", 1): 0.8, ("y", "squat", 0): 0.7, ("x", "golf_swing", 0): 0.5}
    rows = [(*cell, "final", "ap@5", value) for cell, value in cells.items()]
    floors = {("squat", 0): 0.6, ("squat", 1): 0.7, ("golf_swing", 0): 0.55}
    rows += [("x", *cell, "time_only", "ap@5", value) for cell, value in floors.items()]
    return pd.DataFrame(rows, columns=["method", "action", "seed", "row", "metric", "value"])


def test_actions_show_what_training_adds() -> None:
    figure = draw_action_bars(table(), "ap@5", ["x", "y"])
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["golf swing", "squat"]
    heights = np.array([bar.get_height() for bar in bars(axes)])
    np.testing.assert_allclose(heights, [-5, 20, np.nan, 10], err_msg="x, then y, which has no golf swing")
    seeds = axes.collections[0]
    assert isinstance(seeds, LineCollection)
    np.testing.assert_allclose(np.asarray(seeds.get_segments()[1])[:, 1], [10, 30], err_msg="least seed to best")
    assert len({bar.get_hatch() for bar in bars(axes)}) == 2, "told apart without colour"
    assert axes.get_ylabel() == "above 'time only', points"
    assert {"x", "y", "AP@5: what training adds"} <= set(written(figure))
    assert trouble(figure) == []


def test_a_floor_that_is_not_there() -> None:
    with pytest.raises(ValueError, match="no action has 'ap@5' of x, y and of the row 'raw'"):
        draw_action_bars(table(), "ap@5", ["x", "y"], floor="raw")
