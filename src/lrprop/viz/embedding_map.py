"""Maps of embeddings in the plane (t-SNE), coloured by phase and by time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.manifold import TSNE

from lrprop.batch import EmbeddedVideo
from lrprop.viz.drawing import phase_colour
from lrprop.viz.plots import GREY, LINE, SIZE, TIME_MAP, entitle, hexadecimal, new_figure

WIDTH, HEIGHT = 1200, 470
MARKERS = "osD^vP*"


def embedding_map(videos: Sequence[EmbeddedVideo], seed: int = 0) -> np.ndarray:
    """Place the frames of all videos in the plane by t-SNE (van der Maaten & Hinton 2008), near ones near.

    Distances between far groups mean nothing, nor do the axes.

    Args:
        videos: with N frames in all.
        seed: of t-SNE.

    Returns:
        (N, 2), the frames of the first video first.

    Raises:
        ValueError: fewer than 5 frames.
    """
    frames = np.concatenate([video.embeddings for video in videos]) if videos else np.empty((0, 1))
    if len(frames) < 5:
        raise ValueError(f"videos have {len(frames)} frames in all: t-SNE needs at least 5")
    tsne = TSNE(perplexity=min(30.0, (len(frames) - 1) / 3), init="pca", random_state=seed)
    places: np.ndarray = tsne.fit_transform(frames.astype(np.float64))
    return places


def draw_embedding_map(methods: Mapping[str, Sequence[EmbeddedVideo]], seed: int = 0) -> Figure:
    """Draw the frames of videos in the plane, twice for each method: coloured by phase, and by time.

    Thin lines run through the frames of each video. Where an embedding aligns, the lines of all videos lie together;
    where it only knows which video a frame is from, they lie apart.

    Args:
        methods: the same videos as embedded by each method.
        seed: of t-SNE.

    Returns:
        The figure, a line for each method.

    Raises:
        ValueError: no method, or as `embedding_map`.
    """
    if not methods:
        raise ValueError("methods is empty: a map needs the videos of at least one")
    figure = new_figure(WIDTH, HEIGHT * len(methods))
    for k, (method, videos) in enumerate(methods.items()):
        places = np.split(embedding_map(videos, seed), np.cumsum([len(video.embeddings) for video in videos])[:-1])
        by_phase, by_time = (figure.add_subplot(len(methods), 2, 2 * k + panel) for panel in (1, 2))
        _draw_phases(_plane(by_phase, places), places, videos, f"{method}: phases")
        _draw_times(figure, _plane(by_time, places), places, videos, f"{method}: time")
    return figure


def _plane(axes: Axes, places: Sequence[np.ndarray]) -> Axes:
    for of_video in places:
        axes.plot(*of_video.T, color=LINE, lw=0.8, zorder=1)
    axes.set(xticks=[], yticks=[])
    axes.set_xlabel("t-SNE 1 (no unit)", fontsize=SIZE)
    axes.set_ylabel("t-SNE 2 (no unit)", fontsize=SIZE)
    axes.spines[:].set_color(GREY)
    return axes


def _draw_phases(axes: Axes, places: Sequence[np.ndarray], videos: Sequence[EmbeddedVideo], title: str) -> None:
    labels = np.concatenate([np.full(len(v.embeddings), -1) if v.labels is None else v.labels for v in videos])
    pooled = np.concatenate(places)
    for label in np.unique(labels).tolist():
        phase = label if label >= 0 else None
        name, marker = ("no phase", "x") if phase is None else (f"phase {phase}", MARKERS[phase % len(MARKERS)])
        look: dict[str, Any] = {"color": hexadecimal(phase_colour(phase)), "marker": marker, "ls": "none", "ms": 5}
        axes.plot(*pooled[labels == label].T, label=name, **look)
    axes.legend(fontsize=SIZE - 1, frameon=False, handletextpad=0.2)
    entitle(axes, title)


def _draw_times(
    figure: Figure, axes: Axes, places: Sequence[np.ndarray], videos: Sequence[EmbeddedVideo], title: str
) -> None:
    truths = [video.truth for video in videos if video.truth is not None]
    known = len(truths) == len(videos)
    times = truths if known else [np.linspace(0, 1, len(video.embeddings)) for video in videos]
    x, y = np.concatenate(places).T
    dots = axes.scatter(x, y, c=100 * np.concatenate(times), s=20, cmap=TIME_MAP, vmin=0, vmax=100, zorder=2)
    label = "canonical time, %" if known else "share of the video, %"
    figure.colorbar(dots, ax=axes, label=label, aspect=25).outline.set_visible(False)
    entitle(axes, title)
