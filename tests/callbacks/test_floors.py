from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from lrprop.callbacks import Evaluation, floor_rows
from lrprop.data import AlignmentDataModule
from lrprop.data.poses import normalise_poses
from lrprop.encoders import Encoder, ResNet50
from lrprop.metrics.functional import dtw_accuracy
from lrprop.module import AlignmentModule
from lrprop.objectives import LRProp

small = partial(Encoder, layers=1, width=16, heads=2, feedforward=16, fc_units=(16,), embedding=8)


def test_rows_are_the_frame_number_and_the_normalised_joints(penn_folder: Path) -> None:
    data = AlignmentDataModule(penn_folder, "squat")
    data.setup()
    rows = floor_rows(Evaluation(), data, AlignmentModule(small("poses"), LRProp()))
    val = data.split("val")
    labels = [video.labels for video in val if video.labels is not None]
    time = [np.arange(video.n)[:, None] / video.n for video in val]
    joints = [normalise_poses(video.poses).reshape(video.n, -1) for video in val if video.poses is not None]
    assert rows["time_only"]["dtw_accuracy"] == pytest.approx(dtw_accuracy(time, labels), abs=1e-6)
    assert rows["raw"]["dtw_accuracy"] == pytest.approx(dtw_accuracy(joints, labels), abs=1e-6)


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
