"""W&B's own sweep engine, called as a process in the environment that `make .sweeps/installed` creates."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

PYTHON = Path(__file__).parents[2] / ".sweeps/bin/python"


def ask(question: str, **values: Any) -> Any:
    """The engine's answer to a question."""
    import pytest

    if not (PYTHON.parents[1] / "installed").is_file():
        pytest.skip("W&B's sweeps 0.3.0 is not installed; make .sweeps/installed")
    text = json.dumps({"question": question, **values})
    told = subprocess.run([str(PYTHON), "-W", "ignore", __file__], input=text, capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    return json.loads(told.stdout)


def violations(config: dict[str, Any]) -> list[str]:
    """What W&B's published schema says against a sweep file."""
    from sweeps.config import schema_violations_from_proposed_config  # type: ignore[import-not-found,unused-ignore]

    return list(schema_violations_from_proposed_config(config))


def next_run(config: dict[str, Any]) -> dict[str, Any]:
    """The values of the first run, as the server gives them to an agent."""
    import sweeps  # type: ignore[import-not-found,unused-ignore]

    return dict(sweeps.next_run(config, [], validate=True).config)


def quantiles(parameters: list[dict[str, Any]], places: list[float]) -> list[list[Any]]:
    """The values of each parameter at places in [0, 1]."""
    from sweeps.params import HyperParameter  # type: ignore[import-not-found,unused-ignore]

    return [[HyperParameter("p", keys).ppf(place) for place in places] for keys in parameters]


def stopped(config: dict[str, Any], histories: list[list[float]]) -> bool:
    """Whether the last of some runs, which is still running, is to be stopped."""
    import sweeps  # type: ignore[import-not-found,unused-ignore]

    runs = [
        sweeps.SweepRun(name=str(k), state="finished", history=[{"tune/score": value} for value in history])
        for k, history in enumerate(histories)
    ]
    runs[-1].state = "running"
    return bool(sweeps.stop_runs(config, runs))


if __name__ == "__main__":
    random.seed(0)  # what it draws with
    asked = json.load(sys.stdin)
    answer = globals()[asked.pop("question")]
    many = asked.pop("many", None)
    found = [answer(**one) for one in many] if many is not None else answer(**asked)
    json.dump(found, sys.stdout, default=lambda value: value.tolist())
