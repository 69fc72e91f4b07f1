from __future__ import annotations

import csv
import io
import logging
import re
import shutil
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lrprop.data import pouring
from lrprop.data.folder import read_folder
from lrprop.data.frames import FPS, read_frames
from lrprop.data.pouring import convert_pouring, is_pouring, read_pouring
from lrprop.data.sources import find_videos, layout_of, modality_of
from lrprop.data.tfrecord import masked_crc32c
from lrprop.data.videofile import read_video
from lrprop.errors import InputError
from tests.data.tfrecord_writer import bytes_feature, int64_feature, masked, sequence_example, write_records
from tests.fuzzing import TIMES

TRAIN, VAL = ("pouring_train-0-of-2.tfrecord", "pouring_train-1-of-2.tfrecord"), "pouring_val-0-of-1.tfrecord"
PHASES = [0, 0, 1, 2, 4]


def jpeg(brightness: int, height: int = 16, width: int = 24) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.full((height, width, 3), brightness, np.uint8)).save(stream, "jpeg", quality=95, optimize=True)
    return stream.getvalue()


FRAMES = [jpeg(20 + 10 * step) for step in range(len(PHASES))]


def recording(
    name: str | bytes = "a", frames: list[bytes] | None = None, phases: list[int] | None = None, **context: bytes
) -> bytes:
    """A record as TCC's dataset_utils.py writes it; the label -1 is its default."""
    frames, phases = FRAMES if frames is None else frames, PHASES if phases is None else phases
    name = name.encode() if isinstance(name, str) else name
    fields = {"name": bytes_feature([name]), "len": int64_feature([len(frames)]), "label": int64_feature([-1])}
    lists = {
        "video": [bytes_feature([frame]) for frame in frames],
        "frame_labels": [int64_feature([phase]) for phase in phases],
    }
    return sequence_example(fields | context, {key: values for key, values in lists.items() if values})


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """The published layout: two files of training videos, one of val."""
    root = tmp_path / "pouring"
    root.mkdir()
    write_records(root / TRAIN[0], [recording("water_real_view_0"), recording("b")])
    write_records(root / TRAIN[1], [recording("c", [FRAMES[2]], [3])])
    write_records(root / VAL, [recording("d.e", FRAMES[::-1], PHASES[::-1])])
    return root


def refused(source: Path, record: bytes) -> str:
    """Why a record is refused; no folder is left behind."""
    write_records(source / VAL, [recording("good"), record])
    with pytest.raises(InputError) as caught:
        convert_pouring(source, source.parent / "out")
    assert [path.name for path in source.parent.iterdir()] == [source.name]
    return str(caught.value)


def test_the_images_are_copied_and_the_labels_beside_them(source: Path, tmp_path: Path) -> None:
    assert is_pouring(source)
    out = tmp_path / "deep" / "out"
    convert_pouring(source, out)
    names = ["train/b", "train/c", "train/water_real_view_0", "val/d.e"]
    assert sorted(path.relative_to(out).as_posix() for path in out.glob("*/*")) == sorted(
        [*names, *(f"{name}.csv" for name in names)]
    )
    files = sorted((out / "train" / "b").iterdir())
    assert [file.name for file in files] == [f"{number:06d}.jpg" for number in range(1, 6)]
    assert [file.read_bytes() for file in files] == FRAMES
    with (out / "val" / "d.e.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows == [{"frame": str(step), "phase": str(phase)} for step, phase in enumerate(PHASES[::-1])]
    assert read_frames(out / "val" / "d.e")[:, 0, 0, 0].tolist() == pytest.approx([60, 50, 40, 30, 20], abs=1)
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def test_encoded_it_is_a_folder_of_videos(source: Path, tmp_path: Path) -> None:
    convert_pouring(source, tmp_path / "out", encode=True)
    videos = read_folder(tmp_path / "out")
    assert [(video.id, video.split, video.n, video.fps) for video in videos] == [
        ("train/b", "train", 5, FPS),
        ("train/c", "train", 1, FPS),
        ("train/water_real_view_0", "train", 5, FPS),
        ("val/d.e", "val", 5, FPS),
    ]
    assert videos[0].labels is not None
    np.testing.assert_array_equal(videos[0].labels, PHASES)
    np.testing.assert_allclose(read_video(videos[0].path).mean((1, 2, 3)), [20, 30, 40, 50, 60], atol=3)


def test_read_pouring_converts_once(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    videos = read_pouring(source, "pour")
    monkeypatch.setattr(pouring, "convert_pouring", None)
    assert [video.id for video in read_pouring(source, "pour")] == [video.id for video in videos]
    assert [(video.id, video.split, video.n, video.action) for video in videos] == [
        ("train/b", "train", 5, "pour"),
        ("train/c", "train", 1, "pour"),
        ("train/water_real_view_0", "train", 5, "pour"),
        ("val/d.e", "val", 5, "pour"),
    ]
    assert videos[3].labels is not None
    np.testing.assert_array_equal(videos[3].labels, PHASES[::-1])
    assert videos[3].path == source / "converted" / "val" / "d.e"


def test_no_label_is_kept(source: Path, tmp_path: Path) -> None:
    write_records(source / VAL, [recording("d", phases=[-1, 0, 1, 1, -1])])
    convert_pouring(source, tmp_path / "out", encode=True)
    np.testing.assert_array_equal(read_folder(tmp_path / "out")[-1].labels, [-1, 0, 1, 1, -1])


def test_other_numbers_of_videos_than_published_are_told(
    source: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with caplog.at_level(logging.WARNING, "lrprop"):
        convert_pouring(source, tmp_path / "first")
        assert "has {'train': 3, 'val': 1} videos where {'train': 70, 'val': 14} were published" in caplog.text
        caplog.clear()
        monkeypatch.setattr(pouring, "PUBLISHED", {"train": 3, "val": 1})
        convert_pouring(source, tmp_path / "second")
        assert not caplog.text


def test_memory_does_not_grow_with_the_number_of_videos(source: Path, tmp_path: Path) -> None:
    frame = jpeg(50) + bytes(2**18)  # decoders ignore what follows the end of the image
    peaks = []
    for count in (2, 10):
        body = b"".join(map(fast_record, (recording(f"v{k}", [frame] * 4, [0] * 4) for k in range(count))))
        (source / VAL).write_bytes(body)
        tracemalloc.start()
        convert_pouring(source, tmp_path / f"out{count}")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 2**18


def fast_record(data: bytes) -> bytes:
    length = len(data).to_bytes(8, "little")
    return length + masked(length) + data + masked_crc32c(data).to_bytes(4, "little")


def test_other_folders_are_not_pouring(video_folder: Path, penn_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "penn_action_train-0.tfrecord").touch()
    (tmp_path / "pouring_notes.tfrecord").touch()
    for folder in (video_folder, penn_folder, tmp_path, tmp_path / "none"):
        assert not is_pouring(folder)


# --- what does not fit -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("record", "problem"),
    [
        (recording("x", frames=[], phases=[]), r"x has 0 frames, 0 labels and len 0, where all must be one number"),
        (recording("x", phases=PHASES[:-1]), r"x has 5 frames, 4 labels and len 5"),
        (recording("x", phases=[]), r"x has 5 frames, 0 labels and len 5"),
        (recording("x", len=int64_feature([6])), r"x has 5 frames, 5 labels and len 6"),
        (recording("x", len=int64_feature([])), r"len is \[\], not one value of int"),
        (recording("x", len=bytes_feature([b"5"])), r"len is \[b'5'\], not one value of int"),
        (recording("x", phases=[0, 0, -2, 0, 0]), r"x has the phase -2"),
        (recording("../x"), r"name is b'\.\./x', which is no file name"),
        (recording("a/b"), r"name is b'a/b', which is no file name"),
        (recording(".x"), r"name is b'\.x', which is no file name"),
        (recording(""), r"name is b'', which is no file name"),
        (recording("x\0"), r"name is b'x\\x00', which is no file name"),
        (recording(b"\xff"), r"name is b'\\xff', which is no file name"),
        (recording("x" * 300), r"name is .*, which is no file name"),
        (recording("good"), r"has the name 'good' of .*pouring_val-0-of-1\.tfrecord, record 0"),
        (recording("b"), r"has the name 'b' of .*pouring_train-0-of-2\.tfrecord, record 1"),
        (recording("x", [*FRAMES[:4], b"GIF89a"]), r"frame 4: is no JPEG image, it begins with b'GIF89a'"),
        (recording("x", [*FRAMES[:4], b"\xff\xd8\xff junk"]), r"frame 4: cannot be read as an image"),
        (recording("x", [*FRAMES[:3], jpeg(9, 24, 16), FRAMES[4]]), r"frame 3: is \(24, 16\) pixels .* first is \(16"),
        (b"\x0a\xff", r"is no SequenceExample \(a number has no end\)"),
        (b"", r"name is \[\], not one value of bytes"),
    ],
)  # fmt: skip
def test_a_record_that_is_no_video(source: Path, record: bytes, problem: str) -> None:
    assert re.search(rf"/{re.escape(VAL)}, record 1[:,] .*{problem}", refused(source, record))


def test_a_step_of_two_values(source: Path) -> None:
    context = {"name": bytes_feature([b"x"]), "len": int64_feature([1])}
    lists = {"video": [bytes_feature(FRAMES[:2])], "frame_labels": [int64_feature([0])]}
    assert "record 1: frame 0 is [b'" in refused(source, sequence_example(context, lists))
    lists = {"video": [bytes_feature(FRAMES[:1])], "frame_labels": [int64_feature([])]}
    assert "record 1: label 0 is [], not one value of int" in refused(source, sequence_example(context, lists))


@pytest.mark.parametrize(
    ("missing", "problem"),
    [
        (TRAIN[1], r"has no pouring_train-1-of-2\.tfrecord; fetch it"),
        (TRAIN[0], r"has no pouring_train-0-of-2\.tfrecord; fetch it"),
        (VAL, r"has no pouring_val-0-of-1\.tfrecord; fetch it"),
    ],
)
def test_a_missing_file(source: Path, tmp_path: Path, missing: str, problem: str) -> None:
    (source / missing).unlink()
    with pytest.raises(InputError, match=problem):
        convert_pouring(source, tmp_path / "out")


def test_a_file_of_another_set(source: Path, tmp_path: Path) -> None:
    (source / "pouring_val-0-of-3.tfrecord").touch()
    with pytest.raises(InputError, match=r"has no pouring_val-1-of-3\.tfrecord"):
        convert_pouring(source, tmp_path / "out")
    (source / "pouring_val-0-of-3.tfrecord").rename(source / "pouring_train-0-of-1.tfrecord")
    with pytest.raises(InputError, match=r"pouring_train-0-of-1\.tfrecord: does not belong to the 2 files of train"):
        convert_pouring(source, tmp_path / "out")


def test_a_target_that_cannot_be_made(source: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file: is there already; delete it, or choose another folder"):
        convert_pouring(source, tmp_path / "file")
    with pytest.raises(InputError, match=r"out: cannot be written \(Not a directory\); choose another folder"):
        convert_pouring(source, tmp_path / "file" / "out")


def test_a_folder_that_another_process_made_meanwhile(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def late(root: Path, target: Path) -> None:
        convert_pouring(root, target, encode=True)
        convert_pouring(root, target)

    monkeypatch.setattr(pouring, "convert_pouring", late)
    assert len(read_pouring(source, "pour")) == 4


def test_a_failed_conversion_is_not_taken_for_a_folder(source: Path) -> None:
    (source / VAL).write_bytes((source / VAL).read_bytes()[:-1])
    for _ in range(2):
        with pytest.raises(InputError, match=r"pouring_val-0-of-1\.tfrecord, record 0: has \d+ bytes, more than"):
            read_pouring(source, "pour")
    assert sorted(path.name for path in source.iterdir()) == [*TRAIN, VAL]


# --- fuzz ------------------------------------------------------------------------------------------------------------

VALID = recording("x", FRAMES[:2], PHASES[:2])


@pytest.fixture(scope="module")
def fuzz_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("fuzz")
    write_records(root / "pouring_train-0-of-1.tfrecord", [recording("good", FRAMES[:1], [0])])
    return root


def convert_or_refuse(source: Path, record: bytes) -> None:
    """With right checksums, so that the record itself is reached."""
    target = source / "out"
    (source / VAL).write_bytes(fast_record(record))
    try:
        convert_pouring(source, target)
    except InputError as error:
        message = str(error)
        assert not target.exists()
    else:
        message = ""
        (labels,) = (target / "val").glob("*.csv")
        frames = len(list(labels.with_suffix("").iterdir()))
        assert frames == len(labels.read_text().splitlines()) - 1 > 0
        shutil.rmtree(target)
    assert not message or f"{VAL}, record 0" in message


@given(bits=st.lists(st.integers(0, 8 * len(VALID) - 1), min_size=1, max_size=3))
@settings(max_examples=100 * TIMES, deadline=None)
def test_flipped_bits(fuzz_source: Path, bits: list[int]) -> None:
    data = bytearray(VALID)
    for bit in bits:
        data[bit // 8] ^= 1 << bit % 8
    convert_or_refuse(fuzz_source, bytes(data))


@given(length=st.integers(0, len(VALID) - 1), tail=st.binary(max_size=40))
@settings(max_examples=100 * TIMES, deadline=None)
def test_random_ends(fuzz_source: Path, length: int, tail: bytes) -> None:
    convert_or_refuse(fuzz_source, VALID[:length] + tail)


def test_its_root_is_recognised_and_its_frames_are_read(source: Path) -> None:
    assert (layout_of(source), modality_of(source)) == ("pouring", "pixels")
    video = next(video for video in find_videos(source, "pour") if video.n == len(PHASES))
    assert (video.action, video.labels is not None) == ("pour", True)
    np.testing.assert_allclose(video.read([4, 0]).mean((1, 2, 3)), video.read().mean((1, 2, 3))[[4, 0]])
    again = find_videos(source, "pour")
    assert layout_of(source) == "pouring", "what was converted hides the root"
    assert len(again) == 4
