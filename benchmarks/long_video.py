"""How much memory `lrprop predict` takes for a long video: 54,000 frames are 30 minutes.

    python benchmarks/long_video.py [--frames 1000 9000 54000] [--image-size 32]

Each length in a process of its own, which embeds one video of 64 x 48 pixels with the frozen encoder of a machine
without a GPU: through the feature bank, which decodes in chunks, and the transformer, which attends in windows. Peak
memory is that of the whole process; what it had before it saw the video is beside it.
"""

from __future__ import annotations

import argparse
import logging
import resource
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import lightning.pytorch as pl
import numpy as np

from lrprop.callbacks import EmbeddingWriter, UseFeatureBank
from lrprop.data import AlignmentDataModule
from lrprop.data.videofile import write_video
from lrprop.encoders import Encoder
from lrprop.module import AlignmentModule
from lrprop.objectives import LRProp


def moving_stripes(n: int) -> Iterator[np.ndarray]:
    picture = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8).repeat(4, 0).repeat(4, 1)
    for step in range(n):
        yield np.roll(picture, int(20 * np.sin(step / 60)), axis=1)


def peak_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def embedded(n: int, image_size: int) -> tuple[float, float, float]:
    """Peak MB before and after one video of n frames is embedded, and the seconds that it takes."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name, frames in {"train/a": 8, "train/b": 8, "val/long": n}.items():
            write_video(folder / "videos" / f"{name}.mp4", moving_stripes(frames), fps=30)
        data = AlignmentDataModule(
            folder / "videos", "custom", image_size=image_size, bank=folder / "bank", bank_copies=1
        )
        trainer = pl.Trainer(
            accelerator="cpu",
            logger=False,
            enable_progress_bar=False,
            callbacks=[UseFeatureBank(), EmbeddingWriter(folder)],
        )
        module = AlignmentModule(Encoder("pixels", layers=3), LRProp())
        before, start = peak_mb(), time.perf_counter()
        trainer.predict(module, data, return_predictions=False)
        assert len(np.load(folder / "embeddings/val/long.npy")) == n
        return before, peak_mb(), time.perf_counter() - start


def quiet() -> None:
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, nargs="+", default=[1000, 9000, 54000])
    parser.add_argument("--image-size", type=int, default=32, help="side of the images that the encoder sees")
    arguments = parser.parse_args()
    print("| frames | MB before | peak MB | kB a frame | s |")
    print("|--:|--:|--:|--:|--:|")
    for n in arguments.frames:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=quiet) as process:
            before, peak, seconds = process.submit(embedded, n, arguments.image_size).result()
        print(f"| {n} | {before:.0f} | {peak:.0f} | {1000 * (peak - before) / n:.0f} | {seconds:.0f} |", flush=True)


if __name__ == "__main__":
    main()
