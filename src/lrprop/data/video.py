"""The record that every source yields: one video, its labels and how to read its frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from lrprop.data.frames import read_frames
from lrprop.data.videofile import read_video

Split = Literal["train", "tune", "val"]
Modality = Literal["pixels", "poses"]


@dataclass(frozen=True, eq=False)
class Video:
    """One recording.

    Attributes:
        id: unique in its data set, and the order of the videos ("first f n training videos in id order").
        path: the file, or the folder of frames, that it is read from.
        n: number of frames.
        fps: frames per second of the recording.
        split: "train", "tune" or "val"; "val" is the paper's test split.
        labels: (n,) int64 phases 0..K-1, -1 where a frame has none; None without labels.
        truth: (n,) float64 in [0, 1], the canonical time of each frame, where it is known (synthetic videos).
        poses: (n, J, 3) float32 of x, y in pixels and visibility in {0, 1}; None where the video is pixels.
        action: what it shows; only videos of one action are aligned.
    """

    id: str
    path: Path
    n: int
    fps: float
    split: Split
    labels: np.ndarray | None = None
    truth: np.ndarray | None = None
    poses: np.ndarray | None = None
    action: str = ""

    def read(self, steps: Sequence[int] | np.ndarray | None = None) -> np.ndarray:
        """Its images at some steps, or all of them: (len(steps) or n, H, W, 3) uint8, RGB.

        Raises:
            InputError: as `videofile.read_video` and `frames.read_frames`.
        """
        return read_frames(self.path, steps) if self.path.is_dir() else read_video(self.path, steps)
