"""metrics.csv: the history of a run, whole even after an interruption."""

from __future__ import annotations

import csv
from argparse import Namespace
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only

from lrprop.whole_file import whole_file


class HistoryLogger(Logger):
    """Writes `metrics.csv` into the run directory and, when a run resumes, keeps what it holds.

    Lightning's CSVLogger deletes the file that it finds, and rewrites it in place when a column comes in. Here the file
    is replaced as a whole, so whatever interrupts a run, every row that was logged is there.

    Args:
        folder: the run directory.
        resume_step: the first step that a resumed run takes; rows from there on are about to be written again.
    """

    def __init__(self, folder: Path, resume_step: int | None = None) -> None:
        super().__init__()
        self.file = folder / "metrics.csv"
        self.rows: list[dict[str, Any]] = [] if resume_step is None else _read_rows(self.file, resume_step)

    @property
    def name(self) -> str:
        """The run's name."""
        return self.file.parent.name

    @property
    def version(self) -> str:
        """Empty: a run directory has one history."""
        return ""

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """One row: the metrics and the step."""
        self.rows.append(metrics | {"step": len(self.rows) if step is None else step})

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Nothing: config.yaml holds them."""

    @rank_zero_only
    def save(self) -> None:
        """Replaces the file by one with every row so far."""
        if not self.rows:
            return
        with whole_file(self.file) as unfinished, unfinished.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, sorted(set().union(*self.rows)), lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.rows)


class LogEpoch(pl.Callback):
    """Logs the means of an epoch's losses before its checkpoint is written.

    Lightning logs them after it, and a run that is killed in between and resumes from that checkpoint lacks the row.
    """

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Every metric named train/..., to all loggers."""
        losses = {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("train/")}
        for logger in trainer.loggers:
            logger.log_metrics(losses | {"epoch": trainer.current_epoch}, trainer.global_step - 1)
            logger.save()


def _read_rows(file: Path, resume_step: int) -> list[dict[str, Any]]:
    """The rows before a step, every value as it stands in the file."""
    if not file.is_file():
        return []
    with file.open(newline="") as stream:
        rows = [{key: value for key, value in row.items() if value} for row in csv.DictReader(stream)]
    return [row for row in rows if int(row["step"]) < resume_step]
