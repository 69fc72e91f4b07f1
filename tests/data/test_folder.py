from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrprop.data.folder import phase_names, read_folder
from lrprop.data.video import Video
from lrprop.data.videofile import write_video
from lrprop.errors import InputError
from tests.fuzzing import TIMES

Maker = Callable[..., Path]


@pytest.fixture
def clip(tmp_path: Path) -> Maker:
    """Writes a video of n frames below `tmp_path`."""

    def make(name: str, n: int = 4) -> Path:
        write_video(tmp_path / name, np.full((n, 16, 16, 3), 90, np.uint8), fps=12)
        return tmp_path / name

    return make


def write_labels(path: Path, phases: Sequence[object], video: str | None = None) -> None:
    """One line a frame, with a column video where one is named."""
    lines = [f"{step},{phase}" if video is None else f"{video},{step},{phase}" for step, phase in enumerate(phases)]
    path.write_text("\n".join(["frame,phase" if video is None else "video,frame,phase", *lines]) + "\n")


def by_id(root: Path) -> dict[str, Video]:
    return {video.id: video for video in read_folder(root)}


def test_any_container_without_labels(tmp_path: Path, clip: Maker) -> None:
    for name in ("c.MP4", "a.mkv", "b.avi", "deep/er/a.mov"):
        clip(name)
    (tmp_path / "notes.txt").write_text("no video")
    (tmp_path / ".a.mp4").write_text("what a telephone or a half-done copy leaves behind")
    videos = read_folder(tmp_path)
    assert [video.id for video in videos] == ["a", "b", "c", "deep/er/a"]
    first = videos[0]
    assert (first.path, first.n, first.fps, first.split) == (tmp_path / "a.mkv", 4, 12.0, "train")
    assert all(video.labels is None and video.truth is None and video.poses is None for video in videos)


def test_folders_of_splits(tmp_path: Path, clip: Maker) -> None:
    for name in ("val/x.mp4", "train/x.mp4", "train/more/y.mp4"):
        clip(name)
    splits = {id: video.split for id, video in by_id(tmp_path).items()}
    assert splits == {"train/more/y": "train", "train/x": "train", "val/x": "val"}


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("labels.csv", "train/x.mp4"),
        ("labels.csv", "train/x"),
        ("labels.csv", "x"),
        ("labels.csv", "x.mp4"),
        ("train/labels.csv", "x.mp4"),
        ("train/labels.csv", "x"),
    ],
)
def test_a_shared_file_names_videos_by_path_or_unique_name(tmp_path: Path, clip: Maker, place: str, name: str) -> None:
    clip("train/x.mp4")
    clip("val/y.mp4")
    write_labels(tmp_path / place, [0, 0, 1, 2], name)
    videos = by_id(tmp_path)
    labels = videos["train/x"].labels
    assert labels is not None
    assert labels.dtype == np.int64
    np.testing.assert_array_equal(labels, [0, 0, 1, 2])
    assert videos["val/y"].labels is None


def test_a_path_wins_over_a_bare_name(tmp_path: Path, clip: Maker) -> None:
    clip("x.mp4")
    clip("more/x.mp4")
    write_labels(tmp_path / "labels.csv", [0, 1, 2, 3], "x")
    videos = by_id(tmp_path)
    assert videos["x"].labels is not None
    assert videos["more/x"].labels is None


def test_a_file_beside_its_video_in_any_order_of_frames(tmp_path: Path, clip: Maker) -> None:
    clip("a.b.mp4")
    (tmp_path / "a.b.csv").write_text("\ufeffphase, frame\n2,3\n0,0\n0,1\n1,2\n", encoding="utf-8")
    np.testing.assert_array_equal(by_id(tmp_path)["a.b"].labels, [0, 0, 1, 2])


@pytest.mark.parametrize("place", ["a.csv", "labels.csv"])
def test_events(tmp_path: Path, clip: Maker, place: str) -> None:
    clip("a.mp4", 9)
    clip("b.mp4", 2)
    column, name = ("video,", "a,") if place == "labels.csv" else ("", "")
    lines = [f"{column}start,end,phase", f"{name}6,7,down", f"{name}1,1,up", f"{name}2,4,down"]
    (tmp_path / place).write_text("\n".join(lines) + "\n")
    videos = by_id(tmp_path)
    assert videos["a"].labels is not None
    assert videos["a"].labels.tolist() == [-1, 0, 1, 1, 1, -1, 1, 1, -1]
    assert videos["a"].truth is videos["b"].labels is None


def test_names_are_numbered_by_first_appearance_over_the_data_set(tmp_path: Path, clip: Maker) -> None:
    clip("a.mp4")
    clip("b.mp4")
    (tmp_path / "a.csv").write_text("frame,phase\n3,hit\n2,hit\n1,back\n0,setup\n")
    write_labels(tmp_path / "b.csv", ["back", "hit", "end", "end"])
    videos = by_id(tmp_path)
    np.testing.assert_array_equal(videos["a"].labels, [0, 1, 2, 2])
    np.testing.assert_array_equal(videos["b"].labels, [1, 2, 3, 3])
    assert phase_names(tmp_path) == ["setup", "back", "hit", "end"]


def test_numbers_are_no_names(tmp_path: Path, clip: Maker) -> None:
    clip("a.mp4")
    assert phase_names(tmp_path) == []
    write_labels(tmp_path / "a.csv", [0, 1, 1, ""])
    assert phase_names(tmp_path) == []


@pytest.mark.parametrize("phases", [["", 0, -1, 1], ["", "up", "", "down"]])
def test_an_empty_phase_is_no_label(tmp_path: Path, clip: Maker, phases: list[object]) -> None:
    clip("a.mp4")
    write_labels(tmp_path / "a.csv", phases)
    np.testing.assert_array_equal(by_id(tmp_path)["a"].labels, [-1, 0, -1, 1])


def test_no_labelled_frame_is_no_labels(tmp_path: Path, clip: Maker) -> None:
    clip("a.mp4")
    write_labels(tmp_path / "a.csv", [""] * 4)
    assert by_id(tmp_path)["a"].labels is None


def test_time_is_the_truth(tmp_path: Path, clip: Maker) -> None:
    clip("a.mp4", 3)
    clip("b.mp4", 2)
    lines = ["a,0,0,0", "a,1,0,0.25", "a,2,1,1", "b,0,0,", "b,1,0,"]
    (tmp_path / "labels.csv").write_text("\n".join(["video,frame,phase,time", *lines]))
    videos = by_id(tmp_path)
    np.testing.assert_array_equal(videos["a"].truth, [0, 0.25, 1])
    assert videos["b"].truth is None


def test_other_tables_are_left_alone(tmp_path: Path, clip: Maker) -> None:
    clip("a.mp4")
    (tmp_path / "cameras.csv").write_text("camera,place\n1,left\n")
    assert by_id(tmp_path)["a"].labels is None


HEADER = "frame,phase\n"
EVENTS = "start,end,phase\n"
GOOD = "0,0\n1,0\n2,1\n3,1\n"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", r"a\.csv: is empty"),
        (HEADER, r"a\.csv: has no labels"),
        (HEADER + "0,0\n1,0\n2,1\n", r"a\.csv: labels 3 frames of a\.mp4, but the video has 4 frames"),
        (HEADER + GOOD + "4,1\n", r"a\.csv: labels 5 frames of a\.mp4, but the video has 4 frames"),
        (HEADER + "0,0\n1,0\n1,1\n3,1\n", r"a\.csv: frame 1 of a\.mp4 is labelled 2 times"),
        (HEADER + "1,0\n2,0\n3,1\n4,1\n", r"a\.csv, line 2: frame 1 where 0\.\.3 were expected"),
        (HEADER + "-1,0\n0,0\n1,1\n2,1\n", r"a\.csv, line 2: frame -1 where"),
        (HEADER + "0,0\n1.0,0\n2,1\n3,1\n", r"a\.csv, line 3: frame '1\.0' is no integer"),
        (HEADER + "0,0\n,0\n2,1\n3,1\n", r"a\.csv, line 3: frame '' is no integer"),
        (HEADER + "0,0\n1\n2,1\n3,1\n", r"a\.csv, line 3: has another number of cells"),
        (HEADER + "0,0\n1,0,9\n2,1\n3,1\n", r"a\.csv, line 3: has another number of cells"),
        (HEADER + "0,-2\n1,0\n2,1\n3,1\n", r"a\.csv, line 2: phase -2"),
        (HEADER + f"0,{10**30}\n1,0\n2,1\n3,1\n", r"a\.csv, line 2: phase 1000"),
        (HEADER + "0,0.5\n1,0\n2,1\n3,1\n", r"a\.csv, line 2: phase 0\.5"),
        (HEADER + "0,nan\n1,0\n2,1\n3,1\n", r"a\.csv, line 2: phase nan"),
        (HEADER + "0,0\n1,up\n2,1\n3,1\n", r"a\.csv, line 3: phase 'up' is a name, but .*line 2 has the number 0"),
        ("frame,phase,score\n", r"a\.csv: has the columns frame, phase, score; it needs frame, phase"),
        ("frame;phase\n0;0\n", r"a\.csv: has the columns frame;phase; it needs frame, phase"),
        ("frame,frame,phase\n0,0,0\n", r"a\.csv: has the columns frame, frame, phase"),
        ("frame\n0\n", r"a\.csv: has the columns frame; it needs frame, phase"),
        ("frame,phase,time\n0,0,0\n1,0,1.5\n2,1,1\n3,1,1\n", r"a\.csv, line 3: time '1\.5'"),
        ("frame,phase,time\n0,0,0\n1,0,\n2,1,1\n3,1,1\n", r"a\.csv, line 3: time ''"),
        ("frame,phase,time\n0,0,0\n1,0,nan\n2,1,1\n3,1,1\n", r"a\.csv, line 3: time 'nan'"),
        (HEADER + '0,"0\n', r"a\.csv: cannot be read as CSV"),
        (EVENTS + "0,1,0\n1,3,1\n", r"a\.csv, line 3: overlaps the event of .*a\.csv, line 2 at frame 1; a frame has"),
        (EVENTS + "2,3,1\n0,2,0\n", r"a\.csv, line 3: overlaps the event of .*a\.csv, line 2 at frame 2"),
        (EVENTS + "0,4,0\n", r"a\.csv, line 2: an event from frame 0 to 4, where a\.mp4 has the frames 0\.\.3"),
        (EVENTS + "-1,2,0\n", r"a\.csv, line 2: an event from frame -1 to 2"),
        (EVENTS + "2,1,0\n", r"a\.csv, line 2: an event from frame 2 to 1"),
        (EVENTS + "0,1.5,0\n", r"a\.csv, line 2: end '1\.5' is no integer"),
        ("start,end,phase,time\n0,3,0,0\n", r"a\.csv: has a time for events"),
        ("start,phase\n0,0\n", r"a\.csv: has the columns start, phase; it needs frame, phase .*end, phase, start"),
        (
            "frame,start,end,phase\n0,0,1,0\n",
            r"a\.csv: has the columns frame, start, end, phase; it needs frame, phase",
        ),
    ],
)
def test_labels_that_do_not_fit_are_refused(tmp_path: Path, clip: Maker, text: str, problem: str) -> None:
    clip("a.mp4")
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(InputError, match=problem):
        read_folder(tmp_path)


def test_labels_in_another_encoding_are_refused(tmp_path: Path, clip: Maker) -> None:
    clip("a.mp4")
    (tmp_path / "a.csv").write_bytes("frame,phase\n0,Rückschwung\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"a\.csv: cannot be read as CSV .*UTF-8"):
        read_folder(tmp_path)


def test_names_and_numbers_do_not_mix_across_files(tmp_path: Path, clip: Maker) -> None:
    clip("a.mp4")
    clip("b.mp4")
    write_labels(tmp_path / "a.csv", [0, 0, 1, 1])
    write_labels(tmp_path / "b.csv", ["up", "up", "down", "down"])
    with pytest.raises(
        InputError, match=r"b\.csv, line 2: phase 'up' is a name, but .*a\.csv, line 2 has the number 0"
    ):
        read_folder(tmp_path)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("zebra", r"labels\.csv, line 2: the video 'zebra' does not exist"),
        ("", r"labels\.csv, line 2: the video '' does not exist"),
        ("x", r"labels\.csv, line 2: the video 'x' may be train/x or val/x"),
    ],
)
def test_a_row_must_name_one_video(tmp_path: Path, clip: Maker, name: str, problem: str) -> None:
    clip("train/x.mp4")
    clip("val/x.mp4")
    write_labels(tmp_path / "labels.csv", [0, 0, 1, 1], name)
    with pytest.raises(InputError, match=problem):
        read_folder(tmp_path)


def test_labels_beside_no_video_are_refused(tmp_path: Path, clip: Maker) -> None:
    clip("a.mp4")
    write_labels(tmp_path / "b.csv", [0, 0, 1, 1])
    with pytest.raises(InputError, match=r"b\.csv: has phases, but there is no video 'b' beside it"):
        read_folder(tmp_path)


def test_two_sources_of_labels_are_refused(tmp_path: Path, clip: Maker) -> None:
    clip("a.mp4")
    write_labels(tmp_path / "a.csv", [0, 0, 1, 1])
    write_labels(tmp_path / "labels.csv", [0, 0, 1, 1], "a")
    with pytest.raises(InputError, match=r"labels\.csv: labels of a are in .*a\.csv too"):
        read_folder(tmp_path)


def test_two_videos_of_one_id_are_refused(tmp_path: Path, clip: Maker) -> None:
    clip("a.mp4")
    clip("a.mov")
    with pytest.raises(InputError, match=r"a\.mp4: has the same id as a\.mov"):
        read_folder(tmp_path)


def test_a_video_outside_the_splits_is_refused(tmp_path: Path, clip: Maker) -> None:
    for name in ("train/a.mp4", "val/b.mp4", "c.mp4"):
        clip(name)
    with pytest.raises(InputError, match=r"c\.mp4: lies outside"):
        read_folder(tmp_path)


@pytest.mark.parametrize("split", ["train", "val"])
def test_one_folder_of_two_is_refused(tmp_path: Path, clip: Maker, split: str) -> None:
    clip(f"{split}/a.mp4")
    with pytest.raises(InputError, match=r"only one of train/ and val/"):
        read_folder(tmp_path)


def test_a_damaged_video_is_named(tmp_path: Path, clip: Maker) -> None:
    clip("a.mp4")
    (tmp_path / "b.mp4").write_bytes(clip("a.mp4").read_bytes()[:-400])
    with pytest.raises(InputError, match=r"b\.mp4: .*take it out of the folder"):
        read_folder(tmp_path)


def test_real_golf_swings(shared: Path) -> None:
    root = shared / "video" / "golf_swing"
    if not root.is_dir():
        pytest.skip(f"no golf swings at {root}")
    videos = by_id(root)
    assert list(videos) == [f"swing{i}" for i in range(8)]
    assert [id for id, video in videos.items() if video.labels is not None] == [f"swing{i}" for i in range(1, 6)]
    assert [videos[f"swing{i}"].n for i in (1, 2, 6)] == [155, 206, 128]
    lines = (root / "swing2.csv").read_text().split()[1:]
    names = list(dict.fromkeys(line.split(",")[1] for line in (root / "swing1.csv").read_text().split()[1:]))
    expected = [names.index(line.split(",")[1]) for line in lines]
    np.testing.assert_array_equal(videos["swing2"].labels, expected)


# --- fuzz ------------------------------------------------------------------------------------------------------------

LABELS = b"frame,phase,time\n0,0,0\n1,0,0.3\n2,1,0.6\n3,1,1\n"


@pytest.fixture(scope="module")
def fuzz_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("fuzz")
    write_video(root / "a.mp4", np.full((4, 16, 16, 3), 90, np.uint8), fps=12)
    return root


def read_or_refuse(root: Path, name: str, data: bytes) -> None:
    """An error that names the file, or one label a frame."""
    for path in root.glob("*.csv"):
        path.unlink()
    (root / name).write_bytes(data)
    try:
        (video,), message = read_folder(root), ""
    except InputError as error:
        message = str(error)
    if message:
        assert message.startswith(str(root / name))
        return
    assert video.labels is None or (video.labels.shape == (4,) and video.labels.min() >= -1)
    assert video.truth is None or (video.truth.shape == (4,) and video.truth.min() >= 0 and video.truth.max() <= 1)


@given(data=st.binary(max_size=80), start=st.integers(0, len(LABELS)), name=st.sampled_from(["a.csv", "labels.csv"]))
@settings(max_examples=200 * TIMES, deadline=None)
def test_random_labels(fuzz_root: Path, data: bytes, start: int, name: str) -> None:
    read_or_refuse(fuzz_root, name, LABELS[:start] + data)


@given(text=st.text(alphabet='0123456789,.-"\n\raphse einf', max_size=60), header=st.sampled_from([HEADER, EVENTS]))
@settings(max_examples=200 * TIMES, deadline=None)
def test_random_cells(fuzz_root: Path, text: str, header: str) -> None:
    read_or_refuse(fuzz_root, "a.csv", (header + text).encode())


@given(rows=st.lists(st.tuples(*[st.integers(-1, 4)] * 3), min_size=1, max_size=3))
@settings(max_examples=200 * TIMES, deadline=None)
def test_random_events(fuzz_root: Path, rows: list[tuple[int, ...]]) -> None:
    read_or_refuse(fuzz_root, "a.csv", (EVENTS + "".join(f"{a},{b},{c}\n" for a, b, c in rows)).encode())


@given(bits=st.lists(st.integers(0, 8 * len(LABELS) - 1), min_size=1, max_size=4))
@settings(max_examples=200 * TIMES, deadline=None)
def test_flipped_bits_of_labels(fuzz_root: Path, bits: list[int]) -> None:
    data = bytearray(LABELS)
    for bit in bits:
        data[bit // 8] ^= 1 << bit % 8
    read_or_refuse(fuzz_root, "a.csv", bytes(data))
