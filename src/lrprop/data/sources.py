"""From a folder on disk to its videos: recognises the layout, and draws the splits that the data set leaves open."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Literal

import numpy as np

from lrprop.data.carl import is_carl, read_carl
from lrprop.data.folder import read_folder, video_files
from lrprop.data.penn_action import read_penn_action
from lrprop.data.pouring import is_pouring, read_pouring
from lrprop.data.problems import Problems
from lrprop.data.video import Modality, Split, Video
from lrprop.errors import InputError

Layout = Literal["penn_action", "carl", "pouring", "folder"]
Input = Literal["auto", "poses", "pixels"]

_log = logging.getLogger("lrprop")


def layout_of(root: str | Path) -> Layout:
    """Recognise how a data set lies on disk.

    "penn_action" by `labels/*.mat`, "carl" by CARL's `train.pkl` and `val.pkl`, "pouring" by its TFRecord files, and
    "folder" by any video file or folder of frames.

    Raises:
        InputError: `root` is not there, no folder, or of no such layout.
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"{root}: {'is not a folder' if root.exists() else 'no such folder'}; check data.root")
    if next((root / "labels").glob("*.mat"), None) is not None:
        return "penn_action"
    if is_carl(root):
        return "carl"
    if is_pouring(root):
        return "pouring"
    if next(video_files(root), None) is not None:
        return "folder"
    raise InputError(
        f"{root}: no data found; put videos (.mp4, .mov, .avi, ...) or folders of frames in it, or give the root of "
        "Penn Action (labels/*.mat), Pouring (pouring_*.tfrecord) or CARL's form of either (train.pkl, val.pkl)"
    )


def modality_of(root: str | Path, input: Input = "auto") -> Modality:
    """What is read of the videos of a data set.

    Args:
        root: the folder.
        input: "auto" is "poses" where there are joints (Penn Action), else "pixels".

    Raises:
        InputError: as `layout_of`, or there are no joints where poses are asked for.
    """
    has_joints = layout_of(root) == "penn_action"
    if input == "poses" and not has_joints:
        raise InputError(f"data.input={input}, but {root} has no joints; choose pixels or auto")
    return "poses" if has_joints and input != "pixels" else "pixels"


def find_videos(
    root: str | Path,
    action: str,
    *,
    input: Input = "auto",
    seed: int = 0,
    val_fraction: float = 0.3,
    tune_fraction: float = 0.0,
    problems: Problems | None = None,
) -> list[Video]:
    """Find the videos of one action, or of all actions of Penn Action, each in its split.

    Where the data set brings no "val" (such as a folder without `train/` and `val/`), a seeded share of the videos is
    drawn for it; then a seeded share of the training videos for "tune". Both are stratified by having labels or not,
    leave at least two training videos, and are logged. Of several actions each is treated as if it were alone.

    Args:
        root: a folder of videos or of folders of frames, or the root of Penn Action, Pouring or CARL's form of them.
        action: the action; chooses among the videos of Penn Action, where "all" stands for all 13, and only names
            those of a folder and of Pouring.
        input: what is read, see `modality_of`; chooses between the joints and the images of Penn Action.
        seed: seed of the draws.
        val_fraction: share of the videos, in (0, 1), drawn for "val" where the data set brings none.
        tune_fraction: share of the training videos, in [0, 1), drawn for "tune".
        problems: gets what is wrong with a video, which is then left out before any draw; None raises the first such
            error.

    Returns:
        The videos by id.

    Raises:
        InputError: no data, an unknown action, too few videos to split, a fraction out of range, or a bad file.
    """
    if not 0 < val_fraction < 1:
        raise InputError(f"val_fraction={val_fraction} is out of range; choose a share in (0, 1)")
    if not 0 <= tune_fraction < 1:
        raise InputError(f"tune_fraction={tune_fraction} is out of range; choose a share in [0, 1)")
    if seed < 0:
        raise InputError(f"seed={seed} of the splits is negative; choose an integer >= 0")
    root = Path(root)
    if modality_of(root, input) == "poses":
        videos = read_penn_action(root, action, problems=problems)
    else:
        videos = _READERS[layout_of(root)](root, action, problems)
    if not videos:
        raise InputError(f"{root}: none of its videos can be read; run lrprop data inspect {root}")
    by_action = groupby(sorted(videos, key=attrgetter("action")), key=attrgetter("action"))
    found = [video for _, group in by_action for video in _split(root, list(group), seed, val_fraction, tune_fraction)]
    return sorted(found, key=lambda video: video.id)


def _read_folder(root: Path, action: str, problems: Problems | None) -> list[Video]:
    return [replace(video, action=action) for video in read_folder(root, problems)]


def _read_penn_action(root: Path, action: str, problems: Problems | None) -> list[Video]:
    return read_penn_action(root, action, images=True, problems=problems)


# How each layout is read as pixels.
_READERS: dict[Layout, Callable[[Path, str, Problems | None], list[Video]]] = {
    "penn_action": _read_penn_action,
    "carl": read_carl,
    "pouring": read_pouring,
    "folder": _read_folder,
}


def _split(root: Path, videos: list[Video], seed: int, val_fraction: float, tune_fraction: float) -> list[Video]:
    """The videos of one action with those held out that the data set leaves open."""
    if all(video.split == "train" for video in videos):
        videos = _hold_out(root, videos, "val", val_fraction, seed)
    if tune_fraction > 0:
        videos = _hold_out(root, videos, "tune", tune_fraction, seed)
    count = sum(video.split == "train" for video in videos)
    if count < 2:
        action = videos[0].action
        raise InputError(f"{root}: {count} training video(s) of {action}; alignment needs at least 2, add videos")
    return videos


def _hold_out(root: Path, videos: Sequence[Video], split: Split, fraction: float, seed: int) -> list[Video]:
    """Move a drawn share of the training videos to another split."""
    train = [video for video in videos if video.split == "train"]
    if len(train) < 3:
        raise InputError(
            f"{root}: {len(train)} training video(s), of which none can be held out for {split!r} because training "
            "needs 2; add videos"
        )
    drawn = _draw(train, fraction, np.random.default_rng([seed, *split.encode()]))
    ids = {video.id for video in drawn}
    _log.info(
        "%s: drew %d of %d videos for %s (seed %d): %s", root, len(ids), len(train), split, seed, ", ".join(sorted(ids))
    )
    return [replace(video, split=split) if video.id in ids else video for video in videos]


def _draw(videos: Sequence[Video], fraction: float, rng: np.random.Generator) -> list[Video]:
    """At least one and at most all but two of the videos, labelled ones in proportion, rounded up."""
    count = min(max(round(fraction * len(videos)), 1), len(videos) - 2)
    labelled = [video for video in videos if video.labels is not None]
    others = [video for video in videos if video.labels is None]
    # Rounded up, as evaluation needs labels; but one labelled video must stay for training.
    of_labelled = max(min(math.ceil(count * len(labelled) / len(videos)), len(labelled) - 1), 0)
    strata = ((labelled, of_labelled), (others, count - of_labelled))
    return [stratum[i] for stratum, k in strata for i in rng.choice(len(stratum), k, replace=False)]
