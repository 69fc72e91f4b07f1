"""Where a frame is expected in another video, and where its embedding finds it: rows of Q and P."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lrprop.viz.plots import ACCENT, SIZE, TEXT, entitle, new_figure, plain

COLUMN_WIDTH, HEIGHT = 400, 320


def draw_prior_rows(prior: np.ndarray, matches: np.ndarray, frames: Sequence[int]) -> Figure:
    """Draw the prior Q_i and the match probabilities P_i of some frames i, with the divergence between them.

    Args:
        prior: (n, m) probabilities Q_ij, each row adding up to 1 (LRProp, Eq. 2 and 7).
        matches: (n, m) probabilities P(j | i), likewise (LRProp, Eq. 1), positive.
        frames: the rows to draw, a panel each.

    Returns:
        The figure.

    Raises:
        ValueError: matrices of different shapes, or a frame that they do not have.
    """
    if prior.shape != matches.shape:
        raise ValueError(
            f"prior has shape {prior.shape} and matches {matches.shape}; both must be of one pair of videos"
        )
    for frame in frames:
        if not 0 <= frame < len(prior):
            raise ValueError(f"frames hold {frame}, but the first video has the frames 0 to {len(prior) - 1}")
    figure = new_figure(COLUMN_WIDTH * len(frames), HEIGHT)
    panels = figure.subplots(1, len(frames), sharey=True, squeeze=False)[0]
    for axes, frame in zip(panels, frames, strict=True):
        _draw_row(axes, 100 * prior[frame], 100 * matches[frame])
        entitle(axes, f"frame {frame}: KL(Q‖P) = {divergence(prior[frame], matches[frame]):.2f} nats")
    panels[0].set_ylabel("probability, %", fontsize=SIZE)
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False, fontsize=SIZE
    )
    return figure


def divergence(prior: np.ndarray, matches: np.ndarray) -> float:
    """KL(Q || P) of two distributions (m,) in nats (LRProp, Eq. 3)."""
    expected = prior > 0
    return float(np.sum(prior[expected] * np.log(prior[expected] / matches[expected])))


def _draw_row(axes: Axes, prior: np.ndarray, matches: np.ndarray) -> None:
    frames = np.arange(len(prior))
    axes.fill_between(frames, prior, color=ACCENT, alpha=0.25, lw=0)
    axes.plot(frames, prior, color=ACCENT, lw=2, label="Q: expected from the path")
    axes.plot(frames, matches, color=TEXT, lw=2, ls=(0, (4, 2)), label="P: found by the embeddings")
    plain(axes)
    axes.set_xlabel("frame j of the other video", fontsize=SIZE)
    axes.set_ylim(bottom=0)
