"""Tables in Markdown: numbers in percent, the best in bold, floor rows below a rule."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lrprop.benchmark.statistics import Interval

NOTHING = "–"
_NAMES = {
    "kendalls_tau": "Kendall's tau",
    "phase_progression": "progression",
    "dtw_accuracy": "DTW accuracy",
    "dtw_accuracy_open": "DTW accuracy, open ends",
    "canonical_error": "time error (lower is better)",
    "time_only": "time only",
    "raw_window": "raw, 5 frames",
    "raw": "raw input",
}


def title(name: str) -> str:
    """How a metric or a floor row is called in tables and figures; other names stay."""
    return _NAMES.get(name, name.replace("phase_classification", "classification").replace("ap@", "AP@"))


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table, its first column to the left and the others to the right.

    Raises:
        ValueError: if a row is not as long as the header.
    """
    for row in rows:
        if len(row) != len(header):
            raise ValueError(f"the row {row} does not fit the header {header}")
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (header, rule, *rows))


def rule(text: str, columns: int) -> list[str]:
    """A row that parts the rows above from those below."""
    return [f"*{text}*", *[""] * (columns - 1)]


def percent(interval: Interval, repeated: bool = True) -> str:
    """A mean and half its interval, in percent; the mean alone where there was nothing to repeat."""
    mean = f"{100 * interval.mean:.1f}"
    return f"{mean} ± {100 * interval.half_width:.1f}" if repeated else mean


def difference(interval: Interval) -> str:
    """A difference with its interval, in points of percent, bold where the interval excludes 0."""
    mean, low, high = (f"{100 * value:+.1f}" for value in interval)
    return bold(f"{mean} [{low}, {high}]", interval.low > 0 or interval.high < 0)


def bold(text: str, when: bool = True) -> str:
    """Bold, on a condition."""
    return f"**{text}**" if when else text


def number(value: float) -> str:
    """A rank or a difference of ranks."""
    return f"{value:.2f}"


def p_value(p: float) -> str:
    """A p-value to three digits, or a dash for none."""
    if math.isnan(p):
        return NOTHING
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
