from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lrprop.batch import Views
from lrprop.data import AlignmentDataModule, inputs
from lrprop.data.datasets import TrainingViews, WholeVideos
from lrprop.data.images import ImageAugmentation
from lrprop.data.inputs import PixelInputs
from lrprop.data.problems import Skipped
from lrprop.data.sampling import TemporalSampling
from lrprop.data.video import UnreadableVideoError, Video
from lrprop.data.videofile import write_video
from lrprop.errors import InputError

INPUTS = PixelInputs(ImageAugmentation(16))


@pytest.fixture
def videos(tmp_path: Path) -> list[Video]:
    """Three of one action and two of another; the frames of videos 1 and 3 cannot be read."""
    found = []
    for number in range(5):
        path = tmp_path / f"{number}.mp4"
        write_video(path, np.full((6, 16, 24 + 2 * number, 3), 40 * number, np.uint8), fps=10)
        found.append(Video(str(number), path, 6, 10, "train", action="ab"[number > 2]))
    for number in (1, 3):
        found[number].path.write_bytes(b"no video")
    return found


def training(videos: list[Video], skipped: Skipped | None) -> TrainingViews:
    return TrainingViews(videos, INPUTS, TemporalSampling(4), seed=0, skipped=skipped)


def numbers(parts: list[Views | InputError]) -> list[int]:
    return [int(part.video[0]) for part in parts if isinstance(part, Views)]


def test_the_next_readable_video_of_the_action_takes_the_place(videos: list[Video]) -> None:
    data = training(videos, Skipped())
    parts = data.__getitems__([(0, 1), (0, 0)])
    assert numbers(parts) == [2, 0]
    (error,) = [part for part in parts if isinstance(part, InputError)]
    assert isinstance(error, UnreadableVideoError)
    assert error.id == "1"
    assert str(error).startswith(f"{videos[1].path}: cannot be read as a video")
    stand_in = next(part for part in parts if isinstance(part, Views))
    assert torch.equal(stand_in.frames, data[0, 2].frames)
    assert numbers(data.__getitems__([(0, 0), (0, 2)])) == [0, 2]


def test_a_video_comes_once_into_a_batch(videos: list[Video]) -> None:
    parts = training(videos, Skipped()).__getitems__([(0, 3), (0, 4)])
    assert numbers(parts) == [4]
    assert "no other training video can take the place of" in str(parts[1])


def test_where_nothing_is_skipped_nothing_takes_the_place(videos: list[Video]) -> None:
    parts = training(videos, None).__getitems__([(0, 1), (0, 0)])
    assert numbers(parts) == [0]
    assert isinstance(parts[0], UnreadableVideoError)


def test_whole_videos_that_can_be_read(videos: list[Video]) -> None:
    skipped = Skipped()
    assert [int(views.video) for views in WholeVideos(videos, INPUTS, skipped=skipped)] == [0, 2, 4]
    assert list(skipped.problems) == ["1", "3"]
    with pytest.raises(UnreadableVideoError, match=r"1\.mp4: cannot be read"):
        list(WholeVideos(videos, INPUTS))
    with pytest.raises(InputError, match="none of the videos can be read"):
        list(WholeVideos(videos[1:2], INPUTS, skipped=Skipped()))


@pytest.mark.parametrize("workers", [0, 2])
def test_loaders_go_on_and_tell_the_main_process_once(
    tmp_path: Path, workers: int, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(4):
        write_video(tmp_path / f"{number}.mp4", np.full((6, 16, 20, 3), 90, np.uint8), fps=10)
    data = AlignmentDataModule(tmp_path, "custom", num_frames=4, image_size=16, workers=workers, on_error="skip")
    data.setup()
    bad = data.split("train")[0]
    bad.path.write_bytes(b"no video")
    for _ in range(2):
        assert [sorted(views.video.unique().tolist()) for views in data.train_dataloader()] == [[1, 2]] * 2
        assert [int(views.video) for views in data.val_dataloader()[0]] == [1, 2]
    assert data.skipped is not None
    assert list(data.skipped.problems) == [bad.id]
    assert len([record for record in caplog.records if str(bad.path) in record.getMessage()]) == 1


def test_videos_of_several_resolutions_make_one_batch(tmp_path: Path) -> None:
    for number, (height, width) in enumerate([(16, 32), (48, 20), (64, 64), (16, 16)]):
        write_video(tmp_path / f"{number}.mp4", np.full((6, height, width, 3), 90, np.uint8), fps=10)
    data = AlignmentDataModule(tmp_path, "custom", num_frames=4, image_size=16, videos_per_batch=3)
    data.setup()
    (views,) = data.train_dataloader()
    assert views.frames.shape == (6, 4, 3, 16, 16)


def test_a_whole_video_is_resized_in_parts(videos: list[Video], monkeypatch: pytest.MonkeyPatch) -> None:
    expected = INPUTS.augmentation.plain(videos[0].read())
    monkeypatch.setattr(inputs, "CHUNK", 4)
    monkeypatch.setattr(Video, "read", None)
    assert torch.equal(INPUTS.plain(videos[0]), expected)
    for count in (3, 5, 9):
        with pytest.raises(UnreadableVideoError, match=rf"0\.mp4: has 6 frames and had {count} when it was found"):
            INPUTS.plain(replace(videos[0], n=count))
