"""Callbacks that the runs of test_distributed.py are given on their command lines."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from torch import nn

from lrprop.callbacks import Evaluation
from lrprop.errors import InputError


class Record(pl.Callback):
    """Writes what each process knows: `<rank>.pt` with the first step's loss and gradients, `<rank>.json` with metrics.

    Unless told otherwise, BatchNorm uses its running statistics in training too, which no split of a batch changes.
    """

    def __init__(self, folder: str, batch_norm_in_training: bool = False) -> None:
        self.folder, self.batch_norm_in_training = Path(folder), batch_norm_in_training
        self.loss = float("nan")

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        for module in pl_module.modules():
            if isinstance(module, nn.BatchNorm1d) and not self.batch_norm_in_training:
                module.eval()

    def on_before_backward(self, trainer: pl.Trainer, pl_module: pl.LightningModule, loss: torch.Tensor) -> None:
        self.loss = float(loss.detach())

    def on_before_optimizer_step(self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: Any) -> None:
        file = self.folder / f"{trainer.global_rank}.pt"
        if not file.exists():
            gradients = {name: p.grad for name, p in pl_module.named_parameters() if p.grad is not None}
            torch.save({"loss": self.loss, "gradients": gradients, "processes": trainer.world_size}, file)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        (evaluation,) = (callback for callback in trainer.callbacks if isinstance(callback, Evaluation))  # type: ignore
        embedded = {name: [video.id for video in videos] for name, videos in evaluation.embedded.items()}
        known = {"results": evaluation.results, "embedded": embedded}
        (self.folder / f"{trainer.global_rank}.json").write_text(json.dumps(known))


class FailInTheSecondProcess(pl.Callback):
    """Raises in one process, in the middle of an epoch."""

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, index: int) -> None:
        if trainer.global_rank == 1:
            raise InputError(f"no luck in process {os.environ['LOCAL_RANK']}")


class AskToEnd(pl.Callback):
    """Sends SIGTERM to its own process, the last one, in the middle of the second epoch."""

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, index: int) -> None:
        if trainer.current_epoch == 1 and index == 0 and trainer.global_rank == trainer.world_size - 1:
            os.kill(os.getpid(), signal.SIGTERM)
