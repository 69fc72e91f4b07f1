"""How many frames a second one thread augments, beside CARL's way and torchvision v2.

    python benchmarks/augmentation_cpu.py [--views 10] [--rounds 3] [--quick]

One process and one thread. The contenders take turns view by view and make the same draws from the same seeds; what
they make of them is compared before it is timed. Seconds are those of the processor: other programs disturb little;
a ratio is the median of the rounds' ratios, and on a busy machine it says more than the frames a second.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch import Tensor, nn
from torch.nn.functional import interpolate
from torchvision.transforms import v2

from lrprop.data.images import ImageAugmentation

Augment = Callable[[np.ndarray, np.random.Generator], Tensor]
"""frames (n, H, W, 3) uint8 -> (n, 3, size, size), uint8 or float in [0, 1]."""

SETTINGS = [(40, (270, 480), 224), (80, (270, 480), 224), (40, (128, 128), 112), (80, (128, 128), 112)]
"""(frames, (height, width), side)."""
JITTER = (0.8, 0.8, 0.8, 0.2)
SIGMA = (0.1, 2.0)


# --- the contenders --------------------------------------------------------------------------------------------------


def seeded(transforms: v2.Compose, prepare: Callable[[Tensor], Tensor]) -> Augment:
    """Transforms that draw from the torch generator, as a function of the frames and a NumPy generator."""

    def augment(frames: np.ndarray, rng: np.random.Generator) -> Tensor:
        torch.default_generator.manual_seed(int(rng.integers(2**63)))
        changed: Tensor = transforms(prepare(torch.from_numpy(frames).permute(0, 3, 1, 2)))
        return changed

    return augment


def torchvision_v2(size: int) -> Augment:
    """Torchvision's transforms on the uint8 tensor of all frames."""
    transforms = [
        v2.RandomResizedCrop(size, scale=(0.4, 1.0), antialias=True),
        v2.RandomHorizontalFlip(),
        v2.RandomApply([v2.ColorJitter(*JITTER)], p=0.8),
        v2.RandomGrayscale(p=0.2),
        v2.RandomApply([v2.GaussianBlur(size // 20 * 2 + 1, SIGMA)], p=0.5),
    ]
    return seeded(v2.Compose(transforms), lambda frames: frames)


def carls_way(size: int) -> Augment:
    """Float frames, cropped together; each change of colour and the blur take every frame to a PIL image and back."""
    transforms = [
        InterpolatedCrop(size),
        v2.RandomHorizontalFlip(),
        v2.RandomApply([FrameByFrame(drawn_jitter)], p=0.8),
        v2.RandomApply([FrameByFrame(lambda: gray)], p=0.2),
        v2.RandomApply([FrameByFrame(drawn_blur)], p=0.5),
    ]
    return seeded(v2.Compose(transforms), lambda frames: frames.float() / 255)


class InterpolatedCrop(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, frames: Tensor) -> Tensor:
        top, left, height, width = v2.RandomResizedCrop.get_params(frames, [0.4, 1.0], [3 / 4, 4 / 3])
        crop = frames[..., top : top + height, left : left + width]
        return interpolate(crop, size=(self.size, self.size), mode="bilinear", align_corners=False)


class FrameByFrame(nn.Module):
    """A change of PIL images that is drawn once for all frames."""

    def __init__(self, draw: Callable[[], Callable[[Image.Image], Image.Image]]) -> None:
        super().__init__()
        self.draw = draw

    def forward(self, frames: Tensor) -> Tensor:
        change = self.draw()
        to_tensor = v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])
        return torch.stack(
            [to_tensor(change(v2.functional.to_pil_image(frame))).as_subclass(Tensor) for frame in frames]
        )


def drawn_jitter() -> Callable[[Image.Image], Image.Image]:
    brightness, contrast, saturation, hue = JITTER
    ranges = [(1 - strength, 1 + strength) for strength in (brightness, contrast, saturation)] + [(-hue, hue)]
    order, *strengths = v2.ColorJitter.get_params(*ranges)
    adjust = v2.functional
    steps = (adjust.adjust_brightness, adjust.adjust_contrast, adjust.adjust_saturation, adjust.adjust_hue)

    def jitter(image: Image.Image) -> Image.Image:
        for index in order:
            image = steps[index](image, strengths[index])
        return image

    return jitter


def gray(image: Image.Image) -> Image.Image:
    return image.convert("L").convert("RGB")


def drawn_blur() -> Callable[[Image.Image], Image.Image]:
    blur = ImageFilter.GaussianBlur(v2.GaussianBlur.get_params(*SIGMA))
    return lambda image: image.filter(blur)


def contenders(size: int) -> dict[str, Augment]:
    ours = ImageAugmentation(size).augmented
    return {"CARL's way": carls_way(size), "torchvision v2": torchvision_v2(size), "lrprop": ours}


# --- what is measured ------------------------------------------------------------------------------------------------


def filmed(count: int, height: int, width: int) -> np.ndarray:
    """Frames (count, height, width, 3) uint8 of soft colours in motion."""
    coarse = np.random.default_rng(0).integers(0, 256, (count, 9, 16, 3), dtype=np.uint8)
    frames = v2.functional.resize(torch.from_numpy(coarse).permute(0, 3, 1, 2), [height, width])
    return frames.permute(0, 2, 3, 1).contiguous().numpy()


def levels(images: Tensor) -> Tensor:
    return images.float() if images.dtype == torch.uint8 else images * 255


def worst_mean_difference(augments: dict[str, Augment], frames: np.ndarray, views: int) -> dict[str, float]:
    """The mean difference of a view from ours, in levels of 255, at the worst of the views."""
    worst = dict.fromkeys(augments, 0.0)
    for seed in range(views):
        images = {name: levels(augment(frames, np.random.default_rng(seed))) for name, augment in augments.items()}
        for name in augments:
            worst[name] = max(worst[name], float((images[name] - images["lrprop"]).abs().mean()))
    return worst


def seconds_per_round(
    augments: dict[str, Augment], frames: np.ndarray, views: int, rounds: int
) -> dict[str, np.ndarray]:
    """Processor seconds (rounds,) that the views of a round take."""
    seconds = {name: np.zeros(rounds) for name in augments}
    for turn in range(rounds):
        for seed in range(views):
            for name, augment in augments.items():
                start = time.process_time()
                augment(frames, np.random.default_rng(seed))
                seconds[name][turn] += time.process_time() - start
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--views", type=int, default=10, help="drawn views in a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="40 frames only")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print("| frames | from | to | way | frames/s | times CARL's | mean levels off ours at most |")
    print("|--:|--:|--:|:--|--:|--:|--:|")
    for count, (height, width), size in SETTINGS[:: 2 if arguments.quick else 1]:
        frames, augments = filmed(count, height, width), contenders(size)
        off = worst_mean_difference(augments, frames[:2], arguments.views)
        seconds = seconds_per_round(augments, frames, arguments.views, arguments.rounds)
        for name, taken in seconds.items():
            speed = arguments.views * count / np.median(taken)
            ratio = np.median(seconds["CARL's way"] / taken)
            print(
                f"| {count} | {height}x{width} | {size} | {name} | {speed:.0f} | {ratio:.1f} | {off[name]:.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
