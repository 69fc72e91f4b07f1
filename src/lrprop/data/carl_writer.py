"""Videos into the processed form of CARL, which `carl` describes and reads.

Every entry has the fields, their types and their order of CARL's own files, and -1 is the label of a frame that has
none, as in its files of FineGym. Those of Pouring are a list; those of Penn Action also have an `action_label` and
come with the indices of each action.
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from lrprop.data.carl import ORDER, SPLITS
from lrprop.data.copying import copy_video
from lrprop.data.file_name import is_file_name
from lrprop.data.progress import tracked
from lrprop.data.video import Video
from lrprop.errors import InputError

_PROTOCOL = 4  # Python 3.7, for which CARL's code was written, reads none later


def write_carl(videos: Sequence[Video], folder: Path, encode: bool = False) -> None:
    """Write `train.pkl`, `val.pkl` and `videos/NAME.mp4`.

    A name is the video's id without its split, "-" for "/" and, of several actions, with the action behind it, as
    CARL has it ("0001_squat"). Where two videos would have one name, every name begins with its split.

    Args:
        videos: what is written, of "train" and "val"; either all with one of the actions of Penn Action or all without.
        folder: where to; made where it is missing.
        encode: write H.264 in MP4; else every video is an MP4 file and is copied.

    Raises:
        InputError: naming the video: it has the name of another even so, or one that no file can have.
        UnreadableVideoError: to encode, as `Video.chunks`.
        OSError: something cannot be copied.
    """
    names = _names(videos)
    for video, name in tracked(zip(videos, names, strict=True), "Converting", few=0):
        copy_video(video, folder / "videos" / name, encode)
    for split in SPLITS:
        chosen = [(video, name) for video, name in zip(videos, names, strict=True) if video.split == split]
        entries = [_entry(id, video, name) for id, (video, name) in enumerate(chosen)]
        content = (entries, _indices(entries)) if any(video.action for video in videos) else entries
        (folder / f"{split}.pkl").write_bytes(pickle.dumps(content, _PROTOCOL))


def _entry(id: int, video: Video, name: str) -> dict[str, Any]:
    labels = torch.full((video.n,), -1) if video.labels is None else torch.tensor(video.labels, dtype=torch.int64)
    fields = {"id": id, "video_file": f"videos/{name}.mp4", "frame_label": labels, "seq_len": video.n, "name": name}
    return fields | ({"action_label": ORDER.index(video.action)} if video.action else {})


def _indices(entries: list[dict[str, Any]]) -> list[list[int]]:
    """The entries of each action."""
    return [[entry["id"] for entry in entries if entry["action_label"] == label] for label in range(len(ORDER))]


def _names(videos: Sequence[Video]) -> list[str]:
    """What each video is called, of which file systems that ignore case can tell one from the other."""
    names = [_name(video, video.id.removeprefix(f"{video.split}/")) for video in videos]
    if len({name.lower() for name in names}) < len(names):
        names = [_name(video, video.id) for video in videos]
    named: dict[str, Video] = {}
    for video, name in zip(videos, names, strict=True):
        other = named.setdefault(name.lower(), video)
        if other is not video:
            raise InputError(
                f"{video.path}: would be called {name} in CARL's form, as {other.path}; rename one of them"
            )
    return names


def _name(video: Video, id: str) -> str:
    name = id.replace("/", "-")
    if video.action and not name.endswith(f"_{video.action}"):
        name = f"{name}_{video.action}"
    if not is_file_name(name):
        raise InputError(f"{video.path}: would be called {name!r} in CARL's form, which is no file name; rename it")
    return name
