"""`lrprop data convert`: a data set of any layout becomes a folder of videos with one CSV of labels a video.

target/train/0001.mp4  0001.csv           one action: videos as files, or as folders of frames
target/val/0002/000001.jpg ...  0002.csv

target/squat/train/...                    several actions: each is a folder of videos of its own, a data.root
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track

from lrprop.data.carl import read_carl
from lrprop.data.folder import read_folder
from lrprop.data.frames import decode_frame, frame_files
from lrprop.data.new_folder import new_folder
from lrprop.data.penn_action import ALL, read_penn_action
from lrprop.data.pouring import convert_pouring
from lrprop.data.sources import Layout, layout_of
from lrprop.data.video import Video
from lrprop.data.videofile import write_video
from lrprop.errors import InputError

_log = logging.getLogger("lrprop")


def convert(source: Path, target: Path, encode: bool = False) -> None:
    """Convert a data set into a folder of videos, with the phases of each video in a CSV file beside it.

    Videos and images are copied as they are unless they are to be encoded. Several actions (Penn Action) become one
    folder each in the target. The target appears under its name only once it is complete.

    Args:
        source: root of Penn Action with images, of Pouring or of CARL's form of either; to encode, a folder of videos
            too.
        target: the folder to make; must not be there.
        encode: write each video as H.264 in MP4, which is smaller than images but loses detail.

    Raises:
        InputError: naming the file: the source has no images, is a folder of videos already, or something in it
            cannot be read; or `target` is there, lies in the source, or cannot be written.
    """
    source, target = Path(source), Path(target)
    layout = layout_of(source)
    if layout == "pouring":
        convert_pouring(source, target, encode=encode)
    elif target.resolve().is_relative_to(source.resolve()):
        raise InputError(f"{target}: lies in the data set that it is to be made of; choose a folder outside {source}")
    elif layout == "folder" and not encode:
        raise InputError(f"{source}: is a folder of videos already; use it as it is, or encode it (--encode true)")
    else:
        with new_folder(target) as part:
            _write(_READERS[layout](source), part, encode)
    _log.info("%s: converted into %s", source, target)


def _read_penn_action(root: Path) -> list[Video]:
    return read_penn_action(root, ALL, images=True)


def _read_carl(root: Path) -> list[Video]:
    return read_carl(root, ALL)


_READERS: dict[Layout, Callable[[Path], list[Video]]] = {
    "penn_action": _read_penn_action,
    "carl": _read_carl,
    "folder": read_folder,
}


def _write(videos: list[Video], folder: Path, encode: bool) -> None:
    has_val = {video.action for video in videos if video.split == "val"}
    for video in track(videos, "Converting", console=Console(stderr=True), transient=True):
        action = "" if video.action == ALL else video.action
        split = video.split if video.action in has_val else ""
        _write_video(video, folder / action / split / video.id.removeprefix(f"{split}/"), encode)


def _write_video(video: Video, path: Path, encode: bool) -> None:
    """Writes a video and its labels; the path is without suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if encode:
        write_video(_with_suffix(path, ".mp4"), _frames(video), video.fps)
    elif video.path.is_dir():
        path.mkdir()
        for file in frame_files(video.path):
            shutil.copyfile(file, path / file.name)
    else:
        shutil.copyfile(video.path, _with_suffix(path, video.path.suffix))
    if video.labels is not None or video.truth is not None:
        _with_suffix(path, ".csv").write_text(_table(video))


def _with_suffix(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)  # a dot in the name itself stays: "pour.2" is no suffix


def _frames(video: Video) -> Iterator[np.ndarray]:
    return map(decode_frame, frame_files(video.path)) if video.path.is_dir() else iter(video.read())


def _table(video: Video) -> str:
    """The labels as `read_folder` reads them."""
    labels = np.full(video.n, -1) if video.labels is None else video.labels
    if video.truth is None:
        return "".join(["frame,phase\n", *(f"{step},{phase}\n" for step, phase in enumerate(labels))])
    rows = zip(labels, video.truth, strict=True)
    return "".join(["frame,phase,time\n", *(f"{step},{phase},{time}\n" for step, (phase, time) in enumerate(rows))])
