"""`Clip`: what cannot be drawn is refused at the door."""

from __future__ import annotations

import numpy as np
import pytest

from lrprop.viz import Clip

FRAMES = np.zeros((4, 6, 8, 3), np.uint8)


def test_phases() -> None:
    clip = Clip("a", FRAMES, np.array([0, 1, 2, -1]), 25.0)
    assert len(clip) == 4
    assert [clip.phase(i) for i in range(4)] == [0, 1, 2, None]
    assert Clip("a", FRAMES, None, 25.0).phase(0) is None


@pytest.mark.parametrize(
    "frames",
    [FRAMES[:0], FRAMES[:, :0], FRAMES[..., :1], FRAMES[0], FRAMES.astype(np.float32)],
    ids=lambda a: str(a.shape),
)
def test_wrong_frames(frames: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"frames of clip 'a' must be a non-empty \(n, H, W, 3\) array of uint8; got"):
        Clip("a", frames, None, 25.0)


@pytest.mark.parametrize("labels", [np.zeros(3, int), np.zeros((4, 1), int), np.zeros(4)], ids=lambda a: str(a.shape))
def test_wrong_labels(labels: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"labels of clip 'a' must be integers of shape \(4,\)"):
        Clip("a", FRAMES, labels, 25.0)


@pytest.mark.parametrize("fps", [0.0, -1.0, float("nan"), float("inf")])
def test_wrong_fps(fps: float) -> None:
    with pytest.raises(ValueError, match="fps of clip 'a' must be positive and finite"):
        Clip("a", FRAMES, None, fps)
