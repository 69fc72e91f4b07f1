"""The values that the original evaluation code gives on the same embeddings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lrprop.metrics.functional import (
    average_precision_at_k,
    dtw_accuracy,
    kendalls_tau,
    phase_classification,
    phase_progression,
)
from tests.oracle import phase_progression_oracle

Videos = tuple[list[np.ndarray], list[np.ndarray]]


def near(expected: Any) -> Any:
    return pytest.approx(expected, rel=0, abs=1e-6)


def _videos(shared: Path, side: str) -> Videos:
    with np.load(shared / "golden/metrics.npz") as arrays:
        names = sorted(name for name in arrays if name.startswith(side))
        embeddings = [arrays[name] for name in names if name.endswith("embedding")]
        return embeddings, [arrays[name] for name in names if name.endswith("label")]


@pytest.fixture(scope="module")
def train(shared: Path) -> Videos:
    return _videos(shared, "train")


@pytest.fixture(scope="module")
def val(shared: Path) -> Videos:
    return _videos(shared, "val")


@pytest.fixture(params=[1, 2])
def stride(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def expected(shared: Path, stride: int) -> Any:
    return json.loads((shared / "golden/metrics.json").read_text())[f"stride_{stride}"]


def test_kendalls_tau(val: Videos, stride: int, expected: dict[str, Any]) -> None:
    tau, undefined = kendalls_tau(val[0], stride, return_undefined=True)
    assert tau == near(expected["kendalls_tau"])
    assert undefined == 0


def test_average_precision(val: Videos, stride: int, expected: dict[str, Any]) -> None:
    wanted = {int(k): value for k, value in expected["average_precision"].items()}
    assert average_precision_at_k(*val, tuple(wanted), stride) == near(wanted)


def test_phase_classification(train: Videos, val: Videos, expected: dict[str, Any]) -> None:
    wanted = {float(part): value for part, value in expected["phase_classification_svm"].items()}
    assert phase_classification(*train, *val, tuple(wanted)) == near(wanted)


def test_phase_progression(train: Videos, val: Videos, expected: dict[str, Any]) -> None:
    exact_val = _in_float64(val)
    for part, value in expected["phase_progression"].items():
        count = max(1, int(float(part) * len(train[0])))
        videos = train[0][:count], train[1][:count]
        exact = phase_progression(*_in_float64(videos), *exact_val)
        assert exact == pytest.approx(phase_progression_oracle(*_in_float64(videos), *exact_val), rel=0, abs=1e-10)
        rounding = _rounding(videos[0], value)
        assert exact == pytest.approx(value, rel=0, abs=rounding)
        assert phase_progression(*videos, *val) == pytest.approx(exact, rel=0, abs=rounding)


def _in_float64(videos: Videos) -> Videos:
    return [frames.astype(np.float64) for frames in videos[0]], videos[1]


def _rounding(videos: list[np.ndarray], value: float) -> float:
    """What the last digits of float32, in which the original code fits, can move R^2 by.

    They differ between processors. Where 19 frames fit 16 slopes (condition 18, R^2 -1.93) it is 6e-6; elsewhere
    less than the 1e-6 of the other metrics.
    """
    frames = np.concatenate(videos)
    condition = np.linalg.cond(frames - frames.mean(axis=0))
    return float(max(1e-6, np.finfo(np.float32).eps * condition * (1 - value)))


def test_dtw_accuracy(val: Videos, expected: dict[str, Any]) -> None:
    assert dtw_accuracy(*val) == near(expected["dtw_accuracy"])
