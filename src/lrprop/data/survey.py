"""What a folder holds, with all that is wrong in it: every file is looked at, and a bad one does not end the look."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np

from lrprop.data import carl, folder, pouring
from lrprop.data.frames import FPS, decode_frame, frame_size
from lrprop.data.penn_action import ALL, read_penn_action
from lrprop.data.problems import noted
from lrprop.data.progress import tracked
from lrprop.data.sources import Layout, layout_of
from lrprop.data.tfrecord import read_sequence_examples
from lrprop.data.video import Split, Video
from lrprop.errors import InputError

_SPLITS: tuple[Split, ...] = ("train", "val")
_DOING = "Looking at the files"


@dataclass(frozen=True, eq=False)
class Surveyed:
    """One video that can be read.

    Attributes:
        video: the record.
        size: height and width in pixels; None for poses.
        read: from steps to images (k, H, W, 3) uint8, RGB; not for poses.
    """

    video: Video
    size: tuple[int, int] | None
    read: Callable[[Sequence[int]], np.ndarray]


@dataclass(frozen=True, eq=False)
class Survey:
    """A data set as it was found.

    Attributes:
        layout: how it lies on disk.
        videos: those that can be read, by action and id.
        problems: one line each, naming the file and the remedy.
    """

    layout: Layout
    videos: list[Surveyed]
    problems: list[str]


def survey(root: Path) -> Survey:
    """Look at every video and label file of a data set.

    Of Penn Action all actions are looked at, and both joints and images where there are both. Nothing is written:
    Pouring's TFRecord files are read as they are, unless they were converted before.

    Args:
        root: the folder.

    Returns:
        What was found; in a folder, a video whose labels alone cannot be read is among the videos, too.

    Raises:
        InputError: as `layout_of`: there is no data.
    """
    layout = layout_of(root)
    problems: list[str] = []
    videos = sorted(_SURVEYS[layout](root, problems), key=lambda found: (found.video.action, found.video.id))
    problems += [
        f"{found.video.path}: {found.video.id} has one frame, which cannot be aligned; take it out"
        for found in videos
        if found.video.n < 2
    ]
    return Survey(layout, videos, list(dict.fromkeys(problems)))


def _penn_action(root: Path, problems: list[str]) -> list[Surveyed]:
    videos: list[Video] = []
    for images in (False, True) if (root / "frames").is_dir() else (False,):
        with noted(problems):
            videos = read_penn_action(root, ALL, images, problems)
    return _opened(videos, problems)


def _carl(root: Path, problems: list[str]) -> list[Surveyed]:
    videos: dict[str, Video] = {}
    for split in _SPLITS:
        path = root / f"{split}.pkl"
        with noted(problems):
            for index, entry, shown in tracked(carl._chosen(path, carl._unpickle(path), ALL), _DOING, few=1):
                where = f"{path}, entry {index}"
                with noted(problems):
                    id = carl._name(where, entry)
                    if id in videos:
                        raise InputError(f"{where}: has the name {id!r} of another entry; remove one of the two")
                    action = "" if shown == ALL else shown
                    videos[id] = carl._video(root, id, where, entry, action, split)
    return _opened(videos.values(), problems)


def _folder(root: Path, problems: list[str]) -> list[Surveyed]:
    files = {folder._id(root, path): path for path in sorted(folder.video_files(root))}
    with noted(problems):
        folder._files_by_id(root)  # refuses two videos of one id, and videos outside the splits
    rows, names = _folder_labels(root, files, problems)
    videos = []
    for id, path in tracked(files.items(), _DOING, few=1):
        with noted(problems):
            videos.append(folder._video(root, id, path, rows.get(id), names))
            continue
        with noted(problems):  # is it the labels?
            videos.append(folder._video(root, id, path, None, None))
    return _opened(videos, problems)


def _folder_labels(
    root: Path, files: dict[str, Path], problems: list[str]
) -> tuple[dict[str, list[folder._Row]], dict[str, int] | None]:
    """The rows of each video, and the number of each phase name."""
    rows: dict[str, list[folder._Row]] = defaultdict(list)
    for path in sorted(folder._visible_files(root, frozenset({".csv"}))):
        with noted(problems):
            for id, row in folder._labelled_rows(root, path, files):
                rows[id].append(row)
    with noted(problems):
        return dict(rows), folder._phase_names(rows)
    return {}, None


def _pouring(root: Path, problems: list[str]) -> list[Surveyed]:
    if (root / "converted").is_dir():
        return _folder(root / "converted", problems)
    found: list[Surveyed] = []
    for split in _SPLITS:
        with noted(problems):
            for path in tracked(pouring._shards(root, split), _DOING, few=1):
                with noted(problems):
                    _add_records(found, path, split, problems)
    return found


def _add_records(found: list[Surveyed], path: Path, split: Split, problems: list[str]) -> None:
    """Adds the videos of a TFRecord file, up to where it is damaged; for their images they are read again."""
    for number, example in enumerate(read_sequence_examples(path)):
        with noted(problems):
            recording = pouring._recording(f"{path}, record {number}", example)
            pouring._check_frames(recording)
            size = frame_size(recording.frames[0])
            labels = np.array(recording.labels)
            known = labels if (labels >= 0).any() else None
            video = Video(f"{split}/{recording.name}", path, len(labels), FPS, split, known)
            found.append(Surveyed(video, size, partial(_read_record, path, number)))


def _read_record(path: Path, number: int, steps: Sequence[int]) -> np.ndarray:
    where = f"{path}, record {number}"
    frames = pouring._recording(where, next(islice(read_sequence_examples(path), number, None))).frames
    return np.stack([decode_frame(frames[step], f"{where}, frame {step}") for step in steps])


_SURVEYS: dict[Layout, Callable[[Path, list[str]], list[Surveyed]]] = {
    "penn_action": _penn_action,
    "carl": _carl,
    "pouring": _pouring,
    "folder": _folder,
}


def _opened(videos: Iterable[Video], problems: list[str]) -> list[Surveyed]:
    """The videos with the size of their first frame, which shows that they can be decoded at all."""
    found = []
    for video in tracked(videos, _DOING, few=1):
        with noted(problems):
            size = None if video.poses is not None else video.read([0]).shape[1:3]
            found.append(Surveyed(video, size, video.read))
    return found
