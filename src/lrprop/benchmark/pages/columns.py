"""Columns of means, the building blocks of all tables: one cell for each method and floor row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lrprop.benchmark.pages.markdown import NOTHING, bold, percent, rule, table, title
from lrprop.benchmark.results import Gap, Results, Scores, grouped, name_of, protocol_of, sign_of

# The paper's five metrics, one of each kind, and what the second protocol and the synthetic set add.
HEADLINE = (
    "kendalls_tau",
    "phase_progression",
    "phase_classification@100",
    "ap@5",
    "dtw_accuracy",
    "dtw_accuracy_open",
    "canonical_error",
)
MARK = " †"


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        heading: ends with the mark where a floor row beats every method.
        cells: by method and floor row.
        gaps: the values that are missing.
    """

    heading: str
    cells: dict[str, str]
    gaps: list[Gap]


def of_protocol(results: Results, protocol: str, names: Sequence[str] = HEADLINE) -> list[str]:
    """The metrics of a protocol that have values, of those named, in that order."""
    found = {name_of(metric): metric for metric in results.metrics if protocol_of(metric) == protocol}
    return [found[name] for name in names if name in found]


def means_column(results: Results, metric: str, heading: str, actions: Sequence[str] | None = None) -> Column:
    """The means of methods and floor rows over some actions, by default all of the grid."""
    scores = results.scores(metric, results.methods, actions)
    cells, gaps = cells_of(scores, is_best_bold=True), list(scores.gaps)
    for floor in results.floors:
        of_floor = results.scores(metric, [floor], scores.actions)
        gaps += of_floor.gaps
        if of_floor.actions == scores.actions:
            cells |= cells_of(of_floor)
    return Column(heading, cells, gaps)


def action_column(results: Results, metric: str, action: str, heading: str) -> Column:
    """One action by itself: each method and floor row with the seeds that it has."""
    of_methods = [results.scores(metric, [method], [action]) for method in results.begun]
    of_floors = [results.scores(metric, [floor], [action]) for floor in results.floors]
    best = max((float(scores.signed[0, 0]) for scores in of_methods if scores.actions), default=None)
    cells: dict[str, str] = {}
    for scores in of_methods:
        cells |= cells_of(scores, is_best_bold=bool(scores.actions) and scores.signed[0, 0] == best)
    for scores in of_floors:
        cells |= cells_of(scores)
    gaps = results.scores(metric, results.begun, [action]).gaps + [gap for scores in of_floors for gap in scores.gaps]
    return Column(heading, cells, gaps)


def cells_of(scores: Scores, is_best_bold: bool = False) -> dict[str, str]:
    """Means with their intervals, by method or floor row; nothing where no action has a value of all."""
    if not scores.actions:
        return {}
    intervals = {entry: scores.interval(entry) for entry in scores.of_entries}
    best = max(sign_of(scores.metric) * interval.mean for interval in intervals.values())
    return {
        entry: bold(
            percent(interval, scores.is_repeated(entry)),
            is_best_bold and interval.mean == sign_of(scores.metric) * best,
        )
        for entry, interval in intervals.items()
    }


def columns_table(results: Results, columns: Sequence[Column], below: Sequence[Sequence[str]] = ()) -> str:
    """Columns as a table of methods, floor rows and further rows."""
    rows = [[entry, *(column.cells.get(entry, NOTHING) for column in columns)] for entry in results.begun]
    if results.floors:
        rows.append(rule("no training", len(columns) + 1))
        rows += [[title(row), *(column.cells.get(row, NOTHING) for column in columns)] for row in results.floors]
    return table(["", *(column.heading for column in columns)], [*rows, *below])


def gap_notes(gaps: Mapping[str, Sequence[Gap]]) -> list[str]:
    """A list of what is missing, each with the metrics that it concerns; nothing where nothing is missing.

    Args:
        gaps: of each metric by its title.
    """
    metrics = grouped((gap, metric) for metric, of_metric in gaps.items() for gap in dict.fromkeys(of_metric))
    places = grouped(((gap.who, tuple(concerned)), gap.action) for gap, concerned in metrics.items())
    alike = grouped(((tuple(where), concerned), who) for (who, concerned), where in places.items())
    notes = [
        f"- no value of {', '.join(who)} on {', '.join(where)}"
        + f" in {', '.join(concerned)}" * (len(concerned) < len(gaps))
        + "."
        for (where, concerned), who in alike.items()
    ]
    return ["\n".join(notes)] if notes else []
