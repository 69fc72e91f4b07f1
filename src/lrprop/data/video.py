"""The record that every source yields: one video, its labels and how to read its frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from lrprop.data.frames import read_frame_chunks, read_frames
from lrprop.data.videofile import read_chunks, read_video
from lrprop.errors import InputError

Split = Literal["train", "tune", "val"]
Modality = Literal["pixels", "poses"]


class UnreadableVideoError(InputError):
    """The images of a video cannot be read.

    Attributes:
        id: of the video.
    """

    def __init__(self, message: str, id: str = "") -> None:  # whoever raises it again has the message alone
        super().__init__(message)
        self.id = id


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
            UnreadableVideoError: where `videofile.read_video` and `frames.read_frames` raise InputError, or there are
                not n images any more.
        """
        with self._named():
            images = read_frames(self.path, steps) if self.path.is_dir() else read_video(self.path, steps)
            if steps is None:
                self._check_count(len(images))
        return images

    def chunks(self, size: int) -> Iterator[np.ndarray]:
        """All its images in order, `size` at a time and no more in memory: (size or fewer, H, W, 3) uint8, RGB.

        Raises:
            UnreadableVideoError: where `videofile.read_chunks` and `frames.read_frame_chunks` raise InputError, or, at
                the end, there are not n images any more.
        """
        count = 0
        with self._named():
            for images in read_frame_chunks(self.path, size) if self.path.is_dir() else read_chunks(self.path, size):
                count += len(images)
                yield images
            self._check_count(count)

    def _check_count(self, count: int) -> None:
        if count != self.n:
            raise InputError(f"{self.path}: has {count} frames and had {self.n} when it was found; run again")

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except InputError as error:
            raise UnreadableVideoError(str(error), self.id) from error
