"""Draws how the trained model aligns two val videos, and which phases it confuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from lrprop.alignment import dtw, pairwise_distances
from lrprop.batch import EmbeddedVideo
from lrprop.data import AlignmentDataModule, Video
from lrprop.metrics.functional import phase_confusion
from lrprop.viz import Clip, draw_alignment, draw_poses, write_alignment_video
from lrprop.viz.confusion import draw_confusion


def draw_val_pair(datamodule: AlignmentDataModule, embedded: list[EmbeddedVideo], folder: Path) -> None:
    """Writes `alignment.png` and `alignment.mp4` of the first two val videos in id order: a pair that nobody chose.

    Where at least two videos have labels, it is the first two of those; both are of the first one's action.

    Args:
        datamodule: has the frames.
        embedded: the embedded val videos.
        folder: the run directory.
    """
    # Sorted by (has no labels, id): False comes before True.
    ordered = sorted(embedded, key=lambda video: (video.labels is None, video.id))
    pair = [video for video in ordered if video.action == ordered[0].action][:2]
    if len(pair) < 2:
        return
    videos = {video.id: video for video in datamodule.split("val")}
    first, second = (_clip(videos[video.id]) for video in pair)
    x, y = (torch.from_numpy(video.embeddings).double().unsqueeze(0) for video in pair)
    cost = pairwise_distances(x, y)
    path = dtw(cost).path(0).numpy()
    title = f"{datamodule.action}: {first.id} and {second.id}"
    if first.labels is not None and second.labels is not None:
        agreement = np.mean(first.labels[path[:, 0]] == second.labels[path[:, 1]])
        title += f", {agreement:.0%} of the path within one phase"
    draw_alignment(first, second, cost[0].numpy(), path, folder / "alignment.png", title=title)
    write_alignment_video(first, second, path, folder / "alignment.mp4")


def draw_val_confusion(embedded: dict[str, list[EmbeddedVideo]], folder: Path) -> None:
    """Writes `confusion.png`: what a classifier of all training videos takes the phases of the val videos for.

    Args:
        embedded: the evaluated sets, of which "train" and "val" are read; without labels nothing is written.
        folder: the run directory.
    """
    actions = sorted({video.action for video in embedded["val"]})
    sides = {action: (*_labelled(embedded["train"], action), *_labelled(embedded["val"], action)) for action in actions}
    counts = {action: confusion for action in actions if (confusion := phase_confusion(*sides[action])) is not None}
    if counts:
        draw_confusion(counts).savefig(folder / "confusion.png")


def _labelled(videos: list[EmbeddedVideo], action: str) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The embeddings and the phases of the videos of an action that have phases."""
    found = [
        (video.embeddings, video.labels) for video in videos if video.action == action and video.labels is not None
    ]
    return [embeddings for embeddings, _ in found], [labels for _, labels in found]


def _clip(video: Video) -> Clip:
    frames = video.read() if video.poses is None else draw_poses(video.poses)
    return Clip(id=video.id, frames=frames, labels=video.labels, fps=video.fps)
