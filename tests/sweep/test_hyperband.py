"""Which runs Hyperband stops, and when."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lrprop.sweep.hyperband import read_hyperband
from tests.sweep.engine import ask
from tests.sweep.files import fields

KEYS: dict[str, dict[str, Any]] = {
    "from below": {"type": "hyperband", "min_iter": 2, "eta": 2},
    "default eta": {"type": "hyperband", "min_iter": 1},
    "from above": {"type": "hyperband", "max_iter": 27, "s": 2, "eta": 3},
    "kind": {"type": "hyperband", "min_iter": 1, "eta": 2, "strict": False},
}


def test_bands() -> None:
    assert read_hyperband(KEYS["from below"]).bands[:4] == (2, 4, 8, 16)
    assert read_hyperband(KEYS["from above"]).bands == (3, 9)
    assert read_hyperband({"type": "hyperband", "min_iter": 1, "eta": 1.3}).bands[:4] == (1, 2, 3, 4)


def test_of_eta_runs_one_goes_on() -> None:
    hyperband = read_hyperband(KEYS["from below"])
    others = [[9.0, 1.0], [9.0, 2.0], [9.0, 3.0]]
    assert hyperband.end_of([0.0, 2.5, 0.0], others) is None, "the third best of four"
    assert hyperband.end_of([0.0, 3.5, 0.0], others) == 2
    assert hyperband.end_of([0.0], others) is None, "before the first band"
    assert hyperband.end_of([5.0, 5.0, 5.0, 5.0], []) is None, "nobody to compare with"


def test_a_kind_one_remembers_a_runs_best() -> None:
    others = [[1.0], [2.0]]
    strict, kind = read_hyperband(KEYS["default eta"]), read_hyperband(KEYS["kind"])
    assert strict.end_of([3.0], others) == 1
    assert kind.end_of([0.5, 9.0], [[1.0, 1.0], [2.0, 2.0]]) is None


def test_a_late_question_has_the_same_answer() -> None:
    rng = np.random.default_rng(0)
    for keys in KEYS.values():
        hyperband = read_hyperband(keys)
        for _ in range(50):
            others = [list(rng.random(int(rng.integers(1, 12)))) for _ in range(4)]
            history = list(rng.random(12))
            ends = [hyperband.end_of(history[:n], others) for n in range(13)]
            end = ends[-1]
            assert all(found == (end if end is not None and n >= end else None) for n, found in enumerate(ends))


@pytest.mark.parametrize("goal", ["minimize", "maximize"])
def test_wandb_stops_the_same_runs(goal: str) -> None:
    """Asked at a band: W&B compares at the last band that a run has passed."""
    rng, sign = np.random.default_rng(1), -1 if goal == "maximize" else 1
    cases, expected = [], []
    for keys in KEYS.values():
        hyperband = read_hyperband(keys)
        config = fields(metric={"name": "tune/score", "goal": goal}, early_terminate=keys)
        for _ in range(25):
            others = [list(rng.random(int(rng.integers(1, 12)))) for _ in range(int(rng.integers(0, 6)))]
            history = list(rng.random(int(rng.choice(hyperband.bands[:3]))))
            cases.append({"config": config, "histories": [*others, history]})
            signed = [[sign * value for value in values] for values in (history, *others)]
            expected.append(hyperband.end_of(signed[0], signed[1:]) == len(history))
    # A run that this Hyperband would have ended at an earlier band never reaches the band W&B is asked about.
    found = ask("stopped", many=cases)
    earlier = [_ends_before(case, sign) for case in cases]
    compared = [(ours, theirs) for ours, theirs, over in zip(expected, found, earlier, strict=True) if not over]
    assert {ours for ours, _ in compared} == {True, False}
    assert all(ours == theirs for ours, theirs in compared)


def _ends_before(case: dict[str, Any], sign: int) -> bool:
    *others, history = ([sign * value for value in values] for values in case["histories"])
    end = read_hyperband(case["config"]["early_terminate"]).end_of(history, others)
    return end is not None and end < len(history)
