"""What must hold whatever the numbers: perfect and collapsed embeddings, the order of videos, the edges, bad input."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from lrprop.metrics.functional import (
    average_precision_at_k,
    canonical_error,
    dtw_accuracy,
    kendalls_tau,
    phase_classification,
    phase_progression,
)
from lrprop.metrics.functional.order import Ties
from tests.metrics.embedded_samples import Samples, perfect_samples, random_samples


def all_metrics(train: Samples, val: Samples) -> dict[str, float]:
    sides = train.embeddings, train.labels, val.embeddings, val.labels
    return {
        "tau": kendalls_tau(val.embeddings),
        "ap": average_precision_at_k(val.embeddings, val.labels, (4,))[4],
        "classification": phase_classification(*sides, (1.0,))[1.0],
        "progression": phase_progression(*sides),
        "dtw": dtw_accuracy(val.embeddings, val.labels),
        "canonical": canonical_error(val.embeddings, val.truths),
    }


def test_a_perfect_embedding_is_perfect_by_every_metric() -> None:
    values = all_metrics(perfect_samples(6), perfect_samples(5, seed=1))
    assert values.pop("progression") == pytest.approx(1, abs=0.01)  # the places jitter a little within a phase
    assert values.pop("canonical") == 0
    assert set(values.values()) == {1.0}


def test_a_reversed_embedding_has_tau_minus_one_between_opposite_videos() -> None:
    forward = perfect_samples(1).embeddings[0]
    assert kendalls_tau([forward, forward[::-1]]) == -1


def test_a_collapsed_embedding_has_no_tau_and_counts_every_pair() -> None:
    collapsed = [np.full((n, 8), 0.3, dtype=np.float32) for n in (5, 9, 7)]
    tau, undefined = kendalls_tau(collapsed, return_undefined=True)
    assert math.isnan(tau)
    assert undefined == 6
    assert kendalls_tau(collapsed, ties="discordant", return_undefined=True) == (-1, 0)


def test_a_partly_collapsed_embedding_is_averaged_over_the_defined_pairs() -> None:
    videos = [*perfect_samples(2).embeddings, np.zeros((6, 2))]
    tau, undefined = kendalls_tau(videos, return_undefined=True)
    assert tau == 1
    assert undefined == 2 + 2  # nothing moves in the still video, neither as the query nor as the one searched


def test_ties_that_count_as_discordant_lower_tau() -> None:
    held = [np.array([[0.0], [0.1], [1.0], [1.1]]), np.array([[0.0], [1.0]])]
    pair = _first_to_second(held)
    assert pair("tau_b") == pytest.approx(4 / math.sqrt(6 * 4))
    assert pair("discordant") == pytest.approx((4 - 2) / 6)


def _first_to_second(videos: list[np.ndarray]) -> Callable[[Ties], float]:
    """Tau of the ordered pair (0, 1): the mean of both orders, less the other order, which is 1 in the data above."""
    return lambda ties: 2 * kendalls_tau(videos, ties=ties) - 1


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_the_videos_plays_no_part(seed: int) -> None:
    val = random_samples(seed, 6)
    order = np.random.default_rng(seed).permutation(6)
    columns = ([column[i] for i in order] for column in (val.embeddings, val.labels, val.truths))
    train = random_samples(seed + 100, 6)
    shuffled = all_metrics(train, Samples(*columns))
    assert shuffled == pytest.approx(all_metrics(train, val), abs=1e-12, nan_ok=True)


def test_turning_the_embedding_space_changes_nothing() -> None:
    train, val = random_samples(3, 6), random_samples(4, 6)
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    turned = (Samples([v @ turn for v in side.embeddings], side.labels, side.truths) for side in (train, val))
    before, after = all_metrics(train, val), all_metrics(*turned)
    del before["classification"], after["classification"]  # the SVM's default kernel width depends on the axes
    assert after == pytest.approx(before, abs=1e-9)


def test_a_frame_without_a_phase_takes_no_part() -> None:
    """Striking a hidden frame out gives the same values, except where time itself is counted in frames."""
    train, val = random_samples(11, 6, missing=0.4), random_samples(12, 6, missing=0.4)
    kept = [
        Samples(
            [
                video[track >= 0]
                for video, track in zip(side.embeddings, side.labels, strict=True)
                if (track >= 0).any()
            ],
            [track[track >= 0] for track in side.labels if (track >= 0).any()],
            side.truths,
        )
        for side in (train, val)
    ]
    whole, struck = (
        (
            average_precision_at_k(b.embeddings, b.labels, (3,))[3],
            phase_classification(a.embeddings, a.labels, b.embeddings, b.labels, (1.0,))[1.0],
        )
        for a, b in ((train, val), kept)
    )
    assert whole == struck


def test_a_hidden_frame_keeps_its_place_in_time() -> None:
    video = np.arange(6.0)[:, None] ** 2
    labels = np.array([0, 0, 1, 1, -1, 1])
    lone = phase_progression([video], [labels], [video], [labels])
    rows = [0, 1, 2, 3, 5]
    target = (np.array(rows) - 1) / 6
    fit = np.polynomial.Polynomial.fit(video[rows, 0], target, 1)(video[rows, 0])
    assert lone == pytest.approx(1 - np.square(target - fit).sum() / np.square(target - target.mean()).sum())


def test_progression_leaves_a_video_out_of_a_phase_it_lacks() -> None:
    train, val = perfect_samples(4), perfect_samples(3, seed=1)
    whole = phase_progression(train.embeddings, train.labels, val.embeddings, val.labels)
    train.labels[0] = np.where(train.labels[0] == 1, 2, train.labels[0])
    val.labels[1] = np.where(val.labels[1] == 0, 1, val.labels[1])
    value = phase_progression(train.embeddings, train.labels, val.embeddings, val.labels)
    assert value == pytest.approx(whole, abs=0.05)


def test_one_phase_is_no_progression_and_no_classification() -> None:
    video, labels = np.random.default_rng(0).normal(size=(4, 2)), np.zeros(4, dtype=int)
    assert math.isnan(phase_progression([video], [labels], [video], [labels]))
    assert math.isnan(phase_classification([video], [labels], [video], [labels])[1.0])


def test_a_small_fraction_with_one_phase_is_undefined_alone() -> None:
    train = perfect_samples(4)
    train.labels[0] = np.zeros_like(train.labels[0])
    values = phase_classification(train.embeddings, train.labels, train.embeddings, train.labels, (0.1, 1.0))
    assert math.isnan(values[0.1])
    assert values[1.0] > 0.5


@pytest.mark.parametrize("videos", [0, 1])
def test_fewer_than_two_videos_have_no_pairs(videos: int) -> None:
    val = perfect_samples(videos)
    assert math.isnan(kendalls_tau(val.embeddings))
    assert kendalls_tau(val.embeddings, return_undefined=True)[1] == 0
    assert math.isnan(average_precision_at_k(val.embeddings, val.labels, (1,))[1])
    assert math.isnan(dtw_accuracy(val.embeddings, val.labels))
    assert math.isnan(canonical_error(val.embeddings, val.truths))


def test_no_training_video_leaves_the_probes_undefined() -> None:
    val = perfect_samples(2)
    assert math.isnan(phase_classification([], [], val.embeddings, val.labels)[1.0])
    assert math.isnan(phase_progression([], [], val.embeddings, val.labels))
    assert math.isnan(phase_progression(val.embeddings, val.labels, [], []))


def test_ap_is_undefined_where_the_pool_is_smaller_than_k() -> None:
    val = perfect_samples(2)
    values = average_precision_at_k(val.embeddings, val.labels, (12, 13))
    assert values[12] == pytest.approx(1 / 3)
    assert math.isnan(values[13])


def test_a_stride_longer_than_the_videos_leaves_one_frame_each() -> None:
    val = perfect_samples(3)
    assert kendalls_tau(val.embeddings, stride=100, return_undefined=True)[1] == 6
    assert average_precision_at_k(val.embeddings, val.labels, (2,), stride=100) == {2: 1.0}


def test_tensors_are_as_good_as_arrays() -> None:
    val = perfect_samples(3)
    tensors = [torch.from_numpy(video) for video in val.embeddings]
    labels = [torch.from_numpy(track) for track in val.labels]
    assert kendalls_tau(tensors) == 1
    assert dtw_accuracy(tensors, labels) == 1
    assert average_precision_at_k(tensors, labels, (2,))[2] == 1


def test_nan_in_the_embeddings_is_refused_by_the_video_it_is_in() -> None:
    val = perfect_samples(3)
    val.embeddings[2][1, 0] = np.nan
    with pytest.raises(ValueError, match=r"^embeddings\[2\] holds NaN"):
        kendalls_tau(val.embeddings)
    with pytest.raises(ValueError, match=r"^train_embeddings\[2\] holds NaN"):
        phase_progression(val.embeddings, val.labels, [], [])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: kendalls_tau(s.embeddings, stride=0), "stride = 0"),
        (lambda s: kendalls_tau(s.embeddings, ties="no"), "ties = 'no'"),  # type: ignore[call-overload]
        (lambda s: kendalls_tau([np.zeros(3)]), r"embeddings\[0\] has shape \(3,\)"),
        (lambda s: kendalls_tau([np.zeros((3, 2)), np.zeros((3, 1))]), r"embeddings\[1\] has D = 1"),
        (lambda s: average_precision_at_k(s.embeddings, s.labels, (0,)), "ks = 0"),
        (lambda s: average_precision_at_k(s.embeddings, s.labels[:1]), "labels holds 1 videos"),
        (lambda s: dtw_accuracy(s.embeddings, [t[1:] for t in s.labels]), r"labels\[0\] has shape \(11,\)"),
        (lambda s: dtw_accuracy(s.embeddings, [t / 2 for t in s.labels]), r"labels\[0\] has dtype float64"),
        (lambda s: canonical_error(s.embeddings, [2 * t for t in s.truths]), r"truths\[0\] leaves \[0, 1\]"),
        (lambda s: phase_classification([], [], s.embeddings, s.labels, (1.5,)), "fractions holds 1.5"),
    ],
)
def test_bad_arguments_are_named(call: Callable[[Samples], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(perfect_samples(2))
