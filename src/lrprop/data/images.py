"""Pixels as input: resizing for evaluation, and CARL's augmentation that is one draw a view."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms import v2


class ImageAugmentation:
    """CARL's spatial augmentation (after SimCLR): every transform is drawn once for all frames of a view.

    Args:
        size: side of the square images, in pixels.
    """

    def __init__(self, size: int) -> None:
        self.size = size

    def plain(self, frames: np.ndarray) -> Tensor:
        """For evaluation, the whole image squeezed to a square: (n, H, W, 3) uint8 to (n, 3, size, size) uint8."""
        resized: Tensor = v2.functional.resize(_channels_first(frames), [self.size, self.size], antialias=True)
        return resized

    def augmented(self, frames: np.ndarray, rng: np.random.Generator) -> Tensor:
        """For training: (n, H, W, 3) uint8 to (n, 3, size, size) uint8, a function of the frames and the generator."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(rng.integers(2**63)))
            changed: Tensor = self._transforms(_channels_first(frames))
        return changed

    @cached_property
    def _transforms(self) -> v2.Compose:
        jitter = v2.ColorJitter(brightness=0.8, contrast=0.8, saturation=0.8, hue=0.2)
        # SimCLR's blur kernel is a tenth of the image; it must be odd.
        blur = v2.GaussianBlur(kernel_size=self.size // 20 * 2 + 1, sigma=(0.1, 2.0))
        return v2.Compose([
            v2.RandomResizedCrop(self.size, scale=(0.4, 1.0), antialias=True),
            v2.RandomHorizontalFlip(),
            v2.RandomApply([jitter], p=0.8),
            v2.RandomGrayscale(p=0.2),
            v2.RandomApply([blur], p=0.5),
        ])  # fmt: skip


def _channels_first(frames: np.ndarray) -> Tensor:
    return torch.from_numpy(frames).permute(0, 3, 1, 2)
