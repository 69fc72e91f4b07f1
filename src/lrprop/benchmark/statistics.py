"""What may be said of methods compared on several actions with several seeds: arrays in, numbers out."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy.stats import friedmanchisquare, rankdata, studentized_range

LEVEL = 0.95
RESAMPLES = 10_000


class Interval(NamedTuple):
    """A mean and the interval around it, in the unit of the scores."""

    mean: float
    low: float
    high: float

    @property
    def half_width(self) -> float:
        """Half of the interval's length; 0 where one value alone was measured."""
        return (self.high - self.low) / 2


def interval(scores: Sequence[np.ndarray], seed: int = 0) -> Interval:
    """Mean over seeds, then over actions, and its bootstrap interval (percentile; Efron & Tibshirani 1993, Chapter 13).

    Actions are drawn with replacement, then seeds within each drawn action. With a single action the interval tells
    of the seeds alone. Of paired differences it is the paired interval: a draw then serves both that were compared.

    Args:
        scores: for each of A >= 1 actions (S,), S >= 1 of each its own.
        seed: of the draws.

    Returns:
        The 95 % interval.
    """
    rng = np.random.default_rng(seed)
    drawn = rng.integers(len(scores), size=(RESAMPLES, len(scores)))
    values = np.empty(drawn.shape)
    for action, of_seeds in enumerate(scores):
        here = drawn == action
        values[here] = of_seeds[rng.integers(len(of_seeds), size=(here.sum(), len(of_seeds)))].mean(-1)
    low, high = np.quantile(values.mean(1), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(np.mean([of_seeds.mean() for of_seeds in scores])), float(low), float(high))


def discriminates(trained: np.ndarray, floors: np.ndarray) -> bool:
    """False where a row that needs no training beats every trained method.

    Args:
        trained: scores of the methods, higher being better.
        floors: scores of the floor rows; NaN where there is none.
    """
    return not bool((floors > trained.max()).any())


def average_ranks(scores: np.ndarray) -> np.ndarray:
    """The average rank of each method over the actions, 1 being the best; equal scores share their ranks.

    Args:
        scores: (A, M), higher being better.

    Returns:
        (M,) in [1, M].
    """
    ranks: np.ndarray = rankdata(-scores, axis=1).mean(0)
    return ranks


def friedman_p(scores: np.ndarray) -> float:
    """The p-value of Friedman's test that all methods are equal, with actions as blocks.

    Args:
        scores: (A, M).

    Returns:
        The p-value; NaN for fewer than 3 methods or 2 actions, or where all scores are equal.
    """
    actions, methods = scores.shape
    if methods < 3 or actions < 2 or not np.ptp(scores, axis=1).any():
        return float("nan")
    return float(friedmanchisquare(*scores.T).pvalue)


def critical_difference(methods: int, actions: int, alpha: float = 0.05) -> float:
    """How far apart two average ranks have to be (Nemenyi's test; Demsar 2006, Section 3.2.2).

    Args:
        methods: M >= 2.
        actions: A >= 1.
        alpha: the error that is allowed over all pairs of methods.

    Returns:
        q_alpha sqrt(M (M + 1) / (6 A)), q_alpha the Studentized range divided by the square root of 2.
    """
    q = studentized_range.ppf(1 - alpha, methods, np.inf) / np.sqrt(2)
    return float(q * np.sqrt(methods * (methods + 1) / (6 * actions)))


def cliques(ranks: np.ndarray, difference: float) -> list[tuple[float, float]]:
    """The largest groups of methods of which no two are further apart than the critical difference.

    Args:
        ranks: (M,) average ranks.
        difference: the critical difference.

    Returns:
        The first and the last rank of each group of at least two methods, from the best group on.
    """
    ordered = np.sort(ranks)
    ends = np.searchsorted(ordered, ordered + difference, side="right") - 1
    starts = [0, *(k for k, (before, end) in enumerate(pairwise(ends.tolist()), start=1) if end > before)]
    return [(float(ordered[k]), float(ordered[ends[k]])) for k in starts if ends[k] > k]
