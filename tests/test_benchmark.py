from __future__ import annotations

import csv
from pathlib import Path

import pytest
import yaml

from lrprop.cli import main

EXPERIMENTS = Path(__file__).parents[1] / "experiments"


def grid(folder: Path, **changes: object) -> Path:
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


def run(file: Path, root: Path, folder: Path) -> int:
    where = ["--root", str(root), "--table", str(folder / "table.csv"), "--runs", str(folder / "runs")]
    return main(["benchmark", str(file), *where, "--experiments", str(EXPERIMENTS), "--jobs", "2"])


def lines(folder: Path) -> list[dict[str, str]]:
    with (folder / "table.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_grid_fills_its_table_and_trains_no_cell_twice(penn_folder: Path, tmp_path: Path) -> None:
    assert run(grid(tmp_path, methods=["lrprop"]), penn_folder, tmp_path) == 0
    first = lines(tmp_path)
    assert {line["row"] for line in first} == {"final", "raw", "time_only", "untrained"}
    finals = {line["metric"]: line["value"] for line in first if line["row"] == "final"}
    assert -1 <= float(finals["kendalls_tau"]) <= 1
    assert all(float(line["seconds"]) > 0 and float(line["peak_mib"]) > 0 for line in first)

    assert run(grid(tmp_path), penn_folder, tmp_path) == 0
    both = lines(tmp_path)
    assert {line["method"] for line in both} == {"lrprop", "tcn"}
    assert [line for line in both if line["method"] == "lrprop"] == first, "a finished cell was trained again"


def test_a_failed_cell_names_its_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(grid(tmp_path, methods=["tcn"]), tmp_path / "no_data", tmp_path) == 2
    error = capsys.readouterr().err
    assert "1 cells failed" in error
    assert ".log" in error
    assert not (tmp_path / "table.csv").exists()


def test_an_unknown_method_and_a_broken_grid_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(grid(tmp_path, methods=["magic"]), tmp_path, tmp_path) == 2
    assert "methods/magic.yaml does not exist" in capsys.readouterr().err.replace("\n", "")
    broken = tmp_path / "broken.yaml"
    broken.write_text("methods: [lrprop]")
    assert run(broken, tmp_path, tmp_path) == 2
    assert "it needs root, profile, methods, actions and seeds" in capsys.readouterr().err.replace("\n", " ")
