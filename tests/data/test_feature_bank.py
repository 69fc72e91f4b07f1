from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from lrprop.data import find_videos
from lrprop.data.feature_bank import FeatureBank
from lrprop.data.images import ImageAugmentation
from lrprop.data.inputs import FeatureInputs, PixelInputs
from lrprop.data.video import Video
from lrprop.errors import InputError


@pytest.fixture
def videos(video_folder: Path) -> list[Video]:
    return find_videos(video_folder, "custom")


def means(images: Tensor) -> np.ndarray:
    return images.float().mean((-2, -1)).numpy()


def bank_in(folder: Path, copies: int = 2, size: int = 16) -> FeatureBank:
    return FeatureBank(folder, "means", ImageAugmentation(size), copies)


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
