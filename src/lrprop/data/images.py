"""Pixels as input: resizing for evaluation, and CARL's augmentation that is one draw a view."""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import pad
from torchvision.transforms import v2

_CACHED_PIXELS = 2**18  # go through the transforms together on a CPU: planes that stay in its cache are twice as fast


class ImageAugmentation:
    """CARL's spatial augmentation (after SimCLR): every transform is drawn once for all frames of a view.

    A seed draws what it would draw in torchvision v2, and gives the images that v2 gives on float tensors. On a CPU v2
    spends most of its time on hue and blur, which are replaced here by faster equals.

    Args:
        size: side of the square images, in pixels.
    """

    def __init__(self, size: int) -> None:
        self.size = size

    def plain(self, frames: np.ndarray | Tensor) -> Tensor:
        """For evaluation, the whole image squeezed to a square: (n, H, W, 3) uint8 to (n, 3, size, size) uint8."""
        resized: Tensor = v2.functional.resize(_channels_first(frames), [self.size, self.size], antialias=True)
        return resized

    def augmented(self, frames: np.ndarray | Tensor, rng: np.random.Generator) -> Tensor:
        """For training: (n, H, W, 3) uint8 to (n, 3, size, size) uint8, a function of the frames and the generator.

        The draw depends on H, W and `rng` alone; the images are made on the device of the frames.
        """
        images = _channels_first(frames)
        together = max(1, _CACHED_PIXELS // self.size**2) if images.device.type == "cpu" else len(images)
        seed = int(rng.integers(2**63))
        return torch.cat([self._transformed(part, seed) for part in images.split(together)])

    def _transformed(self, images: Tensor, seed: int) -> Tensor:
        with torch.random.fork_rng(devices=[]):
            # torch.manual_seed would seed the GPUs too, and nobody would set them back.
            torch.default_generator.manual_seed(seed)
            placed = self._place(images)
            # Arithmetic on channels is several times faster on float planes than on channels-last integers.
            planes = placed.to(torch.float32, memory_format=torch.contiguous_format).div_(255)
            changed: Tensor = self._colour_and_blur(planes)
        return changed.mul(255).round_().to(torch.uint8)

    @cached_property
    def _place(self) -> v2.Compose:
        return v2.Compose([
            v2.RandomResizedCrop(self.size, scale=(0.4, 1.0), antialias=True),
            v2.RandomHorizontalFlip(),
        ])  # fmt: skip

    @cached_property
    def _colour_and_blur(self) -> v2.Compose:
        # SimCLR's blur kernel is a tenth of the image; it must be odd.
        blur = GaussianBlur(kernel_size=self.size // 20 * 2 + 1, sigma=(0.1, 2.0))
        return v2.Compose([
            v2.RandomApply([ColorJitter(brightness=0.8, contrast=0.8, saturation=0.8, hue=0.2)], p=0.8),
            v2.RandomGrayscale(p=0.2),
            v2.RandomApply([blur], p=0.5),
        ])  # fmt: skip


class ColorJitter(nn.Module):
    """`v2.ColorJitter` with `adjust_hue` below: the same draws, the same colours.

    Args:
        brightness: a factor is drawn from [1 - brightness, 1 + brightness].
        contrast: likewise; each frame is blended with its own mean gray.
        saturation: likewise.
        hue: a shift is drawn from [-hue, hue], in turns of the colour circle.
    """

    def __init__(self, brightness: float, contrast: float, saturation: float, hue: float) -> None:
        super().__init__()
        self.ranges = [(1 - strength, 1 + strength) for strength in (brightness, contrast, saturation)] + [(-hue, hue)]

    def forward(self, images: Tensor) -> Tensor:
        """Images (n, 3, H, W) float in [0, 1], all jittered alike."""
        order, *strengths = v2.ColorJitter.get_params(*self.ranges)
        adjust = v2.functional
        adjustments = (adjust.adjust_brightness, adjust.adjust_contrast, adjust.adjust_saturation, adjust_hue)
        for index in order:
            images = adjustments[index](images, strengths[index])
        return images


class GaussianBlur(nn.Module):
    """`v2.GaussianBlur` along one axis, then the other, without the kernel's ends beyond three sigma.

    Args:
        kernel_size: the longest kernel, in pixels, odd.
        sigma: the range that sigma is drawn from, in pixels.
    """

    def __init__(self, kernel_size: int, sigma: tuple[float, float]) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.sigma = sigma

    def forward(self, images: Tensor) -> Tensor:
        """Images (n, 3, H, W) float, all blurred alike, mirrored at the borders."""
        sigma = v2.GaussianBlur.get_params(*self.sigma)
        radius = min(self.kernel_size // 2, math.ceil(3 * sigma))
        weights = np.exp(-(np.arange(-radius, radius + 1) ** 2) / (2 * sigma**2))
        weights /= weights.sum()
        rows = _weighted_shifts(pad(images, (0, 0, radius, radius), mode="reflect"), weights, dim=-2)
        return _weighted_shifts(pad(rows, (radius, radius, 0, 0), mode="reflect"), weights, dim=-1)


def _weighted_shifts(padded: Tensor, weights: np.ndarray, dim: int) -> Tensor:
    """The convolution along one axis; sums of whole shifted images beat convolutions of so few channels."""
    length = padded.shape[dim] - len(weights) + 1
    total = padded.narrow(dim, 0, length) * float(weights[0])
    for start, weight in enumerate(weights[1:], start=1):
        total.add_(padded.narrow(dim, start, length), alpha=float(weight))
    return total


def adjust_hue(images: Tensor, turn: float) -> Tensor:
    """`v2.functional.adjust_hue` without its slow selection among the six sectors of the colour circle.

    On a circle of circumference 6 red has its peak at 0, green at 2, blue at 4. A channel is at the maximum up to 1
    away from its peak, at the minimum from 2 on, and linear between.

    Args:
        images: (n, 3, H, W) float in [0, 1].
        turn: what is added to the hue, as a share of the circle.

    Returns:
        Images like the given ones, with the maximum and the minimum that each pixel had.
    """
    red, green, blue = images.unbind(-3)
    highest = torch.maximum(torch.maximum(red, green), blue)
    chroma = highest - torch.minimum(torch.minimum(red, green), blue)
    hue = _place_on_circle(red, green, blue, highest, chroma).add_(6 * turn)
    shifted = torch.empty_like(images)
    for channel, peak in enumerate((0, 2, 4)):
        offset = hue - peak
        distance = offset.sub_(offset.div(6).round_(), alpha=6).abs_()
        torch.addcmul(highest, distance.sub_(1).clamp_(0, 1), chroma, value=-1, out=shifted[:, channel])
    return shifted


def _place_on_circle(red: Tensor, green: Tensor, blue: Tensor, highest: Tensor, chroma: Tensor) -> Tensor:
    """The hue in [-1, 5], measured from the peak of the highest channel; that of gray does not matter."""
    from_green = (blue - red).add_(chroma, alpha=2)
    from_blue = (red - green).add_(chroma, alpha=4)
    # The signs are 0 where a channel is the highest, else 1; on a CPU lerp is much faster than torch.where.
    other = from_green.lerp_(from_blue, (highest - green).sign_())
    return torch.lerp(green - blue, other, (highest - red).sign_()).div_(chroma.clamp(min=1e-9))


def _channels_first(frames: np.ndarray | Tensor) -> Tensor:
    return torch.as_tensor(frames).permute(0, 3, 1, 2)
