"""What improved when: every metric of a run from its first evaluation to its last."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lrprop.viz.plots import (
    PROBABILITY_MAP,
    SIZE,
    TEXT,
    entitle,
    lower_is_better,
    metric_name,
    new_figure,
    percent_factor,
)

WIDTH, ROW_HEIGHT, AROUND = 1000, 34, 130


def draw_improvement(history: pd.DataFrame, metrics: Sequence[str]) -> Figure:
    """Draw when each metric of one run went from its worst value to its best.

    A row of cells for each metric, a column for each evaluation: dark where the metric stood at its worst of the run,
    light at its best, which has a dot. The numbers at the right are the first, the best and the last value.

    Args:
        history: of `lrprop.runs.Runs`, of one run.
        metrics: evaluated at the same steps, such as "val/dtw_accuracy".

    Returns:
        The figure.

    Raises:
        ValueError: several runs, or metrics that were not all evaluated.
    """
    runs = sorted(set(history["run"]))
    if len(runs) != 1:
        raise ValueError(f"history is of the runs {', '.join(runs)}; choose one")
    chosen = history[history["metric"].isin(list(metrics))]
    wide = chosen.pivot_table(index="metric", columns="step", values="value").reindex(list(metrics))
    lacking = [metric for metric in metrics if wide.empty or wide.loc[metric].isna().any()]
    if lacking or not metrics:
        raise ValueError(f"metrics {', '.join(lacking)} were not evaluated at every step {list(wide.columns)}")
    return _draw(wide.to_numpy(), list(metrics), [str(step) for step in wide.columns])


def reached(values: np.ndarray, metrics: Sequence[str]) -> np.ndarray:
    """How much of its way from its worst value to its best each metric has behind it.

    Args:
        values: (K, S), K metrics at S steps.
        metrics: K names, which tell whether more is better.

    Returns:
        (K, S) in [0, 1]; 1 all through where a metric never changes.
    """
    signs = np.array([-1.0 if lower_is_better(metric) else 1.0 for metric in metrics])
    signed = signs[:, None] * values
    span = np.ptp(signed, axis=1, keepdims=True)
    shares: np.ndarray = np.where(span > 0, (signed - signed.min(1, keepdims=True)) / np.where(span > 0, span, 1), 1.0)
    return shares


def _draw(values: np.ndarray, metrics: Sequence[str], steps: Sequence[str]) -> Figure:
    figure = new_figure(WIDTH, AROUND + ROW_HEIGHT * len(metrics))
    axes = figure.add_subplot()
    shares = reached(values, metrics)
    image = axes.imshow(100 * shares, aspect="auto", cmap=PROBABILITY_MAP, vmin=0, vmax=100, interpolation="nearest")
    best = shares.argmax(1)
    axes.plot(best, range(len(metrics)), "o", color="white", mec=TEXT, ms=7)
    axes.set_xticks(range(len(steps)), list(steps), fontsize=SIZE - 1)
    axes.set_yticks(range(len(metrics)), [metric_name(metric) for metric in metrics], fontsize=SIZE)
    axes.set_xlabel("training step of the evaluation", fontsize=SIZE)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    numbers = axes.secondary_yaxis("right")
    numbers.set_yticks(range(len(metrics)), [_numbers(*row) for row in zip(values, best, metrics, strict=True)])
    numbers.tick_params(length=0, labelsize=SIZE)
    numbers.spines[:].set_visible(False)
    entitle(axes, "dark: the worst of the run, light: the best")
    axes.text(1.015, 1.02, "first → best → last, %", transform=axes.transAxes, fontsize=SIZE, color=TEXT, va="bottom")
    figure.colorbar(image, label="share of the way, %", aspect=12, pad=0.02).outline.set_visible(False)
    return figure


def _numbers(values: np.ndarray, best: int, metric: str) -> str:
    return " → ".join(f"{percent_factor(metric) * values[step]:.1f}" for step in (0, best, -1))
