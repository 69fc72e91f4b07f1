"""The results of the repository: every page is what its CSV file gives, and the findings repeat the pages."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import yaml

from lrprop.benchmark.commands import tables

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "docs/results"
FINDINGS = (ROOT / "docs/results.md").read_text(encoding="utf-8")
# The order in which the findings give five metrics in one column.
FIVE = ("classification@100", "progression", "Kendall's tau", "AP@5", "DTW accuracy")

SENSITIVITY = yaml.safe_load((ROOT / "experiments/benchmarks/penn_sensitivity.yaml").read_text(encoding="utf-8"))

Table = dict[str, dict[str, str]]


@pytest.mark.parametrize("page", sorted(RESULTS.glob("*.md")), ids=lambda page: page.stem)
def test_a_page_is_what_its_table_gives(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cells of a configuration that the repository no longer has would be missing here, too."""
    monkeypatch.chdir(ROOT)
    copy = shutil.copy(page.with_suffix(".csv"), tmp_path)
    tables(Path(f"experiments/benchmarks/{page.stem}.yaml"), table=Path(copy))
    assert (tmp_path / page.name).read_text(encoding="utf-8") == page.read_text(encoding="utf-8")
    assert {picture.name for picture in tmp_path.glob("*.png")} == {
        picture.name for picture in RESULTS.glob(f"{page.stem}-*.png")
    }
    assert f"results/{page.name}" in (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), "the site does not lead to it"


def table_after(text: str, *titles: str) -> Table:
    """The first table after some titles, one inside the other: rows by name, cells by column."""
    for title in titles:
        text = text[text.index(title) + len(title) :]
    found = re.search(r"(?:^\|.*\n)+", text, re.MULTILINE)
    assert found
    head, _, *rows = ([cell.strip() for cell in line.split("|")[1:-1]] for line in found[0].splitlines())
    return {row[0].lower(): dict(zip(head[1:], row[1:], strict=True)) for row in rows}


def plain(cell: str) -> str:
    """A figure without its interval and its marks."""
    return cell.replace("*", "").split(" ±")[0]


@pytest.mark.parametrize(
    ("title", "page"),
    [
        ("five of the six baselines align hardly better than time", "penn_poses"),
        ("On synthetic pixels SCL is ahead of LRProp too", "synthetic_pixels"),
        ("SoftDTW helps; the propagated prior trades phases for order", "penn_ablation"),
        ("On synthetic pouring too", "synthetic_ablation"),
        ("One model of all actions", "penn_together"),
        ("Two more methods", "penn_beyond"),
    ],
)
def test_means_of_the_findings_are_those_of_the_page(title: str, page: str) -> None:
    text = (RESULTS / f"{page}.md").read_text(encoding="utf-8")
    stated = table_after(FINDINGS, title)
    assert len(stated) >= 4
    for number, protocol in enumerate(("trimmed", "loose")):
        means = table_after(text, f"## {protocol.capitalize()}:", "### Means over actions")
        for method, row in stated.items():
            figures = {name.strip(" †"): plain(cell) for name, cell in means[method].items()}
            if "time error" in row:
                assert row["time error"].split(", ")[number] == figures["time error (lower is better)"], method
            assert row[protocol] == " / ".join(figures[metric] for metric in FIVE), (method, protocol)


def test_leads_of_the_findings_are_those_of_the_page() -> None:
    text = (RESULTS / "penn_poses.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\S+) \| (trimmed|loose) \| (.*) \|$", FINDINGS, re.MULTILINE)
    assert len(rows) >= 2 * 8
    for method, protocol, cells in rows:
        leads = table_after(text, f"## {protocol.capitalize()}:", "### The lead of lrprop+")
        assert list(leads[method].values())[:5] == cells.split(" | "), (method, protocol)


def figure_of(page: str, protocol: str, method: str, action: str, metric: str) -> str:
    """What a page says of one method, action and metric, as a mean over seeds."""
    text = (RESULTS / f"{page}.md").read_text(encoding="utf-8")
    if page == "penn_sensitivity":  # has a table for each factor instead of one for each metric
        (entry,) = (m for m in SENSITIVITY["methods"] if m["name"] == method)
        factor, value = next(iter(entry["values"].items()))
        cells = table_after(text, f"## {protocol.capitalize()}", f"### {factor},")[f"{action}, {value}"]
        return plain(cells[metric])
    cells = table_after(text, f"## {protocol.capitalize()}:", "### By action", f"\n{metric}:")[method]
    return plain({name.strip(" †"): cell for name, cell in cells.items()}[action])


@pytest.mark.parametrize(
    ("title", "page", "metrics"),
    [
        ("## On joints open ends do not mend a crop", "penn_ends", ["Kendall's tau"]),
        (
            "### On synthetic pixels it depends on the action",
            "synthetic_ends",
            ["Kendall's tau", "AP@5", "DTW accuracy", "time error (lower is better)"],
        ),
        ("## A shorter T and a weaker prior help most", "penn_sensitivity", FIVE),
        ("## The paper's schedule", "penn_schedule", FIVE),
    ],
)
def test_actions_of_the_findings_are_those_of_the_page(title: str, page: str, metrics: list[str]) -> None:
    stated = table_after(FINDINGS, title)
    assert len(stated) >= 4
    for method, row in stated.items():
        for action, cell in row.items():
            parts = [
                " / ".join(figure_of(page, protocol, method, action, metric) for metric in metrics)
                for protocol in ("trimmed", "loose")
            ]
            assert cell == ", loose ".join(parts), (method, action)
