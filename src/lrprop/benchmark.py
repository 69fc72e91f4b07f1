"""`lrprop benchmark`: methods x actions x seeds, one process a cell, into one tidy table, filled cell by cell."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from lrprop.errors import InputError

COLUMNS = ("method", "action", "seed", "row", "metric", "value", "config", "seconds", "peak_mib")


@dataclass(frozen=True)
class Grid:
    """What is compared: a file of `experiments/benchmarks`.

    Attributes:
        root: of the data: Penn Action, or a folder with one folder of videos an action under its name.
        profile: layer of `experiments/profiles`.
        methods: layers of `experiments/methods`.
        actions: layers of `experiments/actions`.
        seeds: of training.
        options: further arguments of `lrprop fit` by their dotted names, for all cells.
        action_options: the same for one action.
    """

    root: str
    profile: str
    methods: list[str]
    actions: list[str]
    seeds: list[int]
    options: dict[str, Any] = field(default_factory=dict)
    action_options: dict[str, dict[str, Any]] = field(default_factory=dict)

    def cells(self) -> list[Cell]:
        """All cells, seed by seed, so that an unfinished table is an even one."""
        return [Cell(method, action, seed) for seed, action, method in product(self.seeds, self.actions, self.methods)]


@dataclass(frozen=True, order=True)
class Cell:
    """One training run."""

    method: str
    action: str
    seed: int

    @property
    def name(self) -> str:
        """Of its run directory."""
        return f"{self.action}-{self.method}-{self.seed}"


@dataclass(frozen=True)
class _Outcome:
    metrics: dict[str, dict[str, float | None]]
    seconds: float
    peak_mib: float


def benchmark(
    grid: Path,
    root: Path | None = None,
    table: Path | None = None,
    runs: Path = Path("runs/benchmark"),
    experiments: Path = Path("experiments"),
    jobs: int | None = None,
) -> None:
    """Train every cell of a grid that the table does not hold yet, and write all its metrics into the table.

    A killed benchmark goes on where it was: finished cells are in the table, unfinished ones resume from their last
    epoch. A cell whose configuration has changed since is trained anew.

    Args:
        grid: YAML file; see `Grid`.
        root: of the data, instead of the grid's.
        table: CSV file, one line a metric; `docs/results/<grid>.csv` by default.
        runs: folder of the run directories, one folder a grid.
        experiments: folder of the YAML layers.
        jobs: cells at a time, each on one thread; by default as many as there are cores.

    Raises:
        InputError: for a grid that cannot be read, or when cells failed, naming them and their logs.
    """
    spec = _read_grid(grid)
    runner = _Runner(spec, Path(root or spec.root), runs / grid.stem, experiments)
    book = _Table(table or Path("docs/results") / f"{grid.stem}.csv")
    cells = spec.cells()
    missing = [cell for cell in cells if not book.holds(cell, runner.configs[cell])]
    failed: list[Cell] = []
    with _progress() as progress, ThreadPoolExecutor(jobs or os.cpu_count() or 1) as pool:
        bar = progress.add_task(grid.stem, total=len(cells), completed=len(cells) - len(missing))
        futures = {pool.submit(runner.run, cell): cell for cell in missing}
        for future in as_completed(futures):
            outcome, cell = future.result(), futures[future]
            if outcome is None:
                failed.append(cell)
            else:
                book.add(cell, runner.configs[cell], outcome)
            progress.advance(bar)
    Console().print(f"{len(cells) - len(failed)} of {len(cells)} cells are in [bold]{book.file}[/bold]")
    if failed:
        logs = ", ".join(str(runner.log(cell)) for cell in sorted(failed))
        raise InputError(f"{len(failed)} cells failed; see {logs}, then run the benchmark again.")


def _read_grid(file: Path) -> Grid:
    try:
        return Grid(**yaml.safe_load(file.read_text()))
    except (OSError, TypeError, yaml.YAMLError) as error:
        raise InputError(f"grid {file}: {error}; it needs root, profile, methods, actions and seeds.") from error


class _Runner:
    def __init__(self, grid: Grid, root: Path, folder: Path, experiments: Path) -> None:
        self.grid, self.root, self.folder, self.experiments = grid, root, folder, experiments
        self.configs = {cell: self._config(cell) for cell in grid.cells()}

    def layers(self, cell: Cell) -> list[Path]:
        """The YAML files of a cell, later ones over earlier ones."""
        root = self.experiments
        needed = [root / "base.yaml", root / f"actions/{cell.action}.yaml", root / f"methods/{cell.method}.yaml"]
        lambdas = root / f"methods/{cell.method}/{cell.action}.yaml"
        files = [*needed, *([lambdas] if lambdas.is_file() else []), root / f"profiles/{self.grid.profile}.yaml"]
        for file in files:
            if not file.is_file():
                raise InputError(f"{file} does not exist; the grid names it by an action, a method or its profile.")
        return files

    def options(self, cell: Cell) -> dict[str, Any]:
        """The arguments beside the layers."""
        return {
            "seed_everything": cell.seed,
            **self.grid.options,
            **self.grid.action_options.get(cell.action, {}),
        }

    def _config(self, cell: Cell) -> str:
        """What decides a cell's result, in twelve hexadecimal digits."""
        texts = [file.read_text() for file in self.layers(cell)]
        return hashlib.sha256(json.dumps([texts, self.options(cell)]).encode()).hexdigest()[:12]

    def log(self, cell: Cell) -> Path:
        """What its process printed."""
        return self.folder / f"{cell.name}-{self.configs[cell]}.log"

    def run(self, cell: Cell) -> _Outcome | None:
        """Train a cell, or go on with it; None where that failed."""
        run = self.log(cell).with_suffix("")
        if (run / "checkpoints/last.ckpt").is_file():
            resume = ["--resume"]
        else:
            shutil.rmtree(run, ignore_errors=True)  # killed before its first epoch was over
            resume = []
        self.folder.mkdir(parents=True, exist_ok=True)
        start = time.monotonic()
        with self.log(cell).open("w") as log:
            process = subprocess.Popen(
                [*self.command(cell, run.name), *resume], stdout=log, stderr=log, env=os.environ | _ONE_THREAD
            )
            _, status, usage = os.wait4(process.pid, 0)
        if status:
            return None
        rows = json.loads((run / "metrics.json").read_text())
        peak = usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
        return _Outcome(rows, time.monotonic() - start, peak)

    def command(self, cell: Cell, name: str) -> list[str]:
        """`lrprop fit` for one cell."""
        configs = [word for file in self.layers(cell) for word in ("--config", str(file))]
        options = [f"--{key}={value}" for key, value in self.options(cell).items()]
        root = self.root if (self.root / "labels").is_dir() else self.root / cell.action
        where = ["--data.root", str(root), "--runs", str(self.folder), "--name", name]
        return [sys.executable, "-m", "lrprop", "fit", *configs, *where, *options, _NO_BAR]


_NO_BAR = "--trainer.enable_progress_bar=false"
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


class _Table:
    """The CSV file, rewritten whole and put in place at once, so that a kill leaves the old one or the new one."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.lines: list[dict[str, str]] = []
        if file.is_file():
            with file.open(newline="") as stream:
                self.lines = list(csv.DictReader(stream))

    def holds(self, cell: Cell, config: str) -> bool:
        """Whether the cell is there, with that configuration."""
        return any(_cell_of(line) == cell and line["config"] == config for line in self.lines)

    def add(self, cell: Cell, config: str, outcome: _Outcome) -> None:
        """Put in a cell, in place of an older one of the same name."""
        kept = [line for line in self.lines if _cell_of(line) != cell]
        self.lines = sorted([*kept, *_lines(cell, config, outcome)], key=lambda line: tuple(line.values())[:5])
        self.file.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self.file.with_suffix(".partial")
        with unfinished.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.lines)
        unfinished.replace(self.file)


def _cell_of(line: dict[str, str]) -> Cell:
    return Cell(line["method"], line["action"], int(line["seed"]))


def _lines(cell: Cell, config: str, outcome: _Outcome) -> Iterator[dict[str, str]]:
    for row, metrics in outcome.metrics.items():
        for metric, value in metrics.items():
            number = "" if value is None else f"{value:.6f}"
            cost = (config, f"{outcome.seconds:.1f}", f"{outcome.peak_mib:.0f}")
            fields = (cell.method, cell.action, str(cell.seed), row, metric, number, *cost)
            yield dict(zip(COLUMNS, fields, strict=True))


def _progress() -> Progress:
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    return Progress(*columns, TextColumn("left"), TimeRemainingColumn(), speed_estimate_period=10**6)
