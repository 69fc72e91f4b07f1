"""Penn Action (Zhang et al., "From Actemes to Action", ICCV 2013): poses, or images where they are there too.

    root/labels/0001.mat ...                                the annotations, as distributed
    root/frames/0001/000001.jpg ...                         the images; only needed where they are what is read
    root/penn_action_labels/{train,val}/{action}/0001.npy   phases as TCC released them (Dwibedi et al., CVPR 2019)

A phase file is found by the number of its video. TCC's folders are not all spelled as the annotations spell the
action ("squats", "pushups", "pullups", "bowling"): a folder belongs to the action that its name begins with.

The split is that of the annotation (`train` is 1 or -1), which every video has, for poses and images alike, so that the
two can be compared. TCC's folders follow it: they only leave out videos that have no phases.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lrprop.data.frames import probe_frames
from lrprop.data.matlab import read_mat
from lrprop.data.problems import Problems, noted
from lrprop.data.progress import tracked
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


_log = logging.getLogger("lrprop")


def read_penn_action(root: Path, action: str, images: bool = False, problems: Problems | None = None) -> list[Video]:
    """Read the poses, or find the images, and read the phases of all videos of one action, or of all actions.

    A joint that is not visible keeps its meaningless coordinate, or gets 0 where that is not a finite number. Videos
    without a phase file have no labels: the counts in the literature are those of the videos that have one. Where a
    video has another number of frames than of phases, these are resampled, and how many are is logged once.

    Args:
        root: the folder that has `labels/`, and for images `frames/`.
        action: one of `ACTIONS`, or "all" of them.
        images: find the images and read no joints.
        problems: gets what is wrong with a video, which is then left out; None raises the first such error.

    Returns:
        The videos by id ("0001"), with poses (n, 13, 3) of x, y in pixels and visibility, or, of images, with the
        folder of frames as their path; the official training videos are "train", the test videos "val".

    Raises:
        InputError: the action is unknown or has no video here, or an annotation, an image or a phase file is missing,
            cannot be read or makes no sense.
    """
    _check_action(action)
    if images and not (root / "frames").is_dir():
        raise InputError(f"{root}: has no folder frames; put the images of Penn Action there, or read its poses")
    chosen = _of_action(root, action, problems)
    phases = _phase_files(root)
    videos = []
    for path, shown in tracked(chosen, "Counting frames" if images else "Reading poses"):
        with noted(problems):
            videos.append(_video(root, path, shown, phases.get(path.stem, []), images))
    return _with_labels_that_fit(root, videos)


def resample_labels(labels: np.ndarray, n: int) -> np.ndarray:
    """Labels for another number of frames: frame j gets the label at floor(j L / n), of L labels.

    It is how CARL brings frames and phases of Penn Action to one length when it makes its processed form. There the
    longer of the two is resampled; here always the labels, as no frame need be lost.

    Args:
        labels: (L,), L >= 1.
        n: number of frames.

    Returns:
        (n,) labels.
    """
    return labels[np.arange(n) * len(labels) // n]


def _with_labels_that_fit(root: Path, videos: list[Video]) -> list[Video]:
    labels = {video.id: video.labels for video in videos if video.labels is not None and len(video.labels) != video.n}
    if labels:
        _log.info(
            "%s: %d of %d videos have another number of frames than of phases, such as %s; their phases are resampled",
            root, len(labels), len(videos), next(iter(labels)),
        )  # fmt: skip
    return [
        replace(video, labels=resample_labels(labels[video.id], video.n)) if video.id in labels else video
        for video in videos
    ]


def _of_action(root: Path, action: str, problems: Problems | None) -> list[tuple[Path, str]]:
    """The annotations of an action in order, each with the action that it shows."""
    files = sorted((root / "labels").glob("*.mat"))
    wanted = ACTIONS if action == ALL else (action,)
    chosen = []
    for path in tracked(files, "Scanning Penn Action"):
        with noted(problems):
            shown = _load(path, "action")["action"]
            if shown in wanted:
                chosen.append((path, shown))
    if not chosen:
        raise InputError(f"{root}: none of its {len(files)} annotations is of action {action!r}; choose another action")
    return chosen


def _phase_files(root: Path) -> dict[str, list[Path]]:
    """The phase files of each video."""
    files = defaultdict(list)
    for path in sorted(root.glob("penn_action_labels/*/*/*.npy")):
        files[path.stem].append(path)
    return files


def _check_action(action: str) -> None:
    if action in UNUSED_ACTIONS:
        raise InputError(
            f"action {action!r} of Penn Action has no phases and is not used; choose of {', '.join(ACTIONS)}"
        )
    if action not in (*ACTIONS, ALL):
        raise InputError(f"action {action!r} is not in Penn Action; choose of {', '.join(ACTIONS)}, or {ALL}")


def _video(root: Path, path: Path, action: str, phases: list[Path], images: bool) -> Video:
    joints = () if images else ("x", "y", "visibility")
    mat = _load(path, "train", *joints)
    flag = mat["train"].item() if mat["train"].size == 1 else None
    if flag not in (1, -1):
        raise InputError(f"{path}: train is {mat['train'].tolist()}, not 1 or -1; fetch the annotation again")
    split: Split = "train" if flag == 1 else "val"
    labels = _labels(phases, path.stem, action)
    if images:
        folder = root / "frames" / path.stem
        return Video(path.stem, folder, probe_frames(folder).n, FPS, split, labels, action=action)
    poses = _poses(path, mat)
    return Video(path.stem, path, len(poses), FPS, split, labels, poses=poses, action=action)


def _load(path: Path, *names: str) -> dict[str, Any]:
    """Variables of a .mat file: the action as text, others as arrays, none of them empty."""
    try:
        mat: dict[str, Any] = read_mat(path, names)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as a MATLAB file ({error}); fetch the annotation again") from error
    for name in names:
        if not isinstance(mat.get(name), str if name == "action" else np.ndarray) or len(mat[name]) == 0:
            raise InputError(f"{path}: has no {name!r}; fetch the annotation again")
    return mat


def _poses(path: Path, mat: dict[str, Any]) -> np.ndarray:
    shapes = {name: mat[name].shape for name in ("x", "y", "visibility")}
    if len(set(shapes.values())) > 1 or mat["x"].shape != (len(mat["x"]), _JOINTS):
        text = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise InputError(f"{path}: shapes {text}, where all must be (n, {_JOINTS}); fetch the annotation again")
    with np.errstate(over="ignore"):  # it becomes infinite, which is judged below
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


def _labels(files: list[Path], id: str, action: str) -> np.ndarray | None:
    """The phases of a video as its file has them."""
    if not files:
        return None
    path = files[0]
    if len(files) > 1:
        raise InputError(f"{path}: video {id} has labels in {files[1]} too; keep one of the two")
    if not path.parent.name.startswith(action):
        raise InputError(f"{path}: video {id} shows {action} by its annotation; move the labels into {action}/")
    try:
        labels: np.ndarray = np.load(path, allow_pickle=False)
    except Exception as error:  # NumPy raises a dozen kinds on a damaged header, from SyntaxError to TokenError
        raise InputError(f"{path}: cannot be read as an array ({error}); fetch the labels again") from error
    if labels.ndim != 1 or labels.size == 0:
        raise InputError(f"{path}: has labels of shape {labels.shape}, not one a frame; fetch them again")
    if not np.issubdtype(labels.dtype, np.integer):
        raise InputError(f"{path}: phases must be integers, not {labels.dtype}; fetch them again")
    if labels.min() < -1:
        raise InputError(f"{path}: phases must be integers >= 0, -1 for none; found {labels.min()}")
    return labels.astype(np.int64)
