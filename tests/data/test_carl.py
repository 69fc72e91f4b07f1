from __future__ import annotations

import io
import os
import pickle
import re
import struct
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lrprop.data import carl
from lrprop.data.carl import ORDER, is_carl, read_carl
from lrprop.data.sources import find_videos, layout_of, modality_of
from lrprop.data.videofile import VideoInfo, write_video
from lrprop.errors import InputError
from tests.fuzzing import TIMES

N = 6
LABELS = [0, 0, 1, 1, 2, -1]


def entry(id: int, name: str, labels: Any = None, **changes: Any) -> dict[str, Any]:
    """A record as CARL's tfrecords_to_videos.py writes it."""
    labels = torch.tensor(LABELS) if labels is None else labels
    fields = {"id": id, "video_file": os.path.join("videos", name + ".mp4"), "frame_label": labels}
    return fields | {"seq_len": N, "name": name} | changes


def penn(*names: str) -> tuple[list[dict[str, Any]], list[list[int]]]:
    """The tuple that it writes for Penn Action."""
    indices: list[list[int]] = [[] for _ in ORDER]
    entries = []
    for id, name in enumerate(names):
        action = ORDER.index(name[5:])
        entries.append(entry(id, name, action_label=action))
        indices[action].append(id)
    return entries, indices


def write(root: Path, train: object, val: object = (), protocol: int = 4) -> Path:
    for split, content in (("train", train), ("val", val)):
        data = content if isinstance(content, bytes) else pickle.dumps(content or [], protocol)
        (root / f"{split}.pkl").write_bytes(data)
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with the videos a, b and c and no pickles yet."""
    for name in "abc":
        write_video(tmp_path / "videos" / f"{name}.mp4", np.full((N, 16, 16, 3), 90, np.uint8), fps=25)
    return tmp_path


@pytest.fixture
def any_video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every video that these tests name is there and has N frames."""
    (tmp_path / "videos").mkdir()
    for name in ("a", "b", "0001_pushup", "0002_pushup", "0003_pullup", "0004_pushup", "0001_bowl"):
        (tmp_path / "videos" / f"{name}.mp4").touch()
    monkeypatch.setattr(carl, "probe", lambda path: VideoInfo(N, 25.0, 16, 16))


# --- what CARL writes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_pouring(root: Path, protocol: int) -> None:
    write(root, [entry(0, "b"), entry(1, "a")], [entry(0, "c")], protocol)
    videos = read_carl(root, "pour")
    assert is_carl(root)
    assert [(video.id, video.split, video.n, video.fps, video.action) for video in videos] == [
        ("a", "train", N, 25.0, "pour"),
        ("b", "train", N, 25.0, "pour"),
        ("c", "val", N, 25.0, "pour"),
    ]
    assert videos[0].path == root / "videos" / "a.mp4"
    for video in videos:
        assert video.labels is not None
        assert video.labels.dtype == np.int64
        np.testing.assert_array_equal(video.labels, LABELS)


@pytest.mark.usefixtures("any_video")
def test_penn_action_is_chosen_by_carls_own_order_of_actions(tmp_path: Path) -> None:
    write(tmp_path, penn("0003_pullup", "0002_pushup", "0001_pushup"), penn("0004_pushup"))
    assert [video.id for video in read_carl(tmp_path, "pushup")] == ["0001_pushup", "0002_pushup", "0004_pushup"]
    (only,) = read_carl(tmp_path, "pullup")
    assert (only.id, only.split, only.action) == ("0003_pullup", "train", "pullup")
    everything = {video.id: video.action for video in read_carl(tmp_path, "all")}
    assert everything["0003_pullup"] == "pullup"
    assert everything["0004_pushup"] == "pushup"
    assert len(everything) == 4


@pytest.mark.usefixtures("any_video")
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize(
    "labels",
    [
        np.array(LABELS),
        np.array(LABELS, dtype=np.int8),
        np.array(LABELS, dtype=">i4"),
        np.repeat(LABELS, 2)[::2],
        torch.tensor(LABELS, dtype=torch.int32),
        torch.tensor([9, 9, *LABELS])[2:],
        torch.tensor(LABELS).repeat_interleave(2)[::2],
    ],
)
def test_labels_as_any_array_or_tensor_of_integers(tmp_path: Path, labels: Any, protocol: int) -> None:
    if protocol == 2 and isinstance(labels, torch.Tensor | np.ndarray):
        write(tmp_path, [entry(0, "a", labels)], protocol=2)  # bytes are then a call of _codecs.encode
        with pytest.raises(InputError, match=r"train\.pkl: calls for '_codecs\.encode'"):
            read_carl(tmp_path, "pour")
        return
    write(tmp_path, [entry(0, "a", labels)], protocol=protocol)
    (video,) = read_carl(tmp_path, "pour")
    np.testing.assert_array_equal(video.labels, LABELS)


@pytest.mark.usefixtures("any_video")
def test_arrays_of_either_numpy(tmp_path: Path) -> None:
    """NumPy 2 moved the function that its pickles call; a text GLOBAL of protocol 3 can be renamed in place."""
    data = pickle.dumps([entry(0, "a", np.array(LABELS))], protocol=3)
    new, old = b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n"
    assert (new in data) != (old in data)
    for wanted in (new, old):
        write(tmp_path, data.replace(new, wanted).replace(old, wanted))
        (video,) = read_carl(tmp_path, "pour")
        np.testing.assert_array_equal(video.labels, LABELS)


@pytest.mark.usefixtures("any_video")
def test_no_labelled_frame_is_no_labels(tmp_path: Path) -> None:
    write(tmp_path, [entry(0, "a", torch.full((N,), -1))])
    assert read_carl(tmp_path, "pour")[0].labels is None


def test_other_folders_are_not_carls(video_folder: Path, penn_folder: Path) -> None:
    assert not is_carl(video_folder)
    assert not is_carl(penn_folder)


# --- what does not fit -----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("any_video")
@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"labels": torch.tensor(LABELS[:-1])}, r"train\.pkl, entry 0: has 5 labels and seq_len 6, and .*a\.mp4 has 6"),
        ({"seq_len": 7}, r"has 6 labels and seq_len 7, and .*a\.mp4 has 6 frames"),
        ({"labels": torch.zeros(8, dtype=torch.int64), "seq_len": 8}, r"has 8 labels and seq_len 8, and .* 6 frames"),
        ({"seq_len": "6"}, r"entry 0: seq_len is '6', no int"),
        ({"seq_len": True}, r"entry 0: seq_len is True, no int"),
        ({"name": 5}, r"entry 0: name is 5, no str"),
        ({"name": "../../a"}, r"entry 0: name is '\.\./\.\./a', which is no file name"),
        ({"name": "a\nb"}, r"entry 0: name is 'a\\nb', which is no file name"),
        ({"name": ""}, r"entry 0: name is '', which is no file name"),
        ({"video_file": None}, r"entry 0: video_file is None, no str"),
        ({"labels": LABELS}, r"entry 0: frame_label is \[0, 0, 1, 1, 2, -1\], no tensor or array of integers"),
        ({"labels": torch.zeros(N)}, r"entry 0: frame_label is an array of float32, no tensor or array of integers"),
        ({"labels": torch.full((N,), -2)}, r"entry 0: frame_label has -2; phases must be >= 0"),
        ({"labels": np.full(N, 2**64 - 1, dtype=np.uint64)}, r"entry 0: frame_label has 18446744073709551615; phases"),
        ({"labels": torch.zeros(N, 1, dtype=torch.int64)}, r"train\.pkl: cannot be read .*a tensor of size \(6, 1\)"),
        ({"labels": np.zeros((N, 1), dtype=np.int64)}, r"train\.pkl: cannot be read .*an array of shape \(6, 1\)"),
        ({"labels": np.array(["up"] * N)}, r"train\.pkl: cannot be read .*the dtype 'U2'"),
        ({"labels": np.array([None] * N)}, r"train\.pkl: cannot be read .*the dtype 'O8'"),
    ],
)
def test_an_entry_that_does_not_fit(tmp_path: Path, changes: dict[str, Any], problem: str) -> None:
    write(tmp_path, [{**entry(0, "a"), **entry(0, "a", changes.pop("labels", None)), **changes}])
    with pytest.raises(InputError, match=problem):
        read_carl(tmp_path, "pour")


@pytest.mark.usefixtures("any_video")
@pytest.mark.parametrize("key", ["name", "video_file", "frame_label", "seq_len"])
def test_a_missing_key(tmp_path: Path, key: str) -> None:
    write(tmp_path, [{name: value for name, value in entry(0, "a").items() if name != key}])
    with pytest.raises(InputError, match=rf"train\.pkl, entry 0: .*{key}"):
        read_carl(tmp_path, "pour")


@pytest.mark.usefixtures("any_video")
@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ({"a": 1}, r"holds \{'a': 1\}, not a list of dicts"),
        ([1], r"holds \[1\], not a list of dicts"),
        (([], []), r"holds \[\] where 13 lists of indices belong"),
        (([], [1] * 13), r"where 13 lists of indices belong"),
        (([], [[0]] + [[]] * 12), r"counts entry 0 of 0 to baseball_pitch"),
        (([entry(0, "0001_bowl")], [[0]] + [[]] * 12), r"entry 0: is counted to baseball_pitch, .* '0001_bowl'"),
        (([entry(0, "a")], [[-1]] + [[]] * 12), r"counts entry -1 of 1"),
        (([entry(0, "a")], [[0, 0]] + [[]] * 12), r"entry 0: has the name 'a' of .*train\.pkl, entry 0"),
        (penn("0001_bowl"), r"has no video of action 'baseball_pitch'"),
    ],
)
def test_a_pickle_of_another_structure(tmp_path: Path, content: object, problem: str) -> None:
    write(tmp_path, content, content if isinstance(content, tuple) and not content[0] else ())
    with pytest.raises(InputError, match=problem):
        read_carl(tmp_path, "baseball_pitch")


def test_an_unknown_action(tmp_path: Path) -> None:
    write(tmp_path, penn("0001_bowl"), penn())
    with pytest.raises(InputError, match=r"action 'jump_rope' is not in Penn Action; choose of baseball_pitch"):
        read_carl(tmp_path, "jump_rope")


@pytest.mark.usefixtures("any_video")
def test_one_name_in_both_splits(tmp_path: Path) -> None:
    write(tmp_path, [entry(0, "a")], [entry(0, "a")])
    with pytest.raises(InputError, match=r"val\.pkl, entry 0: has the name 'a' of .*train\.pkl, entry 0"):
        read_carl(tmp_path, "pour")


def test_a_missing_pickle(tmp_path: Path) -> None:
    write(tmp_path, [])
    (tmp_path / "val.pkl").unlink()
    assert is_carl(tmp_path)
    with pytest.raises(InputError, match=r"val\.pkl: cannot be read \(No such file"):
        read_carl(tmp_path, "pour")


def test_a_missing_or_damaged_video(root: Path) -> None:
    write(root, [entry(0, "z")])
    with pytest.raises(InputError, match=r"train\.pkl, entry 0: video_file 'videos/z\.mp4' names no file inside"):
        read_carl(root, "pour")
    (root / "videos" / "z.mp4").write_bytes((root / "videos" / "a.mp4").read_bytes()[:-100])
    with pytest.raises(InputError, match=r"z\.mp4: .*re-encode"):
        read_carl(root, "pour")


def test_a_path_that_leads_out_of_the_root(root: Path) -> None:
    inner, outside = root / "inner", root / "videos"
    inner.mkdir()
    (inner / "link.mp4").symlink_to(outside / "a.mp4")
    (inner / "videos").symlink_to(outside)
    (inner / "circle.mp4").symlink_to(inner / "circle.mp4")
    (inner / "b.mp4").write_bytes((outside / "b.mp4").read_bytes())
    absolute = (str(outside / "a.mp4"), str(inner / "b.mp4"))
    links = ("link.mp4", "videos/a.mp4", "circle.mp4")
    for bad in ("../videos/a.mp4", "../" * 9 + "etc/passwd", *absolute, *links, "a\0b", "x" * 5000, "\ud800"):
        write(inner, [entry(0, "a", video_file=bad)])
        with pytest.raises(InputError, match=r"train\.pkl, entry 0: video_file .* names no file inside"):
            read_carl(inner, "pour")
    write(inner, [entry(0, "a", video_file="b.mp4")])
    assert read_carl(inner, "pour")[0].path == inner / "b.mp4"


def test_a_root_that_is_a_link_is_fine(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    write(root, [entry(0, "a")])
    link = tmp_path_factory.mktemp("links") / "root"
    link.symlink_to(root)
    assert read_carl(link, "pour")[0].id == "a"


# --- pickles that do more than hold data -----------------------------------------------------------------------------


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.path}",)


class Nested:
    """A tensor's storage whose own pickle is another."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def __reduce__(self) -> tuple[Any, ...]:
        return torch.storage._load_from_bytes, (self.data,)


def storage_bytes(tensor: torch.Tensor) -> bytes:
    stream = io.BytesIO()
    torch.save(tensor._typed_storage(), stream, _use_new_zipfile_serialization=False)
    return stream.getvalue()


MAGIC = storage_bytes(torch.zeros(1))[: len(pickle.dumps(0x1950A86A20F9469CFC6C, 2))]


@pytest.mark.parametrize("protocol", range(6))
def test_a_bomb_is_named_and_does_not_go_off(tmp_path: Path, protocol: int) -> None:
    write(tmp_path, [entry(0, "a", Bomb(tmp_path / "burnt"))], protocol=protocol)
    with pytest.raises(InputError, match=r"train\.pkl: calls for '(posix|nt)\.system'"):
        read_carl(tmp_path, "pour")
    assert not (tmp_path / "burnt").exists()


@pytest.mark.parametrize("protocol", [2, 4])
def test_a_bomb_inside_a_tensor(tmp_path: Path, protocol: int) -> None:
    start = MAGIC + pickle.dumps(1001, 2) + pickle.dumps({"little_endian": True}, 2)
    bomb = start + pickle.dumps(Bomb(tmp_path / "burnt"), protocol) + pickle.dumps([], 2)
    write(tmp_path, [entry(0, "a", Nested(bomb))])
    with pytest.raises(InputError, match=r"train\.pkl: (calls for '(posix|nt)\.system'|cannot be read .*a tensor)"):
        read_carl(tmp_path, "pour")
    assert not (tmp_path / "burnt").exists()


def test_a_bomb_inside_a_tensor_of_another_format(tmp_path: Path) -> None:
    """The zip format of torch.save, which a storage in a pickle never has."""
    stream = io.BytesIO()
    torch.save(Bomb(tmp_path / "burnt"), stream)
    for data in (stream.getvalue(), pickle.dumps(Bomb(tmp_path / "burnt"))):
        write(tmp_path, [entry(0, "a", Nested(data))])
        with pytest.raises(InputError, match=r"train\.pkl: cannot be read .*a tensor in an unknown format"):
            read_carl(tmp_path, "pour")
    assert not (tmp_path / "burnt").exists()


@pytest.mark.parametrize(
    "named",
    [
        b"builtins\neval",
        b"numpy\nload",
        b"numpy\nfromfile",
        b"torch\nload",
        b"numpy\ndtype.__class__",
        b"torch.storage\nos.system",
    ],
)
def test_other_globals_are_named(tmp_path: Path, named: bytes) -> None:
    write(tmp_path, b"\x80\x04c" + named + b"\n(X\x01\x00\x00\x00atR.")
    with pytest.raises(InputError, match=rf"train\.pkl: calls for '{named.decode().replace(chr(10), '.')}'"):
        read_carl(tmp_path, "pour")


def number(value: int) -> bytes:
    return b"\x8a\x08" + struct.pack("<q", value)


NDARRAY = b"cnumpy\nndarray\n"
RECONSTRUCT = b"cnumpy.core.multiarray\n_reconstruct\n"
DTYPE = b"cnumpy\ndtype\n(X\x02\x00\x00\x00i8\x89\x88tR"


@pytest.mark.parametrize(
    "attack",
    [
        pytest.param(NDARRAY + number(10**13) + b"\x85R", id="an array of 80 terabytes, unset"),
        pytest.param(
            RECONSTRUCT + b"(" + NDARRAY + number(10**13) + b"\x85C\x01btR"
            b"(K\x01" + number(10**13) + b"\x85" + DTYPE + b"\x89C\x08" + bytes(8) + b"tb",
            id="an array of 80 terabytes, one number given",
        ),
        pytest.param(
            b"ctorch._utils\n_rebuild_tensor_v2\n(" + pickle.dumps(Nested(storage_bytes(torch.zeros(2))), 3)[2:-1]
            + b"K\x00" + number(10**13) + b"\x85K\x00\x85\x89NtR",
            id="a tensor of stride 0",
        ),
        pytest.param(b"]r\xff\xff\xff\x7f", id="a memo of 2**31 places"),
        pytest.param(b"B\xff\xff\xff\x7f", id="bytes that are not there"),
        pytest.param(b"\x8e" + struct.pack("<Q", 2**40), id="a terabyte of bytes that are not there"),
        pytest.param(b"\x96" + struct.pack("<Q", 2**40), id="a bytearray that is not there"),
        pytest.param(b"\x95" + struct.pack("<Q", 2**40), id="a frame that is not there"),
        pytest.param(
            b"})\x94" + b"".join(b"h%c\x86\x94" % k for k in range(60)) + b"Ns", id="a hash of 2**60 steps"
        ),
    ],
)  # fmt: skip
def test_a_small_pickle_cannot_take_all_memory_or_time(tmp_path: Path, attack: bytes) -> None:
    write(tmp_path, b"\x80\x04" + attack + b".")
    start = time.perf_counter()
    with pytest.raises(InputError, match=r"train\.pkl: cannot be read as CARL's pickle"):
        read_carl(tmp_path, "pour")
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize("claimed", [3, 10**6, 2**40])
def test_a_tensor_that_claims_more_than_it_has(tmp_path: Path, claimed: int) -> None:
    data = storage_bytes(torch.arange(2))
    assert data.count(b"K\x02N") == 1
    in_header = data.replace(b"K\x02N", number(claimed) + b"N")
    in_data = data[:-24] + struct.pack("<q", claimed) + data[-16:]
    for lie in (in_header, in_data):
        write(tmp_path, [entry(0, "a", Nested(lie))])
        with pytest.raises(InputError, match=r"train\.pkl: cannot be read .*a tensor"):
            read_carl(tmp_path, "pour")


def test_a_tensor_whose_numbers_are_never_read(tmp_path: Path) -> None:
    """It would hold whatever the memory held before."""
    start = MAGIC + pickle.dumps(1001, 2) + pickle.dumps({"little_endian": True}, 2)
    storage = b"\x80\x02(X\x07\x00\x00\x00storagectorch\nLongStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x02NtQ."
    write(tmp_path, [entry(0, "a", Nested(start + storage + pickle.dumps([], 2)))])
    with pytest.raises(InputError, match=r"train\.pkl: cannot be read .*a tensor without its data"):
        read_carl(tmp_path, "pour")


@pytest.mark.parametrize("content", [b"", b"\x80\x04.", b"no pickle", b"\x80\x04]", b"\x80\x63]."])
def test_no_pickle(tmp_path: Path, content: bytes) -> None:
    write(tmp_path, content)
    with pytest.raises(InputError, match=r"train\.pkl: cannot be read as CARL's pickle .*fetch the file again"):
        read_carl(tmp_path, "pour")


# --- fuzz ------------------------------------------------------------------------------------------------------------

VALID = pickle.dumps([entry(0, "a"), entry(1, "b", np.array(LABELS))], protocol=4)


@pytest.fixture(scope="module")
def fuzz_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("fuzz")
    (root / "videos").mkdir()
    for name in "ab":
        (root / "videos" / f"{name}.mp4").touch()
    return write(root, [])


def read_or_refuse(root: Path, data: bytes) -> None:
    """What is read fits together, and what is not names the file."""
    (root / "train.pkl").write_bytes(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(carl, "probe", lambda path: VideoInfo(N, 25.0, 16, 16))
        try:
            videos, message = read_carl(root, "pour"), ""
        except InputError as error:
            videos, message = [], str(error)
    assert videos or re.fullmatch(r".*(train\.pkl(: |, entry)|has no video).*", message)
    for video in videos:
        assert video.labels is None or video.labels.shape == (N,)


@given(data=st.binary(max_size=200), start=st.sampled_from([b"", b"\x80\x04", VALID[:60]]))
@settings(max_examples=200 * TIMES, deadline=None)
def test_random_bytes(fuzz_root: Path, data: bytes, start: bytes) -> None:
    read_or_refuse(fuzz_root, start + data)


@given(bits=st.lists(st.integers(0, 8 * len(VALID) - 1), min_size=1, max_size=3))
@settings(max_examples=300 * TIMES, deadline=None)
def test_flipped_bits(fuzz_root: Path, bits: list[int]) -> None:
    data = bytearray(VALID)
    for bit in bits:
        data[bit // 8] ^= 1 << bit % 8
    read_or_refuse(fuzz_root, bytes(data))


@given(length=st.integers(0, len(VALID) - 1))
@settings(max_examples=100 * TIMES, deadline=None)
def test_a_truncated_pickle(fuzz_root: Path, length: int) -> None:
    (fuzz_root / "train.pkl").write_bytes(VALID[:length])
    with pytest.raises(InputError, match=r"train\.pkl: cannot be read as CARL's pickle"):
        read_carl(fuzz_root, "pour")


def test_its_root_is_recognised_before_the_videos_in_it(root: Path) -> None:
    write(root, [entry(0, "b"), entry(1, "a")], [entry(0, "c")])
    assert (layout_of(root), modality_of(root)) == ("carl", "pixels")
    first, *_ = find_videos(root, "pour")
    assert first.labels is not None
    assert first.read([0]).shape == (1, 16, 16, 3)
