from __future__ import annotations

import hashlib
import os
import resource
import shutil
import signal
import subprocess
import sys
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from lrprop.data import feature_bank, find_videos
from lrprop.data.feature_bank import FeatureBank
from lrprop.data.images import ImageAugmentation
from lrprop.data.inputs import FeatureInputs, PixelInputs
from lrprop.data.video import UnreadableVideoError, Video
from lrprop.errors import InputError


@pytest.fixture
def videos(video_folder: Path) -> list[Video]:
    return find_videos(video_folder, "custom")


def means(images: Tensor) -> np.ndarray:
    return images.float().mean((-2, -1)).numpy()


def bank_in(folder: Path, copies: int = 2, size: int = 16) -> FeatureBank:
    return FeatureBank(folder, "means", ImageAugmentation(size), copies)


def wide(images: Tensor) -> np.ndarray:
    """Features of 20,000 numbers, so that files have a size worth telling."""
    return np.tile(means(images)[:, :2], 10_000)


def cut_short(content: bytes) -> bytes:
    return content[:-4]


def emptied(content: bytes) -> bytes:
    return b""


def one_bit_flipped(content: bytes) -> bytes:
    return content[:300] + bytes([content[300] ^ 1]) + content[301:]


def header_flipped(content: bytes) -> bytes:
    return bytes([content[0] ^ 128]) + content[1:]


def longer(content: bytes) -> bytes:
    return content + b"\0"


def test_holds_plain_and_augmented_copies(videos: list[Video], tmp_path: Path) -> None:
    bank = bank_in(tmp_path)
    bank.build(videos, means)
    for video in videos:
        features = bank.read(video)
        assert features.shape == (3 if video.split == "train" else 1, video.n, 3)
        expected = means(PixelInputs(ImageAugmentation(16)).plain(video))
        np.testing.assert_allclose(features[0], expected, rtol=1e-3)
    train = bank.read(videos[0])
    assert not np.allclose(train[1], train[2])


def test_goes_on_where_it_was_interrupted_with_the_same_result(videos: list[Video], tmp_path: Path) -> None:
    bank_in(tmp_path / "whole").build(videos, means)
    calls = 0

    def killed(images: Tensor) -> np.ndarray:
        nonlocal calls
        calls += 1
        if calls == 5:
            raise KeyboardInterrupt
        return means(images)

    with pytest.raises(KeyboardInterrupt):
        bank_in(tmp_path / "cut").build(videos, killed)
    finished = {file.name: file.stat().st_mtime_ns for file in (tmp_path / "cut").glob("*.npy")}
    assert len(finished) == 1, "the video that was under way is not there"
    bank_in(tmp_path / "cut").build(videos, means)
    for video in videos:
        np.testing.assert_array_equal(bank_in(tmp_path / "cut").read(video), bank_in(tmp_path / "whole").read(video))
    for name, modified in finished.items():
        assert (tmp_path / "cut" / name).stat().st_mtime_ns == modified, "computed twice"


def test_goes_on_where_it_was_killed(video_folder: Path, videos: list[Video], tmp_path: Path) -> None:
    """SIGKILL in the second video: the first stays as it is, and the rest is what it would have been."""
    program = f"""
import os, signal
from pathlib import Path
from lrprop.data import feature_bank, find_videos
from tests.data.test_feature_bank import bank_in, means
seen = []
def killed(images):
    seen.append(images)
    return means(images) if len(seen) < 6 else os.kill(os.getpid(), signal.SIGKILL)
bank_in(Path({str(tmp_path / "cut")!r})).build(find_videos(Path({str(video_folder)!r}), "custom"), killed)
"""
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", program], cwd=root, check=False).returncode == -signal.SIGKILL
    finished = {file.name: file.stat().st_mtime_ns for file in (tmp_path / "cut").glob("*.npy")}
    assert len(finished) == 1
    cut, whole = bank_in(tmp_path / "cut"), bank_in(tmp_path / "whole")
    for bank in (cut, whole):
        bank.build(videos, means)
    assert {name: (tmp_path / "cut" / name).stat().st_mtime_ns for name in finished} == finished, "computed twice"
    for video in videos:
        np.testing.assert_array_equal(cut.read(video), whole.read(video))
    (left,) = (tmp_path / "cut").glob("*.partial")
    os.utime(left, (0, 0))
    bank_in(tmp_path / "cut", copies=1).build(videos[:1], means)
    assert not left.exists()


def test_a_second_build_computes_nothing(videos: list[Video], tmp_path: Path) -> None:
    bank_in(tmp_path).build(videos, means)
    bank_in(tmp_path).build(videos, lambda _: pytest.fail("computed again"))


def test_other_settings_or_content_are_other_features(videos: list[Video], tmp_path: Path) -> None:
    bank_in(tmp_path).build(videos[:1], means)
    for other in (
        bank_in(tmp_path, copies=1),
        bank_in(tmp_path, size=18),
        FeatureBank(tmp_path, "b", ImageAugmentation(16), 2),
    ):
        with pytest.raises(InputError, match="run again"):
            other.read(videos[0])


def test_damaged_file_is_refused(videos: list[Video], tmp_path: Path) -> None:
    bank = bank_in(tmp_path)
    bank.build(videos[:1], means)
    file = next(tmp_path.glob("*.npy"))
    file.write_bytes(file.read_bytes()[:60])
    with pytest.raises(InputError, match=file.name):
        bank.read(videos[0])
    np.save(file, np.zeros((3, 2, 3), np.float16))
    with pytest.raises(InputError, match="does not fit"):
        bank.read(videos[0])


def test_a_damaged_header_is_an_error_that_names_the_file(videos: list[Video], tmp_path: Path) -> None:
    bank = bank_in(tmp_path)
    bank.build(videos[:1], means)
    file = next(tmp_path.glob("*.npy"))
    content, messages = file.read_bytes(), []
    for place in range(8 * 128):
        damaged = bytearray(content)
        damaged[place // 8] ^= 1 << place % 8
        file.write_bytes(damaged)
        try:
            assert bank.read(videos[0]).shape[:2] == (3, videos[0].n)
        except InputError as error:
            messages.append(str(error))
    assert len(messages) > 400
    assert all(file.name in message for message in messages)


@pytest.mark.parametrize("damage", [cut_short, emptied, one_bit_flipped, header_flipped, longer])
def test_a_damaged_file_is_found_and_computed_anew(
    damage: Callable[[bytes], bytes], videos: list[Video], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bank_in(tmp_path).build(videos[:2], means)
    files = sorted(tmp_path.glob("*.npy"))
    contents = [file.read_bytes() for file in files]
    files[0].write_bytes(damage(contents[0]))
    untouched = files[1].stat().st_mtime_ns
    bank_in(tmp_path).build(videos[:2], means)
    assert [file.read_bytes() for file in files] == contents
    assert files[1].stat().st_mtime_ns == untouched
    assert [record.message for record in caplog.records if files[0].name in record.message]


def test_the_size_is_told_before_it_is_taken(
    videos: list[Video], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    bank_in(tmp_path).build(videos[:1], wide)
    caplog.clear()

    def told(images: Tensor) -> np.ndarray:
        assert caplog.records or len(images) == 1, "only one blank image was seen before"
        return wide(images)

    bank_in(tmp_path).build(videos, told)
    (message,) = [record.message for record in caplog.records]
    missing = videos[1:]
    size = sum(video.n * 2 * 20_000 * (3 if video.split == "train" else 1) for video in missing)
    assert message == (
        f"Feature bank: 5 of 6 videos to compute, up to 3 images a frame, about {size / 1e6:.0f} MB more in {tmp_path}"
    )
    on_disk = sum(file.stat().st_size for file in tmp_path.glob("*.npy")) - bank_in(tmp_path).read(videos[0]).nbytes
    assert on_disk == pytest.approx(size, rel=1e-3)
    caplog.clear()
    bank_in(tmp_path).build(videos, wide)
    assert not caplog.records


def test_a_disk_without_room_is_told_before_anything_is_computed(
    videos: list[Video], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(InputError, match=r"data\.bank=.*bank: 0 MB are to be written, 0 MB are free; give"):
        bank_in(tmp_path / "bank").build(videos, means)
    assert not list((tmp_path / "bank").iterdir())


def test_a_disk_that_fills_up_is_one_clear_error(videos: list[Video], tmp_path: Path) -> None:
    """Stood in for by a limit on the size of files; what was begun is removed."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(InputError, match=r"data\.bank=.*cannot be written \(File too large\); give"):
            bank_in(tmp_path).build(videos, wide)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_is_one_clear_error(videos: list[Video], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"data\.bank=.*file/bank: cannot be written \(Not a directory\); give"):
        bank_in(tmp_path / "file/bank").build(videos, means)


def test_a_video_that_cannot_be_read_is_named(videos: list[Video], tmp_path: Path) -> None:
    (tmp_path / "broken.mp4").write_bytes(videos[1].path.read_bytes()[:-100])
    broken = replace(videos[1], id="broken", path=tmp_path / "broken.mp4")
    with pytest.raises(InputError, match=r"broken\.mp4"):
        bank_in(tmp_path / "bank").build([videos[0], broken, videos[2]], means)
    assert [file.suffix for file in (tmp_path / "bank").iterdir()] == [".npy"]


@pytest.mark.parametrize("name", ["gone.mp4", "gone"])
def test_a_video_that_is_gone_is_named(name: str, videos: list[Video], tmp_path: Path) -> None:
    if name == "gone":
        (tmp_path / name).mkdir()  # a folder without its frames
    with pytest.raises(UnreadableVideoError, match=name) as caught:
        bank_in(tmp_path / "bank").build([replace(videos[1], path=tmp_path / name)], means)
    assert caught.value.id == videos[1].id


def test_a_video_of_another_length_than_it_had_is_refused(videos: list[Video], tmp_path: Path) -> None:
    for n in (videos[0].n - 1, videos[0].n + 1):
        with pytest.raises(InputError, match=f"other than the {n} frames"):
            bank_in(tmp_path).build([replace(videos[0], n=n)], means)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("copies", [1, 3])
def test_a_video_in_chunks_has_the_features_of_the_whole(
    copies: int, videos: list[Video], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each copy is one draw for all frames, whatever the chunk: here 5 frames, of 12 to 19."""
    monkeypatch.setattr(feature_bank, "CHUNK", 5)
    bank, augmentation = bank_in(tmp_path, copies), ImageAugmentation(16)
    bank.build(videos[:2], means)
    for video in videos[:2]:
        content = hashlib.sha256(video.path.read_bytes()).digest()[:8]
        draws = [np.random.default_rng((0, copy, *content)) for copy in range(copies)]
        images = [augmentation.plain(video.read()), *(augmentation.augmented(video.read(), rng) for rng in draws)]
        np.testing.assert_array_equal(bank.read(video), np.stack([means(view) for view in images]).astype(np.float16))


def test_few_frames_are_in_memory_at_once(videos: list[Video], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the video: one chunk in use, one just handed over and two made ahead."""
    monkeypatch.setattr(feature_bank, "CHUNK", 2)
    alive: list[weakref.ref[Tensor]] = []
    most = 0

    def remember(frames: Tensor) -> Tensor:
        nonlocal most
        images = frames.permute(0, 3, 1, 2)
        alive.append(weakref.ref(images))
        most = max(most, sum(image() is not None for image in alive))
        return images

    bank = bank_in(tmp_path)
    monkeypatch.setattr(bank.augmentation, "plain", remember)
    monkeypatch.setattr(bank.augmentation, "augmented", lambda frames, _: remember(frames))
    bank.build(videos, means)
    assert len(alive) > 100
    assert most <= 4


def test_views_come_from_different_copies(videos: list[Video], tmp_path: Path) -> None:
    bank = bank_in(tmp_path)
    bank.build(videos, means)
    inputs, steps = FeatureInputs(bank), [np.arange(4), np.arange(4)]
    for seed in range(5):
        first, second = inputs.views(videos[0], steps, np.random.default_rng(seed))
        assert not torch.equal(first, second)
        assert any(torch.equal(first, torch.from_numpy(bank.read(videos[0])[c, :4].astype(np.float32))) for c in (1, 2))


def test_a_changed_frame_of_a_folder_is_noticed(tmp_path: Path) -> None:
    for clip in ("a", "b", "c", "d"):
        (tmp_path / "videos" / clip).mkdir(parents=True)
        for step in range(3):
            frame = np.full((16, 16, 3), 10 * step, np.uint8)
            Image.fromarray(frame).save(tmp_path / "videos" / clip / f"{step:06d}.png")
    bank = FeatureBank(tmp_path / "bank", "mean", ImageAugmentation(16), copies=1)
    videos = find_videos(tmp_path / "videos", "wave")
    bank.build(videos, lambda images: images.float().mean((2, 3)).numpy())
    np.testing.assert_allclose(bank.read(videos[0])[0, :, 0], [0, 10, 20], atol=0.5)
    Image.fromarray(np.full((16, 16, 3), 99, np.uint8)).save(videos[0].path / "000001.png")
    bank.build(videos, lambda images: images.float().mean((2, 3)).numpy())
    np.testing.assert_allclose(bank.read(videos[0])[0, :, 0], [0, 99, 20], atol=0.5)
