from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from lrprop.data.carl import ORDER
from lrprop.data.conversion import convert
from lrprop.data.folder import read_folder
from lrprop.data.penn_action import read_penn_action
from lrprop.data.pouring import convert_pouring
from lrprop.data.videofile import read_video, write_video
from lrprop.errors import InputError
from tests.data.test_penn_action import annotation, write, write_frames, write_phases
from tests.data.test_pouring import TRAIN, VAL, recording
from tests.data.tfrecord_writer import write_records

N = 6


def content(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture
def penn(tmp_path: Path) -> Path:
    """Two squats, one of them without phases, and a bowl, with images."""
    root = tmp_path / "penn"
    root.mkdir()
    for id, action, flag in (("0001", "squat", 1), ("0002", "squat", -1), ("0003", "bowl", 1)):
        write(root, id, annotation(action=action, train=flag))
        write_frames(root, id, N)
    write_phases(root, np.array([0, 0, 1, -1, 2, 3]))
    return root


@pytest.fixture
def carl(tmp_path: Path) -> Path:
    """Penn Action in CARL's form: a squat to train with and one of val."""
    root = tmp_path / "carl"
    for k, split in enumerate(("train", "val")):
        name = f"000{k}_squat"
        write_video(root / "videos" / f"{name}.mp4", np.full((N, 16, 16, 3), 90 + k, np.uint8), fps=25)
        entry = {"id": k, "name": name, "video_file": f"videos/{name}.mp4", "seq_len": N, "frame_label": np.arange(N)}
        indices = [[0] if action == "squat" else [] for action in ORDER]
        (root / f"{split}.pkl").write_bytes(pickle.dumps(([entry], indices)))
    return root


def test_penn_action_becomes_a_folder_an_action(penn: Path, tmp_path: Path) -> None:
    convert(penn, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["bowl", "squat"]
    made = read_folder(tmp_path / "out" / "squat")
    assert [(video.id, video.split, video.n) for video in made] == [("train/0001", "train", N), ("val/0002", "val", N)]
    for video, original in zip(made, read_penn_action(penn, "squat", images=True), strict=True):
        np.testing.assert_array_equal(video.labels, original.labels)
        assert content(video.path) == content(original.path)  # nothing is encoded again
    assert [video.id for video in read_folder(tmp_path / "out" / "bowl")] == ["0003"]


def test_carl_keeps_its_videos(carl: Path, tmp_path: Path) -> None:
    convert(carl, tmp_path / "out")
    train, val = read_folder(tmp_path / "out" / "squat")
    assert (train.id, val.id, val.split) == ("train/0000_squat", "val/0001_squat", "val")
    np.testing.assert_array_equal(val.labels, np.arange(N))
    assert val.path.read_bytes() == (carl / "videos" / "0001_squat.mp4").read_bytes()


def test_carl_of_pouring_is_one_action(carl: Path, tmp_path: Path) -> None:
    for split in ("train", "val"):
        entries, _ = pickle.loads((carl / f"{split}.pkl").read_bytes())
        (carl / f"{split}.pkl").write_bytes(pickle.dumps(entries))
    convert(carl, tmp_path / "out")
    assert [video.id for video in read_folder(tmp_path / "out")] == ["train/0000_squat", "val/0001_squat"]


def test_pouring(tmp_path: Path) -> None:
    source = tmp_path / "pouring"
    source.mkdir()
    for file, name in zip((*TRAIN, VAL), "abc", strict=True):
        write_records(source / file, [recording(name)])
    convert(source, tmp_path / "out")
    convert_pouring(source, tmp_path / "expected")
    assert content(tmp_path / "out") == content(tmp_path / "expected")


def test_encoded_only_where_asked(penn: Path, tmp_path: Path) -> None:
    convert(penn, tmp_path / "out", encode=True)
    (original,) = read_penn_action(penn, "bowl", images=True)
    (video,) = read_folder(tmp_path / "out" / "bowl")
    assert video.path.name == "0003.mp4"
    assert (video.n, video.fps) == (N, original.fps)
    assert np.abs(video.read().astype(int) - original.read()).max() < 12


def test_a_folder_of_videos_can_be_encoded(video_folder: Path, tmp_path: Path) -> None:
    convert(video_folder, tmp_path / "out", encode=True)
    for video, original in zip(read_folder(tmp_path / "out"), read_folder(video_folder), strict=True):
        assert (video.id, video.split, video.fps) == (original.id, original.split, original.fps)
        np.testing.assert_array_equal(video.labels, original.labels)
        np.testing.assert_array_equal(video.truth, original.truth)
        assert len(read_video(video.path)) == original.n


def test_a_folder_without_splits_and_with_dots_in_a_name(tmp_path: Path) -> None:
    write_video(tmp_path / "in" / "deep" / "a.b.avi", np.full((N, 16, 16, 3), 90, np.uint8), fps=25)
    convert(tmp_path / "in", tmp_path / "out", encode=True)
    assert [video.id for video in read_folder(tmp_path / "out")] == ["deep/a.b"]


def test_what_cannot_be_converted(penn: Path, video_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is a folder of videos already; .*--encode"):
        convert(video_folder, tmp_path / "out")
    with pytest.raises(InputError, match="lies in the data set that it is to be made of"):
        convert(penn, penn / "out")
    (tmp_path / "there").mkdir()
    with pytest.raises(InputError, match="there: is there already"):
        convert(penn, tmp_path / "there")
    with pytest.raises(InputError, match="no such folder"):
        convert(tmp_path / "nowhere", tmp_path / "out")
    (penn / "frames").rename(penn / "pictures")
    with pytest.raises(InputError, match="has no folder frames"):
        convert(penn, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_failure_half_way_leaves_nothing(penn: Path, tmp_path: Path) -> None:
    image = penn / "frames" / "0003" / "000004.jpg"
    image.write_bytes(image.read_bytes()[:-200])  # the header is whole
    before = sorted(tmp_path.iterdir())
    with pytest.raises(InputError, match=r"0003/000004\.jpg: cannot be read as an image"):
        convert(penn, tmp_path / "out", encode=True)
    assert sorted(tmp_path.iterdir()) == before
