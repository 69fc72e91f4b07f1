from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from lrprop.data.pouring import convert_pouring
from lrprop.data.survey import Survey, survey
from lrprop.data.videofile import write_video
from lrprop.errors import InputError
from tests.data.test_carl import entry, penn
from tests.data.test_penn_action import annotation, write, write_frames, write_phases
from tests.data.test_pouring import FRAMES, PHASES, TRAIN, VAL, recording
from tests.data.tfrecord_writer import write_records

N = 6


def clip(path: Path, n: int = N) -> Path:
    write_video(path, np.full((n, 16, 24, 3), 90, np.uint8), fps=25)
    return path


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def ids(found: Survey) -> list[str]:
    return [one.video.id for one in found.videos]


def assert_problems(found: Survey, *expected: str) -> None:
    """As many problems as expected, and each expected one among them."""
    assert len(found.problems) == len(expected), found.problems
    for words in expected:
        assert sum(words in problem for problem in found.problems) == 1, (words, found.problems)


def test_a_sound_folder(video_folder: Path) -> None:
    found = survey(video_folder)
    assert (found.layout, found.problems) == ("folder", [])
    assert ids(found) == [*(f"train/clip{i}" for i in range(4)), "val/clip0", "val/clip1"]
    for one in found.videos:
        assert one.size == (32, 32)
        assert one.video.labels is not None
        assert one.read([0, one.video.n - 1]).shape == (2, 32, 32, 3)


def test_everything_wrong_in_a_folder_at_once(tmp_path: Path) -> None:
    for name in ("a", "b", "c", "d"):
        clip(tmp_path / f"{name}.mp4")
        lines = [f"{step},{step // 2}" for step in range(N)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["frame,phase", *lines]) + "\n")
    cut(tmp_path / "a.mp4")
    (tmp_path / "b.csv").write_text("frame,phase\n0,0\n")
    (tmp_path / "c.csv").write_text("frame,face\n0,0\n")
    clip(tmp_path / "one.mp4", 1)
    (tmp_path / "empty.mov").touch()
    (tmp_path / "stray.csv").write_text("frame,phase\n0,0\n")
    write_frames(tmp_path, "mixed")
    (tmp_path / "frames" / "mixed" / "000002.jpg").write_bytes(FRAMES[0])
    found = survey(tmp_path)
    assert ids(found) == ["b", "c", "d", "one"]
    assert [one.video.labels is not None for one in found.videos] == [False, False, True, False]
    assert_problems(
        found,
        f"{tmp_path}/a.mp4: ",
        f"{tmp_path}/b.csv: labels 1 frames of b.mp4",
        f"{tmp_path}/c.csv: has the columns frame, face",
        f"{tmp_path}/empty.mov: ",
        f"{tmp_path}/frames/mixed/000002.jpg: is 16x24 pixels",
        f"{tmp_path}/one.mp4: one has one frame",
        f"{tmp_path}/stray.csv: has phases, but there is no video",
    )


def test_what_cannot_stand_together_in_a_folder(tmp_path: Path) -> None:
    for name in ("a.mp4", "a.mov", "b.mp4"):
        clip(tmp_path / name)
    (tmp_path / "b.csv").write_text("frame,phase\n" + "".join(f"{i},{'one' if i else 1}\n" for i in range(N)))
    found = survey(tmp_path)
    assert ids(found) == ["a", "b"]
    assert_problems(found, "a.mp4: has the same id as a.mov", "b.csv, line 3: phase 'one' is a name, but")


def test_penn_action_by_action(tmp_path: Path) -> None:
    for id, action in {"0001": "squat", "0002": "bowl", "0003": "squat", "0004": "squat"}.items():
        write(tmp_path, id, annotation(action=action))
    write_phases(tmp_path, np.arange(N), folder="squats")
    write_phases(tmp_path, np.zeros(N), id="0003")
    (tmp_path / "labels" / "0004.mat").write_bytes(b"no annotation")
    found = survey(tmp_path)
    assert found.layout == "penn_action"
    assert [(one.video.id, one.video.action, one.size) for one in found.videos] == [
        ("0002", "bowl", None),
        ("0001", "squat", None),
    ]
    assert_problems(found, "0003.npy: phases must be integers", "0004.mat: cannot be read")


def test_penn_action_with_images(tmp_path: Path) -> None:
    for id in ("0001", "0002"):
        write(tmp_path, id)
        write_frames(tmp_path, id)
    write(tmp_path, "0003", annotation(visibility=np.full((N, 13), 7)))
    write_frames(tmp_path, "0003")
    (tmp_path / "frames" / "0002" / "000003.jpg").write_bytes(b"")
    found = survey(tmp_path)
    assert [(one.video.id, one.size) for one in found.videos] == [("0001", (24, 32)), ("0003", (24, 32))]
    assert_problems(found, "0002/000003.jpg: cannot be read as an image", "0003.mat: visibility has values")


def test_penn_action_without_one_usable_annotation(tmp_path: Path) -> None:
    write(tmp_path, "0001", annotation(action="jump_rope"))
    found = survey(tmp_path)
    assert ids(found) == []
    assert_problems(found, "none of its 1 annotations is of action 'all'")


def test_carl(tmp_path: Path) -> None:
    train = penn("0001_squat", "0002_bowl", "0003_squat", "0001_squat")
    train[0][2]["seq_len"] = 7
    (tmp_path / "train.pkl").write_bytes(pickle.dumps(train))
    for name in ("0001_squat", "0002_bowl", "0003_squat"):
        clip(tmp_path / "videos" / f"{name}.mp4")
    cut(tmp_path / "videos" / "0002_bowl.mp4")
    found = survey(tmp_path)
    assert [(one.video.id, one.video.action, one.size) for one in found.videos] == [("0001_squat", "squat", (16, 24))]
    assert_problems(
        found,
        "entry 2: has 6 labels and seq_len 7",
        "entry 3: has the name '0001_squat' of another entry",
        "0002_bowl.mp4: ",
        "val.pkl: cannot be read",
    )


def test_carl_of_one_action(tmp_path: Path) -> None:
    for split, name in (("train", "a"), ("val", "b")):
        (tmp_path / f"{split}.pkl").write_bytes(pickle.dumps([entry(0, name)]))
        clip(tmp_path / "videos" / f"{name}.mp4")
    found = survey(tmp_path)
    assert [(one.video.id, one.video.split, one.video.action) for one in found.videos] == [
        ("a", "train", ""),
        ("b", "val", ""),
    ]
    assert found.problems == []


@pytest.fixture
def pouring(tmp_path: Path) -> Path:
    root = tmp_path / "pouring"
    root.mkdir()
    write_records(root / TRAIN[0], [recording("a"), recording("../b"), recording("c", FRAMES[::-1])])
    write_records(root / TRAIN[1], [recording("d")])
    write_records(root / VAL, [recording("e", phases=[-1] * len(PHASES))])
    return root


def test_pouring_as_published_is_not_written_to(pouring: Path) -> None:
    before = sorted(pouring.rglob("*"))
    found = survey(pouring)
    assert [(one.video.id, one.video.labels is not None) for one in found.videos] == [
        ("train/a", True),
        ("train/c", True),
        ("train/d", True),
        ("val/e", False),
    ]
    assert_problems(found, "record 1: name is b'../b', which is no file name")
    first, last = found.videos[1].read([0, 4]).mean((1, 2, 3))
    assert first == pytest.approx(60, abs=2)
    assert last == pytest.approx(20, abs=2)
    assert found.videos[0].size == (16, 24)
    assert sorted(pouring.rglob("*")) == before


def test_pouring_up_to_where_it_is_damaged(pouring: Path) -> None:
    cut(pouring / TRAIN[0])
    (pouring / VAL).unlink()
    found = survey(pouring)
    assert ids(found) == ["train/a", "train/d"]
    assert_problems(found, "record 1: name is", "record 2: has", f"has no {VAL}")


def test_pouring_once_converted_is_a_folder(pouring: Path) -> None:
    write_records(pouring / TRAIN[0], [recording("a")])
    convert_pouring(pouring, pouring / "converted")
    found = survey(pouring)
    assert (found.layout, ids(found), found.problems) == ("pouring", ["train/a", "train/d", "val/e"], [])


def test_nothing_to_look_at(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no data found"):
        survey(tmp_path)
