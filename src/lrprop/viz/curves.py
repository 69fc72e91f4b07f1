"""Curves of runs: a metric or a term of the loss against training steps."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from lrprop.viz.plots import SIZE, entitle, line_styles, metric_name, new_figure, percent_factor, plain, unit

COLUMNS, WIDTH, HEIGHT, KEY_HEIGHT = 3, 1200, 290, 22


def draw_curves(history: pd.DataFrame, metrics: Sequence[str]) -> Figure:
    """Draw metrics against training steps, a panel for each metric and a line for each run.

    Args:
        history: of `lrprop.runs.Runs`: run, step, epoch, metric, value.
        metrics: as the history names them, such as "train/loss" and "val/dtw_accuracy".

    Returns:
        The figure; metrics are in percent.

    Raises:
        ValueError: no metric, or one that is not in the history.
    """
    _check(history, metrics)
    runs = list(dict.fromkeys(history["run"]))
    styles = dict(zip(runs, line_styles(len(runs)), strict=True))
    columns = min(COLUMNS, len(metrics))
    lines = -(-len(metrics) // columns)
    keys = [Line2D([], [], label=run, **styles[run]) for run in runs] if len(runs) > 1 else []
    in_a_line = 2 * columns
    figure = new_figure(WIDTH * columns // COLUMNS, HEIGHT * lines + KEY_HEIGHT * -(-len(keys) // in_a_line))
    for k, metric in enumerate(metrics):
        axes = figure.add_subplot(lines, columns, k + 1)
        _draw_panel(axes, history[history["metric"] == metric], metric, styles)
    if keys:
        figure.legend(handles=keys, loc="outside upper left", ncols=in_a_line, frameon=False, fontsize=SIZE)
    return figure


def _check(history: pd.DataFrame, metrics: Sequence[str]) -> None:
    known = sorted(set(history["metric"]))
    for metric in metrics:
        if metric not in known:
            raise ValueError(f"metric {metric!r} is none of {', '.join(known)}")
    if not metrics:
        raise ValueError(f"metrics is empty: name at least one of {', '.join(known)}")


def _draw_panel(axes: Axes, values: pd.DataFrame, metric: str, styles: dict[str, dict[str, object]]) -> None:
    for run, of_run in values.groupby("run", sort=False):
        ordered = of_run.sort_values("step")
        axes.plot(ordered["step"], percent_factor(metric) * ordered["value"], **styles[str(run)])  # type: ignore[arg-type]
    plain(axes)
    axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    entitle(axes, metric_name(metric))
    axes.set_xlabel("training step", fontsize=SIZE)
    axes.set_ylabel(unit(metric), fontsize=SIZE)
