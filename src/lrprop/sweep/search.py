"""Which values a sweep tries next: a grid in turn, random ones, or those that a model of the metric hopes most of."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from itertools import islice, product
from typing import Any

import numpy as np
from scipy.stats import norm
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from lrprop.sweep.space import Choice, Parameter
from lrprop.sweep.spec import Sweep
from lrprop.sweep.trials import Trial

FIRST = 5  # runs at random, before a model has something to learn from
_CANDIDATES = 2000
_TRIES = 100  # at random, until values are found that no run has had

Values = dict[str, Any]


def draw(sweep: Sweep, trials: Sequence[Trial], seed: int) -> Values | None:
    """The values of the next run: a function of the file, the seed and the runs so far.

    Args:
        sweep: what is tried.
        trials: the runs so far, those that are still running among them.
        seed: of all that is drawn.

    Returns:
        A value for each parameter, which together no run so far has had; None where nothing is left to try.
    """
    rng = np.random.default_rng((seed, len(trials)))
    if sweep.method == "grid":
        return next(islice(_grid(sweep.space), len(trials), None), None)
    if sweep.method == "bayes" and sum(trial.best(sweep.goal) is not None for trial in trials) >= FIRST:
        return _most_promising(sweep, trials, rng)
    return next(_at_random(sweep.space, trials, _TRIES, rng), None) or _left_over(sweep, trials)


def _grid(space: Sequence[Parameter]) -> Iterator[Values]:
    choices = [parameter.values for parameter in space if isinstance(parameter, Choice)]
    return (dict(zip((parameter.name for parameter in space), values, strict=True)) for values in product(*choices))


def _at_random(
    space: Sequence[Parameter], trials: Sequence[Trial], tries: int, rng: np.random.Generator
) -> Iterator[Values]:
    """Draws that no run has had, of so many."""
    tried = [trial.parameters for trial in trials]
    for places in rng.random((tries, len(space))).tolist():
        values = {parameter.name: parameter.at(place) for parameter, place in zip(space, places, strict=True)}
        if values not in tried:
            yield values


def _left_over(sweep: Sweep, trials: Sequence[Trial]) -> Values | None:
    """What luck has not found among so few values."""
    if sweep.size == math.inf:
        return None
    tried = [trial.parameters for trial in trials]
    return next((values for values in _grid(sweep.space) if values not in tried), None)


def _most_promising(sweep: Sweep, trials: Sequence[Trial], rng: np.random.Generator) -> Values | None:
    """Of many random candidates that with the largest expected improvement (Jones et al. 1998, Eq. 15)."""
    candidates = list(_at_random(sweep.space, trials, _CANDIDATES, rng))
    if not candidates:
        return _left_over(sweep, trials)
    sign = 1.0 if sweep.goal == "maximize" else -1.0
    judged = [(trial.parameters, trial.best(sweep.goal)) for trial in trials if trial.state != "failed"]
    scores = [sign * score for _, score in judged if score is not None]
    # A run that is not judged yet counts as a mean one, so that no second one is drawn beside it.
    y = np.array([np.mean(scores) if score is None else sign * score for _, score in judged])
    x = np.array([_point(sweep.space, values) for values, _ in judged])
    model = _fit(x, y, rng)
    mean, deviation = model.predict(np.array([_point(sweep.space, values) for values in candidates]), return_std=True)
    gain = mean - max(scores)
    z = gain / np.maximum(deviation, 1e-12)
    return candidates[int(np.argmax(gain * norm.cdf(z) + deviation * norm.pdf(z)))]


def _fit(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> GaussianProcessRegressor:
    """A Gaussian process of the scores (R,) of R runs at their points (R, P)."""
    shape = ConstantKernel() * Matern(np.ones(x.shape[1]), (0.05, 20.0), nu=2.5)
    kernel = shape + WhiteKernel(0.01, (1e-6, 1.0))
    model = GaussianProcessRegressor(
        kernel, normalize_y=True, n_restarts_optimizer=2, random_state=int(rng.integers(2**31))
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # of a few runs, some scales cannot be told
        return model.fit(x, y)


def _point(space: Sequence[Parameter], values: Values) -> list[float]:
    return [coordinate for parameter in space for coordinate in parameter.coordinates(values[parameter.name])]
