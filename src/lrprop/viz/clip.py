"""A video as the pictures need it: its name, its frames, its phases and its speed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Clip:
    """One video to draw.

    Attributes:
        id: the name that is written over it.
        frames: (n, H, W, 3) uint8 RGB, at least one frame.
        labels: (n,) integer phases 0..K-1, -1 where a frame has none; None for a video without labels.
        fps: frames per second, positive.

    Raises:
        ValueError: where the frames are empty or no such array, labels do not match them, or fps is not positive.
    """

    id: str
    frames: np.ndarray
    labels: np.ndarray | None
    fps: float

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn."""
        check_frames(self.frames, f"frames of clip {self.id!r}")
        if self.labels is not None:
            labels = np.asarray(self.labels)
            if labels.shape != (len(self),) or not np.issubdtype(labels.dtype, np.integer):
                raise ValueError(
                    f"labels of clip {self.id!r} must be integers of shape ({len(self)},), one a frame; "
                    f"got {labels.dtype} of shape {labels.shape}"
                )
        if not (np.isfinite(self.fps) and self.fps > 0):
            raise ValueError(f"fps of clip {self.id!r} must be positive and finite; got {self.fps}")

    def __len__(self) -> int:
        """The number of frames n."""
        return len(self.frames)

    def phase(self, index: int) -> int | None:
        """The phase of one frame; None where it has none."""
        if self.labels is None or self.labels[index] < 0:
            return None
        return int(self.labels[index])


def check_frames(frames: np.ndarray, name: str) -> None:
    """Refuse anything but a non-empty stack of RGB frames.

    Args:
        frames: expected (n, H, W, 3) uint8.
        name: what the message calls it.

    Raises:
        ValueError: naming the dtype and the shape that came instead.
    """
    frames = np.asarray(frames)
    if frames.ndim != 4 or frames.shape[3] != 3 or frames.dtype != np.uint8 or frames.size == 0:
        raise ValueError(
            f"{name} must be a non-empty (n, H, W, 3) array of uint8; got {frames.dtype} of shape {frames.shape}"
        )
