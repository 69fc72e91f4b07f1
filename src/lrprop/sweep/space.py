"""What a sweep varies: lists of values and ranges of numbers, with W&B's keys and distributions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# What W&B takes where a file names none of them for `min` and `max`.
_RANGES = ("uniform", "int_uniform", "q_uniform", "log_uniform_values", "q_log_uniform_values")
_CHOICES = ("constant", "categorical")


@dataclass(frozen=True)
class Choice:
    """A parameter with a list of values, all equally likely; one value is a constant.

    Attributes:
        name: of the parameter.
        values: at least one, of any type.
    """

    name: str
    values: tuple[Any, ...]

    def at(self, place: float) -> Any:
        """The value at a place in [0, 1)."""
        return self.values[int(place * len(self.values))]

    def coordinates(self, value: Any) -> list[float]:
        """Where a value lies for a model of the metric: an axis for each value; none for a constant."""
        return [float(value == other) for other in self.values] if len(self.values) > 1 else []


@dataclass(frozen=True)
class Range:
    """A parameter between two numbers.

    Attributes:
        name: of the parameter.
        low: the smallest value.
        high: the largest value.
        is_log: whether the logarithm is spread evenly, instead of the value.
        step: of which values are multiples; an integer makes them integers.
        margin: by which the interval is wider before values are rounded, so that integers are equally likely.
    """

    name: str
    low: float
    high: float
    is_log: bool = False
    step: float | None = None
    margin: float = 0.0

    def at(self, place: float) -> float:
        """The value at a place in [0, 1)."""
        low, high = self._scaled(self.low) - self.margin, self._scaled(self.high) + self.margin
        value = low + place * (high - low)
        value = math.exp(value) if self.is_log else value
        if self.step is not None:
            value = float(f"{self.step * round(value / self.step):.12g}")  # 0.3, and not 3 * 0.1
        value = min(max(value, self.low), self.high)
        return int(value) if isinstance(self.step, int) else value

    def coordinates(self, value: Any) -> list[float]:
        """Where a value lies for a model of the metric: one number in [0, 1]."""
        low, high = self._scaled(self.low), self._scaled(self.high)
        return [(self._scaled(value) - low) / (high - low)]

    def _scaled(self, value: float) -> float:
        return math.log(value) if self.is_log else float(value)


Parameter = Choice | Range


def read_parameter(name: str, keys: Any) -> Parameter:
    """Read one entry of `parameters`.

    Args:
        name: of the parameter.
        keys: its keys in W&B's format.

    Raises:
        ValueError: saying what is wrong with it.
    """
    if not isinstance(keys, dict):
        raise ValueError(f"{name}: {keys!r} has no keys; write `value: {keys!r}`, `values: [...]`, or min and max.")
    if "parameters" in keys:
        raise ValueError(f"{name}: parameters within a parameter are no option of lrprop; write dotted names.")
    if "value" in keys or "values" in keys:
        return _read_choice(name, keys)
    return _read_range(name, keys)


def _read_choice(name: str, keys: Mapping[str, Any]) -> Choice:
    _check_keys(name, keys, {"value", "distribution"} if "value" in keys else {"values", "distribution"})
    if keys.get("distribution", "constant") not in _CHOICES:
        raise ValueError(f"{name}: distribution {keys['distribution']!r} takes min and max, no list of values.")
    values = [keys["value"]] if "value" in keys else keys["values"]
    if not isinstance(values, list) or not values:
        raise ValueError(f"{name}: values: {values!r} is not a list of at least one.")
    return Choice(name, tuple(values))


def _read_range(name: str, keys: Mapping[str, Any]) -> Range:
    for key in ("min", "max"):
        if not isinstance(keys.get(key), int | float) or isinstance(keys[key], bool):
            hint = " (YAML reads 1e-3 as text: write 0.001)" if isinstance(keys.get(key), str) else ""
            raise ValueError(f"{name}: {key} is {keys.get(key)!r}, but a number is needed{hint}; or list its values.")
    low, high = keys["min"], keys["max"]
    are_integers = isinstance(low, int) and isinstance(high, int)
    distribution = keys.get("distribution", "int_uniform" if are_integers else "uniform")
    if distribution not in _RANGES:
        raise ValueError(
            f"{name}: distribution {distribution!r} is none of {', '.join(_RANGES)}, which are known outside W&B."
        )
    _check_keys(name, keys, {"min", "max", "distribution"} | ({"q"} if distribution.startswith("q_") else set()))
    is_log = "log" in distribution
    _check_numbers(name, low, high, keys.get("q", 1.0), is_log)
    if distribution == "int_uniform":
        if not are_integers:
            raise ValueError(f"{name}: int_uniform has whole numbers for min and max, not {low} and {high}.")
        return Range(name, low, high, step=1, margin=0.5)
    return Range(name, low, high, is_log, keys.get("q", 1.0) if distribution.startswith("q_") else None)


def _check_numbers(name: str, low: float, high: float, step: Any, is_log: bool) -> None:
    if not low < high:
        raise ValueError(f"{name}: min {low} is not less than max {high}.")
    if is_log and low <= 0:
        raise ValueError(f"{name}: min {low} has no logarithm; give a positive one, or the distribution uniform.")
    if not isinstance(step, int | float) or not step > 0:
        raise ValueError(f"{name}: q is {step!r}; values are multiples of it, so give a positive number.")


def _check_keys(name: str, keys: Mapping[str, Any], known: set[str]) -> None:
    for key in keys:
        if key not in known:
            raise ValueError(f"{name}: unknown key {key!r}; known here: {', '.join(sorted(known))}.")
