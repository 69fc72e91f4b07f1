"""Draws how the trained model aligns two val videos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from lrprop.alignment import dtw, pairwise_distances
from lrprop.batch import EmbeddedVideo
from lrprop.data import AlignmentDataModule, Video
from lrprop.viz import Clip, draw_alignment, draw_poses, write_alignment_video


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


def _clip(video: Video) -> Clip:
    frames = video.read() if video.poses is None else draw_poses(video.poses)
    return Clip(id=video.id, frames=frames, labels=video.labels, fps=video.fps)
