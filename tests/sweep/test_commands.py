"""`lrprop sweep`: runs, results and what remains of them after a kill, mostly with trainings that take no time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from lrprop.cli import main
from lrprop.errors import InputError
from lrprop.processes import alone
from lrprop.runs import read_leaderboard
from lrprop.sweep import sweep
from tests.sweep.files import COMMAND, leaderboard, starts, write_sweep
from tests.test_cli import TINY, layers


def test_runs_are_ranked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write_sweep(tmp_path, parameters={"x": {"min": 0.0, "max": 1.0}, "z": {"value": 7}})
    sweep(file, 4, tmp_path)
    told = capsys.readouterr().out
    assert "4 of 4: run 003 finished" in told
    assert "nothing left" in told
    board = leaderboard(tmp_path)
    assert list(board[0]) == ["run", "state", "tune/score", "x"], "constants are not compared"
    values = [float(row["tune/score"]) for row in board]
    assert values == sorted(values, reverse=True)
    assert values[0] == pytest.approx(0.75 - (float(board[0]["x"]) - 0.3) ** 2), "the best of three evaluations"
    table = told[told.index("tiny") :]
    assert table.index(f"│ {board[0]['run']}") < table.index(f"│ {board[-1]['run']}")
    assert read_leaderboard(tmp_path / "tiny/leaderboard.csv")["run"].tolist() == [int(row["run"]) for row in board]


def test_less_may_be_better(tmp_path: Path) -> None:
    sweep(write_sweep(tmp_path, metric={"name": "tune/score", "goal": "minimize"}), 3, tmp_path)
    values = [float(row["tune/score"]) for row in leaderboard(tmp_path)]
    assert values == sorted(values)


def test_a_sweep_goes_on_and_repeats_nothing(tmp_path: Path) -> None:
    file = write_sweep(tmp_path, method="bayes", run_cap=8)
    sweep(file, 6, tmp_path / "parts")
    sweep(file, 6, tmp_path / "parts")
    assert len(starts(tmp_path / "parts")) == 6
    sweep(file, None, tmp_path / "parts")
    sweep(file, None, tmp_path / "whole")
    assert leaderboard(tmp_path / "parts") == leaderboard(tmp_path / "whole")
    assert starts(tmp_path / "parts") == [f"{k:03d} fresh" for k in range(8)]


def test_jobs_run_beside_each_other(tmp_path: Path) -> None:
    file = write_sweep(tmp_path, command=[*COMMAND, "--sleep=0.3"])
    sweep(file, 4, tmp_path / "two", jobs=2)
    sweep(file, 4, tmp_path / "one", extra="--sleep=0")
    assert leaderboard(tmp_path / "two") == leaderboard(tmp_path / "one"), "random draws do not look at results"


def test_a_killed_sweep_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed with a run in the middle, whose training is killed, too: that one is resumed, the others not repeated."""
    file = write_sweep(tmp_path, method="bayes", command=[*COMMAND, "--sleep=${envvar:LRPROP_SLEEP}"])
    call = f"sweep(Path({str(file)!r}), 7, Path({str(tmp_path)!r}))"
    code = f"from pathlib import Path; from lrprop.sweep import sweep; {call}"
    process = subprocess.Popen([sys.executable, "-c", code], env=os.environ | {"LRPROP_SLEEP": "1"})
    while process.poll() is None and not (tmp_path / "tiny/001/checkpoints/last.ckpt").is_file():
        time.sleep(0.02)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    with pytest.raises(InputError, match="one that a killed process left"), alone(tmp_path / "tiny"):
        pass
    os.kill(int((tmp_path / "tiny/001/pid").read_text()), signal.SIGKILL)
    monkeypatch.setenv("LRPROP_SLEEP", "0")
    while not has_seven_runs(file, tmp_path):  # until the system has let go of the lock
        time.sleep(0.05)
    sweep(file, 7, tmp_path / "whole")
    assert starts(tmp_path) == ["000 fresh", "001 fresh", "001 resumed", *(f"{k:03d} fresh" for k in range(2, 7))]
    assert leaderboard(tmp_path) == leaderboard(tmp_path / "whole")


def has_seven_runs(file: Path, runs: Path) -> bool:
    try:
        sweep(file, 7, runs)
    except InputError:
        return False
    return True


def test_an_interrupted_sweep_ends_its_run(tmp_path: Path) -> None:
    file = write_sweep(tmp_path, command=[*COMMAND, "--sleep=60"])
    process = subprocess.Popen(
        [sys.executable, "-m", "lrprop", "sweep", str(file), "--count=2", f"--runs={tmp_path}"],
        stdout=subprocess.PIPE,
        text=True,
    )
    while process.poll() is None and not (tmp_path / "tiny/000/checkpoints/last.ckpt").is_file():
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command goes on from there" in output
    with alone(tmp_path / "tiny"):  # nothing is left that holds the lock
        pass
    assert [row["state"] for row in leaderboard(tmp_path)] == ["running"]


def test_hyperband_stops_what_falls_behind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The first run is the best: each later one ends at the first band, whenever it is looked at."""
    keys = {"type": "hyperband", "min_iter": 2, "eta": 3}
    file = write_sweep(
        tmp_path,
        method="grid",
        parameters={"x": {"values": [0.3, 0.9, 0.95]}},
        early_terminate=keys,
        command=[*COMMAND, "--epochs=40", "--sleep=0.1"],
    )
    sweep(file, 3, tmp_path)
    assert [row["state"] for row in leaderboard(tmp_path)] == ["finished", "stopped", "stopped"]
    assert "run 001 stopped after 2 evaluations" in capsys.readouterr().out
    rows = (tmp_path / "tiny/001/metrics.csv").read_text().splitlines()
    assert len(rows) < 40, "it did not train to its end"
    assert [row["tune/score"] for row in leaderboard(tmp_path)][1:] == ["0.140000", "0.077500"], "those until then"


def test_a_failed_run_is_named_and_tried_again(tmp_path: Path) -> None:
    file = write_sweep(tmp_path, method="grid", parameters={"y": {"values": ["works", "fails"]}, "x": {"value": 0.1}})
    with pytest.raises(InputError, match=r"1 runs failed; see .*001\.log, then run the sweep again"):
        sweep(file, None, tmp_path)
    assert [(row["run"], row["state"]) for row in leaderboard(tmp_path)] == [("000", "finished"), ("001", "failed")]
    with pytest.raises(InputError, match="1 runs failed"):
        sweep(file, None, tmp_path)
    assert [line.split()[0] for line in starts(tmp_path)] == ["000", "001", "001"]


def test_a_sweep_ends_where_its_first_run_fails(tmp_path: Path) -> None:
    file = write_sweep(tmp_path, parameters={"y": {"values": ["fails", "fails, too"]}}, method="grid")
    with pytest.raises(InputError, match=r"run 000 failed: error: y is bad .*000\.log"):
        sweep(file, None, tmp_path)
    assert len(starts(tmp_path)) == 1


def test_a_metric_that_is_not_logged_is_told(tmp_path: Path) -> None:
    file = write_sweep(tmp_path, metric={"name": "tune/absent", "goal": "maximize"})
    with pytest.raises(InputError, match=r"logged no tune/absent: .*data\.tune_fraction above 0"):
        sweep(file, 2, tmp_path)


@pytest.mark.parametrize(
    ("changes", "options", "message"),
    [
        ({"run_cap": 3, "parameters": {"x": {"min": 0.0, "max": 2.0}}}, {}, "begun with parameters"),
        ({}, {"seed": 1}, "begun with seed 0"),
        ({}, {"extra": "--epochs=2"}, r"begun with extra \[\] and is now to go on with \['--epochs=2'\]"),
    ],
)
def test_another_sweep_does_not_go_on_in_its_folder(
    changes: dict[str, Any], options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    sweep(write_sweep(tmp_path), 1, tmp_path)
    file = write_sweep(tmp_path, **changes)
    with pytest.raises(InputError, match=message):
        sweep(file, 1, tmp_path, **options)
    assert len(starts(tmp_path)) == 1


def test_a_comment_does_not_make_another_sweep(tmp_path: Path) -> None:
    file = write_sweep(tmp_path)
    sweep(file, 1, tmp_path)
    file.write_text("# a remark\n" + file.read_text())
    sweep(file, 1, tmp_path)
    assert len(starts(tmp_path)) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "it has no end"),
        ({"count": 0}, "count=0"),
        ({"count": 1, "jobs": 0}, "jobs=0"),
        ({"count": 1, "extra": "--x=3"}, "--x=3 would take the place of what the sweep draws"),
        ({"count": 1, "extra": "y=b"}, "y=b would take the place"),
    ],
)
def test_bad_options_name_themselves(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        sweep(write_sweep(tmp_path), runs=tmp_path, **options)


def test_trainings_are_those_of_lrprop(penn_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A real run, and an option that lrprop does not have: its own message is what is told."""
    fit = ["-m", "lrprop", "fit", *layers(), *TINY, f"--data.root={penn_folder}", "--trainer.max_epochs=1"]
    command = ["${env}", "${interpreter}", *fit, "--floors=false", "--data.tune_fraction=0.5", "${args}"]
    metric = {"name": "tune/dtw_accuracy", "goal": "maximize"}
    known = {"model.objective.init_args.lambda_ppp": {"min": 0.1, "max": 1.0}}
    file = write_sweep(tmp_path, command=command, metric=metric, parameters=known)
    assert main(["sweep", str(file), "--count", "1", "--runs", str(tmp_path)]) == 0
    (row,) = leaderboard(tmp_path)
    assert 0 < float(row["tune/dtw_accuracy"]) <= 1
    weight = row["model.objective.init_args.lambda_ppp"]
    assert f"lambda_ppp: {weight}" in (tmp_path / "tiny/000/config.yaml").read_text()

    file = write_sweep(tmp_path, command=command, metric=metric, parameters={"data.num_framse": {"value": 12}})
    capsys.readouterr()
    assert main(["sweep", str(file), "--runs", str(tmp_path / "unknown")]) == 2
    told = capsys.readouterr().err
    assert "run 000 failed" in told
    assert "data.num_framse" in told
