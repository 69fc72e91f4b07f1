"""Metrics as bars: the rows of a run beside its floors, several runs, and methods by action."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lrprop.viz.plots import (
    ACCENT,
    GREY,
    LINE,
    ROWS,
    SIZE,
    TEXT,
    entitle,
    line_styles,
    lower_is_better,
    metric_name,
    new_figure,
    percent_factor,
    plain,
    unit,
)

WIDTH, COLUMNS, BAR_HEIGHT, AROUND = 1200, 4, 26, 90
ACTIONS_HEIGHT = 380
HATCHES = ("", "//", "..", "xx", "\\\\", "++", "oo")


def draw_metric_bars(metrics: pd.DataFrame, names: Sequence[str]) -> Figure:
    """Draw metrics as bars from 0, a panel for each metric, and their values in numbers.

    Args:
        metrics: of `lrprop.runs.Runs`: run, row, metric, value. A bar for each row of each run, called by what differs;
            rows without training are grey.
        names: the metrics.

    Returns:
        The figure. A value below 0 has no bar, one that is not defined neither bar nor number.

    Raises:
        ValueError: a metric that no row has.
    """
    bars = _in_order(metrics[["run", "row"]].drop_duplicates())
    labels = _labels(bars)
    columns = min(COLUMNS, len(names))
    lines = -(-len(names) // columns)
    figure = new_figure(WIDTH, lines * (AROUND + BAR_HEIGHT * len(bars)))
    for k, name in enumerate(names):
        of_metric = bars.merge(metrics[metrics["metric"] == name], how="left")
        if of_metric["metric"].isna().all():
            raise ValueError(f"metric {name!r} is none of {', '.join(sorted(set(metrics['metric'])))}")
        axes = figure.add_subplot(lines, columns, k + 1)
        values = percent_factor(name) * of_metric["value"].to_numpy()
        _draw_bars(axes, values, [row in ("final", "tune") for row in of_metric["row"]])
        axes.set_yticks(range(len(bars)), labels if k % columns == 0 else [""] * len(bars), fontsize=SIZE)
        axes.set_xlabel(unit(name) + ", lower is better" * lower_is_better(name), fontsize=SIZE)
        entitle(axes, metric_name(name))
    return figure


def draw_action_bars(table: pd.DataFrame, metric: str, methods: Sequence[str], *, floor: str = "time_only") -> Figure:
    """Draw how far methods are above what needs no training, a group of bars for each action.

    Args:
        table: of `lrprop.runs.read_benchmark`; means over seeds are drawn, and lines from the least seed to the best.
        metric: its name in the table.
        methods: those to draw; an action that one of them lacks has a gap there.
        floor: the row of 0.

    Returns:
        The figure, in points of percent.

    Raises:
        ValueError: no action has both a method and the floor.
    """
    gains = _gains(table[table["metric"] == metric], methods, floor)
    if gains.empty:
        raise ValueError(f"no action has {metric!r} of {', '.join(methods)} and of the row {floor!r}")
    actions = sorted(set(gains["action"]))
    figure = new_figure(WIDTH, ACTIONS_HEIGHT)
    axes = figure.add_subplot()
    for k, method in enumerate(methods):
        of_method = gains[gains["method"] == method].groupby("action")["gain"].agg(["mean", "min", "max"])
        _draw_method(axes, of_method.reindex(actions), k, method, len(methods))
    plain(axes)
    axes.axhline(0, color=TEXT, lw=1.2)
    axes.set_xticks(range(len(actions)), [action.replace("_", " ") for action in actions], fontsize=SIZE)
    axes.set_ylabel(f"above {ROWS.get(floor, floor)!r}, points", fontsize=SIZE)
    entitle(axes, f"{metric_name(metric)}: what training adds")
    figure.legend(loc="outside lower center", ncols=len(methods), frameon=False, fontsize=SIZE)
    return figure


def _draw_method(axes: Axes, gains: pd.DataFrame, place: int, method: str, methods: int) -> None:
    """Its bar in the group of each action."""
    width = 0.8 / methods
    x = np.arange(len(gains)) + (place - (methods - 1) / 2) * width
    look = {"color": line_styles(methods)[place]["color"], "hatch": HATCHES[place % len(HATCHES)]}
    axes.bar(x, gains["mean"].to_numpy(), width, label=method, edgecolor="white", **look)
    axes.vlines(x, gains["min"].to_numpy(), gains["max"].to_numpy(), color=TEXT, lw=1.5)


def _in_order(bars: pd.DataFrame) -> pd.DataFrame:
    """Run by run as they come, and the rows of a run as in the table at its end."""
    places = [list(dict.fromkeys(bars["run"])), list(ROWS)]
    key = {"run": places[0].index, "row": lambda row: places[1].index(row) if row in ROWS else len(ROWS)}
    return bars.sort_values(["run", "row"], key=lambda column: column.map(key[str(column.name)]), kind="stable")


def _labels(bars: pd.DataFrame) -> list[str]:
    rows = [ROWS.get(row, row) for row in bars["row"]]
    if bars["run"].nunique() == 1:
        return rows
    if bars["row"].nunique() == 1:
        return list(bars["run"])
    return [f"{run}, {row}" for run, row in zip(bars["run"], rows, strict=True)]


def _draw_bars(axes: Axes, values: np.ndarray, trained: Sequence[bool]) -> None:
    colours = [ACCENT if is_trained else LINE for is_trained in trained]
    axes.barh(np.arange(len(values)), np.clip(np.nan_to_num(values), 0, None), height=0.7, color=colours)
    plain(axes, grid="x")
    axes.spines["left"].set_visible(False)
    axes.set_ylim(len(values) - 0.5, -0.5)
    axes.set_xlim(0, max(1.0, float(np.nanmax(values, initial=0))) * 1.25)  # room for the numbers
    axes.tick_params(axis="y", length=0)
    for place, value in enumerate(values.tolist()):
        if np.isfinite(value):
            axes.text(max(value, 0), place, f" {value:.1f}", va="center", fontsize=SIZE - 1, color=TEXT)
    axes.axvline(0, color=GREY, lw=1)


def _gains(table: pd.DataFrame, methods: Sequence[str], floor: str) -> pd.DataFrame:
    """Trained less floor of each cell, in points."""
    # A floor is the same for all methods, and is not measured again with each.
    floors = table[table["row"] == floor].groupby(["action", "seed"])["value"].mean().rename("floor")
    trained = table[(table["row"] == "final") & table["method"].isin(list(methods))]
    cells = trained.merge(floors, left_on=["action", "seed"], right_index=True)
    return cells.assign(gain=100 * (cells["value"] - cells["floor"])).dropna(subset="gain")
