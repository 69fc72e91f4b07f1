"""The truth about a run: its metrics beside the floor rows, as metrics.json and as a table."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lrprop.callbacks.evaluation import Metrics
from lrprop.viz.plots import ROWS
from lrprop.whole_file import whole_file

# All columns together fit the 80 characters of a plain terminal.
COLUMNS = {
    "phase_classification@100": "phase\nclass.",
    "phase_progression": "phase\nprogr.",
    "kendalls_tau": "Kendall\ntau",
    "ap@5": "\nAP@5",
    "dtw_accuracy": "DTW\nacc.",
    "loose/dtw_accuracy": "loose\nDTW",
    "loose/dtw_accuracy_open": "loose\nopen",
    "canonical_error": "time\nerror",
}
CAPTION = "all figures in %, on the val videos\nloose: DTW accuracy on clips cut and re-timed, ends fixed or open"
OF_TUNE = "\ntune: the training videos set aside for choices"


class Report:
    """The rows of a run, kept in its metrics.json as soon as they are known.

    Args:
        folder: the run directory.
    """

    def __init__(self, folder: Path) -> None:
        self.file = folder / "metrics.json"
        self.rows: dict[str, Metrics] = json.loads(self.file.read_text()) if self.file.is_file() else {}

    def add(self, **rows: Metrics) -> None:
        """Adds rows by name and writes all of them."""
        self.rows |= rows
        with whole_file(self.file) as unfinished:
            unfinished.write_text(json.dumps(self.rows, indent=2) + "\n")


def keep_skipped(problems: Iterable[str], folder: Path) -> list[str]:
    """Adds what was wrong with the skipped videos of a run to its `skipped.txt`, and returns all that stands there."""
    file = folder / "skipped.txt"
    before = file.read_text().splitlines() if file.is_file() else []
    known = list(dict.fromkeys([*before, *problems]))
    if known:
        file.write_text("\n".join(known) + "\n")
    return known


def show_skipped(problems: Collection[str]) -> None:
    """Says how many videos were skipped, and which, where each problem is `<file>: <what is wrong>`."""
    if problems:
        videos = "1 unreadable video" if len(problems) == 1 else f"{len(problems)} unreadable videos"
        names = ", ".join(problem.partition(": ")[0] for problem in problems)
        text = f"[bold yellow]skipped {videos}[/bold yellow]: {escape(names)}"
        Console().print(text, soft_wrap=True, highlight=False)


def show_table(rows: dict[str, Metrics], title: str) -> None:
    """Prints rows as a table of percentages, with a dash where a metric is not defined.

    Args:
        rows: the metrics of each row by its name in `ROWS`.
        title: stands over the table.
    """
    known = {key: name for key, name in COLUMNS.items() if any(key in row for row in rows.values())}
    table = Table("", title=escape(title), caption=CAPTION + (OF_TUNE if "tune" in rows else ""))
    for name in known.values():
        table.add_column(name, justify="right")
    for row, name in ROWS.items():
        if row in rows:
            style = "bold" if row == "final" else None
            table.add_row(name, *(_percent(rows[row].get(key)) for key in known), style=style)
    Console().print(table)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"
