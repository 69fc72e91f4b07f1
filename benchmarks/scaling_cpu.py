"""What a second process brings on two cores, and what evaluation costs as videos become many.

    python benchmarks/scaling_cpu.py [--poses ROOT_OF_PENN_ACTION] [--videos 500]

Evaluation: random embeddings (80 frames, D = 128) with phases, classifiers trained on 20 of the videos, one thread a
process; each row is the median of three runs, one process and two taking turns. Training: epochs of `lrprop fit` on
joints, one thread a process, the first epoch not counted; two processes take twice as many videos a step.
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
import torch.distributed as dist
from torch.multiprocessing.spawn import spawn

from lrprop.batch import EmbeddedVideo
from lrprop.metrics import evaluate
from lrprop.metrics.processes import ALONE, Processes

FRAMES, DIMENSION, PHASES, ROUNDS = 80, 128, 4, 3
TRAINED = 20  # videos of the phase classifiers, whatever the number of videos judged
LAYERS = ["base", "actions/squat", "profiles/bench", "methods/lrprop", "methods/lrprop/squat"]


class EpochTimes(pl.Callback):
    """Appends to the file that EPOCH_TIMES names: when an epoch ended, and how many steps it had."""

    def on_train_epoch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        if trainer.is_global_zero:
            with Path(os.environ["EPOCH_TIMES"]).open("a") as stream:
                stream.write(f"{time.perf_counter()},{trainer.num_training_batches}\n")


def random_videos(count: int) -> list[EmbeddedVideo]:
    """Walks through the embedding space: neighbours in time are near, as after training."""
    rng = np.random.default_rng(0)
    steps = rng.normal(size=(count, FRAMES, DIMENSION)).astype(np.float32)
    phases = np.arange(FRAMES) * PHASES // FRAMES
    return [EmbeddedVideo(f"{number:05d}", walk, phases) for number, walk in enumerate(steps.cumsum(1))]


def seconds_of(videos: list[EmbeddedVideo], processes: Processes, **options: Any) -> float:
    start = time.perf_counter()
    evaluate(videos[:TRAINED], videos, processes=processes, **options)
    return time.perf_counter() - start


def gather(part: Any) -> list[Any]:
    parts = [None] * dist.get_world_size()
    dist.all_gather_object(parts, part)
    return parts


def in_turn(rank: int, counts: list[int], folder: str) -> None:
    """One of two processes: the first also evaluates alone, while the other waits."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{folder}/meeting", rank=rank, world_size=2)
    together, rows = Processes(rank, 2, gather), []
    for count in [20, *counts]:  # the first, in which kernels are compiled, is not kept
        videos, times = random_videos(count), []
        for _ in range(ROUNDS):
            alone = seconds_of(videos, ALONE) if rank == 0 else 0.0
            drawn = seconds_of(videos, ALONE, max_pairs=5000) if rank == 0 else 0.0
            dist.barrier()
            times.append((alone, seconds_of(videos, together), drawn))
        rows.append((count, *(median(column) for column in zip(*times, strict=True))))
    if rank == 0:
        np.save(Path(folder) / "rows.npy", rows[1:])
    dist.destroy_process_group()


def show_evaluation(counts: list[int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        spawn(in_turn, (counts, folder), nprocs=2)
        rows = np.load(Path(folder) / "rows.npy").tolist()
    print("| videos | pairs | one process | two | efficiency | one, 5,000 pairs |")
    print("|--:|--:|--:|--:|--:|--:|")
    for count, alone, both, drawn in rows:
        pairs = count * (count - 1) / 2
        print(f"| {count:.0f} | {pairs:,.0f} | {alone:.2f} s | {both:.2f} s | {alone / both / 2:.0%} | {drawn:.2f} s |")


def videos_a_second(root: Path, processes: int, folder: Path, epochs: int = 4) -> float:
    """Training views of videos a second, from the times at which epochs were logged."""
    name = f"processes{processes}"
    configs = [word for layer in LAYERS for word in ("--config", f"experiments/{layer}.yaml")]
    options = [
        "--data.root",
        root,
        "--runs",
        folder,
        "--name",
        name,
        "--trainer.max_epochs",
        epochs,
        "--floors",
        "false",
    ]
    options += ["--trainer.devices", processes, "--trainer.check_val_every_n_epoch", 1000]
    options += ["--trainer.enable_progress_bar", "false", "--trainer.callbacks", "benchmarks.scaling_cpu.EpochTimes"]
    command = [sys.executable, "-m", "lrprop", "fit", *configs, *map(str, options)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": ".", "EPOCH_TIMES": str(folder / f"{name}.csv")}
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    with (folder / f"{name}.csv").open() as stream:
        rows = [(float(moment), int(steps)) for moment, steps in csv.reader(stream)]
    return rows[0][1] * processes * 2 / median(after[0] - before[0] for before, after in pairwise(rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--poses", type=Path, help="root of Penn Action, for the row of training")
    parser.add_argument("--videos", type=int, default=500)
    arguments = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f}\n")
    show_evaluation([count for count in (50, 100, 200, 500, 1000, 2000) if count <= arguments.videos])
    if arguments.poses:
        with tempfile.TemporaryDirectory() as folder:
            alone, both = (videos_a_second(arguments.poses, count, Path(folder)) for count in (1, 2))
        print(
            f"\ntraining: {alone:.1f} videos a second, {both:.1f} by two processes: efficiency {both / alone / 2:.0%}"
        )


if __name__ == "__main__":
    main()
