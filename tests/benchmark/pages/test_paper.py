"""The paper's numbers as they were transcribed."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from lrprop.benchmark.pages.paper import NOTES, TITLES, paper_table


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_every_number_is_the_reference_copys_and_none_is_left_out(number: int, shared: Path) -> None:
    with (shared / "paper_tables.csv").open(newline="") as stream:
        lines = [line for line in csv.DictReader(stream) if line["table"] == str(number)]
    names = {"row 1 (two terms)": "two (1)", "row 2 (two terms)": "two (2)", "all three": "all"}
    expected = {(names.get(line["row"], line["row"]), line["metric"]): float(line["value"]) for line in lines}
    ours = {(row, metric): x for row, numbers in paper_table(number).items() for metric, x in numbers.items()}
    assert ours == expected
    assert number in NOTES.keys() & TITLES.keys()


def test_the_inconsistencies_that_the_notes_name_are_there() -> None:
    assert paper_table(1)["lrprop"]["ap@10"] == 90.33
    assert paper_table(3)["all"]["ap@10"] == 91.66
    by_action = paper_table(4).values()
    assert np.mean([row["phase_progression"] for row in by_action]) == pytest.approx(93.30, abs=0.005)
    assert np.mean([row["dtw_accuracy"] for row in by_action]) == pytest.approx(90.16, abs=0.005)
    assert paper_table(2)["lrprop"]["phase_progression"] == 93.03
