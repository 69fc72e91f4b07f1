"""The command line on data sets with unreadable videos, end to end."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from lrprop.cli import main
from lrprop.data.videofile import probe, read_video
from lrprop.encoders import Encoder
from lrprop.errors import InputError
from lrprop.module import AlignmentModule
from tests.test_cli import error_of, fit_arguments


@pytest.fixture
def damaged_folder(video_folder: Path, tmp_path: Path) -> Path:
    """The videos of `video_folder`, of which two look sound until they are decoded: one to train on, one of val."""
    root = copied(video_folder, tmp_path / "damaged")
    for name in ("train/clip1.mp4", "val/clip0.mp4"):
        damage(root / name)
    return root


def copied(source: Path, target: Path) -> Path:
    return Path(shutil.copytree(source, target, dirs_exist_ok=True))


def damage(path: Path) -> None:
    """Overwrites the last pictures: the index in front of them, which tells how many frames there are, stays whole."""
    data = path.read_bytes()
    path.write_bytes(data[:-60] + bytes([255]) * 60)


def arguments(root: Path, runs: Path, *more: str) -> list[str]:
    arguments = fit_arguments(root, runs, epochs=1, action="custom")
    return [*arguments, "--data.image_size", "32", "--data.bank", str(runs / "bank"), *more]


@pytest.fixture(params=["bank", "0 workers", "2 workers"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """How frames are read: once, to build the feature bank, or in every epoch, here or by worker processes."""
    if request.param == "bank":
        return []
    monkeypatch.setattr(Encoder, "can_use_feature_bank", False)
    return ["--data.workers", request.param[0]]


def test_only_decoding_shows_the_damage(damaged_folder: Path) -> None:
    for name in ("train/clip1.mp4", "val/clip0.mp4"):
        assert probe(damaged_folder / name).n >= 12
        with pytest.raises(InputError, match=r"damaged or cut short|cannot be read"):
            read_video(damaged_folder / name)


def test_an_unreadable_video_fails_with_one_line(
    damaged_folder: Path, way: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = error_of([*arguments(damaged_folder, tmp_path), *way], capsys)
    assert "clip1.mp4: " in message or "clip0.mp4: " in message
    assert "DataLoader" not in message


def test_unreadable_videos_are_skipped_named_and_counted(
    damaged_folder: Path,
    way: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert main([*arguments(damaged_folder, tmp_path, "--data.on_error", "skip"), *way]) == 0
    printed = capsys.readouterr().out
    lines = (tmp_path / "a/skipped.txt").read_text().splitlines()
    assert "skipped 2 unreadable videos: " in printed
    assert len(lines) == 2
    for name in ("train/clip1.mp4", "val/clip0.mp4"):
        path = str(damaged_folder / name)
        assert path in printed
        assert len([line for line in lines if line.startswith(f"{path}: ")]) == 1
        assert len([record for record in caplog.records if path in record.getMessage()]) == 1
    rows = json.loads((tmp_path / "a/metrics.json").read_text())
    assert rows.keys() == {"final", "untrained", "time_only", "raw", "raw_window"}

    assert main(["predict", "--config", str(tmp_path / "a/config.yaml")]) == 0
    printed = capsys.readouterr().out
    assert "Embeddings of 4 videos" in printed
    assert "skipped 2 unreadable videos" in printed
    assert len(list((tmp_path / "a/embeddings").rglob("*.npy"))) == 4


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_video_that_becomes_unreadable_in_the_middle_of_a_run(
    video_folder: Path,
    tmp_path: Path,
    workers: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Just before the first epoch."""
    root = copied(video_folder, tmp_path / "videos")
    monkeypatch.setattr(Encoder, "can_use_feature_bank", False)
    monkeypatch.setattr(AlignmentModule, "on_train_start", lambda _: damage(root / "train/clip2.mp4"), raising=False)
    more = ["--data.workers", workers, "--floors", "false"]
    assert "clip2.mp4: " in error_of([*arguments(root, tmp_path / "fail"), *more], capsys)

    root = copied(video_folder, tmp_path / "videos")
    assert main([*arguments(root, tmp_path / "skip", "--data.on_error", "skip"), *more]) == 0
    assert "skipped 1 unreadable video: " in capsys.readouterr().out
    assert "clip2.mp4: " in (tmp_path / "skip/a/skipped.txt").read_text()


def test_what_is_found_at_the_start_leaves_the_data_set(
    video_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = copied(video_folder, tmp_path / "videos")
    clip = root / "train/clip3.mp4"
    clip.write_bytes(clip.read_bytes()[:-1500])
    assert "clip3.mp4: " in error_of(arguments(root, tmp_path / "fail"), capsys)
    assert main(arguments(root, tmp_path / "skip", "--data.on_error", "skip")) == 0
    assert "skipped 1 unreadable video: " in capsys.readouterr().out
    assert len(list((tmp_path / "skip/bank").glob("*.npy"))) == 5


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("train/clip0.mp4", "train/clip1.mp4", "train/clip2.mp4"), "no other training video can take the place of"),
        (("val/clip0.mp4", "val/clip1.mp4"), "none of the videos can be read"),
    ],
)
def test_too_few_videos_that_can_be_read(
    video_folder: Path,
    tmp_path: Path,
    names: tuple[str, ...],
    expected: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Encoder, "can_use_feature_bank", False)
    root = copied(video_folder, tmp_path / "videos")
    for name in names:
        damage(root / name)
    more = ("--data.on_error", "skip", "--floors", "false")
    assert expected in error_of(arguments(root, tmp_path / "runs", *more), capsys)
