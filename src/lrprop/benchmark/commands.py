"""`lrprop benchmark` and `lrprop tables`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.markup import escape

from lrprop.benchmark.grid import Cell, Grid, read_grid
from lrprop.benchmark.pages import write_page
from lrprop.benchmark.plan import Plan
from lrprop.benchmark.results import Results
from lrprop.benchmark.runner import Runner
from lrprop.benchmark.table import Table
from lrprop.errors import InputError
from lrprop.processes import ChildProcesses, alone, ended_on_interrupt

RESULTS = Path("docs/results")


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
    epoch. A cell whose configuration has changed since is trained anew. At the end the tables and figures are
    rendered, as `lrprop tables` does.

    Args:
        grid: YAML file; see `Grid`.
        root: of the data, instead of the grid's.
        table: CSV file, one line a metric; `docs/results/<grid>.csv` by default.
        runs: folder of the run directories, one folder a grid.
        experiments: folder of the YAML layers.
        jobs: cells at a time, each on one thread; by default as many as there are cores.

    Raises:
        InputError: for a grid that cannot be read, when another benchmark fills it, or when cells failed, naming
            their logs.
    """
    jobs = os.cpu_count() or 1 if jobs is None else jobs
    if jobs < 1:
        raise InputError(f"jobs={jobs}: run at least 1 cell at a time.")
    spec = read_grid(grid)
    plan, book = Plan(spec, experiments, root), Table(table or RESULTS / f"{spec.name}.csv")
    with alone(runs / spec.name, "give another --runs and --table") as lock:
        for name in spec.copy_from:
            book.copy(plan, Table(book.file.with_name(f"{name}.csv")))
        runner = Runner(plan, runs / spec.name, ChildProcesses(lock))
        failed = _fill(book, runner, jobs)
    if any(book.configs().get(cell) == config for cell, config in plan.configs.items()):
        _render(spec, plan, book)
    if failed:
        logs = ", ".join(str(runner.log(cell)) for cell in sorted(failed))
        raise InputError(
            f"{len(failed)} cells failed; see {logs}, then run the benchmark again. To start a cell anew and not from "
            "its last epoch, remove the folder beside its log."
        )


def tables(grid: Path, table: Path | None = None, experiments: Path = Path("experiments")) -> None:
    """Render the tables and figures of a grid from its CSV file, without training; they lie beside that file.

    Args:
        grid: YAML file; see `Grid`.
        table: CSV file; `docs/results/<grid>.csv` by default.
        experiments: folder of the YAML layers, which tell whether a cell is of today's configuration.

    Raises:
        InputError: for a grid that cannot be read, or of which the CSV file holds no cell.
    """
    spec = read_grid(grid)
    plan, book = Plan(spec, experiments), Table(table or RESULTS / f"{spec.name}.csv")
    _render(spec, plan, book)


def _render(grid: Grid, plan: Plan, book: Table) -> None:
    page = write_page(Results(grid, plan.configs, book.lines(), book.file), book.file.with_suffix(".md"))
    _say(f"Tables and figures are in [bold]{escape(str(page))}[/bold]")


def _fill(book: Table, runner: Runner, jobs: int) -> list[Cell]:
    """Runs what is missing, with a line for each cell; the cells that failed."""
    configs, known = runner.plan.configs, book.configs()
    missing = [cell for cell, config in configs.items() if known.get(cell) != config]
    failed: list[Cell] = []
    runner.plan.prepare_data({cell.action for cell in missing})
    _say(f"{book.file}: {len(configs) - len(missing)} of {len(configs)} cells are there; {jobs} at a time")
    with ThreadPoolExecutor(jobs) as pool, _told_how_to_go_on(), ended_on_interrupt(runner.processes):
        futures = {pool.submit(runner.run, cell): cell for cell in missing}
        for future in as_completed(futures):
            cell, outcome = futures.pop(future), future.result()
            if outcome is None:
                failed.append(cell)
                how = f"[bold red]failed[/bold red], see {escape(str(runner.log(cell)))}"
            else:
                book.add(cell, configs[cell], outcome)
                how = "resumed" if outcome.seconds is None else f"{outcome.seconds:.0f} s"
            place = f"{len(configs) - len(futures)} of {len(configs)}"
            left = time_left(book.seconds(), [cell.action for cell in futures.values()], jobs)
            _say(f"{place}: {escape(cell.name)}, {how}; {left}")
    return failed


def time_left(seconds: dict[str, list[float]], actions: Sequence[str], jobs: int) -> str:
    """An estimate in words: each cell that is left takes what those of its action took so far.

    Args:
        seconds: wall times of the finished cells of each action.
        actions: of the cells that are left; one of which none is finished takes the mean of all.
        jobs: cells at a time.
    """
    known = [time for times in seconds.values() for time in times]
    if not actions or not known:
        return "time left unknown" if actions else "nothing left"
    expected = sum(float(np.mean(seconds.get(action) or known)) for action in actions) / jobs
    hours, minutes = divmod(round(expected / 60), 60)
    return f"about {hours} h {minutes:02d} min left" if hours else f"about {max(minutes, 1)} min left"


@contextmanager
def _told_how_to_go_on() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        _say("Stopped; what is finished is in the table, and the same command goes on from there")
        raise


def _say(line: str) -> None:
    Console().print(line, soft_wrap=True, highlight=False)
