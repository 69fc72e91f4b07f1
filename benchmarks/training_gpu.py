"""An epoch of the paper's configuration on a GPU: ResNet-50 with layer4 trained, T = 80 at 224 px, P = 2.

    python benchmarks/training_gpu.py > table.md

Synthetic videos, random weights: both cost what real ones do. The first epoch, in which kernels are compiled and files
first read, does not count. Every part of a step is timed with the GPU brought to rest before and after it, so the parts
add up, and the step is a little slower than one that is left alone; the row of steps a second is of an epoch that is.
To try the script without a GPU: --accelerator cpu --image-size 32 --frames 4 --videos 4 --layers 1.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from statistics import mean
from typing import Any

import lightning.pytorch as pl
import torch

from lrprop.batch import Views
from lrprop.cli import main as lrprop
from lrprop.data import AlignmentDataModule
from lrprop.data.synthetic import generate

LAYERS = ["base", "actions/squat", "methods/lrprop", "profiles/gpu", "methods/lrprop/squat"]
EPOCHS = 3  # one to warm up, one left alone, one taken apart


def at_rest() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


class Timed(pl.Callback):
    """Times the second epoch as a whole, and the parts of every step of the third; `latest` is of the last run."""

    latest: Timed

    def __init__(self) -> None:
        Timed.latest = self
        self.augmenting = self.waiting = self.working = self.epoch = 0.0
        self.steps, self.frames, self.mark = 0, 0, 0.0
        self.load: list[int] = []

    def on_train_epoch_start(self, trainer: pl.Trainer, *_: Any) -> None:
        self.number, self.mark, self.steps, self.frames = trainer.current_epoch, at_rest(), 0, 0
        if self.number == 1:
            threading.Thread(target=self._watch, daemon=True).start()
        if self.number == 2:
            self._take_apart(trainer.datamodule)  # type: ignore[attr-defined]

    def on_train_batch_start(self, *_: Any) -> None:
        if self.number == 2:
            self.waiting += self._lap()

    def on_train_batch_end(self, trainer: pl.Trainer, module: Any, outputs: Any, views: Views, index: int) -> None:
        self.steps += 1
        self.frames += views.mask.numel()
        if self.number == 2:
            self.working += self._lap()

    def on_train_epoch_end(self, *_: Any) -> None:
        if self.number == 1:
            self.epoch = self._lap()

    def _lap(self) -> float:
        start, self.mark = self.mark, at_rest()
        return self.mark - start

    def _take_apart(self, data: AlignmentDataModule) -> None:
        augment = data.on_after_batch_transfer

        def timed(batch: Views, index: int) -> Views:
            start = at_rest()
            views = augment(batch, index)
            self.augmenting += at_rest() - start
            return views

        data.on_after_batch_transfer = timed  # type: ignore[method-assign]

    def _watch(self) -> None:
        query = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]
        with suppress(OSError, subprocess.CalledProcessError):
            while self.number == 1:
                self.load.append(int(subprocess.check_output(query, text=True).split()[0]))
                time.sleep(0.2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accelerator", default="gpu")
    parser.add_argument("--videos", type=int, default=40, help="training videos")
    parser.add_argument("--frames", type=int, default=80, help="T")
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--video-size", type=int, default=256, help="height and width of the videos")
    parser.add_argument("--layers", type=int, default=7, help="of the transformer")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--compiled", action="store_true", help="torch.compile for the frozen layers")
    arguments = parser.parse_args()
    sys.argv = sys.argv[:1]  # or Lightning warns that the runs have arguments of their own
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        generate("squat", folder / "squat", train=arguments.videos, val=2, size=arguments.video_size)
        options = {
            "data.root": folder / "squat",
            "data.num_frames": arguments.frames,
            "data.image_size": arguments.image_size,
            "data.workers": arguments.workers,
            "model.encoder.init_args.layers": arguments.layers,
            "model.encoder.init_args.pixels.init_args.weights": "random",
            "model.encoder.init_args.pixels.init_args.compiled": str(arguments.compiled).lower(),
            "trainer.accelerator": arguments.accelerator,
            "trainer.max_epochs": EPOCHS,
            "trainer.check_val_every_n_epoch": 1000,
            "trainer.enable_progress_bar": "false",
            "floors": "false",
            "runs": folder / "runs",
            "name": "timed",
        }
        configs = [word for layer in LAYERS for word in ("--config", f"experiments/{layer}.yaml")]
        words = [word for key, value in options.items() for word in (f"--{key}", str(value))]
        if lrprop(["fit", *configs, *words, "--trainer.callbacks", "__main__.Timed"]):
            raise SystemExit(1)
    show(Timed.latest)


def show(timed: Timed) -> None:
    step = (timed.waiting + timed.working) / timed.steps
    print(f"\n| {torch.cuda.get_device_name() if torch.cuda.is_available() else 'CPU'}, torch {torch.__version__} | |")
    print("|:--|--:|")
    print(f"| steps a second | {timed.steps / timed.epoch:.2f} |")
    print(f"| frames a second | {timed.frames / timed.epoch:.0f} |")
    print(f"| a step taken apart | {1000 * step:.0f} ms |")
    print(f"| between steps: loading, transfer, augmentation | {timed.waiting / timed.steps / step:.1%} |")
    print(f"| of it augmentation | {timed.augmenting / timed.steps / step:.1%} |")
    if torch.cuda.is_available():
        print(f"| utilisation of the GPU | {mean(timed.load):.0f} % |" if timed.load else "| utilisation | unknown |")
        print(f"| peak memory | {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB |")


if __name__ == "__main__":
    main()
