"""Matrices over the frames of two videos, with paths through them: costs, priors, soft alignments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lrprop.batch import EmbeddedVideo
from lrprop.viz.aligned_pair import AlignedPair
from lrprop.viz.alignment import PATH_LINE
from lrprop.viz.drawing import NO_PHASE, PHASE_COLOURS
from lrprop.viz.plots import COST_MAP, SIZE, entitle, new_figure

COLUMNS, WIDTH, HEIGHT = 3, 400, 360


@dataclass(frozen=True, eq=False)
class Matrix:
    """A matrix to draw.

    Attributes:
        title: stands over it.
        values: (n, m) finite, for the frames of the first and the second video.
        label: what the values are, beside their scale.
        colours: a colour map of matplotlib.
        path: (L, 2) matched frames; None for no path.
        highest: where the scale ends; the highest value where it is None.
    """

    title: str
    values: np.ndarray
    label: str
    colours: str = COST_MAP
    path: np.ndarray | None = None
    highest: float | None = None


def draw_matrices(matrices: Sequence[Matrix], first: EmbeddedVideo, second: EmbeddedVideo) -> Figure:
    """Draw matrices over the frames of the same two videos, in rows of three, with the phases along the axes.

    Args:
        matrices: at least one.
        first: n frames, from below to above.
        second: m frames, from left to right.

    Returns:
        The figure.

    Raises:
        ValueError: no matrix, or one that does not fit the videos.
    """
    return _draw([(matrix, first, second) for matrix in matrices])


def draw_costs(pairs: Sequence[AlignedPair]) -> Figure:
    """Draw the cost of each pair of videos with its path, in rows of three and all on one scale, beside the phases.

    Args:
        pairs: at least one.

    Returns:
        The figure.

    Raises:
        ValueError: no pair.
    """
    highest = max((float(pair.cost.max()) for pair in pairs), default=0.0)
    return _draw([(_cost(pair, highest), pair.first, pair.second) for pair in pairs])


def _cost(pair: AlignedPair, highest: float) -> Matrix:
    title = "path" if np.isnan(pair.accuracy) else f"{pair.accuracy:.0%} of the path within one phase"
    return Matrix(title, pair.cost, "cost (Euclidean distance)", path=pair.path, highest=highest)


def _draw(panels: Sequence[tuple[Matrix, EmbeddedVideo, EmbeddedVideo]]) -> Figure:
    if not panels:
        raise ValueError("there is nothing to draw: give at least one")
    columns = min(COLUMNS, len(panels))
    lines = -(-len(panels) // columns)
    figure = new_figure(WIDTH * columns, HEIGHT * lines)
    for k, (matrix, first, second) in enumerate(panels):
        if matrix.values.shape != (len(first.embeddings), len(second.embeddings)):
            frames = f"{len(first.embeddings)} and {len(second.embeddings)} frames"
            raise ValueError(f"{matrix.title}: {matrix.values.shape} does not fit videos of {frames}")
        _draw_matrix(figure, figure.add_subplot(lines, columns, k + 1), matrix, first, second)
    return figure


def _draw_matrix(figure: Figure, axes: Axes, matrix: Matrix, first: EmbeddedVideo, second: EmbeddedVideo) -> None:
    low = min(0.0, float(matrix.values.min()))
    look = {"origin": "lower", "aspect": "auto", "interpolation": "nearest"}
    image = axes.imshow(matrix.values, cmap=matrix.colours, vmin=low, vmax=matrix.highest, **look)  # type: ignore[arg-type]
    if matrix.path is not None:
        axes.plot(matrix.path[:, 1], matrix.path[:, 0], **PATH_LINE)
    axes.spines[:].set_visible(False)
    axes.tick_params(labelsize=SIZE - 1, length=0, pad=11)
    _phase_line(axes.inset_axes((-0.035, 0, 0.025, 1)), first, vertical=True)
    _phase_line(axes.inset_axes((0, -0.035, 1, 0.025)), second, vertical=False)
    axes.set_ylabel(f"frame of {first.id}", fontsize=SIZE, parse_math=False)
    axes.set_xlabel(f"frame of {second.id}", fontsize=SIZE, parse_math=False)
    entitle(axes, matrix.title)
    figure.colorbar(image, ax=axes, label=matrix.label, aspect=25).outline.set_visible(False)


def _phase_line(axes: Axes, video: EmbeddedVideo, vertical: bool) -> None:
    """The phases of a video in their colours."""
    labels = np.full(len(video.embeddings), -1) if video.labels is None else video.labels
    colours = np.where(labels[:, None] < 0, NO_PHASE, np.array(PHASE_COLOURS)[labels % len(PHASE_COLOURS)])
    line = colours[:, None] if vertical else colours[None]
    axes.imshow(line.astype(np.uint8), origin="lower", aspect="auto", interpolation="nearest")
    axes.set_axis_off()
