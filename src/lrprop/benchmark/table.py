"""The tidy CSV of a grid: one line for every metric of every row of every cell."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path

from lrprop.benchmark.grid import Cell
from lrprop.benchmark.plan import Plan
from lrprop.benchmark.runner import Outcome
from lrprop.whole_file import whole_file

COLUMNS = ("method", "action", "seed", "row", "metric", "value", "config", "seconds", "peak_mib")


class Table:
    """The CSV file, rewritten whole and put in place at once, so that a kill leaves the old one or the new one.

    Values are fractions, empty where a metric is not defined; so are the seconds of a cell that was interrupted.

    Args:
        file: need not exist.
    """

    def __init__(self, file: Path) -> None:
        self.file = file

    def lines(self) -> list[dict[str, str]]:
        """All lines, those of cells that are in no grid any more among them."""
        if not self.file.is_file():
            return []
        with self.file.open(newline="") as stream:
            return list(csv.DictReader(stream))

    def configs(self) -> dict[Cell, str]:
        """The configuration that each cell was trained with."""
        return {cell_of(line): line["config"] for line in self.lines()}

    def seconds(self) -> dict[str, list[float]]:
        """The wall times of the cells of each action."""
        times: dict[str, dict[Cell, float]] = defaultdict(dict)
        for line in self.lines():
            if line["seconds"]:
                times[line["action"]][cell_of(line)] = float(line["seconds"])
        return {action: list(of_cells.values()) for action, of_cells in times.items()}

    def add(self, cell: Cell, config: str, outcome: Outcome) -> None:
        """Put in a cell, in place of an older one of the same name, beside whatever the file holds by now."""
        self._replace({cell: list(_lines(cell, config, outcome))})

    def copy(self, plan: Plan, other: Table) -> None:
        """Put in those cells that another table holds with the same configuration, and this one does not hold yet.

        Floor rows that a cell measured there and does not measure here stay behind.

        Args:
            plan: what each cell of this table runs today.
            other: on the same data; a method may have another name there.
        """
        known, lines = self.configs(), other.lines()
        origins = {(cell.action, cell.seed, config): cell for cell, config in other.configs().items()}
        copies = {}
        for cell, config in plan.configs.items():
            if known.get(cell) == config:
                continue
            same = (origins.get((cell.action, cell.seed, c)) for c in (config, plan.config_with_floors(cell)))
            if origin := next(filter(None, same), None):
                copies[cell] = [
                    {**line, "method": cell.method, "config": config}
                    for line in lines
                    if cell_of(line) == origin and (line["row"] == "final" or line["config"] == config)
                ]
        self._replace(copies)

    def _replace(self, cells: Mapping[Cell, list[dict[str, str]]]) -> None:
        if not cells:
            return
        kept = [line for line in self.lines() if cell_of(line) not in cells]
        lines = sorted(chain(kept, *cells.values()), key=lambda line: tuple(line.values())[:5])
        with whole_file(self.file) as unfinished, unfinished.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(lines)


def cell_of(line: dict[str, str]) -> Cell:
    """The cell that a line belongs to."""
    return Cell(line["method"], line["action"], int(line["seed"]))


def _lines(cell: Cell, config: str, outcome: Outcome) -> Iterator[dict[str, str]]:
    seconds = "" if outcome.seconds is None else f"{outcome.seconds:.1f}"
    for row, metrics in outcome.metrics.items():
        for metric, value in metrics.items():
            number = "" if value is None else f"{value:.6f}"
            cost = (config, seconds, f"{outcome.peak_mib:.0f}")
            fields = (cell.method, cell.action, str(cell.seed), row, metric, number, *cost)
            yield dict(zip(COLUMNS, fields, strict=True))
