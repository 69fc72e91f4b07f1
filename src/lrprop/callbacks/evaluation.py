"""Every metric of the paper, whenever Lightning validates or tests."""

from __future__ import annotations

import logging
import math
import warnings
from typing import Any

import lightning.pytorch as pl
from torch import Tensor

from lrprop.batch import EmbeddedVideo, Views
from lrprop.data import AlignmentDataModule
from lrprop.data.video import Video
from lrprop.metrics import evaluate

logger = logging.getLogger("lrprop")

ON_THE_BAR = ("kendalls_tau", "dtw_accuracy")


class Evaluation(pl.Callback):
    """Collects the embeddings of whole videos and turns them into metrics, logged as "val/..." and "tune/...".

    Attributes:
        embedded: the videos of each split after the last pass.
        results: the metrics of each evaluated split after the last pass; None where a metric is not defined.

    Args:
        stride: frame stride of Kendall's tau and AP@K; beside 1 the paper's field uses 2 for Penn Action, 5 for
            Pouring.
    """

    def __init__(self, stride: int = 1) -> None:
        self.stride = stride
        self._told: set[str] = set()
        self.embedded: dict[str, list[EmbeddedVideo]] = {}
        self.results: dict[str, dict[str, float | None]] = {}

    def metrics_of(self, train: list[EmbeddedVideo], held_out: list[EmbeddedVideo]) -> dict[str, float | None]:
        """The metrics of held-out videos beside the training videos; what cannot be computed is told once."""
        with warnings.catch_warnings(record=True) as notices:
            warnings.simplefilter("always")
            metrics = evaluate(train, held_out, tau_stride=self.stride, ap_stride=self.stride)
        for notice in {str(notice.message) for notice in notices} - self._told:
            logger.warning(notice)
            self._told.add(notice)
        return metrics

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Forgets the last pass."""
        self.embedded = {split: [] for split in _datamodule(trainer).evaluated_splits}

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Views,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Keeps the embeddings of one whole video."""
        split = _datamodule(trainer).evaluated_splits[dataloader_idx]
        video = _datamodule(trainer).split(split)[int(batch.video)]
        self.embedded[split].append(embedded_video(video, outputs[0]))

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Computes and logs."""
        self.results = {
            split: self.metrics_of(self.embedded["train"], videos)
            for split, videos in self.embedded.items()
            if split != "train"
        }
        for split, metrics in self.results.items():
            for name, value in metrics.items():
                defined = math.nan if value is None else value
                pl_module.log(f"{split}/{name}", defined, prog_bar=split == "val" and name in ON_THE_BAR)

    on_test_epoch_start = on_validation_epoch_start
    on_test_batch_end = on_validation_batch_end
    on_test_epoch_end = on_validation_epoch_end


def embedded_video(video: Video, embeddings: Tensor) -> EmbeddedVideo:
    """A video with its embeddings (n, D), ready for the metrics."""
    return EmbeddedVideo(video.id, embeddings.float().cpu().numpy(), video.labels, video.truth)


def _datamodule(trainer: pl.Trainer) -> AlignmentDataModule:
    datamodule = trainer.datamodule  # type: ignore[attr-defined]
    assert isinstance(datamodule, AlignmentDataModule)
    return datamodule
