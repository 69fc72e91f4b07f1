"""The share of a training step that is spent waiting for data, with what `make train` sets.

    python benchmarks/waiting_share.py [--epochs 4] [--videos 40] [--poses ROOT_OF_PENN_ACTION]

Waiting is all that passes from the end of a step to the beginning of the next: drawing and loading a batch, and
Lightning's own bookkeeping. The first epoch, in which kernels are compiled, does not count. Where the machine is busy
with other things, both parts grow alike.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import lightning.pytorch as pl

from lrprop.cli import main as lrprop
from lrprop.data.synthetic import generate

LAYERS = ["base", "actions/squat", "methods/lrprop", "profiles/cpu", "methods/lrprop/squat"]


class Stopwatch(pl.Callback):
    """Adds up the seconds of waiting and of work; `latest` is the one of the last run."""

    latest: Stopwatch

    def __init__(self) -> None:
        Stopwatch.latest = self
        self.waiting, self.working, self.steps, self.mark = 0.0, 0.0, 0, 0.0

    def on_train_epoch_start(self, trainer: pl.Trainer, *_: Any) -> None:
        self.counts = trainer.current_epoch > 0
        self.mark = time.perf_counter()

    def on_train_batch_start(self, *_: Any) -> None:
        self.waiting += self._lap()

    def on_train_batch_end(self, *_: Any) -> None:
        self.working += self._lap()
        self.steps += self.counts

    def _lap(self) -> float:
        start, self.mark = self.mark, time.perf_counter()
        return (self.mark - start) * self.counts


def timed(root: Path, kind: str, epochs: int, folder: Path) -> Stopwatch:
    arguments = ["fit", "--data.root", str(root), "--data.input", kind, "--data.bank", str(folder / "bank")]
    for layer in [*LAYERS, f"profiles/cpu-{kind}"]:
        arguments += ["--config", f"experiments/{layer}.yaml"]
    arguments += ["--runs", str(folder / "runs"), "--name", kind, "--floors", "false"]
    arguments += ["--trainer.max_epochs", str(epochs), "--trainer.enable_progress_bar", "false"]
    if lrprop([*arguments, "--trainer.callbacks", "__main__.Stopwatch"]):
        raise SystemExit(1)
    return Stopwatch.latest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--videos", type=int, default=40, help="synthetic training videos; half as many for val")
    parser.add_argument("--poses", type=Path, help="root of Penn Action, for a second row")
    arguments = parser.parse_args()
    sys.argv = sys.argv[:1]  # or Lightning warns that the runs have arguments of their own
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        roots = {"pixels": generate("squat", folder / "squat", train=arguments.videos, val=arguments.videos // 2)}
        if arguments.poses:
            roots["poses"] = arguments.poses
        for kind, root in roots.items():
            watch = timed(root, kind, arguments.epochs, folder)
            share = watch.waiting / (watch.waiting + watch.working)
            milliseconds = [1000 * seconds / watch.steps for seconds in (watch.waiting, watch.working)]
            rows.append(f"| {kind} | {watch.steps} | {milliseconds[0]:.1f} | {milliseconds[1]:.0f} | {share:.1%} |")
    print(f"\nload {os.getloadavg()[0]:.1f}\n\n| input | steps | waiting ms | work ms | share of waiting |")
    print("|:--|--:|--:|--:|--:|", *rows, sep="\n")


if __name__ == "__main__":
    main()
