"""Parameters: values within bounds, spread as W&B spreads them, and their place for the model."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from lrprop.sweep.space import Choice, Range, read_parameter
from tests.sweep.engine import ask

PARAMETERS: dict[str, dict[str, Any]] = {
    "uniform": {"min": 0.5, "max": 2.0},
    "uniform, said so": {"min": 0, "max": 2, "distribution": "uniform"},
    "integers": {"min": 2, "max": 5},
    "logarithm": {"min": 0.001, "max": 10.0, "distribution": "log_uniform_values"},
    "steps": {"min": 20, "max": 160, "q": 10, "distribution": "q_uniform"},
    "small steps": {"min": 0.0, "max": 1.0, "q": 0.1, "distribution": "q_uniform"},
    "steps of a logarithm": {"min": 8, "max": 512, "q": 8, "distribution": "q_log_uniform_values"},
    "values": {"values": ["a", 2, [3, 4], True]},
    "constant": {"value": [512, 512]},
}
PLACES = np.random.default_rng(0).random(200).tolist()


@pytest.mark.parametrize("keys", PARAMETERS.values(), ids=PARAMETERS)
def test_values_keep_to_their_bounds_and_have_places(keys: dict[str, Any]) -> None:
    parameter = read_parameter("p", keys)
    for place in [0.0, *PLACES, math.nextafter(1, 0)]:
        value = parameter.at(place)
        coordinates = parameter.coordinates(value)
        assert all(0 <= coordinate <= 1 for coordinate in coordinates)
        if isinstance(parameter, Choice):
            assert value in parameter.values
        else:
            assert keys["min"] <= value <= keys["max"]
            assert type(value) is (int if isinstance(parameter.step, int) else float)


def test_they_are_spread_as_wandb_spreads_them() -> None:
    """At the same quantiles the same values."""
    expected = ask("quantiles", parameters=list(PARAMETERS.values()), places=PLACES)
    for (name, keys), values in zip(PARAMETERS.items(), expected, strict=True):
        parameter = read_parameter("p", keys)
        for place, value in zip(PLACES, values, strict=True):
            found = parameter.at(place)
            assert found == (pytest.approx(value) if isinstance(parameter, Range) else value), (name, place)


def test_the_model_sees_numbers_as_numbers_and_names_as_axes() -> None:
    assert read_parameter("p", PARAMETERS["logarithm"]).coordinates(0.1) == [pytest.approx(0.5)]
    assert read_parameter("p", PARAMETERS["integers"]).coordinates(2) == [0.0]
    assert read_parameter("p", PARAMETERS["values"]).coordinates([3, 4]) == [0.0, 0.0, 1.0, 0.0]
    assert read_parameter("p", PARAMETERS["constant"]).coordinates([512, 512]) == []


def test_tenths_are_written_as_such() -> None:
    values = {read_parameter("p", PARAMETERS["small steps"]).at(place) for place in PLACES}
    assert sorted(map(str, values)) == ["0.0", "0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7", "0.8", "0.9", "1.0"]
