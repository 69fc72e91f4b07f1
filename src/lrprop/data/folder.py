"""A folder of videos with optional phase labels in CSV files.

    root/                                root/
      train/  a.mp4  b.mov  labels.csv     a.mp4  a.csv
      val/    c.mp4  labels.csv            b.mp4  b.csv

`labels.csv` (columns video, frame, phase and optionally time) labels videos of its own folder and below; `a.csv` beside
`a.mp4` (frame, phase, optionally time) labels that video. Instead of one line a frame, either may have one line an
event, whose first and last frame stand in the columns start and end. Every label, and every folder of splits, is
optional. In the place of `a.mp4` there may be a folder `a` of frames, `a/000001.jpg` and so on.
"""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lrprop.data.frames import frame_folders, probe_frames
from lrprop.data.problems import Problems, noted
from lrprop.data.progress import tracked
from lrprop.data.video import Split, Video
from lrprop.data.videofile import SUFFIXES, probe
from lrprop.errors import InputError

SHARED_LABELS = "labels.csv"
"""What a file that labels all videos of its folder and below is called."""

_UNLABELLED = ("", "-1")


@dataclass(frozen=True)
class _Row:
    """One line of a label file, and where it stands."""

    where: str
    video: str  # empty in a file that labels one video
    frame: int
    phase: str
    time: str
    end: int | None = None  # the last frame of an event, of which `frame` is the first


def video_files(root: Path) -> Iterator[Path]:
    """The videos in a folder and below: files known by their suffix and folders of frames, none of them hidden."""
    yield from _visible_files(root, SUFFIXES)
    yield from frame_folders(root)


def read_folder(root: Path, problems: Problems | None = None) -> list[Video]:
    """Find the videos of a folder, count their frames and read their labels.

    A video's id is its path in `root` without the suffix. Its split is "val" below `val/` and "train" elsewhere, thus
    "train" for all where there are no folders of splits. Phases are integers >= 0, or names; names are numbered in
    the order of their first appearance, walking the videos by id and their frames in order. An empty phase (or -1)
    leaves a frame without label, as does lying in no event, and a video with no labelled frame has none. The time,
    where given, is the canonical time of each frame in [0, 1].

    Args:
        root: the folder.
        problems: gets what is wrong with a video or its labels, which is then left out; None raises the first such
            error. What is wrong with the folder or a whole label file is raised in any case.

    Returns:
        The videos by id.

    Raises:
        InputError: naming the file: a video that cannot be read, two videos with one id, videos outside `train/` and
            `val/` where there is one of these, or a label file that does not fit its video frame by frame.
    """
    files = _files_by_id(root)
    rows = _rows_by_id(root, files)
    names = _phase_names(rows)
    videos = []
    for id in tracked(files, "Indexing videos"):
        with noted(problems):
            videos.append(_video(root, id, files[id], rows.get(id), names))
    return videos


def phase_names(root: Path) -> list[str]:
    """The names of the phases 0, 1, ... of a folder; none where its phases are integers. Raises as `read_folder`."""
    return list(_phase_names(_rows_by_id(root, _files_by_id(root))) or ())


def _visible_files(root: Path, suffixes: frozenset[str]) -> Iterator[Path]:
    for path in root.rglob("*"):
        hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
        if path.suffix.lower() in suffixes and not hidden and path.is_file():
            yield path


def _files_by_id(root: Path) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for path in sorted(video_files(root)):
        id = _id(root, path)
        if id in files:
            raise InputError(f"{path}: has the same id as {files[id].name}; rename one of them")
        files[id] = path
    in_splits = [id.split("/")[0] in ("train", "val") and "/" in id for id in files]
    if any(in_splits) and not all(in_splits):
        stray = files[list(files)[in_splits.index(False)]]
        raise InputError(f"{stray}: lies outside {root}/train and {root}/val; move it into one of them")
    if any(in_splits) and len({id.split("/")[0] for id in files}) < 2:
        raise InputError(
            f"{root}: has videos in only one of train/ and val/; fill both, or move the videos up to {root}"
        )
    return dict(sorted(files.items()))


def _video(root: Path, id: str, path: Path, rows: list[_Row] | None, names: dict[str, int] | None) -> Video:
    info = probe_frames(path) if path.is_dir() else probe(path)
    split: Split = "val" if id.startswith("val/") else "train"
    labels = truth = None
    if rows is not None:
        rows = _one_row_a_frame(path, rows, info.n)
        labels, truth = _labels(rows, names), _truth(rows)
    return Video(id, path, info.n, info.fps, split, labels, truth)


def _id(root: Path, path: Path) -> str:
    return (path if path.is_dir() else path.with_suffix("")).relative_to(root).as_posix()


def _rows_by_id(root: Path, files: dict[str, Path]) -> dict[str, list[_Row]]:
    """The rows of all label files by the id of the video that they label, in the order of the videos."""
    rows: dict[str, list[_Row]] = {}
    source: dict[str, Path] = {}
    for path in sorted(_visible_files(root, frozenset({".csv"}))):
        for id, row in _labelled_rows(root, path, files):
            if source.setdefault(id, path) != path:
                raise InputError(f"{path}: labels of {id} are in {source[id]} too; keep one of the two")
            rows.setdefault(id, []).append(row)
    return {id: rows[id] for id in files if id in rows}


def _labelled_rows(root: Path, path: Path, files: dict[str, Path]) -> list[tuple[str, _Row]]:
    """The rows of one CSV file with the id of each row's video; none where it is not a label file."""
    if path.name == SHARED_LABELS:
        ids = _ids_by_name(path.parent, files)
        return [(_named_id(row, path.parent, ids), row) for row in _read_rows(path, {"video"})]
    id = _id(root, path)
    if id in files:
        return [(id, row) for row in _read_rows(path, set())]
    if "phase" in _read_columns(path):
        raise InputError(
            f"{path}: has phases, but there is no video {path.stem!r} beside it; name it after its video, or "
            f"{SHARED_LABELS} if it has a column video"
        )
    return []


def _ids_by_name(folder: Path, files: dict[str, Path]) -> dict[str, set[str]]:
    """What a video in a folder may be called: its path there or, where no path is the same, its bare name."""
    paths: dict[str, set[str]] = defaultdict(set)
    bare: dict[str, set[str]] = defaultdict(set)
    for id, file in files.items():
        if file.is_relative_to(folder):
            path = file.relative_to(folder)
            for name in (path, path.with_suffix("")):
                paths[name.as_posix()].add(id)
                bare[name.name].add(id)
    return {**bare, **paths}


def _named_id(row: _Row, folder: Path, ids: dict[str, set[str]]) -> str:
    found = sorted(ids.get(Path(row.video).as_posix(), ()))
    if len(found) != 1:
        problem = f"may be {' or '.join(found)}" if found else "does not exist"
        raise InputError(
            f"{row.where}: the video {row.video!r} {problem}; write its path in {folder}, or drop the line"
        )
    return found[0]


def _read_columns(path: Path) -> list[str]:
    with _csv_reader(path) as reader:
        return [name.strip() for name in reader.fieldnames or []]


def _read_rows(path: Path, naming: set[str]) -> list[_Row]:
    """The lines of a label file, which has the columns that name the video, if any, besides those of the labels."""
    columns = _read_columns(path)
    _check_columns(path, columns, naming)
    with _csv_reader(path) as reader:
        reader.fieldnames = columns
        next(reader)  # the header: setting the names turns it into a row
        rows = [_row(f"{path}, line {reader.line_num}", cells) for cells in reader]
    if not rows:
        raise InputError(f"{path}: has no labels; write one line per frame, or delete the file")
    return rows


@contextmanager
def _csv_reader(path: Path) -> Iterator[csv.DictReader[str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            yield csv.DictReader(file, skipinitialspace=True, strict=True)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as CSV ({error}); save it as comma-separated UTF-8") from error


def _check_columns(path: Path, columns: list[str], naming: set[str]) -> None:
    of_frames, of_events = naming | {"frame", "phase"}, naming | {"start", "end", "phase"}
    needed = f"{', '.join(sorted(of_frames))} and may have time, or, one line an event, {', '.join(sorted(of_events))}"
    if not columns:
        raise InputError(f"{path}: is empty; it needs the columns {needed}; or delete the file")
    if set(columns) - {"time"} not in (of_frames, of_events) or len(columns) != len(set(columns)):
        raise InputError(f"{path}: has the columns {', '.join(columns)}; it needs {needed}")
    if set(columns) == of_events | {"time"}:
        raise InputError(f"{path}: has a time for events; give it by frame, or leave it out")


def _row(where: str, cells: dict[str, str | None]) -> _Row:
    if None in cells or None in cells.values():
        raise InputError(f"{where}: has another number of cells than the header; correct it")
    text = {name: (cell or "").strip() for name, cell in cells.items()}
    frame = _integer(where, text, "start" if "start" in text else "frame")
    end = _integer(where, text, "end") if "end" in text else None
    return _Row(where, text.get("video", ""), frame, text["phase"], text.get("time", ""), end)


def _integer(where: str, text: dict[str, str], column: str) -> int:
    try:
        return int(text[column])
    except ValueError:
        raise InputError(f"{where}: {column} {text[column]!r} is no integer; number the frames from 0") from None


def _rows_of_events(path: Path, events: list[_Row], n: int) -> list[_Row]:
    """One row for each frame 0..n-1, without a phase where it lies in no event."""
    file = events[0].where.rpartition(", line ")[0]
    rows = [_Row(file, "", frame, "", "") for frame in range(n)]
    for event in events:
        frames = range(event.frame, (event.end or 0) + 1)
        if not frames or frames[0] < 0 or frames[-1] >= n:
            raise InputError(
                f"{event.where}: an event from frame {event.frame} to {event.end}, where {path.name} has the frames "
                f"0..{n - 1}; both belong to the event"
            )
        for frame in frames:
            if rows[frame].where != file:
                raise InputError(
                    f"{event.where}: overlaps the event of {rows[frame].where} at frame {frame}; a frame has one phase"
                )
            rows[frame] = replace(event, frame=frame)
    return rows


def _one_row_a_frame(path: Path, rows: list[_Row], n: int) -> list[_Row]:
    """The rows in the order of the frames 0..n-1, each of which must have exactly one, or lie in one event at most."""
    if rows[0].end is not None:
        return _rows_of_events(path, rows, n)
    file = rows[0].where.rpartition(", line ")[0]
    frame, times = Counter(row.frame for row in rows).most_common(1)[0]
    if times > 1:
        raise InputError(f"{file}: frame {frame} of {path.name} is labelled {times} times; keep one label")
    if len(rows) != n:
        raise InputError(
            f"{file}: labels {len(rows)} frames of {path.name}, but the video has {n} frames; write one line for each "
            f"frame 0..{n - 1}, with an empty phase where there is none"
        )
    rows = sorted(rows, key=lambda row: row.frame)
    wrong = next((row for step, row in enumerate(rows) if row.frame != step), None)
    if wrong is not None:
        raise InputError(f"{wrong.where}: frame {wrong.frame} where 0..{n - 1} were expected; number the frames from 0")
    return rows


def _phase_names(rows_by_id: dict[str, list[_Row]]) -> dict[str, int] | None:
    """The number of each phase name in order of first appearance; None where phases are integers."""
    labelled = (row for id in rows_by_id for row in sorted(rows_by_id[id], key=lambda row: row.frame))
    rows = [row for row in labelled if row.phase not in _UNLABELLED]
    number = next((row for row in rows if _is_number(row.phase)), None)
    name = next((row for row in rows if not _is_number(row.phase)), None)
    if number is not None and name is not None:
        raise InputError(
            f"{name.where}: phase {name.phase!r} is a name, but {number.where} has the number {number.phase}; "
            "use only names or only integers in a data set"
        )
    return None if name is None else {phase: k for k, phase in enumerate(dict.fromkeys(row.phase for row in rows))}


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _labels(rows: list[_Row], names: dict[str, int] | None) -> np.ndarray | None:
    labels = np.array([-1 if row.phase in _UNLABELLED else _phase(row, names) for row in rows], dtype=np.int64)
    return labels if (labels >= 0).any() else None


def _phase(row: _Row, names: dict[str, int] | None) -> int:
    if names is not None:
        return names[row.phase]
    try:
        phase = int(row.phase)
    except ValueError:
        phase = -2
    if not -1 <= phase < 2**31:
        raise InputError(f"{row.where}: phase {row.phase}; a phase is an integer >= 0, -1 or empty for no label")
    return phase


def _truth(rows: list[_Row]) -> np.ndarray | None:
    if not any(row.time for row in rows):
        return None
    for row in rows:
        if not (_is_number(row.time) and 0 <= float(row.time) <= 1):
            raise InputError(f"{row.where}: time {row.time!r}; give every frame of the video a time in [0, 1], or none")
    return np.array([float(row.time) for row in rows])
