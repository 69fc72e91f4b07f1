"""`inspect`: the table, the problems, the exit status and the picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lrprop.data.videofile import write_video
from lrprop.viz.inspection import inspect


def test_a_sound_folder(
    video_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert inspect(video_folder) == 0
    out = capsys.readouterr().out
    sheet = Path(f"{video_folder.name}-frames.png")
    assert str(sheet) in out
    assert Image.open(sheet).width > 2 * 6 * 96
    (row,) = [line.split("│") for line in out.splitlines() if "32x32" in line]
    cells = [cell.strip() for cell in row[1:-1]]
    assert cells[0:3] == ["all", "4", "2"]
    assert cells[4:] == ["10", "32x32", "3", "6"]
    assert "6 videos, no problems" in out


def test_poses_are_drawn_and_problems_told(
    penn_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, sheet = tmp_path / "penn", tmp_path / "sheet.png"
    for file in penn_folder.rglob("*.*"):
        (root / file.relative_to(penn_folder)).parent.mkdir(parents=True, exist_ok=True)
        (root / file.relative_to(penn_folder)).write_bytes(file.read_bytes())
    (root / "labels" / "0002.mat").write_bytes(b"")
    assert inspect(root, sheet) == 1
    out = capsys.readouterr().out
    assert "squat" in out
    assert "5 videos, 1 problem" in out
    assert f"problem: {root}/labels/0002.mat: cannot be read as a MATLAB file" in out
    assert len(np.unique(np.asarray(Image.open(sheet).convert("RGB")).reshape(-1, 3), axis=0)) > 10


def test_frames_that_cannot_be_decoded_are_a_problem(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in" / "a").mkdir(parents=True)
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    for step in range(3):
        Image.fromarray(noise).save(tmp_path / "in" / "a" / f"{step}.jpg")
    file = tmp_path / "in" / "a" / "2.jpg"
    file.write_bytes(file.read_bytes()[:-500])
    write_video(tmp_path / "in" / "b.mp4", noise[None].repeat(4, 0), fps=10)
    assert inspect(tmp_path / "in", tmp_path / "sheet.png") == 1
    out = capsys.readouterr().out
    assert f"problem: {file}: cannot be read as an image" in out
    assert "Frames of 1 videos" in out


def test_nothing_to_draw(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.mp4").touch()
    assert inspect(tmp_path, tmp_path / "sheet.png") == 1
    assert "0 videos, 1 problem" in capsys.readouterr().out
    assert not (tmp_path / "sheet.png").exists()
