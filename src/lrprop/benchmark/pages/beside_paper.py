"""Our numbers and the paper's, in the columns of its tables; measured on different input, and marked as such."""

from __future__ import annotations

from collections.abc import Sequence

from lrprop.benchmark.pages.columns import Column, cells_of, columns_table, gap_notes, means_column, of_protocol
from lrprop.benchmark.pages.markdown import NOTHING, rule, table, title
from lrprop.benchmark.pages.paper import CITATION, NOTES, TITLES, paper_table
from lrprop.benchmark.results import TRIMMED, Results, name_of

# Columns of the paper's Tables 1 and 2; those of 3 and 4 that they share.
COLUMNS = (
    "kendalls_tau",
    "phase_progression",
    *(f"ap@{k}" for k in (5, 10, 15)),
    *(f"phase_classification@{share}" for share in (10, 50, 100)),
    "dtw_accuracy",
)


def beside_the_paper(results: Results, number: int) -> str:
    """A table of the paper with our numbers above its own."""
    metrics = of_protocol(results, TRIMMED, COLUMNS)
    if not metrics:
        return ""
    text = f"""## {TITLES[number]}

**Not measured on the same input.** The paper's numbers, in the last rows, are those of RGB video, learned from pixels,
with the labels of the TCC authors ({CITATION}); ours are of the input named at the top of this page. {NOTES[number]}"""
    return f"{text}\n\n{(_by_action if number == 4 else _by_method)(results, number, metrics)}"


def _by_method(results: Results, number: int, metrics: Sequence[str]) -> str:
    actions = ["pouring"] if number == 1 else results.grid.actions
    columns = [means_column(results, metric, title(name_of(metric)), actions) for metric in metrics]
    notes = gap_notes({column.heading: column.gaps for column in columns})
    return "\n\n".join([columns_table(results, columns, _paper_rows(number, metrics)), *notes])


def _by_action(results: Results, number: int, metrics: Sequence[str]) -> str:
    """The first method on each action, above the paper's LRProp on the same actions."""
    columns = [_action_column(results, metric) for metric in metrics]
    rows = [[action, *(column.cells.get(action, NOTHING) for column in columns)] for action in results.grid.actions]
    header = [results.grid.base, *(column.heading for column in columns)]
    text = table(header, rows + _paper_rows(number, metrics, results.grid.actions))
    return "\n\n".join([text, *gap_notes({column.heading: column.gaps for column in columns})])


def _action_column(results: Results, metric: str) -> Column:
    base = results.grid.base
    of_actions = {action: results.scores(metric, [base], [action]) for action in results.grid.actions}
    cells = {action: cells_of(scores)[base] for action, scores in of_actions.items() if scores.actions}
    return Column(title(name_of(metric)), cells, [gap for scores in of_actions.values() for gap in scores.gaps])


def _paper_rows(number: int, metrics: Sequence[str], rows: Sequence[str] | None = None) -> list[list[str]]:
    numbers = paper_table(number)
    kept = [row for row in numbers if rows is None or row in rows]
    texts = [[f"{numbers[row][m]:.2f}" if m in numbers[row] else NOTHING for m in metrics] for row in kept]
    named = [[row, *cells] for row, cells in zip(kept, texts, strict=True)]
    return [rule("the paper, on RGB video", len(metrics) + 1), *named]
