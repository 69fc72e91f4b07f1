"""Imports go down the list of rooms only, and a library is imported by the one file that owns it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "lrprop"
LEVELS = [
    {"__main__"},
    {"cli"},
    {"benchmark", "sweep", "callbacks", "runs", "viz"},
    {"module"},
    {"objectives", "encoders", "data", "metrics"},
    {"alignment"},
    {"batch", "errors", "memory", "processes", "whole_file"},
]
# Rooms of one level that may use a neighbour: the callbacks draw with viz.
NEIGHBOURS = {
    ("callbacks", "viz"),
    ("batch", "errors"),
    ("processes", "errors"),
    ("whole_file", "errors"),
    ("benchmark", "runs"),
    ("benchmark", "viz"),
    ("runs", "viz"),
}
OWNERS = {"av": "data/videofile.py", "numba.cuda": "alignment/numba_cuda.py", "wandb": "callbacks/wandb.py"}


def imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{file}: relative imports hide the room"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room(name: str) -> str:
    return name.removeprefix("lrprop.").split(".")[0]


def level(name: str) -> int:
    return next(i for i, rooms in enumerate(LEVELS) if name in rooms)


FILES = sorted(SOURCE.rglob("*.py"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(SOURCE)))
def test_imports_go_down(file: Path) -> None:
    here = file.relative_to(SOURCE).with_suffix("").parts[0]
    if here == "__init__":
        return
    for name in imports(file):
        if name.startswith("lrprop."):
            there = room(name)
            allowed = there == here or level(there) > level(here) or (here, there) in NEIGHBOURS
            assert allowed, f"{file.name} of {here} imports {name}"


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(SOURCE)))
def test_libraries_have_one_owner(file: Path) -> None:
    for name in imports(file):
        for library, owner in OWNERS.items():
            if name == library or name.startswith(library + "."):
                assert str(file.relative_to(SOURCE)) == owner, f"{file} imports {name}"


def test_only_cli_and_callbacks_know_a_logger() -> None:
    for file in FILES:
        if room(".".join(file.relative_to(SOURCE).with_suffix("").parts)) not in {"cli", "callbacks"}:
            assert not any("loggers" in name for name in imports(file)), file
