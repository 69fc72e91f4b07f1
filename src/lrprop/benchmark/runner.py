"""Runs cells, one process each, and ends them all on request."""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from lrprop.benchmark.grid import Cell
from lrprop.benchmark.plan import Plan
from lrprop.errors import InputError

_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


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
        lock: a file descriptor that the processes inherit; see `alone`.
    """

    def __init__(self, plan: Plan, folder: Path, lock: int) -> None:
        self.plan, self.folder, self._lock = plan, folder, lock
        self._running: set[subprocess.Popen[bytes]] = set()
        self._guard, self._stopped = Lock(), False

    def log(self, cell: Cell) -> Path:
        """What its process printed, below its command line."""
        return self.folder / f"{cell.name}-{self.plan.configs[cell]}.log"

    def run(self, cell: Cell) -> Outcome | None:
        """Train a cell, or go on with it from its last epoch; None where that failed or was stopped."""
        run = self.log(cell).with_suffix("")
        resumed = (run / "checkpoints/last.ckpt").is_file()
        if not resumed:
            shutil.rmtree(run, ignore_errors=True)  # killed before its first epoch was over
        start = time.monotonic()
        process = self._start(cell, [*self.plan.command(cell, self.folder, run.name), *["--resume"] * resumed])
        if process is None:
            return None
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        with self._guard:
            self._running.discard(process)
        if process.returncode:
            return None
        seconds = None if resumed else time.monotonic() - start
        peak = usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
        return Outcome(json.loads((run / "metrics.json").read_text()), seconds, peak)

    def stop(self) -> None:
        """Ends all processes, and starts no more; their last checkpoints stay."""
        with self._guard:
            self._stopped = True
            for process in self._running:
                process.kill()

    def _start(self, cell: Cell, command: list[str]) -> subprocess.Popen[bytes] | None:
        with self._guard, self.log(cell).open("a") as log:
            if self._stopped:
                return None
            print(shlex.join(command), file=log, flush=True)
            process = subprocess.Popen(
                command, stdout=log, stderr=log, env=os.environ | _ONE_THREAD, pass_fds=(self._lock,)
            )
            self._running.add(process)
            return process


@contextmanager
def alone(folder: Path) -> Iterator[int]:
    """Makes sure that nobody else runs cells in a folder; yields the lock's file descriptor.

    Processes that inherit the descriptor hold the lock, too: those that a killed benchmark left behind keep the next
    one from training the same cells beside them.

    Raises:
        InputError: if somebody does.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(
                f"{folder}: another benchmark, or a process that a killed one left, still trains there; wait for it, "
                "or give another --runs and --table."
            ) from error
        yield file.fileno()
