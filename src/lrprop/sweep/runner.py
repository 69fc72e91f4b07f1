"""Draws and trains the runs of a sweep, each in a process of its own."""

from __future__ import annotations

import math
import shutil
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from lrprop.errors import InputError
from lrprop.processes import ChildProcesses, Ended, ended_on_interrupt
from lrprop.sweep.search import draw
from lrprop.sweep.spec import Sweep
from lrprop.sweep.trials import Trial, Trials, read_history


class Runner:
    """Brings a sweep to a number of runs, going on where it was.

    Args:
        sweep: what is tried.
        trials: the runs so far.
        total: how many there are to be.
        seed: of what is drawn.
        extra: further words of every command line.
        processes: runs the command lines.
    """

    def __init__(
        self, sweep: Sweep, trials: Trials, total: int, seed: int, extra: Sequence[str], processes: ChildProcesses
    ) -> None:
        self.sweep, self.trials, self.total, self.seed = sweep, trials, total, seed
        self.extra, self.processes = extra, processes
        self.folder = trials.file.parent
        self._guard, self._taken = threading.Lock(), set[int]()

    def log(self, trial: Trial) -> Path:
        """What its process printed, below its command line."""
        return self.folder / f"{trial.name}.log"

    def run_all(self, jobs: int) -> None:
        """Run what is missing, `jobs` at a time, with a line for each run.

        Raises:
            InputError: where the very first run fails, or the metric is not logged: so would the others.
        """
        with ThreadPoolExecutor(jobs) as pool, ended_on_interrupt(self.processes):
            for future in as_completed([pool.submit(self._work) for _ in range(jobs)]):
                future.result()

    def _work(self) -> None:
        while (trial := self._next()) is not None and (ended := self._train(trial)) is not None:
            with self._guard:
                self._judge(trial, ended)
                _say(self._line(trial))

    def _next(self) -> Trial | None:
        """A run that was interrupted or has failed before, else a new one."""
        with self._guard:
            waiting = [t for t in self.trials.all if t.state in ("running", "failed") and t.number not in self._taken]
            trial = waiting[0] if waiting else self._new()
            if trial is not None:
                self._taken.add(trial.number)
            return trial

    def _new(self) -> Trial | None:
        if len(self.trials.all) >= self.total:
            return None
        values = draw(self.sweep, self.trials.all, self.seed)
        return None if values is None else self.trials.add(values)

    def _train(self, trial: Trial) -> Ended | None:
        """Runs a process, from the last epoch of the one before where there was one; None where it was stopped."""
        run = self.folder / trial.name
        resumed = (run / "checkpoints/last.ckpt").is_file()
        if not resumed:
            shutil.rmtree(run, ignore_errors=True)  # killed before its first epoch was over
        place = [f"--runs={self.folder}", f"--name={trial.name}", *["--resume"] * resumed]
        command = [*self.sweep.command_line(trial.parameters), *self.extra, *place]
        ends = None if self.sweep.hyperband is None else lambda: self._end_of(trial) is not None
        return self.processes.run(command, self.log(trial), ends)

    def _end_of(self, trial: Trial) -> int | None:
        """After how many evaluations Hyperband ends a run."""
        if self.sweep.hyperband is None:
            return None
        sign = -1 if self.sweep.goal == "maximize" else 1
        others = [other.history for other in self.trials.all if other is not trial]
        histories = [[sign * value for value in history] for history in (self._history(trial), *others)]
        return self.sweep.hyperband.end_of(histories[0], histories[1:])

    def _history(self, trial: Trial) -> list[float]:
        return read_history(self.folder / trial.name, self.sweep.metric)

    def _judge(self, trial: Trial, ended: Ended) -> None:
        """Keeps what came out of a run."""
        end = self._end_of(trial)
        trial.seconds, trial.history = ended.seconds, self._history(trial)[:end]
        if end is not None:
            trial.state = "stopped"
        elif ended.status or not trial.history:
            trial.state, trial.history = "failed", []
        else:
            trial.state = "finished"
        self.trials.save()
        if trial.state == "failed":
            self._check_others_may_succeed(trial, ended.status)

    def _check_others_may_succeed(self, failed: Trial, status: int) -> None:
        if not status:
            raise InputError(
                f"run {failed.name} logged no {self.sweep.metric}: choose a metric of {self.folder / failed.name}"
                "/metrics.csv, and a data.tune_fraction above 0 in the command of the sweep."
            )
        if all(trial.state in ("running", "failed") for trial in self.trials.all):
            raise InputError(f"run {failed.name} failed: {last_error(self.log(failed))} ({self.log(failed)})")

    def _line(self, trial: Trial) -> str:
        """How a run ended, and what is left."""
        best = trial.best(self.sweep.goal)
        outcome = f"see {self.log(trial)}" if best is None else f"{self.sweep.metric} {best:.4f}"
        ended = [other for other in self.trials.all if other.state != "running"]
        how = f"{trial.state} after {len(trial.history)} evaluations" if trial.state == "stopped" else trial.state
        left = max(self.total - len(ended), 0) * sum(other.seconds for other in ended) / len(ended)
        return f"{len(ended)} of {self.total}: run {trial.name} {how}, {outcome}, {trial.seconds:.0f} s; " + (
            f"about {math.ceil(left / 60)} min of training left" if left else "nothing left"
        )


def last_error(log: Path) -> str:
    """What a process said at last: the last line of its log that is an error, else the last line."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith("error:")]
    return (errors or lines)[-1]


def _say(line: str) -> None:
    Console().print(escape(line), soft_wrap=True, highlight=False)
