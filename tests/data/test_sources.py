from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from lrprop.data.sources import find_videos, layout_of, modality_of
from lrprop.data.video import Video
from lrprop.data.videofile import write_video
from lrprop.errors import InputError
from tests.data.test_penn_action import annotation, write, write_frames


def folder_of(root: Path, count: int, labelled: int = 0, below: str = "") -> Path:
    """A folder of short videos, of which the last `labelled` have labels."""
    for i in range(count):
        path = root / below / f"v{i:02d}.mp4"
        write_video(path, np.full((2, 16, 16, 3), 90, np.uint8), fps=10)
        if i >= count - labelled:
            path.with_suffix(".csv").write_text("frame,phase\n0,0\n1,1\n")
    return root


def ids(videos: list[Video], split: str) -> list[str]:
    return [video.id for video in videos if video.split == split]


def counts(videos: list[Video]) -> Counter[tuple[str, bool]]:
    return Counter((video.split, video.labels is not None) for video in videos)


def test_layouts_are_recognised(video_folder: Path, penn_folder: Path) -> None:
    assert (layout_of(video_folder), modality_of(video_folder)) == ("folder", "pixels")
    assert (layout_of(str(penn_folder)), modality_of(str(penn_folder))) == ("penn_action", "poses")


def test_the_input_may_be_chosen_where_there_are_joints(video_folder: Path, penn_folder: Path) -> None:
    assert modality_of(penn_folder, "pixels") == "pixels"
    assert modality_of(penn_folder, "poses") == modality_of(penn_folder, "auto") == "poses"
    assert modality_of(video_folder, "pixels") == "pixels"
    with pytest.raises(InputError, match=r"data\.input=poses, but .* has no joints; choose pixels or auto"):
        find_videos(video_folder, "slide", input="poses")


def test_the_images_of_penn_action(tmp_path: Path) -> None:
    for number in range(1, 5):
        id = f"{number:04d}"
        write(tmp_path, id, annotation(train=-1 if number == 4 else 1))
        write_frames(tmp_path, id)
    videos = find_videos(tmp_path, "squat", input="pixels")
    assert [(video.split, video.poses) for video in videos] == [("train", None)] * 3 + [("val", None)]
    assert videos[0].path == tmp_path / "frames" / "0001"
    assert all(video.poses is not None for video in find_videos(tmp_path, "squat"))


def test_a_missing_root(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere: no such folder"):
        find_videos(tmp_path / "nowhere", "squat")


def test_a_root_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("")
    with pytest.raises(InputError, match=r"a\.mp4: is not a folder"):
        find_videos(tmp_path / "a.mp4", "squat")


@pytest.mark.parametrize("name", ["", "readme.txt", "labels/notes.txt", ".cache/a.mp4"])
def test_a_root_without_data(tmp_path: Path, name: str) -> None:
    if name:
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text("")
    with pytest.raises(InputError, match=r"no data found; put videos .*labels/\*\.mat.*train\.pkl"):
        find_videos(tmp_path, "squat")


def test_a_folder_with_splits_keeps_them(video_folder: Path) -> None:
    videos = find_videos(video_folder, "slide", seed=3, val_fraction=0.9)
    assert [video.id for video in videos] == [f"train/clip{i}" for i in range(4)] + ["val/clip0", "val/clip1"]
    assert len(ids(videos, "val")) == 2
    assert all(video.truth is not None for video in videos)


def test_penn_action_keeps_its_split(penn_folder: Path) -> None:
    videos = find_videos(penn_folder, "squat", val_fraction=0.9)
    assert ids(videos, "train") == ["0001", "0002", "0003", "0004"]
    assert ids(videos, "val") == ["0005", "0006"]
    assert not ids(videos, "tune")


def test_val_is_drawn_by_the_seed_and_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder_of(tmp_path, 10)
    with caplog.at_level(logging.INFO, logger="lrprop"):
        videos = find_videos(tmp_path, "wave")
    val = ids(videos, "val")
    assert len(val) == 3
    (record,) = caplog.records
    assert record.getMessage() == f"{tmp_path}: drew 3 of 10 videos for val (seed 0): {', '.join(val)}"
    assert ids(find_videos(tmp_path, "wave"), "val") == val
    assert len({tuple(ids(find_videos(tmp_path, "wave", seed=seed), "val")) for seed in range(6)}) > 1


@pytest.mark.parametrize("seed", range(5))
def test_labelled_videos_fall_on_both_sides(tmp_path: Path, seed: int) -> None:
    folder_of(tmp_path, 8, labelled=5)
    found = counts(find_videos(tmp_path, "wave", seed=seed, tune_fraction=0.2))
    assert found == {("val", True): 2, ("tune", True): 1, ("train", True): 2, ("train", False): 3}


@pytest.mark.parametrize("labelled", [0, 1, 2, 5, 6])
@pytest.mark.parametrize("fraction", [0.01, 0.5, 0.99])
def test_any_fraction_leaves_one_for_val_and_two_for_training(tmp_path: Path, labelled: int, fraction: float) -> None:
    folder_of(tmp_path, 6, labelled)
    videos = find_videos(tmp_path, "wave", val_fraction=fraction)
    assert len(ids(videos, "val")) == {0.01: 1, 0.5: 3, 0.99: 4}[fraction]
    if labelled > 1:
        assert counts(videos)["val", True] >= 1
    if labelled > 0:
        assert counts(videos)["train", True] >= 1


def test_tune_comes_from_training_alone(video_folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    plain = find_videos(video_folder, "slide")
    with caplog.at_level(logging.INFO, logger="lrprop"):
        videos = find_videos(video_folder, "slide", tune_fraction=0.01)
    assert "for tune (seed 0): train/clip" in caplog.text
    assert len(ids(videos, "tune")) == 1
    assert ids(videos, "val") == ids(plain, "val")
    assert sorted(ids(videos, "tune") + ids(videos, "train")) == ids(plain, "train")
    assert len(ids(find_videos(video_folder, "slide", tune_fraction=0.99), "train")) == 2


def test_val_is_the_same_with_and_without_tune(tmp_path: Path) -> None:
    folder_of(tmp_path, 8)
    with_tune = find_videos(tmp_path, "wave", tune_fraction=0.3)
    assert ids(with_tune, "val") == ids(find_videos(tmp_path, "wave"), "val")


@pytest.mark.parametrize("val_fraction", [0.0, 1.0, -0.1, 1.5, float("nan")])
def test_val_fraction_out_of_range(tmp_path: Path, val_fraction: float) -> None:
    with pytest.raises(InputError, match=rf"val_fraction={val_fraction} is out of range; .*\(0, 1\)"):
        find_videos(tmp_path, "wave", val_fraction=val_fraction)


@pytest.mark.parametrize("tune_fraction", [1.0, -0.1, float("nan")])
def test_tune_fraction_out_of_range(tmp_path: Path, tune_fraction: float) -> None:
    with pytest.raises(InputError, match=rf"tune_fraction={tune_fraction} is out of range; .*\[0, 1\)"):
        find_videos(tmp_path, "wave", tune_fraction=tune_fraction)


def test_a_negative_seed(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="seed=-1"):
        find_videos(tmp_path, "wave", seed=-1)


@pytest.mark.parametrize("count", [1, 2])
def test_too_few_videos_to_split(tmp_path: Path, count: int) -> None:
    with pytest.raises(InputError, match=rf"{count} training video\(s\), of which none can be held out for 'val'"):
        find_videos(folder_of(tmp_path, count), "wave")


def test_too_few_training_videos(tmp_path: Path) -> None:
    folder_of(tmp_path, 1, below="train")
    folder_of(tmp_path, 2, below="val")
    with pytest.raises(InputError, match=r"1 training video\(s\) of wave; alignment needs at least 2"):
        find_videos(tmp_path, "wave")


def test_too_few_training_videos_for_tune(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"2 training video\(s\), of which none can be held out for 'tune'"):
        find_videos(folder_of(tmp_path, 3), "wave", tune_fraction=0.1)


def test_an_unknown_action_of_penn_action(penn_folder: Path) -> None:
    with pytest.raises(InputError, match=r"action 'wave' is not in Penn Action; choose of .*squat"):
        find_videos(penn_folder, "wave")


def test_real_golf_swings_are_split_with_labels_on_both_sides(shared: Path) -> None:
    root = shared / "video" / "golf_swing"
    if not root.is_dir():
        pytest.skip(f"no golf swings at {root}")
    found = counts(find_videos(root, "golf_swing"))
    assert found == {("val", True): 2, ("train", True): 3, ("train", False): 3}


def test_what_is_wrong_with_a_video_leaves_it_out_before_the_splits_are_drawn(tmp_path: Path) -> None:
    folder_of(tmp_path, 6)
    expected = find_videos(folder_of(tmp_path / "sound", 5), "wave")
    (tmp_path / "v05.mp4").write_bytes(b"no video")
    (tmp_path / "sound").rename(tmp_path / ".hidden")
    problems: list[str] = []
    videos = find_videos(tmp_path, "wave", problems=problems)
    assert [(video.id, video.split) for video in videos] == [(video.id, video.split) for video in expected]
    (problem,) = problems
    assert problem.startswith(f"{tmp_path / 'v05.mp4'}: cannot be read as a video")
    with pytest.raises(InputError, match=r"v05\.mp4: cannot be read as a video"):
        find_videos(tmp_path, "wave")


def test_no_video_can_be_read(tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).write_bytes(b"no video")
    with pytest.raises(InputError, match=r"none of its videos can be read; run lrprop data inspect"):
        find_videos(tmp_path, "wave", problems=[])


def test_what_is_wrong_with_penn_action_leaves_it_out(tmp_path: Path) -> None:
    for number in range(1, 6):
        id = f"{number:04d}"
        write(tmp_path, id, annotation(train=-1 if number == 5 else 1))
        write_frames(tmp_path, id)
    (tmp_path / "frames/0002/000003.jpg").write_bytes(b"no image")
    problems: list[str] = []
    videos = find_videos(tmp_path, "squat", input="pixels", problems=problems)
    assert [video.id for video in videos] == ["0001", "0003", "0004", "0005"]
    assert [problem.startswith(f"{tmp_path / 'frames/0002/000003.jpg'}: ") for problem in problems] == [True]
