"""Grids and tables made up for the tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import yaml

from lrprop.benchmark import Cell, Plan, read_grid
from lrprop.benchmark.results import Results
from lrprop.benchmark.runner import Outcome
from lrprop.benchmark.table import Table

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
Rows = dict[str, dict[str, float | None]]


def write_grid(folder: Path, **changes: object) -> Path:
    """A grid of two methods on one action, small enough to be trained in a test."""
    file = folder / "tiny.yaml"
    spec = {
        "root": "nowhere",
        "profile": "bench",
        "methods": ["lrprop", "tcn"],
        "actions": ["squat"],
        "seeds": [0],
        "options": {"trainer.max_epochs": 2, "model.encoder.init_args.layers": 1, "data.num_frames": 12},
    }
    file.write_text(yaml.safe_dump(spec | changes))
    return file


def write_table(grid: Path, rows: Callable[[Cell], Rows | None], seconds: float | None = 10.0) -> Path:
    """The table of a grid, its cells being what `rows` says; None leaves one out."""
    plan = Plan(read_grid(grid), EXPERIMENTS)
    table = Table(grid.with_suffix(".csv"))
    for cell, config in plan.configs.items():
        found = rows(cell)
        if found is not None:
            table.add(cell, config, Outcome(found, seconds, 100.0))
    return table.file


def read_results(grid: Path) -> Results:
    """What the table beside a grid says."""
    spec, table = read_grid(grid), Table(grid.with_suffix(".csv"))
    return Results(spec, Plan(spec, EXPERIMENTS).configs, table.lines(), table.file)
