from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from lrprop.callbacks import Evaluation, floor_rows
from lrprop.data import AlignmentDataModule, Video
from lrprop.data.loose import loose_clip
from lrprop.data.poses import normalise_poses
from lrprop.encoders import Encoder, ResNet50
from lrprop.metrics.functional import dtw_accuracy
from lrprop.module import AlignmentModule
from lrprop.objectives import LRProp

small = partial(Encoder, layers=1, width=16, heads=2, feedforward=16, fc_units=(16,), embedding=8)


def joints(video: Video) -> np.ndarray:
    assert video.poses is not None
    return normalise_poses(video.poses).reshape(video.n, -1)


def time(n: int) -> np.ndarray:
    return np.arange(n)[:, None] / n


def window(frames: np.ndarray, weight: float) -> np.ndarray:
    """Frame by frame: the frames at t - 8, t - 4, t, t + 4 and t + 8, none outside the clip, and the time."""
    last = len(frames) - 1
    around = [[frames[min(max(t + shift, 0), last)] for shift in (-8, -4, 0, 4, 8)] for t in range(len(frames))]
    return np.concatenate([np.array(around).reshape(len(frames), -1), weight * time(len(frames))], axis=1)


def test_rows_are_the_time_the_joints_and_both(penn_folder: Path) -> None:
    data = AlignmentDataModule(penn_folder, "squat", split_seed=3)
    data.setup()
    rows = floor_rows(Evaluation(), data, AlignmentModule(small("poses"), LRProp()))
    assert list(rows) == ["time_only", "raw", "raw_window"]
    weight = np.sqrt(12 * 5 * np.mean([joints(video).var(0).sum() for video in data.split("train")]))
    val = data.split("val")
    for prefix, clips in (("", [np.arange(v.n) for v in val]), ("loose/", [loose_clip(v, 3) for v in val])):
        labels = [v.labels[clip] for v, clip in zip(val, clips, strict=True) if v.labels is not None]
        shown = [joints(v)[clip] for v, clip in zip(val, clips, strict=True)]
        expected = {
            "time_only": [time(len(clip)) for clip in clips],
            "raw": shown,
            "raw_window": [window(frames, weight) for frames in shown],
        }
        for name, embeddings in expected.items():
            for ends, is_open in (("", False), ("_open", True)):
                accuracy = dtw_accuracy(embeddings, labels, is_open, is_open)
                assert rows[name][f"{prefix}dtw_accuracy{ends}"] == pytest.approx(accuracy, abs=1e-6), (name, prefix)


def test_time_alone_wins_on_trimmed_videos_only(shared: Path) -> None:
    data = AlignmentDataModule(shared / "penn_action", "squat")
    data.setup()
    labelled = [video for video in data.videos if video.labels is not None]
    data.videos = [v for s in ("train", "val") for v in [v for v in labelled if v.split == s][:20]]
    row = floor_rows(Evaluation(), data, AlignmentModule(small("poses"), LRProp()))["time_only"]
    trimmed, loose = row["dtw_accuracy"], row["loose/dtw_accuracy"]
    assert trimmed is not None
    assert loose is not None
    assert trimmed > 0.7
    assert loose < trimmed - 0.1


def test_images_with_more_features_than_components_have_a_window(video_folder: Path) -> None:
    data = AlignmentDataModule(video_folder, "custom", image_size=32)
    data.setup()
    rows = floor_rows(Evaluation(), data, AlignmentModule(small("pixels"), LRProp()))
    for row in rows.values():
        assert row.keys() == rows["raw"].keys()
        assert all(0 <= value <= 1 for name, value in row.items() if "error" in name and value is not None)
    assert rows["raw_window"]["kendalls_tau"] != rows["raw"]["kendalls_tau"]


def test_the_model_is_left_as_it_was(video_folder: Path) -> None:
    """A frame encoder with trained BatchNorm must not see the floors in training mode."""
    data = AlignmentDataModule(video_folder, "custom", image_size=64)
    data.setup()
    module = AlignmentModule(small("pixels", pixels=lambda: ResNet50("random")), LRProp()).train()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    floor_rows(Evaluation(), data, module)
    assert module.encoder.backbone.training
    for name, tensor in module.state_dict().items():
        torch.testing.assert_close(tensor, before[name], rtol=0, atol=0)
