"""Floor rows: what an evaluation says of embeddings that nobody trained."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from sklearn.decomposition import PCA

from lrprop.batch import EmbeddedVideo
from lrprop.callbacks.evaluation import Evaluation, Metrics, embedded_video
from lrprop.data import AlignmentDataModule
from lrprop.data.datasets import WholeVideos
from lrprop.module import AlignmentModule

WINDOW = np.array([-8, -4, 0, 4, 8])  # the frames of a window, relative to the one in its middle
COMPONENTS = 128  # of image features, of which five whole frames would take minutes to judge

Embed = Callable[[np.ndarray], np.ndarray]
"""From a video's raw frames (n, F) to embeddings (n, D)."""


def floor_rows(evaluation: Evaluation, datamodule: AlignmentDataModule, module: AlignmentModule) -> dict[str, Metrics]:
    """Metrics on val of what needs no training.

    - `time_only`: the normalised frame index.
    - `raw`: the input of the temporal encoder, poses or image features.
    - `raw_window`: that input at five frames around each, 4 frames apart, and the normalised frame index.

    Args:
        evaluation: computes the metrics.
        datamodule: after `setup`.
        module: its frame encoder makes the raw features where the input is pixels.

    Returns:
        The metrics of each row by name.
    """
    raw = {name: _raw_videos(datamodule.evaluated_sets[name], module) for name in ("train", "val", "val/loose")}
    window = _windows([video.embeddings for video in raw["train"]])
    embeds: dict[str, Embed] = {"time_only": _time, "raw": lambda frames: frames, "raw_window": window}
    return {row: evaluation.metrics_of(_embedded(raw, embed), "val") for row, embed in embeds.items()}


def _raw_videos(videos: WholeVideos, module: AlignmentModule) -> list[EmbeddedVideo]:
    """Every video with its raw frames (n, F) for embeddings."""
    # Lightning leaves the module in training mode, in which a frame encoder would move its BatchNorm statistics.
    was_training = module.training
    module.eval()
    raw = []
    with torch.inference_mode():
        for views in videos:
            frames = views.frames[0]
            if module.encoder.modality == "pixels":
                frames = module.encoder.frame_features(frames.to(module.device))
            raw.append(embedded_video(videos.videos[int(views.video)], views.steps[0], frames.flatten(1)))
    module.train(was_training)
    return raw


def _embedded(raw: dict[str, list[EmbeddedVideo]], embed: Embed) -> dict[str, list[EmbeddedVideo]]:
    return {
        name: [replace(video, embeddings=embed(video.embeddings)) for video in videos] for name, videos in raw.items()
    }


def _time(frames: np.ndarray) -> np.ndarray:
    """The normalised index (n, 1) of n frames."""
    return np.arange(len(frames), dtype=np.float32)[:, np.newaxis] / np.float32(len(frames))


def _windows(train: list[np.ndarray]) -> Embed:
    """The embedding of `raw_window`, scaled by the raw frames (n, F) of each training video.

    Time has one weight, which gives it as much variance as the five frames have within a video, all their numbers
    together. Half of what tells two moments of a video apart, in squared distance, is then time and half is what
    moved, whatever the input and its units; for poses of unit root mean square distance it is 10 to 15.

    A frame is taken in its first `COMPONENTS` principal components; of poses that is a rotation and loses nothing.
    """
    pooled = np.concatenate(train)
    components = PCA(min(COMPONENTS, *pooled.shape), svd_solver="covariance_eigh").fit(pooled)
    within = np.mean([frames.var(0).sum() for frames in train])
    # Time runs evenly through [0, 1), which is a variance of 1/12.
    weight = np.float32(math.sqrt(12 * len(WINDOW) * within))

    def embed(frames: np.ndarray) -> np.ndarray:
        steps = np.clip(np.arange(len(frames))[:, np.newaxis] + WINDOW, 0, len(frames) - 1)
        around = components.transform(frames)[steps].reshape(len(frames), -1)
        return np.concatenate((around, weight * _time(frames)), axis=1)

    return embed
