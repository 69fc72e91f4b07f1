"""Methods compared: means with intervals, critical-difference diagrams, and metrics against a factor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image

from lrprop.viz.drawing import INK, PAPER, PHASE_COLOURS, Colour, save_png, typeface

WIDTH, DPI = 1600, 100
_GREY: Colour = (118, 123, 133)  # floors and scales
_LINE: Colour = (201, 204, 210)
_GRID: Colour = (236, 238, 241)
_BAND: Colour = (228, 230, 234)
_ACCENT = PHASE_COLOURS[2]
_SIZE = 12
# Told apart without colour, too.
_DASHES: tuple[Any, ...] = ((0, (6, 3)), (0, (1.5, 2.5)), (0, (6, 2, 1.5, 2)), (0, (12, 4)))
_MARKERS = "osD^vP*"


@dataclass(frozen=True)
class IntervalPanel:
    """One metric of some methods.

    Attributes:
        title: of the metric.
        names: M methods, the first of which is highlighted.
        intervals: (M, 3) mean, lower and upper end.
        floors: the means of rows that need no training.
    """

    title: str
    names: Sequence[str]
    intervals: np.ndarray
    floors: dict[str, float]


@dataclass(frozen=True)
class RankPanel:
    """The average ranks of some methods in one metric.

    Attributes:
        title: of the metric.
        names: M methods, the first of which is highlighted.
        ranks: (M,) in [1, M], 1 being the best.
        critical_difference: by which two ranks have to differ.
        cliques: first and last rank of each group of methods that do not differ.
    """

    title: str
    names: Sequence[str]
    ranks: np.ndarray
    critical_difference: float
    cliques: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class FactorPanel:
    """One metric against K values of a factor.

    Attributes:
        title: of the metric.
        labels: the K values.
        lines: for each action (K, 3) mean, lower and upper end; NaN where there is no value.
    """

    title: str
    labels: Sequence[str]
    lines: dict[str, np.ndarray]


def draw_intervals(panels: Sequence[IntervalPanel], out: Path) -> Path:
    """Draw means with their intervals, a panel for each metric; floors are dashed lines through the methods.

    An axis shows the methods and the floors near them; a floor beyond is an arrow at the edge. The means stand in
    numbers at the right.

    Args:
        panels: at least one, all of the same methods.
        out: the PNG to write, 1600 pixels wide.

    Returns:
        `out`.

    Raises:
        ValueError: if there is no panel, or the panels are of different methods.
    """
    _check(panels)
    floors = list(dict.fromkeys(floor for panel in panels for floor in panel.floors))
    columns, step, top, bottom = _columns_of(panels, 3), 26, 44, 52
    height = top + step * (len(panels[0].names) + len(floors) + bool(floors)) + bottom
    figure = Figure(figsize=(WIDTH / DPI, _lines_of(panels, columns) * height / DPI), dpi=DPI, facecolor="white")
    left, numbers = _width([*panels[0].names, *floors]) + 24, 84
    room = (WIDTH - left) / columns
    for k, panel in enumerate(panels):
        line, column = divmod(k, columns)
        axes = _axes(figure, left + column * room, line * height + top, room - numbers, height - top - bottom)
        _draw_intervals(axes, panel, floors, with_names=column == 0)
    return _save(figure, out)


def draw_ranks(panels: Sequence[RankPanel], out: Path) -> Path:
    """Draw critical-difference diagrams (Demsar 2006, Section 3.2.2), a panel for each metric.

    Methods hang from an axis of average ranks, the best at the left; a thick bar joins those that do not differ.

    Args:
        panels: at least one.
        out: the PNG to write, 1600 pixels wide.

    Returns:
        `out`.

    Raises:
        ValueError: if there is no panel, or the panels are of different methods.
    """
    _check(panels)
    side = _width([_label(panel, method) for panel in panels for method in range(len(panel.names))]) + 48
    columns, step, above = 2 if side < WIDTH / 7 else 1, 26, 112
    rows = -(-len(panels[0].names) // 2)
    bars = 10 * max(len(panel.cliques) for panel in panels)
    height = above + bars + step * rows + 44
    figure = Figure(figsize=(WIDTH / DPI, _lines_of(panels, columns) * height / DPI), dpi=DPI, facecolor="white")
    for k, panel in enumerate(panels):
        line, column = divmod(k, columns)
        left = column * WIDTH / columns
        axes = _axes(figure, left, line * height, WIDTH / columns, height)
        axes.set(xlim=(0, WIDTH / columns), ylim=(height, 0))
        axes.set_axis_off()
        _draw_ranks(axes, panel, side, above, bars, step)
    return _save(figure, out)


def draw_factor(panels: Sequence[FactorPanel], out: Path, *, factor: str, base: int | None = None) -> Path:
    """Draw metrics against the values of a factor, a panel for each metric and a line for each action.

    Args:
        panels: at least one, all of the same values and actions.
        out: the PNG to write, 1600 pixels wide.
        factor: its name.
        base: index of the value that the other factors are varied at, marked by a grey band.

    Returns:
        `out`.

    Raises:
        ValueError: if there is no panel.
    """
    if not panels:
        raise ValueError("panels is empty: a figure needs at least one")
    columns, height, above = _columns_of(panels, 4), 330, 50
    lines = _lines_of(panels, columns)
    figure = Figure(figsize=(WIDTH / DPI, (above + lines * height) / DPI), dpi=DPI, facecolor="white")
    room = WIDTH / columns
    for k, panel in enumerate(panels):
        line, column = divmod(k, columns)
        axes = _axes(figure, column * room + 80, above + line * height + 40, room - 110, height - 110)
        _draw_lines(axes, panel, factor, base)
    keys = [Line2D([], [], label=action, **style) for action, style in zip(panels[0].lines, _styles(), strict=False)]
    if base is not None:
        keys.append(Line2D([], [], color=_hex(_BAND), lw=10, label="held here while other factors vary"))
    figure.legend(handles=keys, loc="upper left", ncols=len(keys), frameon=False, fontsize=_SIZE)
    return _save(figure, out)


def _check(panels: Sequence[IntervalPanel] | Sequence[RankPanel]) -> None:
    if not panels:
        raise ValueError("panels is empty: a figure needs at least one")
    for panel in panels:
        if list(panel.names) != list(panels[0].names):
            raise ValueError(f"panel {panel.title!r} is of {panel.names}, the first of {panels[0].names}")


def _columns_of(panels: Sequence[Any], most: int) -> int:
    """As even as can be."""
    return -(-len(panels) // _lines_of(panels, most))


def _lines_of(panels: Sequence[Any], columns: int) -> int:
    return -(-len(panels) // columns)


def _axes(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Axes at pixels of the figure, counted from its upper left corner."""
    whole = figure.get_figheight() * DPI
    return figure.add_axes((left / WIDTH, 1 - (top + height) / whole, width / WIDTH, height / whole))


def _width(labels: Sequence[str]) -> float:
    """Pixels that the longest of some labels takes."""
    return max(typeface(round(_SIZE * DPI / 72), bold=True).getlength(label) for label in labels)


def _save(figure: Figure, out: Path) -> Path:
    pixels, size = FigureCanvasAgg(figure).print_to_buffer()  # type: ignore[no-untyped-call]
    return save_png(Image.frombuffer("RGBA", size, pixels).convert("RGB"), out, exact=(_GREY, _LINE, _GRID, _BAND))


def _hex(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def _draw_intervals(axes: Axes, panel: IntervalPanel, floors: Sequence[str], with_names: bool) -> None:
    low, high = _range(panel)
    bottom = len(panel.names) + len(floors) + bool(floors)
    axes.set(xlim=(low, high), ylim=(bottom - 0.5, -0.5))
    _strip_frame(axes)
    for row, interval in enumerate(panel.intervals):
        _draw_interval(axes, row, *interval)
    for k, floor in enumerate(floors):
        if floor in panel.floors:
            _draw_floor(axes, panel.floors[floor], len(panel.names) + 1 + k, _DASHES[k % len(_DASHES)])
    names = dict(enumerate(panel.names))
    names |= {len(panel.names) + 1 + k: floor for k, floor in enumerate(floors)}
    axes.set_yticks(list(names), list(names.values()) if with_names else [""] * len(names), fontsize=_SIZE)
    if floors:
        axes.axhline(len(panel.names), color=_hex(_LINE), lw=1)
    axes.set_title(f"{panel.title}, %", fontsize=_SIZE + 1, loc="left", fontweight="bold", parse_math=False)


def _draw_interval(axes: Axes, row: int, mean: float, low: float, high: float) -> None:
    """The first method is a filled square, the others are rings."""
    colour, marker, inside = (_ACCENT, "s", _ACCENT) if row == 0 else (INK, "o", PAPER)
    axes.plot([low, high], [row, row], lw=2.4, color=_hex(colour), solid_capstyle="butt")
    axes.plot(mean, row, marker=marker, ms=7.5, mec=_hex(colour), mfc=_hex(inside), mew=1.6)
    _write_mean(axes, row, mean)


def _range(panel: IntervalPanel) -> tuple[float, float]:
    """Of the axis: the methods' intervals, and the floors no further from them than these are wide."""
    low, high = float(panel.intervals.min()), float(panel.intervals.max())
    reach = max(high - low, 1.0)
    near = [floor for floor in panel.floors.values() if low - reach <= floor <= high + reach]
    low, high = min([low, *near]), max([high, *near])
    margin = 0.06 * max(high - low, 1.0)
    return low - margin, high + margin


def _draw_floor(axes: Axes, mean: float, row: int, dashes: Any) -> None:
    low, high = axes.get_xlim()
    if low <= mean <= high:
        axes.plot([mean, mean], [-0.5, row], color=_hex(_GREY), lw=1.5, ls=dashes, zorder=0.5)
        axes.plot(mean, row, marker="D", ms=6.5, color=_hex(_GREY), mfc="white", mew=1.6)
    else:
        edge, marker = (0.02, "<") if mean < low else (0.98, ">")
        axes.plot(edge, row, marker=marker, ms=8, color=_hex(_GREY), transform=axes.get_yaxis_transform())
    _write_mean(axes, row, mean)


def _write_mean(axes: Axes, row: int, mean: float) -> None:
    axes.text(
        1.0,
        row,
        f"  {mean:.1f}",
        transform=axes.get_yaxis_transform(),
        fontsize=_SIZE - 1,
        va="center",
        color=_hex(INK),
    )


def _strip_frame(axes: Axes) -> None:
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(_hex(_GREY))
    axes.tick_params(axis="x", labelsize=_SIZE - 1, length=3, color=_hex(_GREY))
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color=_hex(_GRID), lw=1)
    axes.set_axisbelow(True)


def _draw_ranks(axes: Axes, panel: RankPanel, side: float, above: int, bars: int, step: int) -> None:
    """In pixels, y downwards; `side` is the room for labels on either side."""
    methods = len(panel.names)
    left, right = side, axes.get_xlim()[1] - side
    at = np.interp(panel.ranks, [1, methods], [left, right])
    axes.text(24, 20, panel.title, fontsize=_SIZE + 1, fontweight="bold", va="center", parse_math=False)
    _draw_critical_difference(axes, panel.critical_difference, left, right, methods)
    axes.plot([left, right], [above, above], color=_hex(INK), lw=1.4)
    for rank in range(1, methods + 1):
        x = np.interp(rank, [1, methods], [left, right])
        axes.plot([x, x], [above - 7, above], color=_hex(INK), lw=1.4)
        axes.text(x, above - 11, str(rank), fontsize=_SIZE - 1, ha="center", va="bottom")
    for k, ends in enumerate(panel.cliques):
        start, end = np.interp(ends, [1, methods], [left, right])
        axes.plot([start - 4, end + 4], [above + 10 + 10 * k] * 2, color=_hex(INK), lw=4.5, solid_capstyle="butt")
    order = np.argsort(panel.ranks, kind="stable")
    half = -(-methods // 2)
    for row, method in enumerate(order[:half]):
        _hang(axes, panel, method, at[method], left - 22, above, above + bars + 24 + step * row)
    for row, method in enumerate(order[half:][::-1]):
        _hang(axes, panel, method, at[method], right + 22, above, above + bars + 24 + step * row)


def _draw_critical_difference(axes: Axes, difference: float, left: float, right: float, methods: int) -> None:
    """A bar as long as the critical difference, cut at the end of the axis of ranks."""
    end = min(right, left + difference / (methods - 1) * (right - left))
    axes.plot([left, left, end, end], [66, 58, 58, 66] if end < right else [66, 58, 58, 58], color=_hex(_GREY), lw=1.4)
    axes.text(left, 52, f"critical difference {difference:.2f}", fontsize=_SIZE - 2, color=_hex(_GREY), va="bottom")


def _hang(axes: Axes, panel: RankPanel, method: int, x: float, side: float, above: float, y: float) -> None:
    colour = _hex(_ACCENT if method == 0 else INK)
    axes.plot([x, x, side], [above, y, y], color=colour, lw=2 if method == 0 else 1.2, zorder=3 if method == 0 else 2)
    axes.text(
        side + (-6 if side < x else 6),
        y,
        _label(panel, method),
        fontsize=_SIZE,
        ha="right" if side < x else "left",
        va="center",
        color=colour,
        fontweight="bold" if method == 0 else "normal",
        parse_math=False,
    )


def _label(panel: RankPanel, method: int) -> str:
    return f"{panel.names[method]}  {panel.ranks[method]:.2f}"


def _styles() -> list[dict[str, Any]]:
    colours = (PHASE_COLOURS[k] for k in (2, 6, 4, 3, 1, 0, 5))
    return [
        {"color": _hex(colour), "marker": marker, "ls": dashes, "lw": 2, "ms": 7}
        for colour, marker, dashes in zip(colours, _MARKERS, cycle(["-", *_DASHES]), strict=False)
    ]


def _draw_lines(axes: Axes, panel: FactorPanel, factor: str, base: int | None) -> None:
    places = np.arange(len(panel.labels))
    if base is not None:
        axes.axvspan(base - 0.25, base + 0.25, color=_hex(_BAND), lw=0)
    for lines, style in zip(panel.lines.values(), _styles(), strict=False):
        mean, low, high = lines.T
        axes.plot(places, mean, **style)
        axes.vlines(places, low, high, color=style["color"], lw=2)
    _strip_frame(axes)
    axes.grid(axis="y", color=_hex(_GRID), lw=1)
    axes.set_xlim(-0.5, len(places) - 0.5)
    axes.set_xticks(places, list(panel.labels))
    axes.tick_params(axis="y", labelsize=_SIZE - 1)
    axes.set_xlabel(factor, fontsize=_SIZE, parse_math=False)
    axes.set_title(f"{panel.title}, %", fontsize=_SIZE + 1, loc="left", fontweight="bold", parse_math=False)
