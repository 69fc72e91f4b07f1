"""The runs of a sweep, the best first: `leaderboard.csv`, and a table in the terminal."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lrprop.sweep.space import Choice
from lrprop.sweep.spec import Sweep
from lrprop.sweep.trials import Trial
from lrprop.whole_file import whole_file

_SHOWN = 10


def ranked(trials: Sequence[Trial], goal: str) -> list[Trial]:
    """The runs, the best first, and those without a value last."""

    def key(trial: Trial) -> tuple[float, int]:
        best = trial.best(goal)
        return math.inf if best is None else best * (-1 if goal == "maximize" else 1), trial.number

    return sorted(trials, key=key)


def write_leaderboard(sweep: Sweep, trials: Sequence[Trial], file: Path) -> None:
    """Write the columns run, state, the metric at its best, and every parameter that varies, by its dotted name.

    Args:
        sweep: whose runs they are.
        trials: the runs.
        file: the CSV file, which is replaced as a whole.
    """
    names = _varying(sweep)
    with whole_file(file) as unfinished, unfinished.open("w", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["run", "state", sweep.metric, *names])
        for trial in ranked(trials, sweep.goal):
            best = trial.best(sweep.goal)
            value = "" if best is None else f"{best:.6f}"
            writer.writerow([trial.name, trial.state, value, *(trial.parameters[name] for name in names)])


def show_leaderboard(sweep: Sweep, trials: Sequence[Trial]) -> None:
    """Print the best runs, with the last words of the parameters' names."""
    names = _varying(sweep)
    table = Table("run", "state", title=escape(sweep.name), caption=f"{escape(sweep.metric)}: {sweep.goal}")
    for heading in (sweep.metric.removeprefix("tune/").replace("/", "/\n"), *(name.split(".")[-1] for name in names)):
        table.add_column(escape(heading), justify="right", overflow="fold")
    for trial in ranked(trials, sweep.goal)[:_SHOWN]:
        best = trial.best(sweep.goal)
        values = ["-" if best is None else f"{best:.4f}", *(_short(trial.parameters[name]) for name in names)]
        table.add_row(trial.name, trial.state, *(escape(value) for value in values))
    Console().print(table)


def _varying(sweep: Sweep) -> list[str]:
    return [p.name for p in sweep.space if not (isinstance(p, Choice) and len(p.values) == 1)]


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
