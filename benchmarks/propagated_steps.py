"""Why LRProp's prior costs phases: how wrong the steps are that its path carries to another video, and what that costs.

    python benchmarks/propagated_steps.py [--actions squat pouring ...] [--seeds 0 1 2] [--jobs 2]

Synthetic videos, whose canonical time is known, tell where each frame really belongs in another video. LRProp is
trained without the prior, with the prior as published, and with the true step in the place of the path's. Overlap is
the share of frames whose true match lies within the other view; path error is the mean distance of these, in frames,
between the path's step and the true one in the last epoch (sigma of the prior is 3.2 frames). What is in
runs/propagated_steps already is not trained again.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any, Literal

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from lrprop.batch import Views
from lrprop.data.sources import find_videos
from lrprop.data.synthetic import generate
from lrprop.objectives import LRProp
from lrprop.objectives.pairs import ViewPairs, view_pairs
from lrprop.processes import ChildProcesses, alone, ended_on_interrupt

ROOT = Path(__file__).parents[1]
RUNS = Path("runs/propagated_steps")
LAYERS = ["base", "actions/{}", "synthetic/{}", "profiles/cpu", "profiles/cpu-pixels", "methods/lrprop/{}"]
# No prior still notes the error of the path that it would follow.
VARIANTS = {
    "none": {"lambda_ppp": 1e-12},
    "path": {},
    "true": {"propagated": "true"},
}
METRICS = ["phase_classification@100", "phase_progression", "kendalls_tau", "ap@5", "dtw_accuracy", "canonical_error"]
HEADS = ["phase class.", "phase progr.", "tau", "AP@5", "DTW acc.", "time error"]


class WatchedLRProp(LRProp):
    """LRProp that knows the true steps: it reports how far its path is from them, and may propagate them instead.

    Args:
        root: the folder of the synthetic videos.
        propagated: what the prior is set around, the step of the path or the true one.
        kwargs: see `LRProp`.
    """

    def __init__(self, root: Path, propagated: Literal["path", "true"] = "path", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.propagated = propagated
        self.truth = [np.asarray(video.truth) for video in find_videos(root, "") if video.split == "train"]

    def forward(self, z: Tensor, views: Views, embeddings: Tensor | None = None) -> dict[str, Tensor]:
        """The terms of `LRProp`, the share of frames with a true match, "overlap", and their "path_error" times it."""
        self.pairs_of_videos = views.video[view_pairs(views.video)[1]].tolist()
        terms = super().forward(z, views, embeddings)
        return {**terms, "path_error": self.path_error, "overlap": self.overlap}

    def _propagated_steps(self, pairs: ViewPairs, cost: Tensor) -> tuple[Tensor, Tensor]:
        expected, other_expected = super()._propagated_steps(pairs, cost)
        true = self._true_steps(pairs.steps, self.pairs_of_videos)
        other_true = self._true_steps(pairs.other_steps, [(b, a) for a, b in self.pairs_of_videos])
        within = pairs.mask & _is_seen(true, pairs.swapped())
        other_within = pairs.other_mask & _is_seen(other_true, pairs)
        errors = torch.cat(((expected - true).abs()[within], (other_expected - other_true).abs()[other_within]))
        frames = pairs.real_frames().sum()
        self.path_error, self.overlap = errors.sum() / frames, len(errors) / frames
        return (true, other_true) if self.propagated == "true" else (expected, other_expected)

    def _true_steps(self, steps: Tensor, pairs_of_videos: list[Any]) -> Tensor:
        """The steps, between two frames where need be, at which the other videos have the canonical time of these."""
        found = np.empty(steps.shape, np.float32)
        for row, (video, other) in enumerate(pairs_of_videos):
            here, there = self.truth[video], self.truth[other]
            found[row] = np.interp(here[steps[row].clamp(max=len(here) - 1)], there, np.arange(len(there)))
        return torch.from_numpy(found)


def _is_seen(steps: Tensor, pairs: ViewPairs) -> Tensor:
    """Which steps (B, T) lie between the first and the last frame of the first side of each pair."""
    last = pairs.steps.gather(1, pairs.mask.sum(1, keepdim=True) - 1)
    return (pairs.steps[:, :1] - 0.5 <= steps) & (steps <= last + 0.5)


def train(processes: ChildProcesses, action: str, variant: str, seed: int) -> Path:
    """One run, unless it is there; its folder."""
    run = RUNS / f"{action}-{variant}-{seed}"
    if (run / "metrics.json").is_file() and "final" in json.loads((run / "metrics.json").read_text()):
        return run
    shutil.rmtree(run, ignore_errors=True)  # interrupted
    layers = [ROOT / "experiments" / f"{layer.format(action)}.yaml" for layer in LAYERS]
    data = Path("data/synthetic") / action
    options = {"root": data, **VARIANTS[variant]}
    words = [
        *(word for layer in layers if layer.is_file() for word in ("--config", str(layer))),
        *("--model.objective", "propagated_steps.WatchedLRProp"),
        *(f"--model.objective.init_args.{name}={value}" for name, value in options.items()),
        *(f"--data.root={data}", f"--runs={RUNS}", f"--name={run.name}", f"--seed_everything={seed}"),
        *("--floors=false", "--trainer.check_val_every_n_epoch=1000", "--trainer.enable_progress_bar=false"),
    ]
    log = run.with_suffix(".log")
    ended = processes.run([sys.executable, "-m", "lrprop", "fit", *words], log)
    if ended is None or ended.status:
        sys.exit(f"{run.name} failed or was stopped; see {log}")
    return run


def last(run: Path, term: str) -> float:
    """A term of the loss in the last epoch."""
    with (run / "metrics.csv").open() as stream:
        return [float(row[f"train/{term}"]) for row in csv.DictReader(stream) if row[f"train/{term}"]][-1]


def add_rows(table: Table, action: str, runs: dict[str, list[Path]]) -> None:
    for variant, of_seeds in runs.items():
        finals = [json.loads((run / "metrics.json").read_text())["final"] for run in of_seeds]
        cells = [
            " / ".join(f"{100 * mean(final[prefix + metric] for final in finals):.1f}" for prefix in ("", "loose/"))
            for metric in METRICS
        ]
        error, overlap = (mean(last(run, term) for run in of_seeds) for term in ("path_error", "overlap"))
        table.add_row(action, variant, *cells, f"{error / overlap:.1f}", f"{100 * overlap:.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--actions", nargs="+", default=["squat", "jumping_jacks", "pouring"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    title = "trimmed / loose, in %; path error in frames"
    table = Table("action", "prior", *HEADS, "path error", "overlap", title=title)
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)  # where the processes find WatchedLRProp
    with alone(RUNS, "run this elsewhere") as lock:
        processes = ChildProcesses(lock)
        train_one = partial(train, processes)
        with ThreadPoolExecutor(given.jobs) as pool, ended_on_interrupt(processes):
            for action in given.actions:
                generate(action, Path("data/synthetic") / action)
                train_one(action, next(iter(VARIANTS)), given.seeds[0])  # alone, since it fills the feature bank
                runs = {name: [pool.submit(train_one, action, name, seed) for seed in given.seeds] for name in VARIANTS}
                add_rows(table, action, {name: [run.result() for run in of_seeds] for name, of_seeds in runs.items()})
    Console(width=160).print(table)


if __name__ == "__main__":
    main()
