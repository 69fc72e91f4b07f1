"""Floor rows: what an evaluation says of embeddings that nobody trained."""

from __future__ import annotations

import numpy as np
import torch

from lrprop.batch import EmbeddedVideo
from lrprop.callbacks.evaluation import Evaluation, embedded_video
from lrprop.data import AlignmentDataModule, Video
from lrprop.module import AlignmentModule


def floor_rows(
    evaluation: Evaluation, datamodule: AlignmentDataModule, module: AlignmentModule
) -> dict[str, dict[str, float | None]]:
    """Metrics on val of `time_only`, the normalised frame index, and `raw`, the input of the temporal encoder.

    Args:
        evaluation: computes the metrics.
        datamodule: after `setup`.
        module: its frame encoder makes the raw features where the input is pixels.

    Returns:
        The metrics of each row by name.
    """

    def time_only(video: Video) -> EmbeddedVideo:
        return embedded_video(video, torch.from_numpy(np.arange(video.n)[:, None] / video.n))

    @torch.inference_mode()
    def raw(video: Video) -> EmbeddedVideo:
        frames = datamodule.inputs.plain(video)
        if datamodule.modality == "pixels":
            frames = module.encoder.frame_features(frames.to(module.device))
        return embedded_video(video, frames.flatten(1))

    def row(embed: object) -> dict[str, float | None]:
        train, val = ([embed(video) for video in datamodule.split(split)] for split in ("train", "val"))  # type: ignore
        return evaluation.metrics_of(train, val)

    return {"time_only": row(time_only), "raw": row(raw)}
