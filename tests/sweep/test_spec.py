"""Sweep files: what is wrong is told in one line, and command lines are those of W&B's agent."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from lrprop.errors import InputError
from lrprop.sweep import read_sweep
from tests.sweep.files import COMMAND, write_sweep


def parameter(**keys: Any) -> dict[str, Any]:
    return {"parameters": {"data.num_frames": keys}}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"methd": "grid"}, "unknown key 'methd'"),
        ({"method": "hyper"}, "method: 'hyper' is none of grid, random, bayes"),
        ({"metric": None}, "metric: it needs a name and a goal"),
        ({"metric": {"name": "val/dtw_accuracy", "goal": "maximize"}}, "nothing is ever chosen on val"),
        ({"metric": {"name": "tune/dtw_accuracy"}}, "say maximize or minimize"),
        ({"parameters": None}, "parameters: it needs at least one"),
        ({"parameters": {"2x": {"value": 1}}}, "'2x' is no name of an option"),
        (parameter(min=3, max=2), "data.num_frames: min 3 is not less than max 2"),
        (parameter(min=20), "data.num_frames: max is None"),
        (parameter(min="1e-3", max=1.0), "write 0.001"),
        (parameter(min=0, max=1, distribution="log_uniform_values"), "min 0 has no logarithm"),
        (parameter(min=0, max=1, distribution="normal"), "distribution 'normal' is none of"),
        (parameter(min=0.5, max=1, distribution="int_uniform"), "whole numbers"),
        (parameter(min=0, max=9, q=0, distribution="q_uniform"), "q is 0"),
        (parameter(min=0, max=9, q=1), "unknown key 'q'"),
        (parameter(values=[]), "not a list of at least one"),
        (parameter(values=[1, 2], distribution="uniform"), "takes min and max"),
        (parameter(value=1, min=0), "unknown key 'min'"),
        (parameter(parameters={"a": {"value": 1}}), "write dotted names"),
        ({"parameters": {"x": 3}}, "x: 3 has no keys"),
        ({"method": "grid"}, "x: a grid needs its values as a list"),
        ({"command": ["python", "fit"]}, "the values reach no run"),
        ({"command": ["${args_json_file}"]}, "${args_json_file} is none of"),
        ({"command": "python fit"}, "not a list of words"),
        ({"program": None}, "program: the command names it"),
        ({"run_cap": 0}, "run_cap: 0"),
        ({"early_terminate": {"type": "median"}}, "its type has to be hyperband"),
        ({"early_terminate": {"type": "hyperband"}}, "there is no band"),
        ({"early_terminate": {"type": "hyperband", "min_iter": 0}}, "min_iter is 0"),
        ({"early_terminate": {"type": "hyperband", "min_iter": 1, "eta": 1}}, "eta is 1"),
        ({"early_terminate": {"type": "hyperband", "max_iter": 2, "s": 2, "eta": 3}}, "there is no band"),
        ({"early_terminate": {"type": "hyperband", "min": 2}}, "unknown key 'min'"),
    ],
)
def test_a_bad_file_is_told_in_one_message(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    file = write_sweep(tmp_path, **changes)
    with pytest.raises(InputError) as error:
        read_sweep(file)
    assert message in str(error.value)
    assert str(file) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["", "- a", "a: [", "just words"])
def test_what_is_no_mapping_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(InputError, match=r"bad\.yaml"):
        read_sweep(tmp_path / "bad.yaml")
    with pytest.raises(InputError, match=r"absent\.yaml"):
        read_sweep(tmp_path / "absent.yaml")


def test_what_a_file_need_not_say(tmp_path: Path) -> None:
    sweep = read_sweep(write_sweep(tmp_path, command=None))
    assert sweep.command == COMMAND
    assert sweep.hyperband is None
    assert sweep.size == float("inf")
    assert read_sweep(write_sweep(tmp_path, parameters={"y": {"values": [1, 2, 3]}, "z": {"value": 0}})).size == 3


VALUES = {"model.learning_rate": 0.1, "data.bank": "a b", "floors": False, "wandb": True, "fc": [512, 512], "n": None}


@pytest.mark.parametrize("macro", ["args", "args_no_hyphens", "args_no_boolean_flags"])
def test_command_lines_are_those_of_the_agent(macro: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    utils = pytest.importorskip("wandb.sdk.launch.sweeps.utils")
    monkeypatch.setenv("PLACE", "/data")
    macros = ["${env}", "${interpreter}", "${program}", f"${{{macro}}}"]
    command = [*macros, "--root=${envvar:PLACE}/x", "${envvar:UNSET}", "4"]
    sweep = read_sweep(write_sweep(tmp_path, command=command))
    words = utils.create_sweep_command(list(command))
    parts = utils.create_sweep_command_args({"args": {name: {"value": value} for name, value in VALUES.items()}})
    parts |= {"env": ["/usr/bin/env"], "interpreter": [sys.executable], "program": [sweep.fields["program"]]}
    expected = [part for word in words for part in (parts[word[2:-1]] if word.startswith("${") else [word])]
    assert sweep.command_line(VALUES) == expected
