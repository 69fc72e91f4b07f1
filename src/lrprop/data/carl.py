"""The processed form of CARL (Chen et al., CVPR 2022): pickled records beside the videos that they label.

    root/train.pkl  val.pkl     Pouring: a list of dicts; Penn Action: (that list, the indices of each action in it)
    root/videos/0001_squat.mp4  named by the `video_file` of a dict, a path in root

A dict has `id`, its index in the list, `name`, `video_file`, `seq_len` and `frame_label`, a tensor or array of one
phase a frame. Frames and labels were brought to one length before they were written; where they differ here, something
is damaged.

A pickle is a program. This one may build containers, NumPy arrays and torch tensors and nothing else, and even these
only as stand-ins whose sizes are checked before anything of that size is allocated.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import re
import warnings
from pathlib import Path
from reprlib import Repr
from typing import Any

import numpy as np
import torch

from lrprop.data.file_name import is_file_name
from lrprop.data.penn_action import ACTIONS, ALL
from lrprop.data.problems import Problems, noted
from lrprop.data.progress import tracked
from lrprop.data.video import Split, Video
from lrprop.data.videofile import probe
from lrprop.errors import InputError

ORDER = (
    "baseball_pitch", "baseball_swing", "bench_press", "bowl", "clean_and_jerk", "golf_swing", "jumping_jacks",
    "pushup", "pullup", "situp", "squat", "tennis_forehand", "tennis_serve",
)  # fmt: skip
"""The actions of Penn Action as CARL counts them: not alphabetical, pushup comes before pullup."""

SPLITS: tuple[Split, ...] = ("train", "val")
"""Those that have a pickle."""

_shortened = Repr()
_shortened.maxstring = _shortened.maxother = 100
_short = _shortened.repr

_REMEDY = "fetch the file again"
_LARGEST = 2**30  # bytes; CARL's files have a few million

# How every torch.save of a tensor's storage begins. Older torch runs code from other formats even when told not to.
_STORAGE_START = pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2)
_STORAGE_PICKLES = 5  # magic number, version, system, the storage, its key; then the raw numbers


def is_carl(root: Path) -> bool:
    """Whether a folder has CARL's processed form."""
    return any((root / f"{split}.pkl").is_file() for split in SPLITS)


def read_carl(root: Path, action: str, problems: Problems | None = None) -> list[Video]:
    """Read the videos and phases of CARL's processed form of Penn Action or Pouring.

    A phase of -1 leaves a frame without label, and a video with no labelled frame has none.

    Args:
        root: the folder that has `train.pkl` and `val.pkl`.
        action: chooses among the videos of Penn Action, where "all" stands for all 13; only names those of Pouring.
        problems: gets what is wrong with a video, which is then left out; None raises the first such error.

    Returns:
        The videos by id, which is CARL's `name` ("0001_squat"); those of `val.pkl` are "val".

    Raises:
        InputError: naming the file and entry: the action is unknown or has no video here; a pickle is missing,
            damaged or holds anything else; a video is missing, damaged, lies outside `root`, or has another number
            of frames than `seq_len` and the labels.
    """
    entries: dict[str, tuple[str, dict[str, Any], str, Split]] = {}
    for split in SPLITS:
        path = root / f"{split}.pkl"
        for index, entry, shown in _chosen(path, _unpickle(path), action):
            where = f"{path}, entry {index}"
            id = _name(where, entry)
            if id in entries:
                raise InputError(f"{where}: has the name {id!r} of {entries[id][0]}; remove one of the two")
            entries[id] = (where, entry, shown, split)
    if not entries:
        raise InputError(f"{root}: has no video of action {action!r}; choose another action")
    videos = []
    for id in tracked(sorted(entries), "Indexing videos"):
        with noted(problems):
            videos.append(_video(root, id, *entries[id]))
    return videos


def _chosen(path: Path, content: object, action: str) -> list[tuple[int, dict[str, Any], str]]:
    """The entries of an action, each with its index and the action it shows."""
    by_action: dict[str, Any] = {}
    if isinstance(content, tuple) and len(content) == 2:
        content, indices = content
        by_action = _indices_by_action(path, indices)
    if not isinstance(content, list) or not all(isinstance(entry, dict) for entry in content):
        raise InputError(f"{path}: holds {_short(content)}, not a list of dicts as CARL's files do; {_REMEDY}")
    if not by_action:
        return [(index, entry, action) for index, entry in enumerate(content)]
    if action not in (*ACTIONS, ALL):
        raise InputError(f"action {action!r} is not in Penn Action; choose of {', '.join(ACTIONS)}, or {ALL}")
    wanted = ORDER if action == ALL else (action,)
    return [(index, _entry(path, content, index, shown), shown) for shown in wanted for index in by_action[shown]]


def _indices_by_action(path: Path, indices: object) -> dict[str, list[Any]]:
    if not isinstance(indices, list) or [type(of_action) for of_action in indices] != [list] * len(ORDER):
        raise InputError(f"{path}: holds {_short(indices)} where {len(ORDER)} lists of indices belong; {_REMEDY}")
    return dict(zip(ORDER, indices, strict=True))


def _entry(path: Path, entries: list[dict[str, Any]], index: object, action: str) -> dict[str, Any]:
    if type(index) is not int or not 0 <= index < len(entries):
        raise InputError(f"{path}: counts entry {_short(index)} of {len(entries)} to {action}; {_REMEDY}")
    name = entries[index].get("name")
    other = name[5:] if isinstance(name, str) else ""  # "0001_squat"
    if other in ORDER and other != action:
        raise InputError(f"{path}, entry {index}: is counted to {action}, but its name is {name!r}; {_REMEDY}")
    return entries[index]


def _video(root: Path, id: str, where: str, entry: dict[str, Any], action: str, split: Split) -> Video:
    labels = _labels(where, entry)
    length = _value(where, entry, "seq_len", int)
    path = _inside(root, where, _value(where, entry, "video_file", str))
    info = probe(path)
    if not len(labels) == length == info.n:
        raise InputError(
            f"{where}: has {len(labels)} labels and seq_len {length}, and {path} has {info.n} frames, where all must "
            "be one number; fetch both files again"
        )
    return Video(id, path, info.n, info.fps, split, labels if (labels >= 0).any() else None, action=action)


def _value(where: str, entry: dict[str, Any], key: str, kind: type) -> Any:
    if key not in entry:
        raise InputError(f"{where}: has no {key!r}; {_REMEDY}")
    if type(entry[key]) is not kind:
        raise InputError(f"{where}: {key} is {_short(entry[key])}, no {kind.__name__}; {_REMEDY}")
    return entry[key]


def _name(where: str, entry: dict[str, Any]) -> str:
    """What the video's own files are named by: it must not lead out of their folder."""
    name: str = _value(where, entry, "name", str)
    if not is_file_name(name):
        raise InputError(f"{where}: name is {_short(name)}, which is no file name; {_REMEDY}")
    return name


def _labels(where: str, entry: dict[str, Any]) -> np.ndarray:
    found = entry.get("frame_label")
    if not isinstance(found, _Array) or found.values.dtype.kind not in "iu":
        raise InputError(f"{where}: frame_label is {_short(found)}, no tensor or array of integers; {_REMEDY}")
    wrong = next((label for label in found.values.tolist() if not -1 <= label < 2**31), None)
    if wrong is not None:
        raise InputError(f"{where}: frame_label has {wrong}; phases must be >= 0, -1 for none; {_REMEDY}")
    return found.values.astype(np.int64)


def _inside(root: Path, where: str, video_file: str) -> Path:
    """The path of a video, which must lie in the root once every link is followed."""
    try:
        inside = (root / video_file).resolve(strict=True).is_relative_to(root.resolve())
    except (OSError, ValueError, RuntimeError):  # not there or too long, a zero byte, links in a circle
        inside = False
    if not inside or Path(video_file).is_absolute():
        raise InputError(
            f"{where}: video_file {_short(video_file)} names no file inside {root}; put the video itself there, not a "
            "link, and take the pickle from a source that you trust"
        )
    return root / video_file


def _unpickle(path: Path) -> object:
    try:
        if path.stat().st_size > _LARGEST:
            raise InputError(f"{path}: has more than {_LARGEST} bytes, which none of CARL's files has; {_REMEDY}")
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); put CARL's train.pkl and val.pkl here") from error
    try:
        _check_instructions(io.BytesIO(data))
        return _Unpickler(path, data).load()
    except InputError:
        raise
    except Exception as error:  # a damaged pickle fails in any way that an instruction can fail
        problem = str(error).partition("\n")[0] or type(error).__name__
        raise InputError(f"{path}: cannot be read as CARL's pickle ({problem}); {_REMEDY}") from error


def _check_instructions(stream: io.BytesIO) -> None:
    """Refuse instructions with which one small pickle takes all memory or time, and one that is cut short.

    Python's unpickler makes room up to any number in its memo, and hashing a pair of one pair of one pair ... takes
    exponential time. Picklers count the memo up one by one, and never need a tuple in two places for plain data.
    """
    memo_size, tuples, made = 0, set(), ""
    for opcode, argument, _ in pickletools.genops(stream):
        if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            if opcode.name != "MEMOIZE" and argument != memo_size:
                raise ValueError(f"its memo jumps to {argument}")
            if made.startswith("TUPLE"):
                tuples.add(memo_size)
            memo_size += 1
            continue
        made = opcode.name
        if made in ("DUP", "POP", "POP_MARK") or (made in ("GET", "BINGET", "LONG_BINGET") and argument in tuples):
            raise ValueError(f"it has the instruction {made} where plain data has none")


class _Unpickler(pickle.Unpickler):
    """Knows the globals that arrays and tensors are made with, each by a method that makes a stand-in.

    They are bound methods, as a pickle may set attributes of what it is given, and of these it cannot.
    """

    def __init__(self, path: Path, data: bytes) -> None:
        super().__init__(io.BytesIO(data))
        self.path = path

    def find_class(self, module: str, name: str) -> Any:
        """The method that stands for a global; every other global is refused."""
        admitted = {
            "numpy.ndarray": self._uncallable,
            "numpy.dtype": self._dtype,
            "numpy.core.multiarray._reconstruct": self._reconstruct,
            "numpy._core.multiarray._reconstruct": self._reconstruct,
            "numpy.core.numeric._frombuffer": self._frombuffer,
            "numpy._core.numeric._frombuffer": self._frombuffer,
            "torch._utils._rebuild_tensor_v2": self._tensor,
            "torch.storage._load_from_bytes": self._storage,
            "collections.OrderedDict": self._no_hooks,
        }
        if f"{module}.{name}" not in admitted:
            raise self._refusal(f"{module}.{name}")
        return admitted[f"{module}.{name}"]

    def _refusal(self, name: str) -> InputError:
        return InputError(
            f"{self.path}: calls for {name[:200]!r}, which data never does and a malicious pickle may; take the file "
            "from a source that you trust"
        )

    def _uncallable(self) -> None:
        raise ValueError("an array made without its data")

    def _no_hooks(self) -> None:
        """What a tensor's backward hooks are held in: always empty."""

    def _dtype(self, code: str, align: bool, copy: bool) -> _DType:
        return _DType(code)

    def _reconstruct(self, kind: object, shape: tuple[int, ...], code: bytes) -> _Array:
        return _Array()  # empty, whatever shape is asked for: the state that follows brings both shape and data

    def _frombuffer(self, data: bytes, dtype: _DType, shape: tuple[int, ...], order: str) -> _Array:
        return _Array(_vector(data, dtype, shape))

    def _storage(self, data: bytes) -> _Array:
        """The numbers of a tensor: a row of pickles in the pickle."""
        stream = io.BytesIO(data)
        if not data.startswith(_STORAGE_START):
            raise ValueError("a tensor in an unknown format")
        for _ in range(_STORAGE_PICKLES):
            _check_instructions(stream)
        stream.seek(0)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what is loaded is of a class that torch calls deprecated
                storage = torch.load(stream, map_location="cpu", weights_only=True)
                values = torch.tensor([], dtype=storage.dtype).set_(storage).numpy()
        except Exception as error:  # as for the outer pickle
            named = re.search(r"GLOBAL ([\w.]+)", str(error))
            raise self._refusal(named[1]) if named else ValueError("a tensor cannot be read") from error
        if values.nbytes > len(data) or not data.endswith(values.tobytes()):
            raise ValueError("a tensor without its data")  # torch makes room for what is promised, and need not fill it
        return _Array(values)

    def _tensor(self, storage: _Array, offset: int, size: tuple[int], stride: tuple[int], *_: object) -> _Array:
        if len(size) != 1 or offset < 0 or stride[0] < 1:
            raise ValueError(f"a tensor of size {size} and stride {stride}")
        values = storage.values[offset :: stride[0]][: size[0]]
        if len(values) != size[0]:
            raise ValueError(f"a tensor of size {size} without its data")
        return _Array(values)


class _Array:
    """Stands for a NumPy array or tensor of one dimension."""

    def __init__(self, values: np.ndarray | None = None) -> None:
        self.values = np.empty(0) if values is None else values

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, _, data = state
        self.values = _vector(data, dtype, shape)

    def __repr__(self) -> str:
        return f"an array of {self.values.dtype}"


class _DType:
    """Stands for a NumPy dtype of whole or floating numbers."""

    def __init__(self, code: str) -> None:
        if not re.fullmatch("[iuf][1248]", code):
            raise ValueError(f"an array of the dtype {_short(code)}")
        self.name = code

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] not in ("<", ">", "|"):
            raise ValueError(f"an array of the byte order {_short(state[1])}")
        self.name = state[1] + self.name[-2:]


def _vector(data: bytes, dtype: _DType, shape: object) -> np.ndarray:
    """The data as an array, without a copy; its claimed shape must fit."""
    values = np.frombuffer(data, np.dtype(dtype.name))
    if shape != (len(values),):
        raise ValueError(f"an array of shape {_short(shape)} with the data of {len(values)} numbers")
    return values
