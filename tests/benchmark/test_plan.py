"""What a cell runs: the layers of the Makefile, the grid's options over them, a digest of all that."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from lrprop.benchmark import Cell, Plan, read_grid
from lrprop.cli import main
from tests.benchmark.tables import EXPERIMENTS, write_grid
from tests.benchmark.test_grid import SHIPPED

TABLE_5 = {"squat": (80, 0.8, 0.001), "jumping_jacks": (20, 0.4, 0.01)}  # T, lambda_2 and lambda_1


def plan_of(file: Path, experiments: Path = EXPERIMENTS, root: Path | None = None) -> Plan:
    return Plan(read_grid(file), experiments, root)


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize("modality", ["poses", "pixels"])
@pytest.mark.parametrize(("method", "profile"), [("lrprop", "bench"), ("scl", "cpu")])
def test_layers_are_those_of_make_train(
    method: str, profile: str, modality: str, penn_folder: Path, video_folder: Path, tmp_path: Path
) -> None:
    root = penn_folder if modality == "poses" else video_folder
    arguments = ["ACTION=squat", f"METHOD={method}", f"PROFILE={profile}", f"DATA={root}"]
    shown = subprocess.run(
        ["make", "-n", "train", *arguments], cwd=EXPERIMENTS.parent, capture_output=True, text=True, check=True
    )
    expected = re.findall(r"--config experiments/(\S+)\.yaml", shown.stdout)
    plan = plan_of(write_grid(tmp_path, methods=[method], profile=profile, modality=modality))
    layers = plan.layers(Cell(method, "squat", 0))
    assert [str(file.relative_to(EXPERIMENTS).with_suffix("")) for file in layers] == expected


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize(("action", "frames"), [("pouring", 80), ("squat", None)])
def test_a_synthetic_set_has_a_layer_where_it_needs_one(action: str, frames: int | None, tmp_path: Path) -> None:
    """T of the paper's Pouring is twice what the longest synthetic video has."""
    arguments = ["make", "-n", "train", "PROFILE=cpu", f"ACTION={action}"]
    shown = subprocess.run(arguments, cwd=EXPERIMENTS.parent, capture_output=True, text=True, check=True).stdout
    grid = {"methods": ["lrprop"], "actions": [action], "profile": "cpu", "modality": "pixels"}
    made = plan_of(write_grid(tmp_path, **grid, synthetic=True)).layers(Cell("lrprop", action, 0))
    found = plan_of(write_grid(tmp_path, **grid)).layers(Cell("lrprop", action, 0))
    assert [str(file.relative_to(EXPERIMENTS.parent)) for file in made] == re.findall(r"--config (\S+\.yaml)", shown)
    more = [yaml.safe_load(file.read_text()) for file in made if file not in found]
    assert more == ([{"data": {"num_frames": frames}}] if frames else [])


def test_a_variant_has_the_layers_of_its_method_and_options_over_the_grids(tmp_path: Path) -> None:
    variant = {"name": "v", "method": "lrprop", "options": {"a": 2, "b": 2}, "action_options": {"squat": {"b": 3}}}
    options = {"options": {"a": 0, "c": 0, "d": 0}, "action_options": {"squat": {"a": 1, "c": 1}}}
    plan = plan_of(write_grid(tmp_path, methods=["lrprop", variant], **options))
    assert plan.layers(Cell("v", "squat", 0)) == plan.layers(Cell("lrprop", "squat", 0))
    assert plan.options(Cell("v", "squat", 5)) == {
        **{"seed_everything": 5, "floors": False},
        **{"a": 2, "b": 3, "c": 1, "d": 0},
    }


def test_the_digest_changes_with_what_decides_the_result_and_with_nothing_else(tmp_path: Path) -> None:
    experiments = tmp_path / "experiments"
    shutil.copytree(EXPERIMENTS, experiments)
    cell, other = Cell("lrprop", "squat", 0), Cell("tcn", "squat", 0)
    before = plan_of(write_grid(tmp_path), experiments).configs
    assert before[cell] != before[other]
    layer = experiments / "methods/lrprop/squat.yaml"
    layer.write_text("# a remark\n" + layer.read_text())
    assert plan_of(write_grid(tmp_path, root="elsewhere"), experiments).configs == before
    layer.write_text(layer.read_text().replace("0.8", "0.9"))
    after = plan_of(write_grid(tmp_path), experiments).configs
    assert after[cell] != before[cell]
    assert after[other] == before[other]
    assert plan_of(write_grid(tmp_path, options={"data.num_frames": 13}), experiments).configs[other] != before[other]


def test_every_action_has_its_own_folder_of_videos_but_one_root_of_poses(tmp_path: Path) -> None:
    assert plan_of(write_grid(tmp_path), root=tmp_path).data("squat") == tmp_path
    assert plan_of(write_grid(tmp_path, modality="pixels"), root=tmp_path).data("squat") == tmp_path / "squat"


def test_synthetic_sets_are_made_for_the_actions_that_are_to_be_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[str, Path]] = []
    monkeypatch.setattr("lrprop.benchmark.plan.generate", lambda action, root: made.append((action, root)))
    grid = write_grid(tmp_path, actions=["squat", "pouring"], modality="pixels", synthetic=True)
    plan_of(grid, root=tmp_path).prepare_data({"pouring"})
    assert made == [("pouring", tmp_path / "pouring")]


def config_of(plan: Plan, cell: Cell, capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    command = plan.command(cell, Path("runs"), "name")
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        main([*command[command.index("fit") :], "--print_config"])
    assert stop.value.code == 0
    config: dict[str, object] = yaml.safe_load(capsys.readouterr().out)
    return config


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_the_command_lines_of_shipped_grids_parse(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One cell of each method, the actions in turn; and the options arrive where they belong."""
    plan = plan_of(file)
    for k, method in enumerate(plan.grid.methods):
        cell = Cell(method.name, plan.grid.actions[k % len(plan.grid.actions)], 1)
        config = config_of(plan, cell, capsys)
        assert config["seed_everything"] == 1
        for name, value in plan.options(cell).items():
            found: object = config
            for key in name.split("."):
                assert isinstance(found, dict)
                found = found[key]
            assert found == value, name


def test_the_multiples_of_the_sensitivity_grid_are_multiples() -> None:
    grid = read_grid(EXPERIMENTS / "benchmarks/penn_sensitivity.yaml")
    names = ("data.num_frames", *(f"model.objective.init_args.lambda_{term}" for term in ("ppp", "soft_dtw")))
    for method in grid.methods[1:]:
        for action, options in method.action_options.items():
            (factor,) = (value for key, value in method.values.items() if key.startswith("multiple_of_"))
            ((name, value),) = options.items()
            assert value == pytest.approx(factor * TABLE_5[action][names.index(name)])
