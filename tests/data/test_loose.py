from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lrprop.data import AlignmentDataModule, Video
from lrprop.data.datasets import WholeVideos
from lrprop.data.loose import loose_clip, loose_steps

SEEDS = st.integers(0, 2**32 - 1)


def draw(n: int, seed: int) -> np.ndarray:
    return loose_steps(n, np.random.default_rng(seed))


def video(name: str, n: int = 60) -> Video:
    return Video(name, Path(name), n, 30.0, "val")


@settings(deadline=None)
@given(st.integers(1, 300), SEEDS)
def test_a_clip_runs_forward_through_at_least_half_of_its_video(n: int, seed: int) -> None:
    steps = draw(n, seed)
    assert steps.dtype == np.int64
    assert (np.diff(steps) >= 0).all()
    assert 0 <= steps[0] <= n / 4
    assert n - 1 - n / 4 <= steps[-1] < n
    assert len(steps) == steps[-1] - steps[0] + 1, "as many frames as the cut video has, its ends among them"


@pytest.mark.parametrize("n", [1, 2, 3])
def test_the_shortest_videos_lose_nothing(n: int) -> None:
    assert all(len(draw(n, seed)) == n for seed in range(50))


def test_the_two_ends_are_cut_evenly_and_on_their_own() -> None:
    ends = np.array([(steps[0], 999 - steps[-1]) for steps in (draw(1000, seed) for seed in range(400))]) / 1000
    np.testing.assert_allclose(ends.mean(0), 0.125, atol=0.015)
    np.testing.assert_allclose(ends.std(0), 0.25 / np.sqrt(12), atol=0.01)
    assert ends.max() < 0.25
    assert abs(np.corrcoef(ends[:, 0], ends[:, 1])[0, 1]) < 0.15


def test_the_tempo_varies_smoothly_within_a_clip() -> None:
    for seed in range(20):
        steps = draw(1000, seed)
        tempo = np.diff(steps[::25]) / 25
        assert tempo.max() > 1.1
        assert tempo.min() < 0.9
        assert np.abs(np.diff(tempo)).max() < 0.4


def test_a_video_has_one_clip_on_every_machine() -> None:
    assert loose_clip(video("val/0007", 20), seed=0).tolist() == [4, 5, 6, 7, 8, 8, 9, 10, 11, 12, 13, 14, 16, 17, 18]
    assert np.array_equal(loose_clip(video("a"), 0), loose_clip(replace(video("a"), fps=1.0, split="tune"), 0))


def test_clips_differ_between_videos_and_between_seeds() -> None:
    clips = [loose_clip(video(name), seed) for name in ("a", "b", "ab", "ba") for seed in (0, 1)]
    assert len({clip.tobytes() for clip in clips}) == 8


def modules(penn_folder: Path, video_folder: Path, bank: Path) -> list[AlignmentDataModule]:
    """One data module for each kind of input: poses, pixels, features."""
    pixels = {"image_size": 24, "bank": bank, "bank_copies": 1, "tune_fraction": 0.3, "split_seed": 5}
    data = [
        AlignmentDataModule(penn_folder, "squat", tune_fraction=0.3, split_seed=5),
        *(AlignmentDataModule(video_folder, "custom", **pixels) for _ in range(2)),  # type: ignore[arg-type]
    ]
    for each in data:
        each.setup()
    data[2].use_feature_bank("means", lambda images: images.float().mean((2, 3)).numpy())
    return data


def test_held_out_videos_are_seen_again_at_their_loose_steps(
    penn_folder: Path, video_folder: Path, tmp_path: Path
) -> None:
    for data in modules(penn_folder, video_folder, tmp_path):
        sets = data.evaluated_sets
        assert list(sets) == ["train", "val", "tune", "val/loose", "tune/loose"]
        for split in ("val", "tune"):
            loose = sets[f"{split}/loose"]
            assert loose.videos == sets[split].videos
            for number, seen in enumerate(loose.videos):
                steps = loose_clip(seen, seed=5)
                views, whole = loose[number], sets[split][number]
                assert torch.equal(views.steps, torch.from_numpy(steps)[None])
                assert torch.equal(views.frames, whole.frames[:, steps])
                assert views.mask.shape == (1, len(steps))
                assert views.mask.all()
                assert torch.equal(views.lengths, whole.lengths)


def test_the_seed_of_training_leaves_the_clips_as_they_are(penn_folder: Path) -> None:
    frames = []
    for seed in (0, 1):
        data = AlignmentDataModule(penn_folder, "squat", seed=seed)
        data.setup()
        frames.append([views.frames for views in (data.evaluated_sets["val/loose"][i] for i in range(2))])
    assert all(torch.equal(*pair) for pair in zip(*frames, strict=True))


def test_whole_videos_are_whole_unless_loose(penn_folder: Path) -> None:
    data = AlignmentDataModule(penn_folder, "squat")
    data.setup()
    videos = WholeVideos(data.videos, data.inputs)
    assert all(videos[i].steps.tolist() == [list(range(seen.n))] for i, seen in enumerate(data.videos))
