"""Intervals, ranks and tests, against numbers worked out by hand, SciPy, and printed tables."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy.stats import bootstrap, friedmanchisquare, norm

from lrprop.benchmark.statistics import (
    average_ranks,
    cliques,
    critical_difference,
    discriminates,
    friedman_p,
    interval,
)


def test_the_mean_weighs_actions_alike_whatever_their_seeds() -> None:
    assert interval([np.array([0.2, 0.4]), np.array([0.9])]).mean == pytest.approx(0.6)


def test_the_interval_of_one_action_is_the_bootstrap_over_seeds() -> None:
    seeds = np.random.default_rng(1).normal(0.8, 0.1, 12)
    found = interval([seeds])
    expected = bootstrap((seeds,), np.mean, method="percentile", n_resamples=20_000, rng=0).confidence_interval
    assert found.mean == pytest.approx(seeds.mean())
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=2e-3)


def test_the_interval_of_many_actions_holds_both_variances() -> None:
    """Of a two-stage draw, Var = var of the action means / A + mean variance of the seeds / (A S), both plug-in."""
    rng = np.random.default_rng(2)
    actions, seeds = 30, 4
    scores = rng.normal(size=(actions, 1)) + rng.normal(size=(actions, seeds))
    variance = scores.mean(1).var() / actions + scores.var(1).mean() / (actions * seeds)
    assert interval(list(scores)).half_width == pytest.approx(norm.ppf(0.975) * np.sqrt(variance), rel=0.05)


def test_a_single_value_has_no_width() -> None:
    found = interval([np.array([0.7])])
    assert tuple(found) == pytest.approx((0.7, 0.7, 0.7))
    assert found.half_width == 0


def test_the_interval_of_the_differences_is_the_paired_one() -> None:
    """Every resample of actions and seeds serves both methods: those of one action can all be listed."""
    rng = np.random.default_rng(3)
    ours, theirs = rng.normal(0.8, 0.2, (2, 3))
    draws = np.array(list(product(range(3), repeat=3)))
    differences = ours[draws].mean(1) - theirs[draws].mean(1)
    found = interval([ours - theirs])
    expected = np.quantile(differences, [0.025, 0.975], method="inverted_cdf")
    assert (found.low, found.high) == pytest.approx(tuple(expected))


def test_the_same_seed_gives_the_same_interval() -> None:
    scores = list(np.random.default_rng(4).normal(size=(4, 3)))
    assert interval(scores) == interval(scores)
    assert interval(scores, seed=1) != interval(scores)


def test_a_floor_must_be_strictly_better_than_every_method() -> None:
    trained = np.array([0.7, 0.9])
    assert discriminates(trained, np.array([0.8, np.nan]))
    assert discriminates(trained, np.array([0.9]))
    assert not discriminates(trained, np.array([0.1, 0.91]))
    assert discriminates(trained, np.array([]))


def test_ranks_by_hand() -> None:
    scores = np.array([[0.9, 0.8, 0.7], [0.6, 0.6, 0.5], [0.1, 0.3, 0.2]])
    assert average_ranks(scores) == pytest.approx([(1 + 1.5 + 3) / 3, (2 + 1.5 + 1) / 3, (3 + 3 + 2) / 3])


def test_friedman() -> None:
    scores = np.random.default_rng(5).normal(size=(7, 4))
    assert friedman_p(scores) == friedmanchisquare(*scores.T).pvalue
    assert np.isnan(friedman_p(scores[:, :2]))
    assert np.isnan(friedman_p(scores[:1]))
    assert np.isnan(friedman_p(np.ones((7, 4))))


@pytest.mark.parametrize(("methods", "q"), [(2, 1.960), (3, 2.343), (4, 2.569), (7, 2.949), (10, 3.164)])
def test_critical_difference_has_the_q_that_demsar_prints(methods: int, q: float) -> None:
    """Table 5 (a) of Demsar (2006), alpha = 0.05."""
    assert critical_difference(methods, 1) / np.sqrt(methods * (methods + 1) / 6) == pytest.approx(q, abs=1.5e-3)


def test_critical_difference_of_demsars_example() -> None:
    """Section 3.2.2: four classifiers on 14 data sets, critical difference 1.25 at alpha = 0.05."""
    assert critical_difference(4, 14) == pytest.approx(1.25, abs=5e-3)


@pytest.mark.parametrize(
    ("ranks", "difference", "expected"),
    [
        ([3.143, 2.0, 2.893, 1.964], 1.25, [(1.964, 3.143)]),
        ([1, 2, 3, 4], 1, [(1, 2), (2, 3), (3, 4)]),
        ([1, 2, 4, 7], 2.5, [(1, 2), (2, 4)]),
        ([1, 3, 5], 1.5, []),
        ([1.5, 1.5, 3], 0.1, [(1.5, 1.5)]),
    ],
)
def test_cliques(ranks: list[float], difference: float, expected: list[tuple[float, float]]) -> None:
    assert cliques(np.array(ranks), difference) == expected
