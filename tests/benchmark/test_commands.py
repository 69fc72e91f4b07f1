"""`lrprop benchmark` and `lrprop tables` on small data."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lrprop.benchmark import Plan, read_grid
from lrprop.benchmark.commands import time_left
from lrprop.benchmark.table import Table
from lrprop.cli import main
from lrprop.errors import InputError
from lrprop.processes import alone
from tests.benchmark.tables import EXPERIMENTS, Rows, write_grid, write_table


def words(file: Path, root: Path, folder: Path) -> list[str]:
    where = ["--root", str(root), "--table", str(folder / "table.csv"), "--runs", str(folder / "runs")]
    return ["benchmark", str(file), *where, "--experiments", str(EXPERIMENTS), "--jobs", "2"]


def run(file: Path, root: Path, folder: Path) -> int:
    return main(words(file, root, folder))


def lines(folder: Path) -> list[dict[str, str]]:
    with (folder / "table.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_grid_fills_its_table_and_trains_no_cell_twice(
    penn_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(write_grid(tmp_path, methods=["lrprop"]), penn_folder, tmp_path) == 0
    first = lines(tmp_path)
    assert {line["row"] for line in first} >= {"final", "raw", "time_only", "untrained"}
    finals = {line["metric"]: line["value"] for line in first if line["row"] == "final"}
    assert -1 <= float(finals["kendalls_tau"]) <= 1
    assert all(float(line["seconds"]) > 0 and float(line["peak_mib"]) > 0 for line in first)
    assert "1 of 1: squat-lrprop-0" in capsys.readouterr().out
    assert f"{100 * float(finals['dtw_accuracy']):.1f}" in (tmp_path / "table.md").read_text()
    (log,) = (tmp_path / "runs/tiny").glob("*.log")
    assert "-m lrprop fit --config" in log.read_text().splitlines()[0]

    again = {"name": "again", "method": "lrprop"}
    assert run(write_grid(tmp_path, methods=["lrprop", "tcn", again]), penn_folder, tmp_path) == 0
    after = lines(tmp_path)
    assert {line["method"] for line in after} == {"lrprop", "tcn", "again"}
    assert [line for line in after if line["method"] == "lrprop"] == first, "a finished cell was trained again"
    without_floors = {line["metric"]: line["value"] for line in after if line["method"] == "again"}
    assert without_floors == finals, "floor rows are measured beside training and change nothing in it"


def test_a_cell_killed_in_its_last_evaluation_is_evaluated_again(penn_folder: Path, tmp_path: Path) -> None:
    file = write_grid(tmp_path, methods=["scl"])
    assert run(file, penn_folder, tmp_path) == 0
    first = lines(tmp_path)
    (metrics,) = (tmp_path / "runs/tiny").glob("*/metrics.json")
    rows = json.loads(metrics.read_text())
    metrics.write_text(json.dumps({name: row for name, row in rows.items() if name != "final"}))
    (tmp_path / "table.csv").unlink()
    assert run(file, penn_folder, tmp_path) == 0
    values = ("row", "metric", "value", "config")
    assert [[line[key] for key in values] for line in lines(tmp_path)] == [
        [line[key] for key in values] for line in first
    ]
    assert {line["seconds"] for line in lines(tmp_path)} == {""}, "the time of a resumed cell is not known"


def test_a_terminated_benchmark_ends_its_cells(penn_folder: Path, tmp_path: Path) -> None:
    file = write_grid(tmp_path, methods=["scl"], options={"trainer.max_epochs": 100000})
    command = [sys.executable, "-m", "lrprop", *words(file, penn_folder, tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    runs = tmp_path / "runs/tiny"
    while process.poll() is None and not list(runs.glob("*/checkpoints/last.ckpt")):
        time.sleep(0.1)
    with pytest.raises(InputError, match="still trains there"), alone(runs):
        pass
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command goes on from there" in output
    with alone(runs):  # nothing is left that holds the lock
        pass


def test_what_a_killed_benchmark_left_running_keeps_others_out(tmp_path: Path) -> None:
    with alone(tmp_path) as lock:
        left = subprocess.Popen(["sleep", "60"], pass_fds=(lock,))
    with pytest.raises(InputError, match="one that a killed process left"), alone(tmp_path):
        pass
    left.kill()
    left.wait()
    with alone(tmp_path):
        pass


def test_a_failed_cell_names_its_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(write_grid(tmp_path, methods=["tcn"]), tmp_path / "no_data", tmp_path) == 2
    error = capsys.readouterr().err
    assert "1 cells failed" in error
    assert ".log" in error
    assert not (tmp_path / "table.csv").exists()


def test_data_of_another_modality_are_refused(
    penn_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root/squat").symlink_to(penn_folder)
    assert run(write_grid(tmp_path, modality="pixels"), tmp_path / "root", tmp_path) == 2
    assert "modality is pixels, but" in capsys.readouterr().err


def test_tables_render_without_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write_grid(tmp_path)
    table = write_table(file, lambda cell: {"final": {"kendalls_tau": 0.875}})
    assert main(["tables", str(file), "--table", str(table), "--experiments", str(EXPERIMENTS)]) == 0
    assert "| lrprop | **87.5** |" in (tmp_path / "tiny.md").read_text()
    table.unlink()
    assert main(["tables", str(file), "--table", str(table), "--experiments", str(EXPERIMENTS)]) == 2
    assert "no finished cell" in capsys.readouterr().err


def test_a_cell_that_another_table_holds_is_copied_and_not_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_table(write_grid(tmp_path), lambda cell: {"final": {"ap@5": {"lrprop": 0.9, "tcn": 0.1}[cell.method]}})
    same = [{"name": "all", "method": "lrprop"}, {"name": "other", "method": "tcn"}]
    grid = write_grid(tmp_path, methods=same, copy_from=["tiny"])
    assert run(grid, tmp_path / "no_data", tmp_path) == 0
    assert "2 of 2 cells are there" in capsys.readouterr().out
    assert [(line["method"], line["value"]) for line in lines(tmp_path)] == [("all", "0.900000"), ("other", "0.100000")]

    changed = write_grid(tmp_path, methods=same[:1], copy_from=["tiny"], options={"data.num_frames": 13})
    assert run(changed, tmp_path / "no_data", tmp_path) == 2, "another configuration is to be trained"
    assert "1 cells failed" in capsys.readouterr().err


def test_floor_rows_stay_behind_where_another_method_measures_them(tmp_path: Path) -> None:
    rows: Rows = {"final": {"ap@5": 0.9}, "raw": {"ap@5": 0.2}}
    source = Table(write_table(write_grid(tmp_path), lambda cell: rows if cell.method == "lrprop" else None))
    second = {"name": "other", "method": "lrprop"}
    for methods, copied in (([second], {"final", "raw"}), (["tcn", second], {"final"})):
        plan, table = Plan(read_grid(write_grid(tmp_path, methods=methods)), EXPERIMENTS), Table(tmp_path / "new.csv")
        table.copy(plan, source)
        assert table.configs() == {cell: config for cell, config in plan.configs.items() if cell.method == "other"}
        assert {line["row"] for line in table.lines()} == copied
        table.file.unlink()


def test_no_jobs_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["benchmark", str(write_grid(tmp_path)), "--jobs", "0"]) == 2
    assert "jobs=0" in capsys.readouterr().err


def test_time_left_is_that_of_the_actions_that_are_left() -> None:
    seconds = {"squat": [600.0, 1200.0], "bowl": [60.0]}
    assert time_left(seconds, ["squat", "squat", "bowl"], jobs=1) == "about 31 min left"
    assert time_left(seconds, ["squat"] * 10, jobs=2) == "about 1 h 15 min left"
    assert time_left(seconds, ["unknown"], jobs=1) == "about 10 min left"
    assert time_left({}, ["squat"], jobs=1) == "time left unknown"
    assert time_left(seconds, [], jobs=1) == "nothing left"
