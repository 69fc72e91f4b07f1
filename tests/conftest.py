"""Small data sets that every test can have."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from lrprop.data.videofile import write_video


@pytest.fixture(scope="session")
def shared() -> Path:
    """The optional folder of real data and golden references."""
    folder = Path(os.environ.get("LRPROP_SHARED", Path(__file__).parents[2] / "shared"))
    if not folder.is_dir():
        pytest.skip(f"no shared data at {folder}; set LRPROP_SHARED")
    return folder


@pytest.fixture(scope="session")
def video_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder: 4 training and 2 val clips of a square that moves right, with labels and the truth."""
    root = tmp_path_factory.mktemp("videos")
    rng = np.random.default_rng(0)
    rows = ["video,frame,phase,time"]
    for split, count in (("train", 4), ("val", 2)):
        (root / split).mkdir()
        for number in range(count):
            n = int(rng.integers(12, 20))
            time = np.linspace(0, 1, n) ** rng.uniform(0.5, 2)
            write_video(root / split / f"clip{number}.mp4", [_square(t) for t in time], fps=10)
            rows += [f"{split}/clip{number},{i},{int(t * 2.99)},{t:.6f}" for i, t in enumerate(time)]
    (root / "labels.csv").write_text("\n".join(rows) + "\n")
    return root


def _square(time: float) -> np.ndarray:
    frame = np.full((32, 32, 3), 40, np.uint8)
    left = int(time * 24)
    frame[12:20, left : left + 8] = (250, 200, 100)
    return frame


@pytest.fixture(scope="session")
def penn_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root of Penn Action with 4 training and 2 val videos of squats, joints only, and their phases."""
    return write_squats(tmp_path_factory.mktemp("penn"), train=4, val=2)


def write_squats(root: Path, train: int, val: int) -> Path:
    """A root of Penn Action with joints and phases of generated squats."""
    (root / "labels").mkdir()
    rng = np.random.default_rng(0)
    standing = rng.uniform(50, 150, (13, 2))
    for number in range(1, train + val + 1):
        n, is_train = int(rng.integers(14, 24)), number <= train
        depth = np.sin(np.linspace(0, np.pi, n))
        xy = standing[None] + depth[:, None, None] * np.array([0, 30]) * (standing[:, 1:] < 100)
        mat = {"x": xy[..., 0], "y": xy[..., 1], "visibility": np.ones((n, 13)), "action": "squat"}
        mat |= {"train": 1 if is_train else -1, "nframes": n, "dimensions": [200, 200, n]}
        savemat(root / "labels" / f"{number:04d}.mat", mat)
        folder = root / "penn_action_labels" / ("train" if is_train else "val") / "squat"
        folder.mkdir(parents=True, exist_ok=True)
        np.save(folder / f"{number:04d}.npy", (np.arange(n) * 4 // n).astype(np.int64))
    return root
