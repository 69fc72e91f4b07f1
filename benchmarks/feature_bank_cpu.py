"""What a feature bank takes, beside the bare forward pass of its frozen encoder over the very same images.

    python benchmarks/feature_bank_cpu.py [--videos 6] [--rounds 5] [--threads 1 2]

Building decodes, augments, encodes and writes the videos of a small synthetic set, with the default encoder, image
size and copies of a machine without a GPU; the images of the bare pass lie ready in memory. The two take turns; seconds
are those of the clock, a ratio is the median of the rounds' ratios, and the load is the machine's mean over the last
minute, which on an idle machine is the number of threads at most.
"""

from __future__ import annotations

import argparse
import logging
import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lrprop.data import Video, find_videos
from lrprop.data.feature_bank import FeatureBank
from lrprop.data.images import ImageAugmentation
from lrprop.data.synthetic import generate
from lrprop.encoders import EfficientNetLite0

SIZE, COPIES = 112, 2  # as in experiments/profiles/cpu.yaml


def bank_in(folder: Path) -> FeatureBank:
    return FeatureBank(folder, "lite0", ImageAugmentation(SIZE), COPIES)


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def images_of(videos: list[Video], folder: Path) -> list[Tensor]:
    """All images that the encoder has to see, as the bank hands them to it."""
    images: list[Tensor] = []

    def keep(chunk: Tensor) -> np.ndarray:
        images.append(chunk)
        return np.zeros((len(chunk), 1))

    bank_in(folder).build(videos, keep)
    return images[1:]  # the first is a blank one, which tells the length of a feature vector


def rounds(videos: list[Video], images: list[Tensor], folder: Path, count: int) -> np.ndarray:
    """The seconds (count, 2) of the bare pass and of the bank."""
    network = EfficientNetLite0()

    def extract(chunk: Tensor) -> np.ndarray:
        with torch.inference_mode():
            features: np.ndarray = network(chunk).numpy()
        return features

    def bare() -> None:
        for chunk in images:
            extract(chunk)

    extract(images[0])
    banks = [folder / str(turn) for turn in range(count)]
    return np.array([(seconds(bare), seconds(partial(bank_in(bank).build, videos, extract))) for bank in banks])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=6, help="training videos; half as many besides for val")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    arguments = parser.parse_args()
    logging.disable()
    print("| threads | images | bare forward s | bank s | bank / forward | load |")
    print("|--:|--:|--:|--:|--:|--:|")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        root = generate("squat", folder / "squat", train=arguments.videos, val=max(1, arguments.videos // 2))
        videos = find_videos(root, "squat")
        images = images_of(videos, folder / "images")
        count = sum(map(len, images))
        for threads in arguments.threads:
            torch.set_num_threads(threads)
            taken = rounds(videos, images, folder / str(threads), arguments.rounds)
            forward, bank = np.median(taken, axis=0)
            ratio, load = np.median(taken[:, 1] / taken[:, 0]), os.getloadavg()[0]
            print(f"| {threads} | {count} | {forward:.1f} | {bank:.1f} | {ratio:.2f} | {load:.1f} |", flush=True)


if __name__ == "__main__":
    main()
