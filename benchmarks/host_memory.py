"""Peak memory of the host in training, for few and for many clips: it should not grow with the data set.

    python benchmarks/host_memory.py [--clips 100 1000] [--workers 0 2] [--steps 40]

A set is one small clip under many names (hard links). Each measurement is one short epoch in a process of its own:
with pixels, decoded and augmented again in every step by a small trained encoder's workers, and with the feature bank
of the frozen one. Memory is the peak of the main process, what it had before it saw the data set, and the peak of its
largest worker, which begins as a copy of the main process and shares most of it. Linux only.
"""

from __future__ import annotations

import argparse
import logging
import os
import tempfile
import warnings
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
from torch import Tensor, nn

from lrprop.callbacks import UseFeatureBank
from lrprop.data import AlignmentDataModule
from lrprop.data.videofile import write_video
from lrprop.encoders import Backbone, EfficientNetLite0, Encoder
from lrprop.module import AlignmentModule
from lrprop.objectives import LRProp

FRAMES, SIZE, T = 60, 64, 40


class Trained(Backbone):
    """As small as a frame encoder can be, so that loading dominates."""

    num_features = 3

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Linear(3, 3)

    def forward(self, frames: Tensor) -> Tensor:
        features: Tensor = self.scale(frames.float().mean((-2, -1)) / 255)
        return features


def link_clips(root: Path, count: int) -> None:
    rng = np.random.default_rng(0)
    original = root / "val" / "clip.mp4"
    write_video(original, rng.integers(0, 256, (FRAMES, SIZE, SIZE, 3), dtype=np.uint8), fps=30)
    (root / "train").mkdir()
    for number in range(count):
        os.link(original, root / "train" / f"clip{number:04d}.mp4")


class Peaks(pl.Callback):
    """The peak memory of the main process and of its largest worker, in MB, once the last step is done."""

    main, worker = 0.0, 0.0

    def on_train_batch_end(self, *_: Any) -> None:
        self.main = peak_mb(os.getpid())
        self.worker = max([peak_mb(child.pid) for child in active_children()], default=0)


def peak_mb(process: int | None) -> float:
    """As Linux counts it: what a process shares with others is part of it."""
    status = Path(f"/proc/{process}/status").read_text()
    return float(status.partition("VmHWM:")[2].split()[0]) / 2**10


def fitted(uses_bank: bool, clips: int, workers: int, steps: int) -> tuple[float, float, float]:
    """MB before, at the peak, and at the peak of the largest worker."""
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        link_clips(root / "videos", clips)
        encoder = Encoder("pixels", T, EfficientNetLite0 if uses_bank else Trained, layers=2)
        module = AlignmentModule(encoder, LRProp())
        trainer = pl.Trainer(
            accelerator="cpu",
            max_epochs=1,
            limit_train_batches=steps,
            limit_val_batches=0,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=[UseFeatureBank(), peaks := Peaks()],
        )
        before = peak_mb(os.getpid())
        data = AlignmentDataModule(
            root / "videos", "custom", num_frames=T, image_size=32, bank=root / "bank", bank_copies=1, workers=workers
        )
        trainer.fit(module, data)
        return before, peaks.main, peaks.worker


def quiet() -> None:
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, nargs="+", default=[100, 1000])
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 2])
    parser.add_argument("--steps", type=int, default=40)
    arguments = parser.parse_args()
    print("| input | workers | clips | MB before | peak MB | peak MB of a worker |")
    print("|:--|--:|--:|--:|--:|--:|")
    for uses_bank in (False, True):
        for workers in arguments.workers:
            for clips in arguments.clips:
                with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=quiet) as process:
                    work = process.submit(fitted, uses_bank, clips, workers, arguments.steps)
                    before, peak, worker = work.result()
                kind = "feature bank" if uses_bank else "pixels"
                of_worker = f"{worker:.0f}" if workers else "-"
                print(f"| {kind} | {workers} | {clips} | {before:.0f} | {peak:.0f} | {of_worker} |", flush=True)


if __name__ == "__main__":
    main()
