"""Penn Action (Zhang et al., "From Actemes to Action", ICCV 2013) as sequences of poses.

    root/labels/0001.mat ...                                the annotations, as distributed
    root/penn_action_labels/{train,val}/{action}/0001.npy   phases as TCC released them (Dwibedi et al., CVPR 2019)

Only the joints are read, also where `frames/` has the images: the modality is always "poses".
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from scipy.io import loadmat

from lrprop.data.video import Split, Video
from lrprop.errors import InputError

ACTIONS = (
    "baseball_pitch", "baseball_swing", "bench_press", "bowl", "clean_and_jerk", "golf_swing", "jumping_jacks",
    "pullup", "pushup", "situp", "squat", "tennis_forehand", "tennis_serve",
)  # fmt: skip
"""The 13 actions that the paper uses, spelled as in the annotations."""

UNUSED_ACTIONS = ("jump_rope", "strum_guitar")
"""Actions of Penn Action without phases in the literature: they repeat, or nothing in them happens in order."""

ALL = "all"
"""Stands for all 13 actions, on which CARL trains one model."""

FPS = 30.0
"""Penn Action states no frame rate; this one only sets the speed of drawings."""

_JOINTS = 13


def read_penn_action(root: Path, action: str) -> list[Video]:
    """Read the poses and phases of all videos of one action, or of all actions.

    A joint that is not visible keeps its meaningless coordinate, or gets 0 where that is not a finite number. Videos
    without a phase file have no labels: the counts in the literature are those of the videos that have one.

    Args:
        root: the folder that has `labels/`.
        action: one of `ACTIONS`, or "all" of them.

    Returns:
        The videos by id ("0001"), with poses (n, 13, 3) of x, y in pixels and visibility; the official training
        videos are "train", the test videos "val".

    Raises:
        InputError: the action is unknown or has no video here, or an annotation cannot be read or makes no sense.
    """
    _check_action(action)
    files = sorted((root / "labels").glob("*.mat"))
    console = Console(stderr=True)
    scan = track(files, "Scanning Penn Action", console=console, transient=True, disable=len(files) <= 50)
    wanted = ACTIONS if action == ALL else (action,)
    shown = ((path, _load(path, "action")["action"].flat[0]) for path in scan)
    chosen = [(path, name) for path, name in shown if name in wanted]
    if not chosen:
        raise InputError(f"{root}: none of its {len(files)} annotations is of action {action!r}; choose another action")
    return [_video(root, path, name) for path, name in chosen]


def _check_action(action: str) -> None:
    if action in UNUSED_ACTIONS:
        raise InputError(
            f"action {action!r} of Penn Action has no phases and is not used; choose of {', '.join(ACTIONS)}"
        )
    if action not in (*ACTIONS, ALL):
        raise InputError(f"action {action!r} is not in Penn Action; choose of {', '.join(ACTIONS)}, or {ALL}")


def _video(root: Path, path: Path, action: str) -> Video:
    mat = _load(path, "x", "y", "visibility", "train")
    poses = _poses(path, mat)
    flag = mat["train"].item() if mat["train"].size == 1 else None
    if flag not in (1, -1):
        raise InputError(f"{path}: train is {mat['train'].tolist()}, not 1 or -1; fetch the annotation again")
    split: Split = "train" if flag == 1 else "val"
    labels = _labels(root, path.stem, action, len(poses))
    return Video(path.stem, path, len(poses), FPS, split, labels, poses=poses, action=action)


def _load(path: Path, *names: str) -> dict[str, Any]:
    """Variables of a .mat file; only these are decompressed, which makes the scan of 2,326 files quick."""
    try:
        mat: dict[str, Any] = loadmat(path, variable_names=names)
    except Exception as error:  # scipy raises a dozen kinds on a damaged file, from struct.error to zlib.error
        raise InputError(f"{path}: cannot be read as a MATLAB file ({error}); fetch the annotation again") from error
    missing = [name for name in names if name not in mat or mat[name].size == 0]
    if missing:
        raise InputError(f"{path}: has no {missing[0]!r}; fetch the annotation again")
    return mat


def _poses(path: Path, mat: dict[str, Any]) -> np.ndarray:
    shapes = {name: mat[name].shape for name in ("x", "y", "visibility")}
    if len(set(shapes.values())) > 1 or mat["x"].shape != (len(mat["x"]), _JOINTS):
        text = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise InputError(f"{path}: shapes {text}, where all must be (n, {_JOINTS}); fetch the annotation again")
    poses = np.stack((mat["x"], mat["y"], mat["visibility"]), -1).astype(np.float32)
    visible = poses[..., 2] == 1
    if not (visible | (poses[..., 2] == 0)).all():
        raise InputError(f"{path}: visibility has values other than 0 and 1; fetch the annotation again")
    finite = np.isfinite(poses[..., :2]).all(-1)
    wrong = np.argwhere(visible & ~finite)
    if len(wrong):
        frame, joint = wrong[0]
        raise InputError(
            f"{path}: joint {joint} of frame {frame} is visible, but its coordinates are "
            f"{poses[frame, joint, :2].tolist()}; correct them, or set its visibility to 0"
        )
    poses[~finite, :2] = 0
    return poses


def _labels(root: Path, id: str, action: str, n: int) -> np.ndarray | None:
    found = sorted(root.glob(f"penn_action_labels/*/{action}/{id}.npy"))
    if not found:
        return None
    if len(found) > 1:
        raise InputError(f"{found[0]}: video {id} has labels in {found[1]} too; keep one of the two")
    path = found[0]
    try:
        labels: np.ndarray = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path}: cannot be read as an array ({error}); fetch the labels again") from error
    if labels.shape != (n,):
        raise InputError(f"{path}: has labels of shape {labels.shape}, but video {id} has {n} frames; fetch them again")
    if not np.issubdtype(labels.dtype, np.integer) or labels.min() < -1:
        raise InputError(f"{path}: phases must be integers >= 0, -1 for none; found {labels.dtype}, {labels.min()}")
    return labels.astype(np.int64)
