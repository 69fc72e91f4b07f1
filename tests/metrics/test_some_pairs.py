"""Tau and path scores of drawn pairs, beside those of all pairs."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from lrprop.metrics import evaluate
from lrprop.metrics.functional import dtw_accuracy, kendalls_tau
from lrprop.metrics.functional.some_pairs import draw_pairs, standard_error
from tests.metrics.embedded_samples import perfect_samples, random_samples
from tests.metrics.test_processes import by_processes

DRAWN = ("kendalls_tau", "dtw_accuracy", "dtw_accuracy_open", "canonical_error")


def test_only_the_chosen_pairs_count() -> None:
    """The means are those of the pairs that were drawn, each evaluated alone."""
    samples = random_samples(0, 8, missing=0)
    found = evaluate(samples.videos(), samples.videos(), max_pairs=11)
    chosen = np.argwhere(draw_pairs(8, 11)).tolist()
    assert len(chosen) == 11
    assert all(first < second for first, second in chosen)
    taus = [kendalls_tau([samples.embeddings[video] for video in pair], return_undefined=True) for pair in chosen]
    # A pair has two directions, of which one may have no tau.
    weights = [2 - undefined for _, undefined in taus]
    assert found["kendalls_tau"] == pytest.approx(np.average([np.nan_to_num(tau) for tau, _ in taus], weights=weights))
    assert found["kendalls_tau_undefined"] == 22 - sum(weights)
    parts = [([samples.embeddings[v] for v in pair], [samples.labels[v] for v in pair]) for pair in chosen]
    assert found["dtw_accuracy"] == pytest.approx(np.mean([dtw_accuracy(*part) for part in parts]))


def test_what_needs_all_pairs_has_them_and_enough_is_all() -> None:
    train, val = random_samples(1, 4).videos(), random_samples(2, 7, missing=0).videos()
    everything = evaluate(train, val)
    assert evaluate(train, val, max_pairs=21) == everything
    some = evaluate(train, val, max_pairs=9)
    assert some.keys() - everything.keys() == {"kendalls_tau_error", "dtw_accuracy_error"}
    assert {name for name in everything if some[name] != everything[name]} - {"kendalls_tau_undefined"} == set(DRAWN)
    assert some == evaluate(train, val, max_pairs=9), "always the same pairs"
    assert by_processes(3, lambda processes: evaluate(train, val, max_pairs=9, processes=processes)) == [some] * 3


def test_the_standard_error_is_that_of_many_draws() -> None:
    videos = random_samples(3, 12, missing=0)
    taus = np.full((12, 12), np.nan)
    for first, second in combinations(range(12), 2):
        pair = [videos.embeddings[first], videos.embeddings[second]]
        taus[first, second] = taus[second, first] = dtw_accuracy(pair, [videos.labels[first], videos.labels[second]])
    means, errors = [], []
    for seed in range(400):
        chosen = draw_pairs(12, 20, seed)
        drawn = np.where(chosen | chosen.T, taus, np.nan)
        means.append(np.nanmean(drawn))
        errors.append(standard_error(drawn))
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(np.std(means), rel=0.1)


def test_of_all_pairs_or_of_one_there_is_no_error() -> None:
    values = np.random.default_rng(0).random((4, 4))
    assert standard_error(values) == 0
    lonely = np.full((4, 4), np.nan)
    lonely[0, 1] = 1
    assert np.isnan(standard_error(lonely))
    with pytest.raises(ValueError, match="max_pairs = 0"):
        evaluate(perfect_samples(2).videos(), perfect_samples(2).videos(), max_pairs=0)
