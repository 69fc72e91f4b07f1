"""A sweep file: W&B's own format, a file of `experiments/sweeps`."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any, Literal, get_args

import yaml

from lrprop.errors import InputError
from lrprop.sweep.hyperband import Hyperband, read_hyperband
from lrprop.sweep.space import Choice, Parameter, read_parameter

Method = Literal["grid", "random", "bayes"]
Goal = Literal["maximize", "minimize"]

# Those that decide what is run; the others W&B knows say who owns it there.
_DECIDING = ("method", "metric", "parameters", "command", "program", "early_terminate")
_OTHERS = ("name", "description", "project", "entity", "run_cap", "apiVersion", "kind", "controller")
# What the agent of W&B starts where a file has no command.
_DEFAULT_COMMAND = ("${env}", "${interpreter}", "${program}", "${args}")
_ARGUMENTS = {"${args}", "${args_no_hyphens}", "${args_no_boolean_flags}"}
_MACROS = {"${env}", "${interpreter}", "${program}"} | _ARGUMENTS
_ENVIRONMENT = re.compile(r"\$\{envvar:([A-Z0-9_]*)\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


@dataclass(frozen=True)
class Sweep:
    """What is tried, and what is sought.

    Attributes:
        file: the YAML file.
        fields: its keys that decide what is run.
        method: how values are drawn.
        metric: "tune/..." of `metrics.csv`.
        goal: whether more of it is better, or less.
        space: the parameters.
        command: the command line, with W&B's macros.
        hyperband: stops runs; None where all are finished.
        run_cap: the most runs; None for any number.
    """

    file: Path
    fields: dict[str, Any]
    method: Method
    metric: str
    goal: Goal
    space: list[Parameter]
    command: list[str]
    hyperband: Hyperband | None
    run_cap: int | None

    @property
    def name(self) -> str:
        """Of the folder of its runs."""
        return self.file.stem

    @cached_property
    def size(self) -> float:
        """How many different runs there are; infinite where a range is among the parameters."""
        return prod(
            len(parameter.values) if isinstance(parameter, Choice) else float("inf") for parameter in self.space
        )

    def command_line(self, parameters: Mapping[str, Any]) -> list[str]:
        """The words that the agent of W&B would start, but for the interpreter, which is this one.

        Args:
            parameters: a value for each parameter.
        """
        # An agent leaves the name of a variable in its place where that is not set; so does this.
        words = [_ENVIRONMENT.sub(lambda match: os.environ.get(match[1], match[1]), word) for word in self.command]
        macros = {
            "${env}": ["/usr/bin/env"],
            "${interpreter}": [sys.executable],
            "${program}": [str(self.fields.get("program"))],
            "${args}": [f"--{name}={value}" for name, value in parameters.items()],
            "${args_no_hyphens}": [f"{name}={value}" for name, value in parameters.items()],
            "${args_no_boolean_flags}": [
                f"--{name}" if value is True else f"--{name}={value}"
                for name, value in parameters.items()
                if value is not False
            ],
        }
        return [part for word in words for part in macros.get(word, [word])]


def read_sweep(file: Path) -> Sweep:
    """Read a sweep file.

    Raises:
        InputError: naming the file and what is wrong in it.
    """
    try:
        fields = yaml.safe_load(file.read_text())
        if not isinstance(fields, dict):
            raise ValueError("it holds no keys; method, metric, parameters and command are needed.")
        return _read(file, fields)
    except (OSError, yaml.YAMLError, ValueError) as error:
        raise InputError(f"sweep {file}: {error}") from error


def _read(file: Path, fields: dict[str, Any]) -> Sweep:
    for key in fields:
        if key not in (*_DECIDING, *_OTHERS):
            raise ValueError(f"unknown key {key!r}; known here: {', '.join((*_DECIDING, *_OTHERS))}.")
    method: Any = fields.get("method")
    if method not in get_args(Method):
        raise ValueError(f"method: {method!r} is none of {', '.join(get_args(Method))}.")
    metric, goal = _read_metric(fields.get("metric"))
    space = _read_space(fields.get("parameters"), method)
    run_cap = fields.get("run_cap")
    if run_cap is not None and (not isinstance(run_cap, int) or run_cap < 1):
        raise ValueError(f"run_cap: {run_cap!r} is not a positive whole number.")
    return Sweep(
        file=file,
        fields={key: fields[key] for key in _DECIDING if key in fields},
        method=method,
        metric=metric,
        goal=goal,
        space=space,
        command=_read_command(fields),
        hyperband=read_hyperband(fields["early_terminate"]) if "early_terminate" in fields else None,
        run_cap=run_cap,
    )


def _read_metric(metric: Any) -> tuple[str, Goal]:
    if not isinstance(metric, dict) or not isinstance(metric.get("name"), str):
        raise ValueError("metric: it needs a name and a goal, such as tune/dtw_accuracy and maximize.")
    name: str = metric["name"]
    goal: Any = metric.get("goal")
    if not name.startswith("tune/"):
        raise ValueError(f"metric: {name!r} is not of tune; nothing is ever chosen on val, so take tune/...")
    if goal not in get_args(Goal):  # W&B would minimise without a word
        raise ValueError(f"metric: its goal is {goal!r}; say maximize or minimize.")
    return name, goal


def _read_space(parameters: Any, method: Method) -> list[Parameter]:
    if not isinstance(parameters, dict) or not parameters:
        raise ValueError("parameters: it needs at least one, by its dotted name.")
    for name in parameters:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ValueError(f"parameters: {name!r} is no name of an option, such as data.num_frames.")
    space = [read_parameter(name, keys) for name, keys in parameters.items()]
    for parameter in space:
        if method == "grid" and not isinstance(parameter, Choice):
            raise ValueError(f"{parameter.name}: a grid needs its values as a list, not min and max.")
    return space


def _read_command(fields: dict[str, Any]) -> list[str]:
    command = fields.get("command", list(_DEFAULT_COMMAND))
    if not isinstance(command, list) or not command:
        raise ValueError(f"command: {command!r} is not a list of words.")
    words = [str(word) for word in command]
    for word in words:
        is_macro = word.startswith("${") and not _ENVIRONMENT.search(word)
        if is_macro and word not in _MACROS:
            raise ValueError(f"command: {word} is none of {', '.join(sorted(_MACROS))}, which are known outside W&B.")
    if not _ARGUMENTS & set(words):
        raise ValueError(f"command: no word of it is {' or '.join(sorted(_ARGUMENTS))}, so the values reach no run.")
    if "${program}" in words and not isinstance(fields.get("program"), str):
        raise ValueError("program: the command names it, but there is none.")
    return words
