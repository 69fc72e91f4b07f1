"""What may be said of methods compared on several actions with several seeds: arrays in, numbers out.

A *block* holds the scores (E, S) of E entries (methods, or rows that need no training) on one action with its S seeds;
a comparison is one block for each action.
"""

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


def means(blocks: Sequence[np.ndarray]) -> np.ndarray:
    """The mean over seeds, then over actions, of each entry, (E,)."""
    averages: np.ndarray = action_means(blocks).mean(0)
    return averages


def action_means(blocks: Sequence[np.ndarray]) -> np.ndarray:
    """The mean over seeds, (A, E)."""
    return np.stack([block.mean(1) for block in blocks])


def intervals(blocks: Sequence[np.ndarray], seed: int = 0) -> list[Interval]:
    """Bootstrap intervals of the means (percentile method; Efron & Tibshirani 1993, Chapter 13).

    Actions are drawn with replacement, then seeds within each drawn action. With a single action the interval tells
    of the seeds alone.

    Args:
        blocks: A blocks (E, S), S >= 1 of each its own.
        seed: of the draws.

    Returns:
        The 95 % interval of each of the E entries.
    """
    return _quantiles(means(blocks), _resampled_means(blocks, seed))


def paired_differences(blocks: Sequence[np.ndarray], reference: int, seed: int = 0) -> list[Interval]:
    """Bootstrap intervals of the mean of one entry less that of each; every draw serves both.

    Args:
        blocks: A blocks (E, S).
        reference: index of that entry.
        seed: of the draws.

    Returns:
        The 95 % interval of each of the E differences, that of the reference with itself being 0.
    """
    average, drawn = means(blocks), _resampled_means(blocks, seed)
    return _quantiles(average[reference] - average, drawn[:, [reference]] - drawn)


def _resampled_means(blocks: Sequence[np.ndarray], seed: int) -> np.ndarray:
    """The means of each resample, (RESAMPLES, E)."""
    rng = np.random.default_rng(seed)
    drawn = rng.integers(len(blocks), size=(RESAMPLES, len(blocks)))
    values = np.empty((len(blocks[0]), *drawn.shape))
    for action, block in enumerate(blocks):
        here = drawn == action
        seeds = rng.integers(block.shape[1], size=(here.sum(), block.shape[1]))
        values[:, here] = block[:, seeds].mean(-1)
    resampled: np.ndarray = values.mean(2).T
    return resampled


def _quantiles(average: np.ndarray, drawn: np.ndarray) -> list[Interval]:
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return [Interval(*triple) for triple in zip(average.tolist(), low.tolist(), high.tolist(), strict=True)]


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
