"""What the encoder reads of a video, by kind: normalised poses, pixels, or features from the bank."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lrprop.data.feature_bank import CHUNK, FeatureBank
from lrprop.data.frame_cache import FrameCache
from lrprop.data.images import ImageAugmentation
from lrprop.data.poses import PoseAugmentation, normalise_poses
from lrprop.data.video import Video


class Inputs(ABC):
    """One kind of input."""

    @abstractmethod
    def plain(self, video: Video) -> Tensor:
        """All n frames of a video as evaluation sees them, (n, ...)."""

    @abstractmethod
    def views(self, video: Video, steps: list[np.ndarray], rng: np.random.Generator) -> list[Tensor]:
        """The frames at the steps of each view, augmented by one draw a view, [(m, ...), ...]."""


@dataclass(frozen=True)
class PoseInputs(Inputs):
    """Joints, normalised by video."""

    augmentation: PoseAugmentation

    def plain(self, video: Video) -> Tensor:
        """Poses (n, J, 3)."""
        return torch.from_numpy(self._normalised(video))

    def views(self, video: Video, steps: list[np.ndarray], rng: np.random.Generator) -> list[Tensor]:
        """Poses (m, J, 3) of each view."""
        poses = self._normalised(video)
        return [torch.from_numpy(self.augmentation(poses[chosen], rng)) for chosen in steps]

    def _normalised(self, video: Video) -> np.ndarray:
        assert video.poses is not None, f"{video.id} has no poses"
        return normalise_poses(video.poses)


@dataclass
class DecodedVideo:
    """What the views of one video are made of, by `PixelInputs.augmented`: on the device, where that is a GPU.

    Attributes:
        frames: (k, H, W, 3) uint8, those that at least one view holds, each once.
        rows: (m,) int64 of each view, which of them it holds.
        rng: draws the augmentations.
    """

    frames: Tensor
    rows: list[Tensor]
    rng: np.random.Generator

    def to(self, device: torch.device) -> DecodedVideo:
        """A copy on another device."""
        return DecodedVideo(self.frames.to(device), [chosen.to(device) for chosen in self.rows], self.rng)

    def pin_memory(self) -> DecodedVideo:
        """A copy in page-locked memory."""
        return DecodedVideo(self.frames.pin_memory(), self.rows, self.rng)


@dataclass(frozen=True)
class PixelInputs(Inputs):
    """Images, decoded once for both views of a video, and only those that a view holds."""

    augmentation: ImageAugmentation
    cache: FrameCache | None = None

    def plain(self, video: Video) -> Tensor:
        """Images (n, 3, H, W) uint8; of a video that is decoded, few frames at a time are in memory in full size."""
        images = torch.empty(video.n, 3, self.augmentation.size, self.augmentation.size, dtype=torch.uint8)
        start = 0
        for frames in [self.cache.read(video)] if self.cache else video.chunks(CHUNK):
            room = images[start : start + len(frames)]
            room.copy_(self.augmentation.plain(frames)[: len(room)])  # too many frames: an error behind the last
            start += len(frames)
        return images

    def views(self, video: Video, steps: list[np.ndarray], rng: np.random.Generator) -> list[Tensor]:
        """Images (m, 3, H, W) uint8 of each view."""
        return self.augmented(self.decoded(video, steps, rng))

    def decoded(self, video: Video, steps: list[np.ndarray], rng: np.random.Generator) -> DecodedVideo:
        """What `views` does before augmentation."""
        needed = np.unique(np.concatenate(steps))
        rows = [torch.from_numpy(np.searchsorted(needed, chosen)) for chosen in steps]
        return DecodedVideo(torch.from_numpy(self._read(video, needed)), rows, rng)

    def augmented(self, decoded: DecodedVideo) -> list[Tensor]:
        """The rest of what `views` does, on the device of the frames."""
        return [self.augmentation.augmented(decoded.frames[rows], decoded.rng) for rows in decoded.rows]

    def _read(self, video: Video, steps: np.ndarray | None = None) -> np.ndarray:
        return self.cache.read(video, steps) if self.cache else video.read(steps)


@dataclass(frozen=True)
class FeatureInputs(Inputs):
    """Features of a frozen frame encoder; a view is cut from one of the K augmented copies."""

    bank: FeatureBank

    def plain(self, video: Video) -> Tensor:
        """Features (n, F)."""
        return _to_float(self.bank.read(video)[0])

    def views(self, video: Video, steps: list[np.ndarray], rng: np.random.Generator) -> list[Tensor]:
        """Features (m, F) of each view."""
        features = self.bank.read(video)
        # Different copies where there are two: views that share their augmentation are matched by its traces.
        copies = 1 + rng.choice(len(features) - 1, len(steps), replace=len(features) - 1 < len(steps))
        return [_to_float(features[copy, chosen]) for copy, chosen in zip(copies, steps, strict=True)]


def _to_float(features: np.ndarray) -> Tensor:
    return torch.from_numpy(features.astype(np.float32))
