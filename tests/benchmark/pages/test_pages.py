"""The pages: their numbers are the table's, what is missing is named, and what the paper says is marked as its own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image

from lrprop.benchmark import Cell
from lrprop.benchmark.pages import write_page
from lrprop.benchmark.pages.columns import HEADLINE
from tests.benchmark.tables import Rows, read_results, write_grid, write_table

METHODS = {"lrprop": 0.9, "scl": 0.8, "tcn": 0.7}
ACTIONS = {"squat": 0.0, "pouring": -0.1}


def value(method: str, action: str, seed: int) -> float:
    return METHODS[method] + ACTIONS[action] + 0.02 * seed


def rows(cell: Cell) -> Rows:
    """On squat `time_only` beats every method in Kendall's tau."""
    both = {
        name: value(cell.method, cell.action, cell.seed) - 0.2 * (prefix == "loose/")
        for prefix in ("", "loose/")
        for name in (f"{prefix}kendalls_tau", f"{prefix}ap@5", f"{prefix}dtw_accuracy")
    }
    floor = dict.fromkeys(both, 0.3) | {"kendalls_tau": 0.99 if cell.action == "squat" else 0.3}
    return {"final": dict(both), "time_only": dict(floor)}


def grid_of(folder: Path, **changes: object) -> Path:
    return write_grid(folder, **{"methods": list(METHODS), "actions": list(ACTIONS), "seeds": [0, 1], **changes})


def page_of(grid: Path) -> str:
    return write_page(read_results(grid), grid.with_suffix(".md")).read_text(encoding="utf-8")


def section(page: str, *headings: str) -> str:
    """What stands below a heading, and below another inside it."""
    for heading in headings:
        level = heading.split()[0]
        page = re.split(rf"^#{{1,{len(level)}}} ", page.split(f"{heading}\n", 1)[1], flags=re.MULTILINE)[0]
    return page


def cells(text: str, first: str) -> list[str]:
    line = next(line for line in text.splitlines() if line.startswith(f"| {first} |"))
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the page of a finished grid lies."""
    folder = tmp_path_factory.mktemp("results")
    grid = grid_of(folder, paper=[1, 2, 3, 4])
    write_table(grid, rows)
    page_of(grid)
    return folder


@pytest.fixture(scope="module")
def full(folder: Path) -> str:
    return (folder / "tiny.md").read_text(encoding="utf-8")


def test_means_are_the_tables_with_the_best_in_bold_and_the_floors_below(full: str) -> None:
    means = section(full, "## Trimmed: the val videos as they are", "### Means over actions")
    assert cells(means, "") == ["Kendall's tau †", "AP@5", "DTW accuracy"]
    best = cells(means, "lrprop")[1]
    assert re.fullmatch(r"\*\*86\.0 ± \d\.\d\*\*", best)  # (.90 + .92 + .80 + .82) / 4
    assert cells(means, "scl")[1].startswith("76.0 ± ")
    assert means.index("| tcn |") < means.index("*no training*") < means.index("| time only |")
    assert cells(means, "time only")[1] == "30.0 ± 0.0"
    assert "beats every method: Kendall's tau on squat." in means
    loose = section(full, "## Loose: the val videos cut at random at both ends and re-timed at random")
    assert cells(loose, "scl")[2].startswith("56.0 ± ")


def test_every_action_stands_by_itself(full: str) -> None:
    by_action = section(full, "## Trimmed: the val videos as they are", "### By action")
    tau, ap, _ = by_action.split("\n\n")[1::2]
    assert cells(tau, "") == ["squat †", "pouring"]
    assert cells(ap, "") == ["squat", "pouring"]
    assert cells(ap, "lrprop") == ["**91.0 ± 1.0**", "**81.0 ± 1.0**"]
    assert cells(tau, "time only") == ["99.0 ± 0.0", "30.0 ± 0.0"]


def test_ranks_leave_out_what_does_not_discriminate_and_show_all_too(full: str) -> None:
    ranks = section(full, "## Trimmed: the val videos as they are", "### Average ranks")
    first, second = [line for line in ranks.splitlines() if line.startswith("| Kendall's tau |")]
    assert "| 1 of 2 | **1.00** | 2.00 | 3.00 |" in first
    assert "| all 2 | **1.00** | 2.00 | 3.00 |" in second
    assert ranks.count("| AP@5 |") == 1


def test_leads_are_paired(full: str) -> None:
    leads = section(full, "## Trimmed: the val videos as they are", "### The lead of lrprop")
    assert cells(leads, "scl")[1] == "**+10.0 [+10.0, +10.0]**"
    assert cells(leads, "tcn")[1] == "**+20.0 [+20.0, +20.0]**"


def test_leads_leave_out_what_does_not_discriminate_and_show_all_first(tmp_path: Path) -> None:
    """On squat, where `time_only` beats every method in Kendall's tau, SCL is as good as LRProp."""

    def level_on_squat(cell: Cell) -> Rows:
        found = rows(cell)
        if cell == Cell("scl", "squat", cell.seed):
            found["final"]["kendalls_tau"] = value("lrprop", "squat", cell.seed)
        return found

    grid = grid_of(tmp_path)
    write_table(grid, level_on_squat)
    page = page_of(grid)
    leads = section(page, "## Trimmed: the val videos as they are", "### The lead of lrprop")
    everywhere, _, kept = leads.strip().split("\n\n")[1:]
    assert cells(everywhere, "scl")[0].startswith("+5.0 [")
    assert cells(kept, "") == ["Kendall's tau (1 of 2)"]
    assert cells(kept, "scl") == ["**+10.0 [+10.0, +10.0]**"]
    loose = section(page, "## Loose: the val videos cut at random at both ends and re-timed at random")
    assert "without the actions" not in section(loose, "### The lead of lrprop"), "there all actions discriminate"


def test_leads_of_other_methods_over_what_both_have(tmp_path: Path) -> None:
    grid = grid_of(tmp_path, leads=["lrprop", "tcn"])
    undefined: Rows = {"final": {"kendalls_tau": None, "ap@5": None, "dtw_accuracy": None}}
    write_table(grid, lambda cell: undefined if (cell.method, cell.action) == ("lrprop", "squat") else rows(cell))
    page = page_of(grid)
    leads = section(page, "## Trimmed: the val videos as they are", "### The lead of tcn")
    assert cells(leads, "scl")[1] == "**-10.0 [-10.0, -10.0]**"
    assert cells(leads, "lrprop")[1] == "**-20.0 [-20.0, -20.0]**"
    assert "| tcn |" not in leads


def test_the_papers_numbers_stand_below_ours_and_are_marked(full: str) -> None:
    for heading, ours, theirs in (
        ("## Table 1: Pouring", "81.0 ± 1.0", "92.41"),
        ("## Table 2: Penn Action, means over actions", "86.0 ± ", "92.46"),
        ("## Table 3: the terms of LRProp", "86.0 ± ", "92.41"),
    ):
        text = section(full, heading)
        assert "Not measured on the same input" in text
        assert "Bar-Shalom" in text
        above, below = text.split("*the paper, on RGB video*")
        assert ours in cells(above, "lrprop")[1]
        assert cells(below, "all" if "Table 3" in heading else "lrprop")[1] == theirs
    by_action = section(full, "## Table 4: LRProp by action")
    assert cells(by_action.split("*the paper")[0], "squat") == ["91.0 ± 1.0"] * 3
    assert cells(by_action.split("*the paper")[1], "squat") == ["99.58", "90.73", "87.40"]
    assert "pushup" not in by_action


def test_figures_lie_beside_the_page(full: str, folder: Path) -> None:
    names = re.findall(r"!\[.*\]\((.*)\)", full)
    assert names == [f"tiny-{what}-{protocol}.png" for protocol in ("trimmed", "loose") for what in ("means", "ranks")]
    for name in names:
        assert Image.open(folder / name).width == 1600


def test_a_page_is_the_same_every_time(full: str, folder: Path) -> None:
    figure = (folder / "tiny-means-trimmed.png").read_bytes()
    assert page_of(folder / "tiny.yaml") == full
    assert (folder / "tiny-means-trimmed.png").read_bytes() == figure


def test_what_is_missing_is_named_and_not_averaged_away(tmp_path: Path) -> None:
    gone = {Cell("tcn", "pouring", 0), Cell("tcn", "pouring", 1), *(Cell(m, a, 2) for m in METHODS for a in ACTIONS)}
    grid = grid_of(tmp_path, seeds=[0, 1, 2])
    write_table(grid, lambda cell: None if cell in gone else rows(cell))
    page = page_of(grid)
    assert "- 10 of 18 cells are finished." in page
    assert "**Missing**: every method on every action, seed 2." in page
    assert "**Missing**: tcn on pouring, seeds 0, 1." in page
    means = section(page, "## Trimmed: the val videos as they are", "### Means over actions")
    assert cells(means, "lrprop")[1].startswith("**86.0 ± "), "the mean of squat and pouring"
    assert cells(means, "tcn")[1] == "–", "without pouring"
    assert "- no value of any method (seed 2), time_only (seed 2) on squat, pouring." in means
    by_action = section(page, "## Trimmed: the val videos as they are", "### By action")
    assert "| lrprop | **91.0 ± 1.0** | **81.0 ± 1.0** |" in by_action
    assert "| tcn | 71.0 ± 1.0 | – |" in by_action


def test_lower_errors_are_better(tmp_path: Path) -> None:
    grid = grid_of(tmp_path)
    write_table(grid, lambda cell: {"final": {"canonical_error": value(cell.method, cell.action, cell.seed)}})
    page = page_of(grid)
    means = section(page, "## Trimmed: the val videos as they are", "### Means over actions")
    assert cells(means, "tcn")[0].startswith("**66.0")
    assert cells(section(page, "## Trimmed: the val videos as they are", "### The lead of lrprop"), "tcn") == [
        "**-20.0 [-20.0, -20.0]**"
    ]


def test_one_method_one_action_one_seed(tmp_path: Path) -> None:
    grid = grid_of(tmp_path, methods=["scl"], actions=["squat"], seeds=[0])
    write_table(grid, rows)
    page = page_of(grid)
    assert "| scl | **80.0** | **80.0** | **80.0** |" in page
    assert "Average ranks" not in page


def test_without_labels_tau_alone_is_shown(tmp_path: Path) -> None:
    grid = grid_of(tmp_path, paper=[2])
    empty = dict.fromkeys(HEADLINE)
    write_table(grid, lambda cell: {"final": {**empty, "kendalls_tau": 0.5}, "raw": {**empty, "kendalls_tau": None}})
    page = page_of(grid)
    assert "No trained method has a value of: ap@5, canonical_error, dtw_accuracy" in page
    means = section(page, "## Trimmed: the val videos as they are", "### Means over actions")
    assert cells(means, "lrprop") == ["**50.0 ± 0.0**"]
    assert cells(means, "raw input") == ["–"]
    assert "- no value of raw (seeds 0, 1) on squat, pouring." in means


def test_a_sensitivity_grid_has_a_figure_and_a_table_for_each_factor(tmp_path: Path) -> None:
    def variant(name: str, **values: float) -> dict[str, object]:
        return {"name": name, "method": "lrprop", "values": values}

    methods = [variant("lrprop", gamma=0.1, layers=3), variant("g", gamma=0.01), variant("l", layers=12)]
    grid = grid_of(tmp_path, methods=methods, seeds=[0])
    numbers = {"lrprop": 0.9, "g": 0.8, "l": 0.7}
    gone = Cell("l", "pouring", 0)
    write_table(grid, lambda cell: None if cell == gone else {"final": {"kendalls_tau": numbers[cell.method]}})
    page = page_of(grid)
    gamma = section(page, "## Trimmed", "### gamma, 0.1 in lrprop")
    assert [line for line in gamma.splitlines() if line.startswith("| squat")] == [
        "| squat, 0.01 | 80.0 |",
        "| squat, 0.1 | 90.0 |",
    ]
    layers = section(page, "## Trimmed", "### layers, 3 in lrprop")
    assert cells(layers, "pouring, 12") == ["–"]
    assert "- no value of l (seed 0) on pouring." in layers
    for factor in ("gamma", "layers"):
        assert Image.open(tmp_path / f"tiny-{factor}-trimmed.png").width == 1600
