from __future__ import annotations

import logging
import pickle
from pathlib import Path

import numpy as np
import pytest

from lrprop.data.carl import ORDER, read_carl
from lrprop.data.conversion import convert
from lrprop.data.folder import read_folder
from lrprop.data.folder_writer import write_labels
from lrprop.data.frames import FPS
from lrprop.data.penn_action import ALL, read_penn_action
from lrprop.data.pouring import convert_pouring
from lrprop.data.sources import layout_of
from lrprop.data.video import Video
from lrprop.data.videofile import read_video, write_video
from lrprop.errors import InputError
from tests.data.test_penn_action import annotation, write, write_frames, write_phases
from tests.data.test_pouring import PHASES, TRAIN, VAL, recording
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


# --- into CARL's form ------------------------------------------------------------------------------------------------


def clip(path: Path, brightness: int = 90, fps: float = 25) -> None:
    write_video(path, np.full((N, 16, 16, 3), brightness, np.uint8), fps)


@pytest.fixture
def actions(tmp_path: Path) -> Path:
    """A folder of squats in splits and of bowls without, as Penn Action is converted into."""
    root = tmp_path / "actions"
    for k, name in enumerate(("squat/train/0001", "squat/val/0002", "bowl/0003")):
        clip(root / f"{name}.mp4", 60 + 40 * k)
        write_labels(root / f"{name}.csv", [k] * N)
    return root


def same(made: Video, original: Video) -> bool:
    """Whether two records tell the same of a video, but for what it is called."""
    facts = [(video.n, video.fps, video.split, video.action) for video in (made, original)]
    labels = [None if video.labels is None else video.labels.tolist() for video in (made, original)]
    return facts[0] == facts[1] and labels[0] == labels[1]


def test_a_folder_becomes_carls_form_and_a_folder_again(video_folder: Path, tmp_path: Path) -> None:
    convert(video_folder, tmp_path / "carl", to="carl")
    assert layout_of(tmp_path / "carl") == "carl"
    convert(tmp_path / "carl", tmp_path / "back")
    originals = read_folder(video_folder)
    for made in (read_carl(tmp_path / "carl", ""), read_folder(tmp_path / "back")):
        assert [video.id.split("/")[-1] for video in made] == [video.id.replace("/", "-") for video in originals]
        for video, original in zip(made, originals, strict=True):
            assert same(video, original)
            assert video.path.read_bytes() == original.path.read_bytes()


def test_carls_form_becomes_a_folder_and_carls_form_again(carl: Path, tmp_path: Path) -> None:
    convert(carl, tmp_path / "folder")
    convert(tmp_path / "folder", tmp_path / "back", to="carl")
    for video, original in zip(read_carl(tmp_path / "back", ALL), read_carl(carl, ALL), strict=True):
        assert video.id == original.id
        assert same(video, original)
        assert video.path.read_bytes() == original.path.read_bytes()


def test_penn_action_in_carls_form(penn: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "lrprop"):
        convert(penn, tmp_path / "out", to="carl", encode=True)
    assert "its joints are left out" in caplog.text
    assert "2 video(s) have no phases: all their frames get the label -1" in caplog.text
    assert "val.pkl" not in caplog.text
    made, originals = read_carl(tmp_path / "out", ALL), read_penn_action(penn, ALL, images=True)
    assert [video.id for video in made] == ["0001_squat", "0002_squat", "0003_bowl"]
    for video, original in zip(made, originals, strict=True):
        assert same(video, original)
        assert np.abs(video.read().astype(int) - original.read()).max() < 12


def test_pouring_in_carls_form(tmp_path: Path) -> None:
    source = tmp_path / "pouring"
    source.mkdir()
    for file, name in zip((*TRAIN, VAL), "abc", strict=True):
        write_records(source / file, [recording(name)])
    before = content(tmp_path)
    convert(source, tmp_path / "out", to="carl", encode=True)
    assert sorted(content(tmp_path / "out")) == [
        "train.pkl", "val.pkl", "videos/a.mp4", "videos/b.mp4", "videos/c.mp4"
    ]  # fmt: skip
    assert {path: data for path, data in content(tmp_path).items() if not path.startswith("out/")} == before
    made = read_carl(tmp_path / "out", "pour")
    assert [(video.id, video.split) for video in made] == [("a", "train"), ("b", "train"), ("c", "val")]
    for video in made:
        assert video.labels is not None
        assert video.labels.tolist() == PHASES


def test_folders_of_actions_are_several_actions(actions: Path, tmp_path: Path) -> None:
    convert(actions, tmp_path / "carl", to="carl")
    made = read_carl(tmp_path / "carl", ALL)
    assert [(video.id, video.action, video.split) for video in made] == [
        ("0001_squat", "squat", "train"),
        ("0002_squat", "squat", "val"),
        ("0003_bowl", "bowl", "train"),
    ]
    assert [video.labels.tolist() for video in made if video.labels is not None] == [[0] * N, [1] * N, [2] * N]
    convert(actions, tmp_path / "encoded", encode=True)
    assert sorted(content(tmp_path / "encoded")) == sorted(content(actions))


@pytest.mark.parametrize("change", ["another folder", "labels for all", "a folder of frames"])
def test_other_folders_are_one_action(actions: Path, tmp_path: Path, change: str) -> None:
    if change == "another folder":
        clip(actions / "juggling" / "0004.mp4")
    elif change == "labels for all":
        (actions / "labels.csv").write_text("video,start,end,phase\nbowl/0003,0,2,7\n")
        (actions / "bowl" / "0003.csv").unlink()
    else:
        write_frames(tmp_path, "situp", N)
        (tmp_path / "frames" / "situp").rename(actions / "situp")
    convert(actions, tmp_path / "carl", to="carl", encode=True)
    videos = {video.id: video for video in read_carl(tmp_path / "carl", "all of them")}
    assert len(videos) == (3 if change == "labels for all" else 4)
    assert {video.action for video in videos.values()} == {"all of them"}
    assert videos["bowl-0003"].labels is not None
    assert videos["bowl-0003"].labels.max() == (7 if change == "labels for all" else 2)


def test_any_video_can_be_encoded_into_carls_form(tmp_path: Path) -> None:
    clip(tmp_path / "in" / "a.avi", fps=12)
    write_frames(tmp_path, "b", N)
    (tmp_path / "frames" / "b").rename(tmp_path / "in" / "b")
    convert(tmp_path / "in", tmp_path / "out", to="carl", encode=True)
    assert [(video.id, video.n, video.fps) for video in read_carl(tmp_path / "out", "")] == [
        ("a", N, 12.0),
        ("b", N, FPS),
    ]


def test_what_carls_form_cannot_hold_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in "abc":
        clip(tmp_path / "in" / f"{name}.mp4")
    write_labels(tmp_path / "in" / "a.csv", [0] * N, np.linspace(0, 1, N))
    (tmp_path / "in" / "b.csv").write_text("start,end,phase\n0,2,up\n3,3,down\n")
    (tmp_path / "in" / "a.csv").write_text((tmp_path / "in" / "a.csv").read_text().replace(",0,", ",up,"))
    with caplog.at_level(logging.WARNING, "lrprop"):
        convert(tmp_path / "in", tmp_path / "out", to="carl")
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path}/in: the names of its phases become numbers: 0 up, 1 down",
        "CARL's form has no place for the canonical times of 1 video(s): they are left out",
        "1 video(s) have no phases: all their frames get the label -1",
        "no video is of val: val.pkl is empty",
    ]
    assert [video.labels is None for video in read_carl(tmp_path / "out", "")] == [False, False, True]


def test_what_cannot_become_carls_form(penn: Path, carl: Path, tmp_path: Path) -> None:
    def refused(source: Path, **options: bool) -> str:
        with pytest.raises(InputError) as caught:
            convert(source, tmp_path / "out", to="carl", **options)
        assert not (tmp_path / "out").exists()
        return str(caught.value)

    needs_encoding = "CARL's form holds MP4 files only; have all videos encoded (--encode true)"
    assert refused(penn) == f"{penn}/frames/0001: {needs_encoding}"
    assert refused(carl, encode=True) == f"{carl}: has CARL's form already; use it as it is"
    clip(tmp_path / "mixed" / "a.mp4")
    clip(tmp_path / "mixed" / "b.mov")
    assert refused(tmp_path / "mixed") == f"{tmp_path}/mixed/b.mov: {needs_encoding}"
    write_frames(tmp_path / "mixed", "a.mp4", N)
    assert refused(tmp_path / "mixed") == f"{tmp_path}/mixed/b.mov: {needs_encoding}"
    (tmp_path / "mixed" / "b.mov").unlink()
    assert refused(tmp_path / "mixed") == f"{tmp_path}/mixed/frames/a.mp4: {needs_encoding}"
    (tmp_path / "pouring").mkdir()
    write_records(tmp_path / "pouring" / VAL, [recording("a")])
    assert refused(tmp_path / "pouring") == f"{tmp_path}/pouring: {needs_encoding}"
    assert "has no pouring_train-0-of-1.tfrecord" in refused(tmp_path / "pouring", encode=True)
    (penn / "frames").rename(penn / "pictures")
    assert "or read its poses" in refused(penn, encode=True)
    with pytest.raises(InputError, match="lies in the data set"):
        convert(carl.parent / "mixed", carl.parent / "mixed" / "out", to="carl", encode=True)


def test_two_videos_of_one_name_leave_nothing(tmp_path: Path) -> None:
    clip(tmp_path / "in" / "a" / "b.mp4")
    clip(tmp_path / "in" / "a-b.mp4")
    with pytest.raises(InputError, match=r"a/b\.mp4: would be called a-b in CARL's form, as .*in/a-b\.mp4; rename one"):
        convert(tmp_path / "in", tmp_path / "out", to="carl")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_a_failure_half_way_leaves_no_carls_form(penn: Path, tmp_path: Path) -> None:
    image = penn / "frames" / "0003" / "000004.jpg"
    image.write_bytes(image.read_bytes()[:-200])
    before = sorted(tmp_path.iterdir())
    with pytest.raises(InputError, match=r"0003/000004\.jpg: cannot be read as an image"):
        convert(penn, tmp_path / "out", to="carl", encode=True)
    assert sorted(tmp_path.iterdir()) == before
