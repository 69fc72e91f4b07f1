"""Pouring as TCC published it (Dwibedi et al., CVPR 2019): TFRecord files, converted once into a folder.

root/pouring_train-0-of-2.tfrecord ...   SequenceExamples: context name, len, label; lists video (JPEG), frame_labels
root/pouring_val-0-of-1.tfrecord

converted/train/NAME/000001.jpg ...      the same JPEG bytes, nothing is encoded again
converted/train/NAME.csv                 frame, phase
converted/val/...
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from reprlib import repr as short
from typing import TypeVar

from rich.console import Console
from rich.progress import Progress

from lrprop.data.file_name import is_file_name
from lrprop.data.folder import read_folder
from lrprop.data.folder_writer import write_labels
from lrprop.data.frames import FPS, decode_frame, frame_size
from lrprop.data.new_folder import new_folder
from lrprop.data.problems import Problems
from lrprop.data.tfrecord import Feature, SequenceExample, read_sequence_examples
from lrprop.data.video import Video
from lrprop.data.videofile import write_video
from lrprop.errors import InputError

PUBLISHED = {"train": 70, "val": 14}
"""The number of videos in each split, as the literature counts them."""

_SHARD = re.compile(r"pouring_(?:train|val)-([0-9]{1,5})-of-([0-9]{1,5})\.tfrecord")
_CONVERTED = "converted"
_REMEDY = "fetch the file again"

T = TypeVar("T")

_log = logging.getLogger("lrprop")


def is_pouring(root: Path) -> bool:
    """Whether a folder has Pouring's TFRecord files."""
    return any(_SHARD.fullmatch(path.name) for path in root.glob("pouring_*.tfrecord"))


def read_pouring(root: Path, action: str, problems: Problems | None = None) -> list[Video]:
    """Read the videos and phases of Pouring; what is not converted yet is first converted into `root/converted`.

    Args:
        root: the folder of the TFRecord files.
        action: the name of the action.
        problems: as for `read_folder`.

    Returns:
        The videos by id ("train/NAME").

    Raises:
        InputError: as `convert_pouring` and `read_folder`.
    """
    target = root / "converted"
    try:
        if not target.is_dir():
            convert_pouring(root, target)
    except InputError:
        if not target.is_dir():  # else another process was faster
            raise
    return [replace(video, action=action) for video in read_folder(target, problems)]


def convert_pouring(source: Path, target: Path, *, encode: bool = False) -> None:
    """Convert Pouring's TFRecord files into a folder of videos, with one CSV of labels a video.

    Videos are read and written one by one. The target appears under its name only once it is complete. Another number
    of videos than `PUBLISHED` is logged as a warning: a file that was cut between two videos looks complete.

    Args:
        source: the folder of the TFRecord files.
        target: the folder to make; must not be there.
        encode: write each video as H.264 in MP4, which is smaller but loses detail; else its JPEG images as they are.

    Raises:
        InputError: naming the file and record: files are missing or damaged, a record is no video with one phase a
            frame, an image is no JPEG or of another size, two videos have one name; or `target` is there, or cannot
            be written.
    """
    shards = [(split, path) for split in PUBLISHED for path in _shards(source, split)]
    with new_folder(target) as part:
        counts = _convert(shards, part, encode)
    if counts != PUBLISHED:
        _log.warning("%s: has %s videos where %s were published; fetch the files again", source, counts, PUBLISHED)


def _shards(source: Path, split: str) -> list[Path]:
    """The files of a split in order, of which none may be missing."""
    found = {}
    for path in source.glob(f"pouring_{split}-*.tfrecord"):
        if match := _SHARD.fullmatch(path.name):
            found[int(match[1]), int(match[2])] = path
    count = max((count for _, count in found), default=1)
    missing = next((number for number in range(count) if (number, count) not in found), None)
    if missing is not None:
        raise InputError(f"{source}: has no pouring_{split}-{missing}-of-{count}.tfrecord; fetch it")
    if len(found) > count:
        stray = min(path.name for (number, of), path in found.items() if number >= count or of != count)
        raise InputError(f"{source / stray}: does not belong to the {count} files of {split}; move it away")
    return [found[number, count] for number in range(count)]


@dataclass(frozen=True)
class _Recording:
    """One video of a TFRecord file, and where it stands."""

    where: str
    name: str
    frames: list[bytes]
    labels: list[int]


def _convert(shards: list[tuple[str, Path]], target: Path, encode: bool) -> dict[str, int]:
    """Writes all videos and counts them by split."""
    places: dict[str, str] = {}
    counts: Counter[str] = Counter()
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("Converting Pouring", total=sum(path.stat().st_size for _, path in shards))
        for split, path in shards:
            for recording in _recordings(path):
                if recording.name in places:
                    other = places[recording.name]
                    raise InputError(f"{recording.where}: has the name {recording.name!r} of {other}; {_REMEDY}")
                places[recording.name] = recording.where
                counts[split] += 1
                _write(target / split, recording, encode)
                progress.advance(task, sum(map(len, recording.frames)))
    return dict(counts)


def _recordings(path: Path) -> Iterator[_Recording]:
    for number, example in enumerate(read_sequence_examples(path)):
        yield _recording(f"{path}, record {number}", example)


def _recording(where: str, example: SequenceExample) -> _Recording:
    context, lists = example.context, example.feature_lists
    name = _file_name(where, _single(where, "name", context.get("name", []), bytes))
    length = _single(where, "len", context.get("len", []), int)
    frames = [_single(where, f"frame {k}", value, bytes) for k, value in enumerate(lists.get("video", []))]
    labels = [_single(where, f"label {k}", value, int) for k, value in enumerate(lists.get("frame_labels", []))]
    if not len(frames) == len(labels) == length > 0:
        raise InputError(
            f"{where}: {name} has {len(frames)} frames, {len(labels)} labels and len {length}, where all must be one "
            f"number; {_REMEDY}"
        )
    if min(labels) < -1:
        raise InputError(f"{where}: {name} has the phase {min(labels)}; phases must be >= 0, -1 for none; {_REMEDY}")
    return _Recording(where, name, frames, labels)


def _single(where: str, key: str, values: Feature, kind: type[T]) -> T:
    if len(values) != 1 or not isinstance(values[0], kind):
        raise InputError(f"{where}: {key} is {short(values)}, not one value of {kind.__name__}; {_REMEDY}")
    return values[0]


def _file_name(where: str, name: bytes) -> str:
    """A name that files can have and that does not lead out of their folder."""
    text = name.decode(errors="replace")
    if not is_file_name(text):
        raise InputError(f"{where}: name is {short(name)}, which is no file name; {_REMEDY}")
    return text


def _write(folder: Path, recording: _Recording, encode: bool) -> None:
    _check_frames(recording)
    if encode:
        names = (f"{recording.where}, frame {k}" for k in range(len(recording.frames)))
        write_video(folder / f"{recording.name}.mp4", map(decode_frame, recording.frames, names), FPS)
    else:
        (folder / recording.name).mkdir(parents=True)
        for number, frame in enumerate(recording.frames, start=1):
            (folder / recording.name / f"{number:06d}.jpg").write_bytes(frame)
    write_labels(folder / f"{recording.name}.csv", recording.labels)


def _check_frames(recording: _Recording) -> None:
    sizes = []
    for step, frame in enumerate(recording.frames):
        where = f"{recording.where}, frame {step}"
        if not frame.startswith(b"\xff\xd8"):
            raise InputError(f"{where}: is no JPEG image, it begins with {frame[:8]!r}; {_REMEDY}")
        sizes.append(frame_size(frame, where))
        if sizes[-1] != sizes[0]:
            raise InputError(f"{where}: is {sizes[-1]} pixels (height, width), the first is {sizes[0]}; {_REMEDY}")
