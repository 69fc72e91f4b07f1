"""Sweeps: every run through its values, the parameter that matters found, too few runs said."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes

from lrprop.viz import draw_importance, draw_parallel_coordinates, parameter_importance
from lrprop.viz.sweep import short_names
from tests.viz.readable import trouble, written

METRIC = "tune/loose/dtw_accuracy"


def board(count: int = 40) -> pd.DataFrame:
    """The learning rate decides, the other parameters do nothing."""
    rng = np.random.default_rng(0)
    rate = 10 ** rng.uniform(-5, -2, count)
    return pd.DataFrame(
        {
            "run": [str(k) for k in range(count)],
            "state": "finished",
            METRIC: 0.5 + 0.1 * np.log10(rate) + 0.001 * rng.normal(size=count),
            "model.learning_rate": rate,
            "model.encoder.init_args.layers": rng.integers(1, 4, count),
            "model.encoder.init_args.fc_units": rng.choice(["[128]", "[512, 512]"], count),
            "data.seed": 3,
        }
    )


def lines(axes: Axes) -> list[np.ndarray]:
    """The runs' lines, without the outline of the best one and the axes."""
    found = [np.asarray(line.get_ydata(), float) for line in axes.lines if line.get_linewidth() not in (6, 1.2)]
    return sorted(found, key=lambda line: line[-1])


def test_the_parameter_that_matters_comes_first() -> None:
    importance = parameter_importance(board())
    assert importance.parameters[0] == "model.learning_rate"
    assert set(importance.parameters) == {
        "model.learning_rate",
        "model.encoder.init_args.layers",
        "model.encoder.init_args.fc_units",
    }, "what is the same in all runs is no parameter"
    assert importance.mean[0] > 10 * abs(importance.mean[1:]).max()
    assert importance.correlation[0] > 0.95
    assert importance.explained > 0.8
    assert importance.runs == 40
    figure = draw_importance(importance)
    assert [bar.get_width() for bar in figure.axes[0].patches] == pytest.approx(importance.mean)  # type: ignore[attr-defined]
    texts = written(figure)
    assert {"learning_rate", "layers", "fc_units", "no order"} <= set(texts)
    assert any(text.startswith("rises with it (ρ +0.9") or text == "rises with it (ρ +1.00)" for text in texts)
    assert any(text.startswith("no clear trend") for text in texts)
    assert trouble(figure) == []


def test_chance_is_called_chance() -> None:
    noise = board(12)
    noise[METRIC] = np.random.default_rng(1).uniform(size=12)
    texts = written(draw_importance(parameter_importance(noise)))
    assert "12 runs: too few to say, the forest does not predict a run that it has not seen" in texts


def test_runs_without_the_metric_play_no_part() -> None:
    few = board(8)
    few.loc[:2, METRIC] = np.nan
    with pytest.raises(ValueError, match=f"5 runs have {METRIC}: at least 6 are needed"):
        parameter_importance(few)
    figure = draw_parallel_coordinates(few)
    assert "5 runs, 3 without the metric left out" in written(figure)
    assert len(lines(figure.axes[0])) == 5
    few[METRIC] = np.nan
    with pytest.raises(ValueError, match=f"0 runs have {METRIC}"):
        draw_parallel_coordinates(few)


def test_lines_run_through_their_values() -> None:
    sweep = board()
    figure = draw_parallel_coordinates(sweep)
    (axes,) = figure.axes
    ordered = sweep.sort_values(METRIC)
    drawn = np.array(lines(axes))
    rate, value = np.log(ordered["model.learning_rate"].to_numpy()), ordered[METRIC].to_numpy()
    np.testing.assert_allclose(drawn[:, 0], (rate - rate.min()) / np.ptp(rate), err_msg="a logarithmic axis")
    np.testing.assert_allclose(drawn[:, -1], (value - value.min()) / np.ptp(value))
    layers = ordered["model.encoder.init_args.layers"].to_numpy()
    np.testing.assert_allclose(drawn[:, 1], (layers - 1) / 2, atol=0.05)
    assert len(set(drawn[:, 1])) == len(drawn), "runs that share a value do not hide each other"
    names = [label.get_text() for label in axes.get_xticklabels()]
    assert names == ["learning_rate", "layers", "fc_units", "loose DTW accuracy (tune), %"]
    assert {"[128]", "[512, 512]", "1", "2", "3"} <= set(written(figure))
    assert trouble(figure) == []


def test_the_best_run_is_in_front() -> None:
    for metric, best in (("tune/ap@5", 3), ("tune/canonical_error", 0)):
        values = pd.DataFrame(
            {"run": list("abcd"), "state": "finished", metric: [0.1, 0.2, 0.3, 0.4], "x": [1, 2, 3, 4]}
        )
        (axes,) = draw_parallel_coordinates(values).axes
        outline = next(line for line in axes.lines if line.get_linewidth() == 6)
        np.testing.assert_allclose(np.asarray(outline.get_ydata())[-1], best / 3)


def test_a_parameter_that_only_some_runs_have() -> None:
    some = board(8).assign(**{"model.objective.init_args.lambda_ppp": [0.1, np.nan] * 4})
    parameter_importance(some)
    assert {"0.1", "nan"} <= set(written(draw_parallel_coordinates(some)))


def test_short_names_stay_distinct() -> None:
    assert short_names(["a.b.rate", "a.c.rate", "T"]) == ["b.rate", "c.rate", "T"]
