"""Every file of `experiments/sweeps`: valid for W&B, and its agent's command lines train."""

from __future__ import annotations

import csv
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from scipy.io import loadmat, savemat

from lrprop.cli import main
from lrprop.sweep import read_sweep
from lrprop.sweep.search import draw
from lrprop.sweep.trials import Trial
from tests.sweep.engine import ask
from tests.test_cli import EXPERIMENTS, ROOT

SHIPPED = sorted((EXPERIMENTS / "sweeps").glob("*.yaml"))
needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


@pytest.fixture(scope="module")
def root(penn_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Penn Action with 8 training videos: a quarter of them are enough for a metric on tune."""
    root = tmp_path_factory.mktemp("penn") / "root"
    shutil.copytree(penn_folder, root)
    for number in range(1, 5):
        joints = loadmat(root / f"labels/{number:04d}.mat")
        savemat(root / f"labels/{number + 10:04d}.mat", {k: v for k, v in joints.items() if not k.startswith("__")})
        phases = root / "penn_action_labels/train/squat"
        shutil.copy(phases / f"{number:04d}.npy", phases / f"{number + 10:04d}.npy")
    return root


def arguments_of(command: list[str], root: Path) -> list[str]:
    """What `lrprop` is called with by a command line of an agent, on a machine with other data."""
    assert command[:2] == ["/usr/bin/env", "make"]
    words = ["make", "-n", *command[2:], f"DATA={root}", "PROFILE=cpu"]
    shown = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    (line,) = (line for line in shown.stdout.splitlines() if "bin/lrprop fit " in line)
    return shlex.split(line)[1:]


def config_of(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        main([*arguments, "--print_config"])
    assert stop.value.code == 0
    config: dict[str, Any] = yaml.safe_load(capsys.readouterr().out)
    return config


def value_at(config: Any, name: str) -> Any:
    for key in name.split("."):
        config = config[key]
    return config


def test_there_is_a_sweep_of_each_kind() -> None:
    assert {read_sweep(file).method for file in SHIPPED} == {"bayes", "grid", "random"}


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_files_are_valid_for_wandb(file: Path) -> None:
    config = yaml.safe_load(file.read_text())
    assert ask("violations", config=config) == []
    assert ask("violations", config=config | {"methd": "grid"}), "the schema is asked"


@needs_make
@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_what_wandb_draws_trains(
    file: Path, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The engine's first run, as the command line of an agent, for one epoch."""
    config = yaml.safe_load(file.read_text())
    drawn = {name: keys["value"] for name, keys in ask("next_run", config=config).items()}
    sweep = read_sweep(file)
    arguments = arguments_of(sweep.command_line(drawn), root)
    found = config_of(arguments, capsys)
    assert found["data"]["tune_fraction"] > 0, "nothing is chosen on val"
    for name, value in drawn.items():
        if "." in name:
            assert value_at(found, name) == value, name
    monkeypatch.chdir(ROOT)
    small = ["--trainer.max_epochs=1", "--trainer.check_val_every_n_epoch=1", "--trainer.enable_progress_bar=false"]
    assert main([*arguments, *small, f"--runs={tmp_path}", "--name=a"]) == 0
    with (tmp_path / "a/metrics.csv").open() as stream:
        assert any(row.get(sweep.metric) for row in csv.DictReader(stream)), "the metric is one that is logged"


@needs_make
def test_methods_and_actions_choose_their_layers(root: Path) -> None:
    """The whole grid: no two runs alike, and each the layers of `make train`."""
    sweep = read_sweep(EXPERIMENTS / "sweeps/methods_actions.yaml")
    trials: list[Trial] = []
    while (values := draw(sweep, trials, 0)) is not None:
        trials.append(Trial(len(trials), values, "finished", [0.0]))
    assert len(trials) == sweep.size == len({tuple(trial.parameters.items()) for trial in trials})
    for trial in trials[:: len(trials) // 4]:
        action, method = trial.parameters["ACTION"], trial.parameters["METHOD"]
        words = arguments_of(sweep.command_line(trial.parameters), root)
        assert f"experiments/actions/{action}.yaml" in words
        assert f"experiments/methods/{method}.yaml" in words
        assert ("experiments/methods/lrprop/squat.yaml" in words) == (method == "lrprop" and action == "squat")


@needs_make
@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_values_drawn_here_reach_lrprop_too(file: Path, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the place that the local sweep gives each run, and --resume."""
    sweep = read_sweep(file)
    values = draw(sweep, [Trial(0, {}, "finished", [0.0])], 0)
    assert values is not None
    words = [*sweep.command_line(values), "--runs=elsewhere", "--name=000", "--resume"]
    found = config_of(arguments_of(words, root), capsys)
    assert (found["runs"], found["name"], found["resume"]) == ("elsewhere", "000", True)
    for name, value in values.items():
        if "." in name:
            assert value_at(found, name) == value, name
