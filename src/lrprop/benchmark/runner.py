"""Runs cells, one process each."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from lrprop.benchmark.grid import Cell
from lrprop.benchmark.plan import Plan
from lrprop.processes import ChildProcesses


@dataclass(frozen=True)
class Outcome:
    """What a finished cell leaves.

    Attributes:
        metrics: of each row, by name.
        seconds: wall time; None if an earlier process did a part of the work.
        peak_mib: peak memory of the process.
    """

    metrics: dict[str, dict[str, float | None]]
    seconds: float | None
    peak_mib: float


class Runner:
    """Runs the cells of a plan.

    Args:
        plan: what each cell runs.
        folder: of the run directories, each with its log beside it.
        processes: runs the command lines.
    """

    def __init__(self, plan: Plan, folder: Path, processes: ChildProcesses) -> None:
        self.plan, self.folder, self.processes = plan, folder, processes

    def log(self, cell: Cell) -> Path:
        """What its process printed, below its command line."""
        return self.folder / f"{cell.name}-{self.plan.configs[cell]}.log"

    def run(self, cell: Cell) -> Outcome | None:
        """Train a cell, or go on with it from its last epoch; None where that failed or was stopped."""
        run = self.log(cell).with_suffix("")
        resumed = (run / "checkpoints/last.ckpt").is_file()
        if not resumed:
            shutil.rmtree(run, ignore_errors=True)  # killed before its first epoch was over
        command = [*self.plan.command(cell, self.folder, run.name), *["--resume"] * resumed]
        ended = self.processes.run(command, self.log(cell))
        if ended is None or ended.status:
            return None
        metrics = json.loads((run / "metrics.json").read_text())
        return Outcome(metrics, None if resumed else ended.seconds, ended.peak_mib)
