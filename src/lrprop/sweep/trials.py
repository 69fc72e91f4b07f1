"""The runs of a local sweep: what was drawn, what came out, and the file that remembers it."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from lrprop.errors import InputError
from lrprop.whole_file import whole_file

State = Literal["running", "finished", "stopped", "failed"]


@dataclass
class Trial:
    """One run of a sweep.

    Attributes:
        number: from 0 on, in the order of drawing.
        parameters: the value of each parameter.
        state: "stopped" where Hyperband did so.
        history: the metric at each evaluation, once the run has ended.
        seconds: wall time of its last process.
    """

    number: int
    parameters: dict[str, Any]
    state: State = "running"
    history: list[float] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def name(self) -> str:
        """Of its run directory."""
        return f"{self.number:03d}"

    def best(self, goal: str) -> float | None:
        """The best of its evaluations, by which W&B's search judges a run, too; None before the first."""
        return (max if goal == "maximize" else min)(self.history, default=None)


class Trials:
    """The runs of a sweep, kept in `runs.json` of its folder; the file is replaced as a whole.

    Args:
        folder: of the sweep.
        begun_with: what all its runs have in common; a sweep goes on only with the same.

    Raises:
        InputError: if the folder holds a sweep of something else.
    """

    def __init__(self, folder: Path, begun_with: Mapping[str, Any]) -> None:
        self.file = folder / "runs.json"
        self._begun_with = json.loads(json.dumps(begun_with))
        self.all: list[Trial] = []
        if self.file.is_file():
            kept = json.loads(self.file.read_text())
            _check_same(folder, kept["sweep"], self._begun_with)
            self.all = [Trial(**trial) for trial in kept["runs"]]

    def add(self, parameters: dict[str, Any]) -> Trial:
        """A new run, kept before it begins, so that it is resumed and not drawn again after a kill."""
        trial = Trial(len(self.all), parameters)
        self.all.append(trial)
        self.save()
        return trial

    def save(self) -> None:
        """Writes all runs."""
        text = json.dumps({"sweep": self._begun_with, "runs": [asdict(trial) for trial in self.all]}, indent=1)
        with whole_file(self.file) as unfinished:
            unfinished.write_text(text + "\n")


def read_history(run: Path, metric: str) -> list[float]:
    """The finite values of a metric in the `metrics.csv` of a run, in the order of its evaluations."""
    file = run / "metrics.csv"
    if not file.is_file():
        return []
    with file.open(newline="") as stream:
        values = [float(row[metric]) for row in csv.DictReader(stream) if row.get(metric)]
    return [value for value in values if math.isfinite(value)]


def _check_same(folder: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    for key in dict.fromkeys((*before, *now)):
        if before.get(key) != now.get(key):
            raise InputError(
                f"{folder}: this sweep was begun with {key} {before.get(key)!r} and is now to go on with "
                f"{now.get(key)!r}; repeat what it was begun with, give another --runs, or remove the folder."
            )
