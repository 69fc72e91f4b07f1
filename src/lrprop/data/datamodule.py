"""The data module: from a folder on disk to batches of views and whole videos."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Callable
from operator import itemgetter
from pathlib import Path
from typing import Literal

import lightning.pytorch as pl
import numpy as np
import torch
from torch import Tensor

from lrprop.batch import Views
from lrprop.data.datasets import DecodedViews, TrainingViews, ViewsLoader, WholeVideos, join_loaded
from lrprop.data.feature_bank import FeatureBank
from lrprop.data.frame_cache import FrameCache
from lrprop.data.images import ImageAugmentation
from lrprop.data.inputs import FeatureInputs, Inputs, PixelInputs, PoseInputs
from lrprop.data.poses import PoseAugmentation
from lrprop.data.problems import Skipped
from lrprop.data.sampling import TemporalSampling, VideoBatches, longest_first
from lrprop.data.sources import Input, find_videos
from lrprop.data.video import Split, UnreadableVideoError, Video
from lrprop.errors import InputError

_log = logging.getLogger("lrprop")


class AlignmentDataModule(pl.LightningDataModule):
    """Videos of one action, split into training, tune and val; "val" is the paper's test split.

    Args:
        root: a folder of videos, or the root of Penn Action; recognised by its layout.
        action: the action, which chooses among the videos of Penn Action, where "all" stands for all 13.
        input: what is read of a video; "auto": poses where there are joints, else pixels. "pixels" reads the images of
            Penn Action, in its `frames/`.
        num_frames: T, the frames of a training view.
        region: how long a part of a video a view is drawn from; see `TemporalSampling`.
        max_region_ratio: how much longer than its frames that part may be.
        videos_per_batch: P, videos a batch, two views each.
        tune_fraction: share of the training videos held out as "tune", on which choices are made; 0 for none.
        val_fraction: share held out as "val" where the data set brings no split.
        split_seed: seed of the splits that are drawn and of the loose clips; apart from `seed`, so that runs share
            them.
        seed: seed of the views.
        image_size: side of the square images, in pixels.
        pose_augmentation: random changes of poses.
        bank: folder of the feature bank, which all methods, seeds and sweeps share.
        bank_copies: K, augmented copies of each training video in the feature bank.
        frame_cache: folder of decoded frames, for images that are read in every epoch, which the feature bank spares;
            None decodes the videos each time. See `FrameCache` for what it changes.
        frame_cache_gb: what the folder may take, in GB.
        workers: processes that load batches; 0 loads in the main process.
        on_error: what an unreadable video does: "fail" ends the run with one error that names the file; "skip" names
            it once in a warning and goes on. One found when the videos are listed is left out before any split is
            drawn, one found by the feature bank leaves its split. One found later is left out of evaluation, and in a
            training batch the next readable video of its action takes its place.

    Attributes:
        videos: those of all splits, by id.
        skipped: the unreadable videos; None where they are errors.

    Raises:
        InputError: on `setup`, for whatever is wrong with the data, naming the file.
    """

    def __init__(
        self,
        root: Path,
        action: str,
        input: Input = "auto",
        num_frames: int = 80,
        region: Literal["crop", "whole"] = "crop",
        max_region_ratio: float = 1.5,
        videos_per_batch: int = 2,
        tune_fraction: float = 0.0,
        val_fraction: float = 0.3,
        split_seed: int = 0,
        seed: int = 0,
        image_size: int = 224,
        pose_augmentation: PoseAugmentation = PoseAugmentation(),  # noqa: B008 (frozen)
        bank: Path = Path("data/features"),
        bank_copies: int = 4,
        frame_cache: Path | None = None,
        frame_cache_gb: float = 10.0,
        workers: int = 0,
        on_error: Literal["fail", "skip"] = "fail",
    ) -> None:
        super().__init__()
        self.allow_zero_length_dataloader_with_multiple_devices = True  # few videos, many processes
        if videos_per_batch < 2:
            raise InputError(f"data.videos_per_batch={videos_per_batch}: a batch needs at least 2 videos to align.")
        if not 1 <= max_region_ratio < math.inf:
            raise InputError(f"data.max_region_ratio={max_region_ratio}: a region holds the frames drawn; give >= 1.")
        if num_frames < 2:
            raise InputError(f"data.num_frames={num_frames}: a view needs at least 2 frames.")
        if bank_copies < 1:
            raise InputError(f"data.bank_copies={bank_copies}: training needs at least 1 augmented copy of a video.")
        if not frame_cache_gb > 0:
            raise InputError(f"data.frame_cache_gb={frame_cache_gb}: give a positive number, or data.frame_cache=null.")
        self.root, self.action, self.input = Path(root), action, input
        self.sampling = TemporalSampling(num_frames, region, max_region_ratio)
        self.videos_per_batch, self.seed, self.workers = videos_per_batch, seed, workers
        self.split_seed, self.val_fraction, self.tune_fraction = split_seed, val_fraction, tune_fraction
        self.image_augmentation = ImageAugmentation(image_size)
        self.pose_augmentation = pose_augmentation
        self.bank_folder, self.bank_copies = Path(bank), bank_copies
        self.frame_cache: FrameCache | None = None
        if frame_cache is not None:
            self.frame_cache = FrameCache(Path(frame_cache), image_size, int(1e9 * frame_cache_gb))
        self.videos: list[Video] = []
        self.skipped = Skipped() if on_error == "skip" else None

    def setup(self, stage: str | None = None) -> None:
        """Finds the videos, once."""
        if self.videos:
            return
        self.videos = find_videos(
            self.root,
            self.action,
            input=self.input,
            seed=self.split_seed,
            val_fraction=self.val_fraction,
            tune_fraction=self.tune_fraction,
            problems=self.skipped,
        )
        self._check_batch()
        if (processes := self._place[1]) > (count := len(self.split("train"))):
            raise InputError(f"trainer.devices: {processes} processes, but {self.root} has {count} training videos.")
        if stage == "fit":
            self._warn_of_padding()
        self.inputs: Inputs = PixelInputs(self.image_augmentation, self.frame_cache)
        if self.videos[0].poses is not None:
            self.inputs = PoseInputs(self.pose_augmentation)

    def _check_batch(self) -> None:
        action, count = min(Counter(video.action for video in self.split("train")).items(), key=itemgetter(1))
        if self.videos_per_batch > count:
            raise InputError(
                f"data.videos_per_batch={self.videos_per_batch}, but {self.root} has {count} training videos of "
                f"{action}; lower it or add videos."
            )

    def _warn_of_padding(self) -> None:
        """Positions run from 0 to T - 1 over a whole video, but no further than n - 1 in views of a shorter one."""
        longest = max(video.n for video in self.split("train"))
        if self.sampling.num_frames > longest:
            _log.warning(
                f"data.num_frames={self.sampling.num_frames}, but the longest training video has {longest} frames: "
                "every view is padded, and evaluation gives frames positions that training never sees. Give "
                f"data.num_frames={longest} or less."
            )

    def use_feature_bank(
        self, encoder: str, extract: Callable[[Tensor], np.ndarray], device: torch.device | str = "cpu"
    ) -> None:
        """From now on, features of a frozen frame encoder stand for the pixels; what is missing is computed.

        Args:
            encoder: a name of the frame encoder and its weights, part of the bank's key.
            extract: from images (n, 3, H, W) uint8 to features (n, F).
            device: where the images are made.
        """
        bank = FeatureBank(self.bank_folder, encoder, self.image_augmentation, self.bank_copies, device=device)
        while not self._reads_all_videos(lambda: bank.build(self.videos, extract)):
            pass  # again, without the video that is left out now
        self.inputs = FeatureInputs(bank)

    def _reads_all_videos(self, work: Callable[[], None]) -> bool:
        """Whether the work got to its end; if not, the data set has one unreadable video less."""
        try:
            work()
        except UnreadableVideoError as error:
            if self.skipped is None:
                raise
            self.skipped.append(str(error), error.id)
            self.videos = [video for video in self.videos if video.id != error.id]
            self._check_batch()
            return False
        return True

    @property
    def has_feature_bank(self) -> bool:
        """True once features stand for the pixels."""
        return isinstance(self.inputs, FeatureInputs)

    def split(self, name: Split) -> list[Video]:
        """The videos of a split, in id order."""
        return [video for video in self.videos if video.split == name]

    @property
    def evaluated_sets(self) -> dict[str, WholeVideos]:
        """What evaluation embeds, in the order of its loaders.

        Each split by its name, and those held out from training a second time, loose, as "val/loose" and "tune/loose".
        """
        splits: tuple[Split, ...] = ("train", "val", "tune")
        videos = {name: self.split(name) for name in splits if self.split(name)}
        trimmed = {name: WholeVideos(videos[name], self.inputs, skipped=self.skipped) for name in videos}
        loose = {
            f"{name}/loose": WholeVideos(videos[name], self.inputs, self.split_seed, self.skipped)
            for name in videos
            if name != "train"
        }
        return trimmed | loose

    def train_dataloader(self) -> ViewsLoader:
        """Batches of 2P views."""
        videos = self.split("train")
        actions = [video.action for video in videos]
        batches = VideoBatches(actions, self.videos_per_batch, self.seed, self._progress, *self._place)
        on_gpu = self.trainer is not None and self.trainer.strategy.root_device.type != "cpu"
        return ViewsLoader(
            TrainingViews(videos, self.inputs, self.sampling, self.seed, self.skipped, decoded_only=on_gpu),
            pin_memory=on_gpu,
            batch_sampler=batches,
            collate_fn=join_loaded,
            num_workers=self.workers,
            persistent_workers=self.workers > 0,
        )

    def on_after_batch_transfer(self, batch: Views, dataloader_idx: int) -> Views:
        """What is left to do on a GPU: the augmentation of pixels."""
        if isinstance(batch, DecodedViews):
            assert isinstance(self.inputs, PixelInputs)
            return batch.augmented(self.inputs)
        return batch

    def val_dataloader(self) -> list[ViewsLoader]:
        """Whole videos, one a batch, the longest first; a loader for each of `evaluated_sets`.

        Several processes have a part of them each.
        """
        return [self._loader(videos) for videos in self.evaluated_sets.values()]

    def test_dataloader(self) -> list[ViewsLoader]:
        """As for validation: "val" is the paper's test split."""
        return self.val_dataloader()

    def predict_dataloader(self) -> ViewsLoader:
        """Every video, whole."""
        return self._loader(WholeVideos(self.videos, self.inputs, skipped=self.skipped))

    def _loader(self, videos: WholeVideos) -> ViewsLoader:
        rank, processes = self._place
        mine = longest_first([video.n for video in videos.videos], rank, processes)
        return ViewsLoader(videos, processes > 1, sampler=mine, collate_fn=join_loaded, num_workers=self.workers)

    def _progress(self) -> tuple[int, int]:
        """The epoch, and how many of its batches are done; without a trainer, as in a notebook, it is the first one."""
        if self.trainer is None:
            return 0, 0
        return self.trainer.current_epoch, self.trainer.fit_loop.epoch_loop.batch_progress.current.ready

    @property
    def _place(self) -> tuple[int, int]:
        """Which of the trainer's processes this is, and how many there are."""
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
