from __future__ import annotations

import pickle
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lrprop.data.video import UnreadableVideoError, Video
from lrprop.data.videofile import write_video
from lrprop.errors import InputError

NOISE = np.random.default_rng(0).integers(0, 256, (11, 32, 48, 3), dtype=np.uint8)


@pytest.fixture(params=["file", "folder"])
def video(request: pytest.FixtureRequest, tmp_path: Path) -> Video:
    """The same frames as a video file and as a folder of frames."""
    if request.param == "file":
        write_video(tmp_path / "a.mp4", NOISE, fps=10)
        return Video("a", tmp_path / "a.mp4", len(NOISE), 10, "train")
    (tmp_path / "a").mkdir()
    for step, frame in enumerate(NOISE):
        Image.fromarray(frame).save(tmp_path / "a" / f"{step}.png")
    return Video("a", tmp_path / "a", len(NOISE), 10, "train")


@pytest.mark.parametrize("size", [1, 4, 11, 100])
def test_chunks_joined_are_the_video(video: Video, size: int) -> None:
    chunks = list(video.chunks(size))
    assert [len(chunk) for chunk in chunks[:-1]] == [size] * (len(chunks) - 1)
    assert 1 <= len(chunks[-1]) <= size
    np.testing.assert_array_equal(np.concatenate(chunks), video.read())


def test_a_chunk_holds_a_frame_at_least(video: Video) -> None:
    with pytest.raises(ValueError, match="size must be a number of frames >= 1; got 0"):
        next(video.chunks(0))


def test_chunks_hold_no_more_than_themselves(tmp_path: Path) -> None:
    frames = np.zeros((200, 64, 64, 3), np.uint8)
    write_video(tmp_path / "a.mp4", frames, fps=10)
    tracemalloc.start()
    count = sum(len(chunk) for chunk in Video("a", tmp_path / "a.mp4", 200, 10, "train").chunks(10))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 200
    assert peak < frames.nbytes / 3


def test_a_frame_of_another_size_in_a_later_chunk(tmp_path: Path) -> None:
    for step in range(6):
        Image.fromarray(NOISE[step, : 32 - 2 * (step == 5)]).save(tmp_path / f"{step}.png")
    chunks = Video("a", tmp_path, 6, 10, "train").chunks(2)
    assert len(next(chunks)) == len(next(chunks)) == 2
    with pytest.raises(InputError, match=r"5\.png: is 30x48 pixels, but 0\.png is 32x48"):
        next(chunks)


@pytest.mark.parametrize("n", [10, 12])
def test_another_number_of_frames_than_before(video: Video, n: int) -> None:
    changed = replace(video, n=n)
    for read in (Video.read, lambda video: list(video.chunks(4))):
        with pytest.raises(UnreadableVideoError, match=f"has 11 frames and had {n} when it was found; run again"):
            read(changed)


def test_an_unreadable_video_tells_which_it_is(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"no video")
    video = Video("train/a", tmp_path / "a.mp4", 3, 10, "train")
    for read in (video.read, lambda: next(video.chunks(2))):
        with pytest.raises(UnreadableVideoError, match=r"a\.mp4: cannot be read as a video") as caught:
            read()
        assert caught.value.id == "train/a"
        assert pickle.loads(pickle.dumps(caught.value)).id == "train/a"  # as it comes from a worker process
