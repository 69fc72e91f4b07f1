"""Which phases are taken for which."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lrprop.viz.plots import PROBABILITY_MAP, SIZE, TEXT, entitle, new_figure

COLUMNS, WIDTH, HEIGHT = 4, 400, 400


def draw_confusion(counts: Mapping[str, np.ndarray]) -> Figure:
    """Draw the confusion of phases, a panel for each action: shares of the frames of each true phase, in percent.

    Args:
        counts: for each action (K, K) frames of phase i that are taken for phase j, as
            `lrprop.metrics.functional.phase_confusion` counts them. A phase without frames has an empty row.

    Returns:
        The figure.

    Raises:
        ValueError: no action, or counts that are not square.
    """
    if not counts:
        raise ValueError("counts is empty: give at least one action")
    for action, of_action in counts.items():
        if of_action.ndim != 2 or of_action.shape[0] != of_action.shape[1]:
            raise ValueError(f"counts of {action} have shape {of_action.shape}; expected (K, K)")
    columns = min(COLUMNS, len(counts))
    lines = -(-len(counts) // columns)
    figure = new_figure(WIDTH * columns, HEIGHT * lines)
    for k, (action, of_action) in enumerate(counts.items()):
        _draw_panel(figure.add_subplot(lines, columns, k + 1), action, of_action)
    return figure


def _draw_panel(axes: Axes, action: str, counts: np.ndarray) -> None:
    frames = counts.sum(axis=1)
    shares = 100 * counts / np.maximum(frames, 1)[:, np.newaxis]
    axes.imshow(shares, cmap=PROBABILITY_MAP, vmin=0, vmax=100)
    for true, of_phase in enumerate(shares):
        for predicted, share in enumerate(of_phase):
            if frames[true]:
                # cividis is light above the middle of its scale
                ink = TEXT if share > 50 else "white"
                axes.text(predicted, true, f"{share:.0f}", ha="center", va="center", color=ink, fontsize=SIZE)
    phases = range(len(counts))
    axes.set_xticks(phases, [str(phase) for phase in phases], fontsize=SIZE - 1)
    axes.set_yticks(phases, [f"{phase}\n({n})" for phase, n in enumerate(frames)], fontsize=SIZE - 1)
    axes.set_xlabel("predicted phase, in % of the frames of the true one", fontsize=SIZE)
    axes.set_ylabel("true phase (frames)", fontsize=SIZE)
    correct = np.trace(counts) / max(counts.sum(), 1)
    entitle(axes, f"{action}: {100 * correct:.1f} % right")
