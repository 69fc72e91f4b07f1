"""What is drawn: all of a grid, no run twice, the same again from the same results, and better than luck."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lrprop.sweep import Sweep, read_sweep
from lrprop.sweep.search import FIRST, draw
from lrprop.sweep.trials import Trial
from tests.sweep.files import write_sweep

CHOICES = {"a": {"values": [1, 2, 3]}, "b": {"values": ["x", "y"]}, "c": {"value": 0}}


def played(sweep: Sweep, count: int, seed: int = 0, flip: int | None = None) -> list[dict[str, Any]]:
    """The values of a sweep whose metric is best at x = 0.3 and y = b; `flip` turns one result round."""
    trials: list[Trial] = []
    for number in range(count):
        values = draw(sweep, trials, seed)
        if values is None:
            break
        score = float((values.get("x", 0) - 0.3) ** 2) + (values.get("y") != "b")
        score *= -1 if (sweep.goal == "maximize") != (number == flip) else 1
        trials.append(Trial(number, values, "finished", [score]))
    return [trial.parameters for trial in trials]


def test_a_grid_is_tried_whole_and_in_order(tmp_path: Path) -> None:
    drawn = played(read_sweep(write_sweep(tmp_path, method="grid", parameters=CHOICES)), 10)
    assert drawn == [{"a": a, "b": b, "c": 0} for a in (1, 2, 3) for b in ("x", "y")]


@pytest.mark.parametrize("method", ["random", "bayes"])
def test_no_values_are_tried_twice_and_none_of_few_left_out(method: str, tmp_path: Path) -> None:
    many = CHOICES | {"a": {"values": list(range(20))}}
    for parameters, count in ((CHOICES, 6), (many, 40)):
        sweep = read_sweep(write_sweep(tmp_path, method=method, parameters=parameters))
        drawn = played(sweep, 100)
        assert len(drawn) == len({str(values) for values in drawn}) == count


@pytest.mark.parametrize("method", ["random", "bayes"])
def test_a_draw_is_a_function_of_seed_and_results(method: str, tmp_path: Path) -> None:
    sweep = read_sweep(write_sweep(tmp_path, method=method))
    drawn = played(sweep, FIRST + 4)
    assert played(sweep, FIRST + 4) == drawn
    assert played(sweep, FIRST + 4, seed=1)[0] != drawn[0]
    other = played(sweep, FIRST + 4, flip=FIRST - 1)
    assert other[:FIRST] == drawn[:FIRST], "the first are drawn at random"
    assert (other == drawn) == (method == "random"), "only a model looks at results"


@pytest.mark.parametrize("goal", ["maximize", "minimize"])
def test_a_model_finds_what_luck_does_not(goal: str, tmp_path: Path) -> None:
    """Near x = 0.3 and y = b, for a sum over seeds."""
    misses = {}
    for method in ("random", "bayes"):
        sweep = read_sweep(write_sweep(tmp_path, method=method, metric={"name": "tune/score", "goal": goal}))
        last = [played(sweep, 16, seed)[-4:] for seed in range(3)]
        misses[method] = np.mean([abs(v["x"] - 0.3) + (v["y"] != "b") for values in last for v in values])
    assert misses["bayes"] < 0.5 * misses["random"]


def test_runs_that_have_failed_or_still_run_do_not_stop_the_search(tmp_path: Path) -> None:
    sweep = read_sweep(write_sweep(tmp_path, method="bayes"))
    trials = [Trial(k, {"x": k / 10, "y": "a"}, "finished", [k / 10]) for k in range(FIRST)]
    trials += [Trial(FIRST, {"x": 0.9, "y": "b"}, "failed"), Trial(FIRST + 1, {"x": 0.95, "y": "b"}, "running")]
    values = draw(sweep, trials, 0)
    assert values is not None
    assert values not in [trial.parameters for trial in trials]
