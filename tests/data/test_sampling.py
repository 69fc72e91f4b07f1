from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrprop.data.sampling import TemporalSampling, VideoBatches, longest_first


@given(
    st.integers(1, 300),
    st.integers(1, 120),
    st.sampled_from(["crop", "whole"]),
    st.sampled_from([1.0, 1.5, 4.0]),
    st.integers(0, 2**32),
)
def test_views_follow_the_definition(n: int, num_frames: int, region: str, ratio: float, seed: int) -> None:
    sampling = TemporalSampling(num_frames, region, ratio)  # type: ignore[arg-type]
    first, second = sampling.draw(n, np.random.default_rng(seed))
    m = min(n, num_frames)
    longest = math.ceil(ratio * (m if region == "crop" else n))
    for steps in (first, second):
        assert len(steps) == m
        assert steps[0] >= 0
        assert (np.diff(steps) > 0).all()
        assert steps[-1] - steps[0] < longest
        assert steps[0] < n, "at least one frame is real"


def test_short_videos_reach_past_their_end() -> None:
    """Unclipped: it is what makes the two views of a video with n < T differ."""
    rng = np.random.default_rng(0)
    draws = [TemporalSampling(80).draw(40, rng) for _ in range(200)]
    past = np.mean([steps[-1] >= 40 for pair in draws for steps in pair])
    assert past > 0.8
    assert all(len(steps) == 40 for pair in draws for steps in pair)
    assert np.mean([not np.array_equal(*pair) for pair in draws]) > 0.95


def test_a_region_is_up_to_the_ratio_as_long_as_its_frames() -> None:
    rng = np.random.default_rng(0)
    spans = [np.ptp(TemporalSampling(50, "crop", ratio).draw(1000, rng)[0]) for ratio in (1.0, 3.0) for _ in range(300)]
    assert set(spans[:300]) == {49}
    assert max(spans) > 140
    assert np.mean(spans[300:]) == pytest.approx(2 * 49, rel=0.05)


def test_the_second_view_starts_near_the_first() -> None:
    """Offsets lie within int(0.8 m); a view's first step adds at most a few frames to its offset."""
    rng = np.random.default_rng(0)
    starts = np.array([[steps[0] for steps in TemporalSampling(20).draw(1000, rng)] for _ in range(500)])
    distance = np.abs(starts[:, 1] - starts[:, 0])
    assert distance.max() <= 16 + 10
    assert distance.max() > 12
    assert starts[:, 0].max() > 900
    assert starts[:, 0].min() < 50


def test_crop_is_a_part_and_whole_is_all() -> None:
    rng = np.random.default_rng(0)
    spans = {
        region: np.mean([np.ptp(TemporalSampling(20, region).draw(200, rng)[0]) for _ in range(100)])  # type: ignore[arg-type]
        for region in ("crop", "whole")
    }
    assert spans["crop"] < 32
    assert spans["whole"] > 180


@pytest.mark.parametrize(("videos", "per_batch"), [(6, 2), (7, 2), (7, 3), (2, 2)])
def test_an_epoch_holds_every_video_in_groups_of_different_ones(videos: int, per_batch: int) -> None:
    batches = VideoBatches(["wave"] * videos, per_batch, seed=0, progress=lambda: (4, 0))
    groups = list(batches)
    assert len(groups) == len(batches) == math.ceil(videos / per_batch)
    assert {video for group in groups for _, video in group} == set(range(videos))
    for group in groups:
        assert len({video for _, video in group}) == per_batch
        assert {epoch for epoch, _ in group} == {4}


def test_order_depends_on_seed_and_epoch_only() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        return [video for group in VideoBatches(["wave"] * 20, 2, seed, lambda: (epoch, 0)) for _, video in group]

    assert order(0, 1) == order(0, 1)
    assert order(0, 1) != order(0, 2)
    assert order(0, 1) != order(1, 1)


def test_a_group_holds_videos_of_one_action_and_an_epoch_mixes_the_actions() -> None:
    actions = ["wave"] * 7 + ["bow"] * 4 + ["nod"] * 2
    batches = VideoBatches(actions, 2, seed=0, progress=lambda: (1, 0))
    groups = [[video for _, video in group] for group in batches]
    assert len(groups) == len(batches) == 4 + 2 + 1
    assert {video for group in groups for video in group} == set(range(len(actions)))
    shown = [{actions[video] for video in group} for group in groups]
    assert all(len(names) == 1 for names in shown)
    assert sorted(map(str, shown)) != list(map(str, shown)), "the actions come one after the other"


def test_an_action_is_ordered_as_if_it_were_alone() -> None:
    """What another seed or machine trained on one action stays what it was."""
    order = np.random.default_rng((3, 5)).permutation(7)
    expected = [*order.tolist(), int(order[0])]
    assert [video for group in VideoBatches(["bow"] * 7, 2, 3, lambda: (5, 0)) for _, video in group] == expected


@given(
    st.lists(st.integers(2, 9), min_size=1, max_size=3), st.integers(2, 4), st.integers(1, 4), st.integers(0, 2**32 - 1)
)
def test_processes_share_the_groups_of_one(counts: list[int], videos: int, processes: int, seed: int) -> None:
    """Of one action a group, P videos each, as many batches for all, and no video left out."""
    videos = min(videos, *counts, videos)
    actions = [f"action{number}" for number, count in enumerate(counts) for _ in range(count)]
    parts = [VideoBatches(actions, videos, seed, lambda: (3, 0), rank, processes) for rank in range(processes)]
    batches = [list(part) for part in parts]
    assert {len(part) for part in parts} == {len(each) for each in batches} == {len(batches[0])}
    seen = []
    for group in zip(*batches, strict=True):
        assert all(len({video for _, video in batch}) == videos for batch in group), "no video twice in a batch"
        together = [video for batch in group for _, video in batch]
        assert len({actions[video] for video in together}) == 1
        seen += together
    assert set(seen) == set(range(len(actions)))
    if videos * processes <= min(counts):
        assert seen == [
            video for batch in VideoBatches(actions, videos * processes, seed, lambda: (3, 0)) for _, video in batch
        ]
    most = -(-videos * processes // min(counts)) + 1
    assert max(seen.count(video) for video in range(len(actions))) <= most, "an action's last group is filled up"


@given(st.lists(st.integers(1, 50), max_size=12), st.integers(1, 5))
def test_every_video_is_evaluated_by_one_process_the_longest_first(lengths: list[int], processes: int) -> None:
    parts = [longest_first(lengths, rank, processes) for rank in range(processes)]
    assert sorted(video for part in parts for video in part) == list(range(len(lengths)))
    frames = [[lengths[video] for video in part] for part in parts]
    assert all(part == sorted(part, reverse=True) for part in frames)
    totals = [sum(part) for part in frames]
    assert max(totals) - min(totals) <= max(lengths, default=0)


def test_an_interrupted_epoch_goes_on_behind_what_was_done() -> None:
    whole = list(VideoBatches(["bow"] * 7, 2, 3, lambda: (5, 0)))
    for done in range(5):
        assert list(VideoBatches(["bow"] * 7, 2, 3, lambda done=done: (5, done))) == whole[done:]  # type: ignore[misc]
