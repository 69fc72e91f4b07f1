"""`lrprop data convert`: a data set of any layout becomes a folder of videos, or CARL's processed form.

target/train/0001.mp4  0001.csv           a folder of one action: videos as files, or as folders of frames
target/val/0002/000001.jpg ...  0002.csv
target/squat/train/...                    several actions: each is a folder of videos of its own, a data.root

target/train.pkl  val.pkl  videos/...     CARL's form, see carl.py
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from lrprop.data.carl import read_carl
from lrprop.data.carl_writer import write_carl
from lrprop.data.folder import SHARED_LABELS, phase_names, read_folder, video_files
from lrprop.data.folder_writer import write_folder
from lrprop.data.new_folder import new_folder
from lrprop.data.penn_action import ACTIONS, ALL, read_penn_action
from lrprop.data.pouring import convert_pouring
from lrprop.data.sources import Layout, layout_of
from lrprop.data.video import Video
from lrprop.errors import InputError

Form = Literal["folder", "carl"]

_ALREADY: dict[Layout, str] = {
    "folder": "is a folder of videos already; use it as it is, or encode it (--encode true)",
    "carl": "has CARL's form already; use it as it is",
}

_log = logging.getLogger("lrprop")


def convert(source: Path, target: Path, to: Form = "folder", encode: bool = False) -> None:
    """Convert a data set into a folder of videos with the phases of each in a CSV file beside it, or into CARL's form.

    Videos and images are copied as they are unless they are to be encoded. What the target has no place for is logged.
    The target appears under its name only once it is complete.

    Several actions (Penn Action) become one folder each in a folder, and one list of indices each in CARL's form. A
    folder in which every video lies in a folder named after an action of Penn Action is read as several actions.

    Args:
        source: root of Penn Action with images, of Pouring, of CARL's form of either, or a folder of videos.
        target: the folder to make; must not be there.
        to: "folder", as anyone's own videos lie, or "carl", the pickles and MP4 files that CARL's code reads.
        encode: write each video as H.264 in MP4, which is smaller than images but loses detail. CARL's form needs it
            where a video is no MP4 file.

    Raises:
        InputError: naming the file: the source has no images, is of this form already, has videos other than MP4 for
            CARL's form, or two that would have one name in it, or something in it cannot be read; or `target` is
            there, lies in the source, or cannot be written.
    """
    source, target = Path(source), Path(target)
    layout = layout_of(source)
    if layout == to and (to == "carl" or not encode):
        raise InputError(f"{source}: {_ALREADY[layout]}")
    if to == "carl" and not encode:
        _check_mp4(source, layout)
    if layout == "pouring" and to == "folder":
        convert_pouring(source, target, encode=encode)
    elif target.resolve().is_relative_to(source.resolve()):
        raise InputError(f"{target}: lies in the data set that it is to be made of; choose a folder outside {source}")
    else:
        with new_folder(target) as part:
            if layout == "pouring":
                _write_carl_of_pouring(source, part)
            else:
                _WRITERS[to](_READERS[layout](source), part, encode)
    _log.info("%s: converted into %s", source, target)


def _check_mp4(source: Path, layout: Layout) -> None:
    """Refuses other files before the long work of reading them."""
    files = [source] if layout == "pouring" else sorted(video_files(source))
    other = next((path for path in files if path.is_dir() or path.suffix.lower() != ".mp4"), None)
    if other is not None:
        raise InputError(f"{other}: CARL's form holds MP4 files only; have all videos encoded (--encode true)")


def _read_penn_action(root: Path) -> list[Video]:
    videos = read_penn_action(root, ALL, images=True)
    _log.warning("%s: its images are converted, its joints are left out", root)
    return videos


def _read_carl(root: Path) -> list[Video]:
    return [replace(video, action="") if video.action == ALL else video for video in read_carl(root, ALL)]


def _read_folder(root: Path) -> list[Video]:
    """The videos of a folder, or of the folders that Penn Action was converted into, each with its action."""
    actions = _actions_in(root)
    for folder in [root / action for action in actions] or [root]:
        if names := phase_names(folder):
            numbered = ", ".join(f"{number} {name}" for number, name in enumerate(names))
            _log.warning("%s: the names of its phases become numbers: %s", folder, numbered)
    if not actions:
        return read_folder(root)
    return [replace(video, action=action) for action in actions for video in read_folder(root / action)]


def _actions_in(root: Path) -> list[str]:
    """The actions whose folders hold all videos of a folder; none where there are others, or labels for all."""
    above = {path.parent.relative_to(root).parts[:1] for path in video_files(root)}
    if (root / SHARED_LABELS).exists() or not above <= {(action,) for action in ACTIONS}:
        return []
    return sorted(action for (action,) in above)


_READERS: dict[Layout, Callable[[Path], list[Video]]] = {
    "penn_action": _read_penn_action,
    "carl": _read_carl,
    "folder": _read_folder,
}


def _write_carl(videos: Sequence[Video], folder: Path, encode: bool) -> None:
    for note in _notes(videos):
        _log.warning(note)
    write_carl(videos, folder, encode)


def _notes(videos: Sequence[Video]) -> Iterator[str]:
    """What CARL's form has no place for, and what CARL's code may not expect."""
    if timed := sum(video.truth is not None for video in videos):
        yield f"CARL's form has no place for the canonical times of {timed} video(s): they are left out"
    if unlabelled := sum(video.labels is None for video in videos):
        yield f"{unlabelled} video(s) have no phases: all their frames get the label -1"
    if all(video.split == "train" for video in videos):
        yield "no video is of val: val.pkl is empty"


_WRITERS: dict[Form, Callable[[Sequence[Video], Path, bool], None]] = {"folder": write_folder, "carl": _write_carl}


def _write_carl_of_pouring(source: Path, folder: Path) -> None:
    """Encodes each video when it comes by, so that its images are never all written to disk."""
    encoded = folder / "encoded"
    convert_pouring(source, encoded, encode=True)
    _write_carl(read_folder(encoded), folder, encode=False)
    shutil.rmtree(encoded)
