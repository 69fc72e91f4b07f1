"""metrics.csv: the history of a run, whole even after an interruption."""

from __future__ import annotations

import csv
from pathlib import Path

from lightning.fabric.loggers.csv_logs import _ExperimentWriter
from lightning.pytorch.loggers import CSVLogger


class HistoryLogger(CSVLogger):
    """Writes `metrics.csv` straight into the run directory and, when a run resumes, keeps what it holds.

    Args:
        folder: the run directory.
        resume_step: the first step that a resumed run takes; rows from there on are about to be written again.
    """

    def __init__(self, folder: Path, resume_step: int | None = None) -> None:
        super().__init__(folder.parent, name=folder.name, version="")
        self.resume_step = resume_step

    @property
    def experiment(self) -> _ExperimentWriter:
        """The writer, which starts from the rows of the interrupted run."""
        if self._experiment is None and self.resume_step is not None:
            # Lightning's writer deletes the file that it finds, so the rows are read first.
            earlier = _read_rows(Path(self.log_dir) / "metrics.csv", self.resume_step)
            super().experiment.metrics.extend(earlier)
        return super().experiment


def _read_rows(file: Path, resume_step: int) -> list[dict[str, float]]:
    if not file.is_file():
        return []
    with file.open(newline="") as stream:
        rows = [_numbers(row) for row in csv.DictReader(stream)]
    return [row | {"step": int(row["step"])} for row in rows if row.get("step", resume_step) < resume_step]


def _numbers(row: dict[str, str]) -> dict[str, float]:
    """A row's numbers; nothing of a row that the interruption cut short, which lies behind the checkpoint anyhow."""
    try:
        return {key: float(value) for key, value in row.items() if value}
    except (TypeError, ValueError):
        return {}
