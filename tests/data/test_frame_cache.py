from __future__ import annotations

import logging
import os
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from lrprop.data import AlignmentDataModule
from lrprop.data.frame_cache import FrameCache
from lrprop.data.video import UnreadableVideoError, Video
from lrprop.data.videofile import write_video
from lrprop.errors import InputError
from tests.fuzzing import TIMES

GB = 10**9
N, HEIGHT, WIDTH = 5, 64, 96
SIZE = 128 + N * 32 * 48 * 3  # of a file for images of 28 pixels: header, then frames of half the height and width


def video_of(folder: Path, name: str = "a", brightness: int = 100) -> Video:
    ramp = np.broadcast_to(np.linspace(0, 100, WIDTH)[:, None], (N, HEIGHT, WIDTH, 3))
    frames = brightness + ramp + np.arange(N)[:, None, None, None]
    write_video(folder / f"{name}.mp4", frames.astype(np.uint8), fps=10)
    return Video(name, folder / f"{name}.mp4", N, 10, "train")


def forget(path: Path) -> None:
    """A later read from the video fails, whatever else stays the same."""
    state = path.stat()
    path.write_bytes(bytes(state.st_size))
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def test_frames_are_kept_smaller_and_never_decoded_again(tmp_path: Path) -> None:
    video = video_of(tmp_path)
    cache = FrameCache(tmp_path / "cache", 28, GB)
    frames = cache.read(video)
    assert frames.shape == (N, 32, 48, 3)
    assert frames.dtype == np.uint8
    blocks = video.read().reshape(N, 32, 2, 48, 2, 3).mean((2, 4))
    np.testing.assert_allclose(frames[:, 1:-1, 1:-1], blocks[:, 1:-1, 1:-1], atol=2)
    (file,) = (tmp_path / "cache").iterdir()
    assert file.stat().st_size == SIZE
    forget(video.path)
    np.testing.assert_array_equal(cache.read(video), frames)
    np.testing.assert_array_equal(cache.read(video, np.array([3, 0, 3])), frames[[3, 0, 3]])


def test_small_frames_are_kept_as_they_are(tmp_path: Path) -> None:
    video = video_of(tmp_path)
    np.testing.assert_array_equal(FrameCache(tmp_path / "cache", 57, GB).read(video), video.read())


def test_folders_of_frames_and_their_changes(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for step in range(N):
        Image.fromarray(np.full((20, 20, 3), 10 * step, np.uint8)).save(tmp_path / "a" / f"{step}.png")
    video, cache = Video("a", tmp_path / "a", N, 10, "train"), FrameCache(tmp_path / "cache", 28, GB)
    assert cache.read(video)[:, 0, 0, 0].tolist() == [0, 10, 20, 30, 40]
    Image.fromarray(np.full((20, 20, 3), 200, np.uint8)).save(tmp_path / "a" / "2.png")
    assert cache.read(video)[:, 0, 0, 0].tolist() == [0, 10, 200, 30, 40]


def test_another_video_or_size_is_another_file(tmp_path: Path) -> None:
    video = video_of(tmp_path)
    cache = FrameCache(tmp_path / "cache", 28, GB)
    before = cache.read(video)
    assert FrameCache(tmp_path / "cache", 14, GB).read(video).shape == (N, 16, 24, 3)
    assert cache.read(video_of(tmp_path, brightness=20)).mean() < before.mean() - 60
    assert len(list((tmp_path / "cache").iterdir())) == 3


@pytest.mark.parametrize("size", [0, 50, SIZE - 1, SIZE + 1])
def test_a_damaged_file_is_named_and_made_anew(tmp_path: Path, size: int, caplog: pytest.LogCaptureFixture) -> None:
    video, cache = video_of(tmp_path), FrameCache(tmp_path / "cache", 28, GB)
    frames = cache.read(video)
    (file,) = (tmp_path / "cache").iterdir()
    os.truncate(file, size)
    np.testing.assert_array_equal(cache.read(video), frames)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert f"{file}: damaged" in record.getMessage()
    assert file.stat().st_size == SIZE


@given(bits=st.lists(st.integers(0, 8 * 128 - 1), min_size=1, max_size=3))
@settings(max_examples=60 * TIMES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_flipped_bits_of_the_header(tmp_path: Path, bits: list[int]) -> None:
    """Whatever the header says, the frames have their shape."""
    video, cache = video_of(tmp_path), FrameCache(tmp_path / "cache", 28, GB)
    frames = cache.read(video)
    file = max((tmp_path / "cache").iterdir(), key=lambda file: file.stat().st_mtime)
    data = bytearray(file.read_bytes())
    for bit in bits:
        data[bit // 8] ^= 1 << bit % 8
    file.write_bytes(data)
    assert cache.read(video).shape == frames.shape


def test_the_least_recently_used_files_go(tmp_path: Path) -> None:
    videos = [video_of(tmp_path, name) for name in "abcd"]
    for age, video in zip((400, 100, 300, 200), videos, strict=True):
        FrameCache(tmp_path / "cache", 28, GB).read(video)
        (file,) = (tmp_path / "cache").glob(f"{video.id}-*")
        os.utime(file, (file.stat().st_mtime - age, file.stat().st_mtime - age))
    cache = FrameCache(tmp_path / "cache", 28, 3 * SIZE)
    cache.read(videos[2])  # used again
    (tmp_path / "cache" / "mine.txt").write_text("x" * SIZE)
    cache.read(video_of(tmp_path, "e"))
    kept = {file.name[0] for file in (tmp_path / "cache").glob("*.npy")}
    assert kept == {"b", "c", "e"}
    assert (tmp_path / "cache" / "mine.txt").exists()


def test_what_this_run_uses_stays_and_the_rest_is_decoded_alike(tmp_path: Path) -> None:
    videos = [video_of(tmp_path, name) for name in "abc"]
    roomy, tight = FrameCache(tmp_path / "roomy", 28, GB), FrameCache(tmp_path / "tight", 28, 2 * SIZE)
    for _ in range(2):
        for video in videos:
            np.testing.assert_array_equal(tight.read(video, [1, 4]), roomy.read(video, [1, 4]))
    assert {file.name[0] for file in (tmp_path / "tight").iterdir()} == {"a", "b"}


def test_unreadable_videos_leave_nothing_behind(tmp_path: Path) -> None:
    video, cache = video_of(tmp_path), FrameCache(tmp_path / "cache", 28, GB)
    with pytest.raises(UnreadableVideoError, match=r"a\.mp4: has 5 frames and had 6 when it was found; run again"):
        cache.read(Video("a", video.path, 6, 10, "train"))
    forget(video.path)
    with pytest.raises(UnreadableVideoError, match=r"a\.mp4: cannot be read as a video"):
        cache.read(video)
    video.path.unlink()
    with pytest.raises(UnreadableVideoError, match=r"a\.mp4: cannot be read .*check the path"):
        cache.read(video)
    assert not list((tmp_path / "cache").iterdir())


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"data\.frame_cache=.*file/cache: cannot be written .*Not a directory"):
        FrameCache(tmp_path / "file" / "cache", 28, GB).read(video_of(tmp_path))


def _sum_of_all(cache: FrameCache, videos: list[Video]) -> list[int]:
    return [int(cache.read(video).sum()) for video in videos * 3]


def test_several_processes_share_a_folder(tmp_path: Path) -> None:
    videos = [video_of(tmp_path, name, brightness) for name, brightness in (("a", 20), ("b", 60), ("c", 100))]
    expected = _sum_of_all(FrameCache(tmp_path / "alone", 28, GB), videos)
    cache = FrameCache(tmp_path / "cache", 28, 2 * SIZE)
    with get_context("fork").Pool(3) as pool:
        for sums in pool.starmap(_sum_of_all, [(cache, videos), (cache, videos[::-1]), (cache, videos)]):
            assert sorted(sums) == sorted(expected)
    assert {file.suffix for file in (tmp_path / "cache").iterdir()} == {".npy"}


@pytest.mark.parametrize("workers", [0, 2])
def test_the_same_batches_of_any_worker_and_epoch(video_folder: Path, tmp_path: Path, workers: int) -> None:
    def batches(count: int, **options: object) -> list[torch.Tensor]:
        data = AlignmentDataModule(video_folder, "custom", num_frames=8, image_size=16, workers=count, **options)  # type: ignore[arg-type]
        data.setup()
        return [views.frames for views in data.train_dataloader()]

    alone = batches(0, frame_cache=tmp_path / "alone")
    assert len(list((tmp_path / "alone").iterdir())) == 4
    for _ in range(2):  # first written, then read
        for views, same in zip(batches(workers, frame_cache=tmp_path / "cache"), alone, strict=True):
            assert torch.equal(views, same)


def test_a_limit_must_be_positive(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"data\.frame_cache_gb=0: give a positive number"):
        AlignmentDataModule(tmp_path, "custom", frame_cache=tmp_path, frame_cache_gb=0)
