"""Sweep files made up for the tests, and a training that takes no time."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import yaml

TRAINING = Path(__file__).with_name("training.py")
COMMAND = ["${env}", "${interpreter}", "${program}", "${args}"]


def fields(**changes: Any) -> dict[str, Any]:
    """A sweep of two numbers; None takes a key out."""
    spec: dict[str, Any] = {
        "method": "random",
        "metric": {"name": "tune/score", "goal": "maximize"},
        "program": str(TRAINING),
        "command": COMMAND,
        "parameters": {"x": {"min": 0.0, "max": 1.0}, "y": {"values": ["a", "b"]}},
    }
    return {key: value for key, value in (spec | changes).items() if value is not None}


def write_sweep(folder: Path, **changes: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "tiny.yaml"
    file.write_text(yaml.safe_dump(fields(**changes), sort_keys=False))
    return file


def leaderboard(runs: Path) -> list[dict[str, str]]:
    with (runs / "tiny/leaderboard.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def starts(runs: Path) -> list[str]:
    """The trainings in the order in which they began, such as "000 fresh" and "000 resumed"."""
    return (runs / "tiny/starts.txt").read_text().splitlines()
