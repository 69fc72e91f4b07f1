from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from lightning.fabric.utilities import move_data_to_device
from lightning.pytorch import Trainer

from lrprop.batch import Views
from lrprop.data import AlignmentDataModule
from lrprop.data.datasets import DecodedViews
from lrprop.errors import InputError


def test_poses_become_batches_of_views(penn_folder: Path) -> None:
    data = AlignmentDataModule(penn_folder, "squat", num_frames=16, videos_per_batch=3)
    data.setup()
    batches = list(data.train_dataloader())
    assert len(batches) == 2
    for views in batches:
        assert views.frames.shape == (6, 16, 13, 3)
        assert views.steps.shape == views.mask.shape == (6, 16)
        assert views.mask.any(1).all()
        assert (views.steps[views.mask] < views.lengths.unsqueeze(1).expand(6, 16)[views.mask]).all()
        assert (views.frames[~views.mask] == 0).all()
        assert len(views.video.unique()) == 3


def test_pixels_become_batches_of_views(video_folder: Path) -> None:
    data = AlignmentDataModule(video_folder, "custom", num_frames=8, image_size=24)
    data.setup()
    views = next(iter(data.train_dataloader()))
    assert views.frames.shape == (4, 8, 3, 24, 24)
    assert views.frames.dtype == torch.uint8


def test_evaluation_sees_whole_videos_the_longest_first(penn_folder: Path) -> None:
    data = AlignmentDataModule(penn_folder, "squat", tune_fraction=0.3)
    data.setup()
    loaders = dict(zip(data.evaluated_sets, data.val_dataloader(), strict=True))
    assert list(loaders) == ["train", "val", "tune", "val/loose", "tune/loose"]
    for split in ("train", "val", "tune"):
        videos = sorted((video for video in data.videos if video.split == split), key=lambda video: -video.n)
        for video, views in zip(videos, loaders[split], strict=True):
            assert views.mask.all()
            assert views.frames.shape[:2] == (1, video.n)
    assert [video.id for video in data.videos] == sorted(video.id for video in data.videos)


def test_a_view_is_a_function_of_seed_epoch_and_video(penn_folder: Path) -> None:
    def views(seed: int, epoch: int) -> torch.Tensor:
        data = AlignmentDataModule(penn_folder, "squat", num_frames=16, seed=seed)
        data.setup()
        return data.train_dataloader().dataset[(epoch, 0)].frames

    assert torch.equal(views(0, 1), views(0, 1))
    assert not torch.equal(views(0, 1), views(0, 2))
    assert not torch.equal(views(0, 1), views(1, 1))


def test_workers_change_nothing(penn_folder: Path) -> None:
    batches = []
    for workers in (0, 2):
        data = AlignmentDataModule(penn_folder, "squat", num_frames=16, workers=workers)
        data.setup()
        batches.append(list(data.train_dataloader()))
    for alone, together in zip(*batches, strict=True):
        assert torch.equal(alone.frames, together.frames)


@pytest.mark.parametrize("more", [0, 1])
def test_views_longer_than_every_training_video_are_told_of(
    penn_folder: Path, caplog: pytest.LogCaptureFixture, more: int
) -> None:
    found = AlignmentDataModule(penn_folder, "squat")
    found.setup("fit")
    longest = max(video.n for video in found.split("train"))
    caplog.clear()
    AlignmentDataModule(penn_folder, "squat", num_frames=longest + more).setup("fit")
    told = f"data.num_frames={longest + 1}, but the longest training video has {longest} frames"
    assert [told in record.message for record in caplog.records] == [True] * more
    AlignmentDataModule(penn_folder, "squat", num_frames=longest + 1).setup("validate")
    assert len(caplog.records) == more


def test_too_many_videos_a_batch(penn_folder: Path) -> None:
    with pytest.raises(InputError, match=r"videos_per_batch=5.*4 training videos"):
        AlignmentDataModule(penn_folder, "squat", videos_per_batch=5).setup()
    with pytest.raises(InputError, match="videos_per_batch=1"):
        AlignmentDataModule(penn_folder, "squat", videos_per_batch=1)
    with pytest.raises(InputError, match="max_region_ratio="):
        AlignmentDataModule(penn_folder, "squat", max_region_ratio=0.5)


def test_every_action_needs_a_batch_of_videos(penn_folder: Path) -> None:
    videos = AlignmentDataModule(penn_folder, "all", videos_per_batch=4)
    videos.setup()
    assert {video.action for video in videos.videos} == {"squat"}
    with pytest.raises(InputError, match=r"videos_per_batch=5, but .* has 4 training videos of squat"):
        AlignmentDataModule(penn_folder, "all", videos_per_batch=5).setup()


def for_gpu(folder: Path, **options: object) -> AlignmentDataModule:
    """What a trainer with a GPU loads its batches from."""
    data = AlignmentDataModule(folder, "squat", image_size=16, **options)  # type: ignore[arg-type]
    strategy = SimpleNamespace(root_device=torch.device("cuda"))
    loop = SimpleNamespace(epoch_loop=Trainer(logger=False, enable_checkpointing=False).fit_loop.epoch_loop)
    trainer = SimpleNamespace(strategy=strategy, current_epoch=0, global_rank=0, world_size=1, fit_loop=loop)
    data.trainer = trainer  # type: ignore[assignment]
    data.setup()
    return data


NO_GPU_HERE = pytest.mark.filterwarnings("ignore:'pin_memory' argument is set as true but no accelerator is found")


@NO_GPU_HERE
@pytest.mark.parametrize("workers", [0, 1])
def test_augmentation_behind_the_transfer_gives_the_same_views(video_folder: Path, workers: int) -> None:
    """T = 64 pads the views of every video."""
    for num_frames in (5, 64):
        at_once = AlignmentDataModule(video_folder, "squat", image_size=16, num_frames=num_frames)
        at_once.setup()
        in_two_steps = for_gpu(video_folder, num_frames=num_frames, workers=workers)
        loader = in_two_steps.train_dataloader()
        assert loader.pin_memory
        count = 0
        for expected, decoded in zip(at_once.train_dataloader(), loader, strict=True):
            assert isinstance(decoded, DecodedViews)
            assert all(video.frames.dtype == torch.uint8 for video in decoded.videos)
            views = in_two_steps.on_after_batch_transfer(move_data_to_device(decoded, torch.device("cpu")), 0)
            for name, tensor in vars(expected).items():
                assert torch.equal(getattr(views, name), tensor), name
            count += 1
        assert count


def test_more_processes_than_training_videos(penn_folder: Path) -> None:
    data = AlignmentDataModule(penn_folder, "squat")
    data.trainer = SimpleNamespace(global_rank=0, world_size=5)  # type: ignore[assignment]
    with pytest.raises(InputError, match=r"trainer\.devices: 5 processes, but .* has 4 training videos"):
        data.setup()


@NO_GPU_HERE
def test_poses_are_ready_before_the_transfer(penn_folder: Path) -> None:
    data = for_gpu(penn_folder, num_frames=5)
    for views in data.train_dataloader():
        assert isinstance(views, Views)
        assert data.on_after_batch_transfer(views, 0) is views
