"""Runs of two processes, as the command line starts them, beside the same runs of one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lrprop.cli import main
from tests.conftest import write_squats
from tests.test_cli import ROOT, TINY, layers

# No rounding that depends on who computes what, and nothing random within a step.
EXACT = [
    *("--trainer.precision", "64-true"),
    *("--model.encoder.init_args.dropout", "0"),
    *("--trainer.max_epochs", "1"),
]


def lrprop(processes: int, *arguments: object, ok: bool = True) -> str:
    """What a command line prints.

    A process that starts others does so by the words that it was started with, so it cannot be the one of the tests.
    """
    accelerator = [] if "--trainer.accelerator" in arguments else ["--trainer.accelerator", "cpu"]
    arguments = (*arguments, *accelerator, "--trainer.devices", processes)
    if processes == 1:
        assert main([str(argument) for argument in arguments]) == 0
        return ""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    command = [sys.executable, "-m", "lrprop", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment, check=False)
    assert (done.returncode == 0) == ok, done.stdout + done.stderr
    return done.stdout + done.stderr


def fit(root: Path, folder: Path, processes: int, callback: str, *more: object, ok: bool = True) -> str:
    where = ["--data.root", root, "--runs", folder, "--name", "a", "--data.bank", folder / "bank"]
    return lrprop(
        processes, "fit", *layers(), *TINY, *where, "--trainer.callbacks", f"tests.recording.{callback}", *more, ok=ok
    )


@pytest.fixture(scope="module")
def squats(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the 6 training videos 5 train; the one in "tune" leaves the second process without any; 3 val videos."""
    return write_squats(tmp_path_factory.mktemp("squats"), train=6, val=3)


@pytest.fixture(scope="module")
def runs(squats: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """A run of one process with four videos a batch, and one of two processes with two each, gathered."""
    folders = {}
    for processes in (1, 2):
        folder = folders[processes] = tmp_path_factory.mktemp(f"processes{processes}")
        options = {"data.videos_per_batch": 4 // processes, "model.gather": "true", "data.tune_fraction": 0.2}
        recording = ["--floors", "false", "--trainer.callbacks.folder", folder]
        words = [word for key, value in options.items() for word in (f"--{key}", value)]
        fit(squats, folder, processes, "Record", *recording, *EXACT, *words)
    return folders


def recorded(folder: Path, rank: int) -> dict[str, Any]:
    found: dict[str, Any] = torch.load(folder / f"{rank}.pt", weights_only=True)
    return found


def test_gathered_videos_give_the_loss_and_gradients_of_one_process(runs: dict[int, Path]) -> None:
    alone, *together = recorded(runs[1], 0), recorded(runs[2], 0), recorded(runs[2], 1)
    assert [part["processes"] for part in (alone, *together)] == [1, 2, 2]
    for part in together:
        assert part["loss"] == pytest.approx(alone["loss"], rel=1e-9)
        assert part["gradients"].keys() == alone["gradients"].keys()
        for name, gradient in part["gradients"].items():
            expected = alone["gradients"][name]
            torch.testing.assert_close(gradient, expected, rtol=1e-6, atol=1e-6 * float(expected.abs().max()))


def test_every_process_knows_the_metrics_of_one(runs: dict[int, Path]) -> None:
    alone = json.loads((runs[1] / "0.json").read_text())
    for rank in (0, 1):
        known = json.loads((runs[2] / f"{rank}.json").read_text())
        assert known["embedded"] == alone["embedded"]
        assert len(known["embedded"]["tune"]) == 1
        for split, metrics in alone["results"].items():
            assert known["results"][split] == pytest.approx(metrics, abs=1e-6), split


def test_one_process_writes_what_one_run_writes(runs: dict[int, Path]) -> None:
    written = [
        sorted(str(path.relative_to(runs[count])) for path in (runs[count] / "a").rglob("*")) for count in (1, 2)
    ]
    assert written[0] == written[1]
    weights = [torch.load(runs[count] / "a/checkpoints/last.ckpt", weights_only=True)["state_dict"] for count in (1, 2)]
    for name, tensor in weights[0].items():
        torch.testing.assert_close(weights[1][name], tensor, rtol=1e-5, atol=1e-6)


def test_predict_shares_the_videos(runs: dict[int, Path], squats: Path) -> None:
    folder = runs[2] / "a/embeddings"
    by_count = {}
    for processes in (1, 2):
        where = ["--data.root", squats, "--runs", runs[2], "--name", "a", "--trainer.precision", "64-true"]
        said = lrprop(processes, "predict", *layers(), *TINY, *where)
        by_count[processes] = [np.load(file) for file in sorted(folder.glob("*.npy"))]
        shutil.rmtree(folder)
    assert said.count("Embeddings of 9 videos") == 1
    assert len(by_count[2]) == 9
    for one, two in zip(*by_count.values(), strict=True):
        np.testing.assert_allclose(one, two, atol=1e-6)


def test_a_process_that_dies_ends_the_run_with_its_own_error_first(video_folder: Path, tmp_path: Path) -> None:
    """On the way there the feature bank is built once."""
    start = time.monotonic()
    said = fit(video_folder, tmp_path, 2, "FailInTheSecondProcess", "--data.input", "pixels", ok=False)
    assert time.monotonic() - start < 200, "imports and bank take most of it"
    errors = [line for line in said.splitlines() if "rror" in line]
    assert errors[0] == "error: no luck in process 1", said
    assert said.count("Feature bank: 6 of 6 videos to compute") == 1


def test_sigterm_to_one_process_saves_once_and_ends_all(squats: Path, tmp_path: Path) -> None:
    batch = ["--floors", "false", "--trainer.max_epochs", 3]
    said = fit(squats, tmp_path, 2, "AskToEnd", *batch, ok=False)
    assert said.count("asked to end (SIGTERM): saved; go on with --resume") == 1
    assert "Traceback" not in said
    saved = torch.load(tmp_path / "a/checkpoints/last.ckpt", weights_only=True)
    assert (saved["epoch"], saved["global_step"]) == (1, 3), "the first of two steps of the second epoch"


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="SyncBatchNorm needs two GPUs")
def test_batch_norm_of_two_gpus_is_that_of_one(squats: Path, tmp_path: Path) -> None:
    found = {}
    for processes in (1, 2):
        folder = tmp_path / str(processes)
        folder.mkdir()
        words: list[object] = [
            "--trainer.accelerator",
            "gpu",
            "--trainer.sync_batchnorm",
            "true",
            "--model.gather",
            "true",
        ]
        words += ["--data.videos_per_batch", 4 // processes, "--floors", "false", *EXACT]
        words += ["--trainer.callbacks.folder", folder, "--trainer.callbacks.batch_norm_in_training", "true"]
        fit(squats, folder, processes, "Record", *words)
        found[processes] = recorded(folder, 0)
    assert found[2]["loss"] == pytest.approx(found[1]["loss"], rel=1e-9)
    for name, gradient in found[2]["gradients"].items():
        torch.testing.assert_close(gradient, found[1]["gradients"][name], rtol=1e-6, atol=1e-9)
