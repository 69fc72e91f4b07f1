"""The runs of a sweep: parallel coordinates, and which parameter mattered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import rankdata, spearmanr
from sklearn.ensemble import RandomForestRegressor
from sklearn.inspection import permutation_importance

from lrprop.viz.plots import (
    ACCENT,
    GREY,
    SIZE,
    TEXT,
    TIME_MAP,
    entitle,
    lower_is_better,
    metric_name,
    new_figure,
    percent_factor,
    plain,
    unit,
)

WIDTH, HEIGHT = 1200, 420
BAR_HEIGHT, AROUND = 40, 110
FEWEST_RUNS, TREES, REPEATS = 6, 300, 30
LEVEL = 0.05  # of the test that a correlation is 0
FEW_TICKS = 6
SPREAD = 0.08  # of the height of an axis
LOG_SPAN = 20.0  # parameters that span more than this are drawn on a logarithmic axis


@dataclass(frozen=True, eq=False)
class Importance:
    """How much a random forest that predicts the metric leans on each parameter.

    Attributes:
        parameters: K parameters, the most important first.
        mean: (K,) by how much R^2 falls, on average, when the parameter's values are shuffled among the runs.
        deviation: (K,) of that fall, over the shuffles.
        correlation: (K,) Spearman's rank correlation with the metric, in [-1, 1]; NaN for one that has no order.
        p_value: (K,) of that correlation being 0.
        explained: R^2 on runs that a tree was not grown on, at most 1; at or below 0 the forest has learned nothing.
        runs: how many it has seen.
    """

    parameters: list[str]
    mean: np.ndarray
    deviation: np.ndarray
    correlation: np.ndarray
    p_value: np.ndarray
    explained: float
    runs: int


def parameter_importance(board: pd.DataFrame, seed: int = 0) -> Importance:
    """Permutation importance (Breiman 2001) of a sweep's parameters for its metric.

    Args:
        board: of `lrprop.runs.read_leaderboard`; runs without the metric play no part.
        seed: of the forest and the shuffles.

    Raises:
        ValueError: fewer than 6 runs have the metric, or nothing differs between them.
    """
    finished, metric, parameters = _finished(board)
    if len(finished) < FEWEST_RUNS:
        raise ValueError(f"{len(finished)} runs have {metric}: at least {FEWEST_RUNS} are needed to tell what mattered")
    inputs = np.column_stack([_places(finished[parameter])[0] for parameter in parameters])
    values = finished[metric].to_numpy(float)
    forest = RandomForestRegressor(TREES, oob_score=True, random_state=seed).fit(inputs, values)
    falls = permutation_importance(forest, inputs, values, n_repeats=REPEATS, random_state=seed)
    trends = [
        tuple(spearmanr(column, values)) if _is_number(finished[parameter]) else (np.nan, np.nan)
        for parameter, column in zip(parameters, inputs.T, strict=True)
    ]
    correlation, p_value = np.array(trends).T
    order = np.argsort(-falls.importances_mean, kind="stable")
    return Importance(
        parameters=[parameters[k] for k in order],
        mean=falls.importances_mean[order],
        deviation=falls.importances_std[order],
        correlation=correlation[order],
        p_value=p_value[order],
        explained=float(forest.oob_score_),
        runs=len(finished),
    )


def draw_importance(importance: Importance) -> Figure:
    """Draw the importance of each parameter with its deviation, and in words how the metric goes with it.

    Args:
        importance: of `parameter_importance`.

    Returns:
        The figure.
    """
    count = len(importance.parameters)
    figure = new_figure(900, AROUND + BAR_HEIGHT * count)
    axes = figure.add_subplot()
    axes.barh(
        range(count), importance.mean, xerr=importance.deviation, height=0.6, color=ACCENT, ecolor=TEXT, capsize=3
    )
    plain(axes, grid="x")
    axes.set_ylim(count - 0.5, -0.5)
    axes.set_yticks(range(count), short_names(importance.parameters), fontsize=SIZE)
    axes.set_xlabel("fall of R² when the parameter is shuffled", fontsize=SIZE)
    words = axes.secondary_yaxis("right")
    trends = zip(importance.correlation, importance.p_value, strict=True)
    words.set_yticks(range(count), [_direction(*trend) for trend in trends], fontsize=SIZE)
    for side in (axes, words):
        side.tick_params(axis="y", length=0)
    words.spines[:].set_visible(False)
    entitle(axes, _worth(importance))
    return figure


def draw_parallel_coordinates(board: pd.DataFrame) -> Figure:
    """Draw every run of a sweep as a line through its parameters to its metric, the best one in front.

    Args:
        board: of `lrprop.runs.read_leaderboard`: run, state, the metric, and the parameters. Runs without the metric
            are left out, and counted in the title.

    Returns:
        The figure; lines are the lighter the better. A parameter that spans more than a factor of 20 is on a
        logarithmic axis.

    Raises:
        ValueError: no run has the metric, or nothing differs between them.
    """
    finished, metric, parameters = _finished(board)
    values = finished[metric].to_numpy(float)
    columns = [_places(finished[parameter]) for parameter in parameters]
    columns.append(_number_places(percent_factor(metric) * values))
    ranks = _to_unit(rankdata(values, method="ordinal"))
    spreads = [_spread(column, ranks) for column, _ in columns[:-1]] + [0.0]
    places = np.column_stack([_to_unit(column) + spread for (column, _), spread in zip(columns, spreads, strict=True)])
    figure = new_figure(WIDTH, HEIGHT)
    axes = figure.add_subplot()
    _draw_lines(axes, places, -values if lower_is_better(metric) else values)
    for x, (column, ticks) in enumerate(columns):
        _draw_axis(axes, x, column, ticks)
    names = [*short_names(parameters), f"{metric_name(metric)}, {unit(metric)}"]
    axes.set_xticks(range(len(names)), names, fontsize=SIZE)
    left_out = len(board) - len(finished)
    entitle(axes, f"{len(finished)} runs" + f", {left_out} without the metric left out" * bool(left_out))
    return figure


def short_names(parameters: Sequence[str]) -> list[str]:
    """The last part of each dotted key; the last two where that names two of them."""
    last = Counter(parameter.split(".")[-1] for parameter in parameters)
    return [".".join(p.split(".")[-(1 if last[p.split(".")[-1]] == 1 else 2) :]) for p in parameters]


Ticks = list[tuple[float, str]]
"""Places on an axis, with what is written there."""


def _finished(board: pd.DataFrame) -> tuple[pd.DataFrame, str, list[str]]:
    """The runs with a metric, its name, and the parameters that differ between them."""
    metric = str(board.columns[2])
    finished = board[board[metric].notna()]
    parameters = [str(name) for name in board.columns[3:] if finished[name].map(repr).nunique() > 1]
    if finished.empty or not parameters:
        raise ValueError(f"{len(finished)} runs have {metric}, and {len(parameters)} parameters differ between them")
    return finished, metric, parameters


def _places(values: pd.Series) -> tuple[np.ndarray, Ticks]:
    """Where each value is on its axis, and the ticks of the axis: numbers, or words in the order of the alphabet."""
    if _is_number(values):
        return _number_places(values.to_numpy(float))
    words = values.map(str)
    known = sorted(set(words))
    return np.array([known.index(word) for word in words], float), [(k, word) for k, word in enumerate(known)]


def _is_number(values: pd.Series) -> bool:
    is_number = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    return is_number and bool(values.notna().all())


def _number_places(values: np.ndarray) -> tuple[np.ndarray, Ticks]:
    shown = np.unique(values)
    is_log = shown[0] > 0 and shown[-1] > LOG_SPAN * shown[0]
    digits = ".3g"
    if len(shown) > FEW_TICKS:
        shown, digits = (np.geomspace if is_log else np.linspace)(shown[0], shown[-1], FEW_TICKS - 1), "#.3g"
    on_axis = np.log if is_log else np.asarray
    return on_axis(values), [(float(on_axis(value)), f"{value:{digits}}") for value in shown]


def _to_unit(values: np.ndarray) -> np.ndarray:
    span = np.ptp(values)
    return (values - values.min()) / span if span else np.full(len(values), 0.5)


def _spread(values: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """A little room between the runs of a grid, which share their values and would hide each other."""
    return SPREAD * (ranks - 0.5) if len(np.unique(values)) <= FEW_TICKS else np.zeros(len(values))


def _draw_lines(axes: Axes, places: np.ndarray, quality: np.ndarray) -> None:
    shades = colormaps[TIME_MAP](0.92 * _to_unit(quality))
    x = np.arange(places.shape[1])
    for k in np.argsort(quality, kind="stable"):
        is_best = k == quality.argmax()
        if is_best:
            axes.plot(x, places[k], color=TEXT, lw=6, solid_joinstyle="round")
        axes.plot(x, places[k], color=shades[k], lw=3.5 if is_best else 1.8, alpha=1 if is_best else 0.85)


def _draw_axis(axes: Axes, x: int, values: np.ndarray, ticks: Ticks) -> None:
    axes.axvline(x, color=GREY, lw=1.2, zorder=3)
    low, span = values.min(), np.ptp(values)
    for place, text in ticks:
        y = (place - low) / span if span else 0.5
        label = {"boxstyle": "round,pad=0.15", "fc": "white", "ec": "none", "alpha": 0.85}
        axes.text(x + 0.015, y, text, fontsize=SIZE - 1, color=TEXT, va="center", ha="left", bbox=label, zorder=4)
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    axes.tick_params(axis="x", length=0)


def _direction(correlation: float, p_value: float) -> str:
    if np.isnan(correlation):
        return "no order"
    if p_value > LEVEL:
        return f"no clear trend (ρ {correlation:+.2f})"
    return f"{'rises' if correlation > 0 else 'falls'} with it (ρ {correlation:+.2f})"


def _worth(importance: Importance) -> str:
    if importance.explained <= 0:
        return f"{importance.runs} runs: too few to say, the forest does not predict a run that it has not seen"
    share = f"{importance.explained:.0%} of the variance of runs that it has not seen"
    return f"{importance.runs} runs: the forest explains {share}"
