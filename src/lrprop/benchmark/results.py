"""What the table of a grid holds: the scores of its methods and floor rows by metric, and what is missing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from lrprop.benchmark import statistics
from lrprop.benchmark.grid import FLOORS, Cell, Grid
from lrprop.benchmark.table import cell_of
from lrprop.data.penn_action import ACTIONS, ALL

K = TypeVar("K")
V = TypeVar("V")

# The protocol of a metric whose name has no prefix: the videos as they are.
TRIMMED = "trimmed"
LOWER_IS_BETTER = ("canonical_error",)
UNDEFINED_TAU = "kendalls_tau_undefined"


def protocol_of(metric: str) -> str:
    """The protocol that a metric's prefix names: "loose" of "loose/kendalls_tau"."""
    return metric.split("/")[0] if "/" in metric else TRIMMED


def name_of(metric: str) -> str:
    """A metric without its protocol."""
    return metric.split("/")[-1]


def sign_of(metric: str) -> int:
    """1 where higher is better, else -1."""
    return -1 if name_of(metric) in LOWER_IS_BETTER else 1


class Gap(NamedTuple):
    """A value that is missing, and keeps an action or a seed out of a comparison.

    Attributes:
        who: has none, with the seeds.
        action: where.
    """

    who: str
    action: str


@dataclass(frozen=True)
class Scores:
    """The scores of some entries in one metric, for the actions on which every one of them has a value.

    Attributes:
        metric: its name in the table.
        actions: A actions.
        of_entries: by method or floor row, for each action (S,), S the seeds that the entry has there.
        gaps: which values are missing.
    """

    metric: str
    actions: list[str]
    of_entries: dict[str, list[np.ndarray]]
    gaps: list[Gap]

    @property
    def signed(self) -> np.ndarray:
        """The means over seeds (A, E), turned so that higher is better."""
        means = [[of_seeds.mean() for of_seeds in of_actions] for of_actions in self.of_entries.values()]
        return sign_of(self.metric) * np.array(means).T

    def interval(self, entry: str) -> statistics.Interval:
        """The mean of an entry with its interval."""
        return statistics.interval(self.of_entries[entry])

    def is_repeated(self, entry: str) -> bool:
        """Whether there is more than one value of an entry, so that an interval says something."""
        return sum(map(len, self.of_entries[entry])) > 1


@dataclass(frozen=True)
class Ranking:
    """The average ranks of the methods in one metric.

    Attributes:
        metric: its name in the table.
        actions: those that count.
        ranks: (M,) of the methods in the grid's order.
        p: Friedman's.
        difference: the critical difference.
    """

    metric: str
    actions: list[str]
    ranks: np.ndarray
    p: float
    difference: float


class Results:
    """The cells of a grid that a table holds with today's configuration.

    Attributes:
        grid: what is compared.
        file: the table's.
        missing: cells that the table does not hold.
        begun: the methods of which a cell is finished, in the grid's order; all where there is none.
        methods: those of them that are compared: they have a cell on every action, for one that has only begun would
            keep actions from all others. Where none has, all that are begun.
        floors: the floor rows that were found.
        metrics: the metrics of which any trained row has a value, in the table's order.
        undefined: those of which none has.

    Args:
        grid: what is compared.
        configs: today's configuration of each cell.
        lines: of the table.
        file: the table's.
    """

    def __init__(self, grid: Grid, configs: dict[Cell, str], lines: Sequence[dict[str, str]], file: Path) -> None:
        self.grid, self.file = grid, file
        lines = [line for line in lines if configs.get(cell_of(line)) == line["config"]]
        found = {cell_of(line) for line in lines}
        self.missing = [cell for cell in configs if cell not in found]
        begun, wanted = _actions_of_methods(found), _actions_of_methods(configs)
        self.begun = [method for method in grid.method_names if method in begun] or grid.method_names
        self.methods = [method for method in self.begun if begun.get(method) == wanted[method]] or self.begun
        self._values: dict[tuple[str, str], dict[tuple[str, int], list[float]]] = defaultdict(lambda: defaultdict(list))
        for line in lines:
            if line["value"]:
                entry = line["method"] if line["row"] == "final" else line["row"]
                action, metric = _place(line)
                self._values[entry, metric][action, int(line["seed"])].append(float(line["value"]))
        rows = {line["row"] for line in lines}
        self.floors = [row for row in FLOORS if row in rows]
        names = dict.fromkeys(_place(line)[1] for line in lines)
        self.metrics = [m for m in names if any((method, m) in self._values for method in self.begun)]
        self.undefined = [metric for metric in names if metric not in self.metrics]

    @property
    def protocols(self) -> list[str]:
        """Those that the metrics belong to."""
        return list(dict.fromkeys(map(protocol_of, self.metrics)))

    def scores(self, metric: str, entries: Sequence[str], actions: Sequence[str] | None = None) -> Scores:
        """What the table says of some entries in a metric.

        Args:
            metric: its name in the table.
            entries: methods or floor rows.
            actions: those to look at; all of the grid by default.
        """
        looked_at = list(self.grid.actions if actions is None else actions)
        found = {entry: {action: self._of_seeds(metric, entry, action) for action in looked_at} for entry in entries}
        kept = [action for action in looked_at if all(of_actions[action] for of_actions in found.values())]
        of_entries = {
            entry: [np.array(list(of_actions[action].values())) for action in kept]
            for entry, of_actions in found.items()
        }
        gaps = [gap for action in looked_at for gap in self._gaps(action, {e: found[e][action] for e in entries})]
        return Scores(metric, kept, of_entries, gaps)

    def lead(self, metric: str, method: str, other: str, actions: Sequence[str]) -> statistics.Interval | None:
        """By how much one method is better than another, over those of some actions and the seeds that both have.

        Returns:
            The paired difference with its interval; None where there is one pair of values, or none.
        """
        pairs = []
        for action in actions:
            ours, theirs = (self._of_seeds(metric, entry, action) for entry in (method, other))
            pairs.append(sign_of(metric) * np.array([ours[seed] - theirs[seed] for seed in ours if seed in theirs]))
        found = [of_seeds for of_seeds in pairs if of_seeds.size]
        return statistics.interval(found) if sum(map(len, found)) > 1 else None

    def undefined_pairs(self, protocol: str) -> dict[str, tuple[int, list[str]]]:
        """How many pairs of videos of each trained method had no Kendall's tau, and on which actions."""
        metric = next((m for m in self.metrics if (protocol_of(m), name_of(m)) == (protocol, UNDEFINED_TAU)), "")
        counts = {method: self._values.get((method, metric), {}) for method in self.begun}
        return {
            method: (int(sum(map(sum, cells.values()))), sorted({action for (action, _), n in cells.items() if any(n)}))
            for method, cells in counts.items()
            if any(map(any, cells.values()))
        }

    def discriminating(self, metric: str) -> list[str]:
        """The actions on which no floor row beats every trained method."""
        scores = self.scores(metric, self.methods)
        return [
            action
            for action, trained in zip(scores.actions, scores.signed if scores.actions else [], strict=True)
            if statistics.discriminates(trained, self._floor_scores(metric, action))
        ]

    def ranking(self, metric: str, actions: Sequence[str]) -> Ranking | None:
        """The methods' average ranks over some actions; None without an action, or with one method alone."""
        scores = self.scores(metric, self.methods, actions)
        if not scores.actions or len(self.methods) < 2:
            return None
        ranks = statistics.average_ranks(scores.signed)
        difference = statistics.critical_difference(len(self.methods), len(scores.actions))
        return Ranking(metric, scores.actions, ranks, statistics.friedman_p(scores.signed), difference)

    def _of_seeds(self, metric: str, entry: str, action: str) -> dict[int, float]:
        cells = self._values.get((entry, metric), {})
        return {seed: float(np.mean(cells[action, seed])) for seed in self.grid.seeds if (action, seed) in cells}

    def _floor_scores(self, metric: str, action: str) -> np.ndarray:
        values = [self._of_seeds(metric, floor, action) for floor in self.floors]
        return np.array([sign_of(metric) * np.mean(list(row.values())) if row else np.nan for row in values])

    def _gaps(self, action: str, of_entries: dict[str, dict[int, float]]) -> list[Gap]:
        lacking = {e: [seed for seed in self.grid.seeds if seed not in scores] for e, scores in of_entries.items()}
        nobody = [seed for seed in self.grid.seeds if all(seed in seeds for seeds in lacking.values())]
        gaps = [Gap(f"any method ({seeds_in_words(nobody)})", action)] if nobody and len(lacking) > 1 else []
        for entry, seeds in lacking.items():
            own = [seed for seed in seeds if len(lacking) == 1 or seed not in nobody]
            gaps += [Gap(f"{entry} ({seeds_in_words(own)})", action)] * bool(own)
        return gaps


def _actions_of_methods(cells: Iterable[Cell]) -> dict[str, set[str]]:
    actions: dict[str, set[str]] = defaultdict(set)
    for cell in cells:
        actions[cell.method].add(cell.action)
    return actions


def _place(line: dict[str, str]) -> tuple[str, str]:
    """The action and the metric; a model of all actions has both in the metric's name: "squat/kendalls_tau"."""
    first, _, rest = line["metric"].partition("/")
    return (first, rest) if line["action"] == ALL and first in ACTIONS else (line["action"], line["metric"])


def grouped(pairs: Iterable[tuple[K, V]]) -> dict[K, list[V]]:
    """The second halves of pairs by their first, both in the order in which they come."""
    groups: dict[K, list[V]] = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    return groups


def seeds_in_words(seeds: Sequence[int]) -> str:
    """One seed or several."""
    return f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"
