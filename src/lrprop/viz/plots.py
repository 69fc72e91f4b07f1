"""What all plots share: sizes in pixels, greys, lines that differ without colour, and how a metric is called."""

from __future__ import annotations

from itertools import cycle
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lrprop.viz.drawing import INK, PHASE_COLOURS, Colour

DPI = 100
SIZE = 11  # of letters, in points

# Colour maps whose lightness alone tells the order, for grey paper and for the colour-blind.
COST_MAP = "magma"
PROBABILITY_MAP = "cividis"
TIME_MAP = "viridis"

NAMES = {
    "kendalls_tau": "Kendall's tau",
    "kendalls_tau_undefined": "pairs without Kendall's tau",
    "phase_progression": "phase progression",
    "dtw_accuracy": "DTW accuracy",
    "dtw_accuracy_open": "DTW accuracy, open ends",
    "canonical_error": "time error",
    "train/loss": "training loss",
    "train/same": "same-video term",
    "train/ppp": "propagated-prior term",
    "train/soft_dtw": "SoftDTW term",
}
# How a row of a run is called in tables and plots, in the order of the rows.
ROWS = {
    "final": "trained",
    "tune": "on tune",
    "untrained": "untrained",
    "raw_window": "raw + time",
    "raw": "raw input",
    "time_only": "time only",
}
LOWER_IS_BETTER = ("canonical_error", "kendalls_tau_undefined")


def hexadecimal(colour: Colour) -> str:
    """A colour as matplotlib reads it."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


TEXT = hexadecimal(INK)
ACCENT = hexadecimal(PHASE_COLOURS[2])
GREY, LINE, GRID = "#767b85", "#c9ccd2", "#eceef1"


def new_figure(width: int, height: int) -> Figure:
    """An empty figure of some pixels, apart from pyplot's state; what is in it finds its own room."""
    return Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor="white", layout="constrained")


def plain(axes: Axes, grid: str = "y") -> None:
    """Takes the box off, and puts a light grid behind, along "x", "y" or "both"."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GREY)
    axes.tick_params(labelsize=SIZE - 1, length=3, color=GREY)
    axes.grid(axis=grid, color=GRID, lw=1)  # type: ignore[arg-type]
    axes.set_axisbelow(True)


def entitle(axes: Axes, title: str) -> None:
    """A bold title over the left edge."""
    axes.set_title(title, fontsize=SIZE + 1, loc="left", fontweight="bold", color=TEXT, parse_math=False)


def line_styles(count: int) -> list[dict[str, Any]]:
    """Lines that are told apart by dashes and markers where colours are not."""
    colours = [hexadecimal(PHASE_COLOURS[k]) for k in (2, 6, 4, 3, 1, 0)]
    dashes: list[Any] = ["-", (0, (6, 3)), (0, (1.5, 2)), (0, (6, 2, 1.5, 2)), (0, (12, 4))]
    looks = zip(range(count), cycle(colours), cycle(dashes), cycle("osD^vP*"), strict=False)
    return [{"color": colour, "ls": dash, "marker": marker, "lw": 2, "ms": 5} for _, colour, dash, marker in looks]


def metric_name(metric: str) -> str:
    """What a metric is called: "val/loose/ap@5" is "loose AP@5 (val)"."""
    if metric in NAMES:
        return NAMES[metric]
    *prefixes, name = metric.split("/")
    title = NAMES.get(name, name.replace("phase_classification", "phase classification").replace("ap@", "AP@"))
    split = next((f" ({prefix})" for prefix in prefixes if prefix in ("train", "val", "tune")), "")
    return " ".join([prefix for prefix in prefixes if prefix not in ("train", "val", "tune")] + [title]) + split


def percent_factor(metric: str) -> float:
    """100 for a metric, which is a fraction and is shown in percent; 1 for a count or a term of a loss."""
    return 1.0 if metric.startswith("train/") or metric.endswith("kendalls_tau_undefined") else 100.0


def unit(metric: str) -> str:
    """What stands beside an axis of the metric."""
    if metric.endswith("kendalls_tau_undefined"):
        return "pairs"
    return "loss" if metric.startswith("train/") else "%"


def lower_is_better(metric: str) -> bool:
    """Whether a smaller value of the metric is the better one."""
    return metric.startswith("train/") or metric.split("/")[-1] in LOWER_IS_BETTER
