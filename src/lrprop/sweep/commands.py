"""`lrprop sweep`."""

from __future__ import annotations

import shlex
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from lrprop.errors import InputError
from lrprop.processes import ChildProcesses, alone
from lrprop.sweep.leaderboard import show_leaderboard, write_leaderboard
from lrprop.sweep.runner import Runner
from lrprop.sweep.spec import Sweep, read_sweep
from lrprop.sweep.trials import Trials


def sweep(
    file: Path,
    count: int | None = None,
    runs: Path = Path("runs/sweeps"),
    seed: int = 0,
    jobs: int = 1,
    extra: str = "",
) -> None:
    """Run a W&B sweep file on this machine, without W&B, and rank its runs.

    Each run is a process, its command line that of the sweep file. A killed sweep goes on where it was: a finished run
    is never repeated, an interrupted one resumes from its last epoch, and what is drawn next depends on the file, the
    seed and the results so far alone (with several jobs, on the order in which they end, too). Failed runs are tried
    again.

    Args:
        file: the sweep file.
        count: how many runs the sweep is to have in all; by default its `run_cap`, or all of a grid.
        runs: folder of the sweeps, one folder each: run directories, their logs, and `leaderboard.csv`.
        seed: of what is drawn; not of training, which is the command's own.
        jobs: runs at a time, each on one thread where there are several.
        extra: further words of every command line, as a shell reads them.

    Raises:
        InputError: for a file that cannot be read, a folder that holds another sweep, or when runs failed, naming
            their logs.
    """
    if jobs < 1:
        raise InputError(f"jobs={jobs}: train at least 1 run at a time.")
    spec, words = read_sweep(file), shlex.split(extra)
    _check_extra(spec, words)
    total, folder = _total(spec, count), runs / spec.name
    with alone(folder) as lock:
        trials = Trials(folder, {**spec.fields, "seed": seed, "extra": words})
        runner = Runner(spec, trials, total, seed, words, ChildProcesses(lock, one_thread=jobs > 1))
        try:
            runner.run_all(jobs)
        except KeyboardInterrupt:
            _say("Stopped; the same command goes on from there")
            raise
        finally:
            write_leaderboard(spec, trials.all, folder / "leaderboard.csv")
    show_leaderboard(spec, trials.all)
    _say(f"All {len(trials.all)} runs: [bold]{escape(str(folder / 'leaderboard.csv'))}[/bold]")
    logs = [str(runner.log(trial)) for trial in trials.all if trial.state == "failed"]
    if logs:
        raise InputError(f"{len(logs)} runs failed; see {', '.join(logs)}, then run the sweep again.")


def _check_extra(sweep: Sweep, words: list[str]) -> None:
    names = {parameter.name for parameter in sweep.space}
    for word in words:
        name = word.lstrip("-").partition("=")[0]
        if name in names:
            raise InputError(f"extra: {word} would take the place of what the sweep draws for {name}; leave it out.")


def _total(sweep: Sweep, count: int | None) -> int:
    if count is not None and count < 1:
        raise InputError(f"count={count}: a sweep has at least 1 run.")
    total = min(limit for limit in (count, sweep.run_cap, sweep.size) if limit is not None)
    if total == float("inf"):
        raise InputError(f"{sweep.file}: it has no end; say how many runs with --count, or with run_cap in the file.")
    return int(total)


def _say(line: str) -> None:
    Console().print(line, soft_wrap=True, highlight=False)
