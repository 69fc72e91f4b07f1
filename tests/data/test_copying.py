from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lrprop.data.copying import copy_video
from lrprop.data.video import UnreadableVideoError, Video
from lrprop.data.videofile import probe, read_video, write_video
from tests.data.test_penn_action import write_frames

N = 150  # more than are in memory at once


@pytest.fixture
def clip(tmp_path: Path) -> Video:
    path = tmp_path / "in" / "CLIP.MP4"
    write_video(path, [np.full((16, 16, 3), step, np.uint8) for step in range(N)], fps=29.97)
    return Video("CLIP", path, N, probe(path).fps, "train")


def test_a_file_keeps_its_bytes(clip: Video, tmp_path: Path) -> None:
    copy_video(clip, tmp_path / "deep" / "out" / "a.b")
    (copy,) = (tmp_path / "deep" / "out").iterdir()
    assert copy.name == "a.b.mp4"
    assert copy.read_bytes() == clip.path.read_bytes()


def test_a_folder_of_frames_keeps_its_bytes_and_names(tmp_path: Path) -> None:
    folder = write_frames(tmp_path, "a")
    (folder / "notes.txt").write_text("no frame")
    copy_video(Video("a", folder, 6, 30.0, "train"), tmp_path / "out")
    images = sorted(folder.glob("*.jpg"))
    assert [file.name for file in sorted((tmp_path / "out").iterdir())] == [image.name for image in images]
    assert all((tmp_path / "out" / image.name).read_bytes() == image.read_bytes() for image in images)


def test_every_frame_is_encoded_in_its_turn(clip: Video, tmp_path: Path) -> None:
    copy_video(clip, tmp_path / "out", encode=True)
    assert probe(tmp_path / "out.mp4").fps == pytest.approx(29.97, abs=1e-3)
    np.testing.assert_allclose(read_video(tmp_path / "out.mp4").mean((1, 2, 3)), np.arange(N), atol=3)


def test_a_video_that_lost_frames_is_not_encoded(clip: Video, tmp_path: Path) -> None:
    longer = Video("CLIP", clip.path, N + 1, clip.fps, "train")
    with pytest.raises(UnreadableVideoError, match=f"has {N} frames and had {N + 1}"):
        copy_video(longer, tmp_path / "out", encode=True)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
