"""Every metric of the paper, trimmed and loose, whenever Lightning validates or tests."""

from __future__ import annotations

import logging
import math
import warnings
from typing import Any

import lightning.pytorch as pl
from torch import Tensor

from lrprop.batch import EmbeddedVideo, Views
from lrprop.callbacks.distributed import processes_of
from lrprop.data import AlignmentDataModule
from lrprop.data.datasets import WholeVideos
from lrprop.data.video import Split, Video
from lrprop.errors import InputError
from lrprop.metrics import evaluate
from lrprop.metrics.processes import ALONE, Processes

logger = logging.getLogger("lrprop")

Metrics = dict[str, float | None]
ON_THE_BAR = ("kendalls_tau", "dtw_accuracy")


class Evaluation(pl.Callback):
    """Collects the embeddings of whole videos and turns them into metrics, logged as "val/..." and "tune/...".

    Several processes embed a part of the videos each and then tell each other; they share the work of the metrics, and
    each knows all results.

    Every metric stands under its name for the videos as they are, and as "loose/..." for their loose clips
    (`lrprop.data.loose`), beside the same training videos; phase classification there with all of them only.

    Attributes:
        embedded: the videos of each of the data module's evaluated sets after the last pass.
        results: the metrics of each held-out split after the last pass; None where a metric is not defined.
        step: the training steps that the network had taken before the last pass; -1 before the first.

    Args:
        stride: frame stride of Kendall's tau and AP@K; beside 1 the paper's field uses 2 for Penn Action, 5 for
            Pouring.
        max_pairs: pairs of videos that tau, DTW accuracy and canonical error are computed of; of more, so many are
            drawn. The default is every pair of 200 videos.

    Raises:
        InputError: max_pairs < 1.
    """

    def __init__(self, stride: int = 1, max_pairs: int = 20_000) -> None:
        if max_pairs < 1:
            raise InputError(f"evaluation.max_pairs={max_pairs}: give at least 1 pair of videos.")
        self.stride, self.max_pairs = stride, max_pairs
        self.processes = ALONE
        self._told: set[str] = set()
        self._sets: list[tuple[str, WholeVideos]] = []
        self.embedded: dict[str, list[EmbeddedVideo]] = {}
        self.results: dict[str, Metrics] = {}
        self.step = -1

    def metrics_of(self, embedded: dict[str, list[EmbeddedVideo]], split: Split) -> Metrics:
        """The metrics of a held-out split, trimmed and loose; what cannot be computed is told once.

        Args:
            embedded: the evaluated sets; "train", the split and its loose clips are read.
            split: "val" or "tune".

        Returns:
            The metrics by name. Of several actions each is evaluated alone: its metrics stand under `<action>/<name>`,
            and their mean, over the actions where it is defined, under the name.
        """
        actions = sorted({video.action for video in embedded[split]})
        by_action = {action: self._of_action(embedded, split, action) for action in actions}
        if len(actions) == 1:
            return by_action[actions[0]]
        parts = {f"{action}/{name}": value for action in actions for name, value in by_action[action].items()}
        return _mean_over_actions(list(by_action.values())) | parts

    def _of_action(self, embedded: dict[str, list[EmbeddedVideo]], split: Split, action: str) -> Metrics:
        train, trimmed, loose = (
            [video for video in embedded[name] if video.action == action] for name in ("train", split, f"{split}/loose")
        )
        of_loose = self._evaluate(train, loose, fractions=(1.0,))
        return self._evaluate(train, trimmed) | {f"loose/{name}": value for name, value in of_loose.items()}

    def _evaluate(self, train: list[EmbeddedVideo], held_out: list[EmbeddedVideo], **options: Any) -> Metrics:
        with warnings.catch_warnings(record=True) as notices:
            warnings.simplefilter("always")
            options |= {"tau_stride": self.stride, "ap_stride": self.stride, "max_pairs": self.max_pairs}
            metrics = evaluate(train, held_out, processes=self.processes, **options)
        if (tau := metrics.get("kendalls_tau_error")) is not None:
            accuracy = metrics.get("dtw_accuracy_error") or math.nan
            errors = f"tau {100 * tau:.2f}, DTW accuracy {100 * accuracy:.2f} points"
            logger.info(
                f"{self.max_pairs} drawn pairs of {len(held_out)} videos stand for all; standard errors: {errors}"
            )
        for notice in {str(notice.message) for notice in notices} - self._told:
            logger.warning(notice)
            self._told.add(notice)
        return metrics

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Forgets the last pass."""
        self.processes = processes_of(trainer)
        self._sets = list(_datamodule(trainer).evaluated_sets.items())
        self.embedded = {name: [] for name, _ in self._sets}

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
        name, videos = self._sets[dataloader_idx]
        self.embedded[name].append(embedded_video(videos.videos[int(batch.video)], batch.steps[0], outputs[0]))

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Computes and logs."""
        self.embedded = _of_all(self.embedded, self.processes)
        self._share_skipped(_datamodule(trainer))
        held_out: tuple[Split, ...] = ("val", "tune")
        self.results = {split: self.metrics_of(self.embedded, split) for split in held_out if split in self.embedded}
        self.step = trainer.global_step
        for split, metrics in self.results.items():
            for name, value in metrics.items():
                defined = math.nan if value is None else value
                pl_module.log(f"{split}/{name}", defined, prog_bar=split == "val" and name in ON_THE_BAR)

    def _share_skipped(self, datamodule: AlignmentDataModule) -> None:
        """Every process lists the videos that any of them left out."""
        if datamodule.skipped is not None:
            for problems in self.processes.of_others(datamodule.skipped.problems):
                datamodule.skipped.problems |= problems

    on_test_epoch_start = on_validation_epoch_start
    on_test_batch_end = on_validation_batch_end
    on_test_epoch_end = on_validation_epoch_end


def embedded_video(video: Video, steps: Tensor, embeddings: Tensor) -> EmbeddedVideo:
    """The embeddings (T, D) of a video's frames at the steps (T,), with their labels and canonical times."""
    shown = steps.cpu().numpy()
    labels, truth = (None if track is None else track[shown] for track in (video.labels, video.truth))
    return EmbeddedVideo(video.id, embeddings.float().cpu().numpy(), labels, truth, video.action)


def _of_all(mine: dict[str, list[EmbeddedVideo]], processes: Processes) -> dict[str, list[EmbeddedVideo]]:
    """The videos of all processes in id order, each once."""
    by_id: dict[str, dict[str, EmbeddedVideo]] = {name: {} for name in mine}
    for part in processes.gather(mine):
        for name, videos in part.items():
            by_id[name].update((video.id, video) for video in videos)
    return {name: [videos[id] for id in sorted(videos)] for name, videos in by_id.items()}


def _mean_over_actions(parts: list[Metrics]) -> Metrics:
    def mean(name: str) -> float | None:
        defined = [value for part in parts if (value := part.get(name)) is not None]
        return sum(defined) / len(defined) if defined else None

    return {name: mean(name) for part in parts for name in part}


def _datamodule(trainer: pl.Trainer) -> AlignmentDataModule:
    datamodule = trainer.datamodule  # type: ignore[attr-defined]
    assert isinstance(datamodule, AlignmentDataModule)
    return datamodule
