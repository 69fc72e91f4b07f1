"""How SoftDTW tends to DTW as gamma goes to 0."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from lrprop.viz.plots import GREY, SIZE, TEXT, entitle, line_styles, new_figure, plain


def draw_smoothing(gammas: Sequence[float], values: Sequence[float], distance: float) -> Figure:
    """Draw the value of SoftDTW against gamma, with the DTW distance that it tends to from below.

    Args:
        gammas: at least two, each > 0.
        values: of `soft_dtw` for each gamma.
        distance: of `dtw` on the same cost.

    Returns:
        The figure.

    Raises:
        ValueError: not one value for each of at least two positive gammas.
    """
    if len(gammas) < 2 or len(gammas) != len(values) or min(gammas) <= 0:
        raise ValueError(f"{len(values)} values of gammas={list(gammas)}: give one for each of at least two gammas > 0")
    figure = new_figure(700, 340)
    axes = figure.add_subplot()
    axes.axhline(distance, color=GREY, lw=1.5, ls=(0, (6, 3)))
    axes.text(max(gammas), distance, f"DTW {distance:.2f}", fontsize=SIZE, color=TEXT, va="bottom", ha="right")
    axes.plot(gammas, values, **line_styles(1)[0])
    plain(axes)
    axes.set_xscale("log")
    axes.set_xlabel("gamma (unit of the cost)", fontsize=SIZE)
    axes.set_ylabel("SoftDTW (unit of the cost)", fontsize=SIZE)
    axes.margins(y=0.15)
    entitle(axes, "SoftDTW tends to DTW as gamma goes to 0")
    return figure
