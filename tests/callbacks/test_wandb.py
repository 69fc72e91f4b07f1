"""Weights & Biases without an account: what an offline run directory holds, and what is said where it cannot work."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.image import imread

from lrprop.callbacks.wandb import WandbRun, agents_run, code_state
from lrprop.cli import main
from lrprop.errors import InputError
from tests.test_cli import error_of, fit_arguments

pytest.importorskip("wandb")

BLOCK, WHOLE, LAST = 2**15, 1, 4


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    for name in ("WANDB_SWEEP_ID", "WANDB_RUN_ID", "WANDB_PROJECT", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def records(run: Path) -> list[Any]:
    """All that `wandb sync` would send of an offline run."""
    record: Any = import_module("wandb.proto.wandb_internal_pb2").Record
    (file,) = run.glob("*.wandb")
    return [record.FromString(data) for data in log_entries(file.read_bytes())]


def log_entries(data: bytes) -> Iterator[bytes]:
    """The entries of a log in LevelDB's format: in blocks of 32 KiB, pieces behind checksum, length and kind."""
    assert data[:4] == b":W&B"
    entry, at = b"", 7
    while at < len(data):
        room = BLOCK - at % BLOCK
        if room < 7:  # too little for a header: padding
            at += room
            continue
        _, length, kind = struct.unpack("<IHB", data[at : at + 7])
        entry += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (WHOLE, LAST):
            yield entry
            entry = b""


def closing_record(run: Path) -> Any:
    """The record of a run's end, for which W&B's own process may take a moment."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if found := [record for record in records(run) if record.HasField("exit")]:
            return found[0]
        time.sleep(0.1)
    raise AssertionError(f"{run} was not closed")


def config_of(run: Path) -> dict[str, Any]:
    closing_record(run)
    updates = [update for record in records(run) for update in record.run.config.update]
    updates += [update for record in records(run) for update in record.config.update]
    return {update.key or update.nested_key[0]: json.loads(update.value_json) for update in updates}


def history_of(run: Path) -> dict[str, list[Any]]:
    """All values of every key; of a picture there are keys such as "val/alignment.filenames"."""
    closing_record(run)
    values: dict[str, list[Any]] = {}
    for record in records(run):
        for item in record.history.item:
            values.setdefault(item.key or ".".join(item.nested_key), []).append(json.loads(item.value_json))
    return values


@pytest.fixture(scope="module")
def finished(penn_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WANDB_MODE", "offline")
        patch.setenv("WANDB_SILENT", "true")
        runs = tmp_path_factory.mktemp("runs")
        assert main([*fit_arguments(penn_folder, runs, epochs=2), "--data.tune_fraction=0.5", "--wandb"]) == 0
    return runs / "a"


def test_an_offline_run_holds_all_there_is_to_send(finished: Path) -> None:
    (run,) = (finished / "wandb").glob("offline-run-*")
    config, history = config_of(run), history_of(run)
    assert config["data"]["num_frames"] == 12
    assert config["model"]["objective"]["class_path"] == "lrprop.objectives.LRProp"
    assert config["code"] == code_state()
    losses = {"train/loss", "train/same", "train/ppp", "train/soft_dtw"}
    metrics = {f"{split}/{name}" for split in ("val", "tune") for name in ("kendalls_tau", "loose/dtw_accuracy")}
    assert history.keys() >= losses | metrics
    assert len(history["train/loss"]) == 2
    final = json.loads((finished / "metrics.json").read_text())["final"]
    assert history["val/dtw_accuracy"][-1] == pytest.approx(final["dtw_accuracy"])


def test_it_can_be_sent_later(finished: Path) -> None:
    (run,) = (finished / "wandb").glob("offline-run-*")
    command = [sys.executable, "-m", "wandb", "sync", "--dry-run", str(run)]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "Would sync 1 run" in told.stdout + told.stderr


def test_its_pictures_are_those_of_the_run_directory(finished: Path) -> None:
    (run,) = (finished / "wandb").glob("offline-run-*")
    history = history_of(run)
    for name, file in (("val/alignment", "alignment.png"), ("val/phase_confusion", "confusion.png")):
        ((sent,),) = history[f"{name}.filenames"]
        assert np.array_equal(imread(run / "files" / sent), imread(finished / file))
    (((video,)),) = history["val/alignment_video.videos"]
    assert (run / "files" / video["path"]).read_bytes() == (finished / "alignment.mp4").read_bytes()


def test_a_run_that_is_over_is_closed(finished: Path) -> None:
    import wandb

    assert wandb.run is None  # else the next run of this process would go on with it
    (run,) = (finished / "wandb").glob("offline-run-*")
    assert closing_record(run).exit.exit_code == 0


def test_a_failed_run_is_closed_as_failed(penn_folder: Path, tmp_path: Path) -> None:
    import wandb

    arguments = [*fit_arguments(penn_folder, tmp_path), "--floors", "false", "--model.learning_rate", "1e30", "--wandb"]
    assert main(arguments) == 2
    assert wandb.run is None
    (run,) = (tmp_path / "a/wandb").glob("offline-run-*")
    assert closing_record(run).exit.exit_code == 1


def test_a_resumed_run_keeps_its_id(tmp_path: Path) -> None:
    first = WandbRun(tmp_path / "a")
    id = first.experiment.id
    first.finalize("failed")
    resumed = WandbRun(tmp_path / "a", resumed=True)
    assert resumed.experiment.id == id
    resumed.finish()
    assert len(list((tmp_path / "a/wandb").glob(f"offline-run-*-{id}"))) >= 1


def test_projects_are_named_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert WandbRun(tmp_path / "a").name == "lrprop"
    monkeypatch.setenv("WANDB_PROJECT", "squats")
    assert WandbRun(tmp_path / "a").name == "squats"


def test_an_agents_run_has_its_name_and_logs_by_itself(
    tmp_path: Path, penn_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert agents_run() is None
    monkeypatch.setenv("WANDB_RUN_ID", "x1y2")
    assert agents_run() is None, "a user's own id is no sweep's"
    monkeypatch.setenv("WANDB_SWEEP_ID", "s1")
    with pytest.raises(SystemExit):
        main(["fit", "--data.root", str(penn_folder), "--print_config"])
    shown = capsys.readouterr().out
    assert "name: x1y2\n" in shown
    assert "wandb: true\n" in shown


def test_a_missing_package_is_named(
    penn_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("lightning.pytorch.loggers.wandb._WANDB_AVAILABLE", False)
    assert "lrprop[wandb]" in error_of([*fit_arguments(penn_folder, tmp_path), "--wandb"], capsys)
    assert not (tmp_path / "a").exists()


def test_without_a_login_the_remedy_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import wandb

    wandb.teardown()  # it has read the environment once
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("HOME", str(tmp_path))  # no .netrc
    with pytest.raises(InputError, match="WANDB_MODE=offline"):
        _ = WandbRun(tmp_path / "a").experiment
    assert not list((tmp_path / "a").iterdir()), "nothing is left that would keep the name from the next try"
    wandb.teardown()


def test_the_state_of_the_code_is_that_of_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def git(*words: str) -> None:
        subprocess.run(["git", "-C", str(tmp_path), *words], check=True, capture_output=True)

    package = tmp_path / "lrprop"
    package.mkdir()
    (package / "__init__.py").write_text("")
    monkeypatch.setattr("lrprop.__file__", str(package / "__init__.py"))
    git("init", "--quiet")
    assert code_state() == {"commit": None, "dirty": None}, "the package is not of this repository"
    git("add", ".")
    git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "-m", "all")
    assert code_state()["dirty"] is False
    assert len(code_state()["commit"]) == 40
    (tmp_path / "notes.txt").write_text("beside the package")
    assert code_state()["dirty"] is False
    (package / "new.py").write_text("")
    assert code_state()["dirty"] is True
