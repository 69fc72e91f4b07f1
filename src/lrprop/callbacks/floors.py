"""Floor rows: what an evaluation says of embeddings that nobody trained."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

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

    def time_only(video: Video) -> Tensor:
        return torch.arange(video.n).unsqueeze(1) / video.n

    @torch.inference_mode()
    def raw(video: Video) -> Tensor:
        frames = datamodule.inputs.plain(video)
        if module.encoder.modality == "pixels":
            frames = module.encoder.frame_features(frames.to(module.device))
        return frames.flatten(1)

    def row(embed: Callable[[Video], Tensor]) -> dict[str, float | None]:
        train, val = datamodule.split("train"), datamodule.split("val")
        return evaluation.metrics_of(
            *([embedded_video(video, embed(video)) for video in part] for part in (train, val))
        )

    # Lightning leaves the module in training mode, in which a frame encoder would move its BatchNorm statistics.
    was_training = module.training
    module.eval()
    rows = {"time_only": row(time_only), "raw": row(raw)}
    module.train(was_training)
    return rows
