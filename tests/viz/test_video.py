"""`alignment.mp4`: three panels that show the right frames at the right time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lrprop.data.videofile import probe, read_video
from lrprop.viz import Clip, write_alignment_video

N, M = 9, 13


def grey_clip(name: str, n: int, shape: tuple[int, int], fps: float) -> Clip:
    """Frame i is a plain grey of level 16 i + 8."""
    frames = np.broadcast_to((16 * np.arange(n, dtype=np.uint8) + 8)[:, None, None, None], (n, *shape, 3))
    return Clip(name, frames, np.arange(n) // 4, fps)


def shown(frames: np.ndarray) -> np.ndarray:
    """(n, 3) frame numbers, read from the middle of each panel."""
    height, width = frames.shape[1:3]
    levels = frames[:, height // 2, [width // 6, width // 2, 5 * width // 6]].mean(axis=-1)
    return np.rint((levels - 8) / 16).astype(int)


@pytest.mark.parametrize("shape", [(121, 201), (240, 135)])
def test_panels_show_the_first_the_matched_and_the_same_time(tmp_path: Path, shape: tuple[int, int]) -> None:
    path = np.array([(0, j) for j in range(5)] + [(i, i + 4) for i in range(1, N)])
    first, second = grey_clip("one", N, (121, 201), 12.5), grey_clip("two", M, shape, 30.0)
    out = write_alignment_video(first, second, path, tmp_path / "a.mp4")
    frames = read_video(out)
    assert len(frames) == N
    assert frames.shape[1] % 2 == frames.shape[2] % 2 == 0
    assert probe(out).fps == pytest.approx(12.5)
    expected = np.stack([np.arange(N), np.r_[2, np.arange(1, N) + 4], np.rint(np.linspace(0, M - 1, N))], axis=1)
    np.testing.assert_array_equal(shown(frames), expected)


def test_large_frames_are_made_smaller(tmp_path: Path) -> None:
    clip = grey_clip("one", 2, (1080, 1920), 25.0)
    out = write_alignment_video(clip, clip, np.array([(0, 0), (1, 1)]), tmp_path / "a.mp4")
    assert probe(out).width <= 3 * 640 + 80


def test_a_path_out_of_range_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    clip = grey_clip("one", 3, (32, 32), 25.0)
    with pytest.raises(ValueError, match=r"path holds \(2, 3\), but the videos have 3 and 3 frames"):
        write_alignment_video(clip, clip, np.array([(0, 0), (1, 1), (2, 3)]), tmp_path / "a.mp4")
    assert list(tmp_path.iterdir()) == []
