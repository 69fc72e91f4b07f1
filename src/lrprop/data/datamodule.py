"""The data module: from a folder on disk to batches of views and whole videos."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from operator import itemgetter
from pathlib import Path
from typing import Literal

import lightning.pytorch as pl
import numpy as np
from torch import Tensor
from torch.utils.data import DataLoader

from lrprop.batch import Views
from lrprop.data.datasets import TrainingViews, WholeVideos, join_views
from lrprop.data.feature_bank import FeatureBank
from lrprop.data.images import ImageAugmentation
from lrprop.data.inputs import FeatureInputs, Inputs, PixelInputs, PoseInputs
from lrprop.data.poses import PoseAugmentation
from lrprop.data.sampling import TemporalSampling, VideoBatches
from lrprop.data.sources import Input, find_videos
from lrprop.data.video import Split, Video
from lrprop.errors import InputError


class AlignmentDataModule(pl.LightningDataModule):
    """Videos of one action, split into training, tune and val; "val" is the paper's test split.

    Args:
        root: a folder of videos, or the root of Penn Action; recognised by its layout.
        action: the action, which chooses among the videos of Penn Action, where "all" stands for all 13.
        input: what is read of a video; "auto": poses where there are joints, else pixels. "pixels" reads the images of
            Penn Action, in its `frames/`.
        num_frames: T, the frames of a training view.
        region: how long a part of a video a view is drawn from; see `TemporalSampling`.
        videos_per_batch: P, videos a batch, two views each.
        tune_fraction: share of the training videos held out as "tune", on which choices are made; 0 for none.
        val_fraction: share held out as "val" where the data set brings no split.
        split_seed: seed of the splits that are drawn and of the loose clips; apart from `seed`, so that runs share
            them.
        seed: seed of the views.
        image_size: side of the square images, in pixels.
        pose_augmentation: random changes of poses.
        bank: folder of the feature bank.
        bank_copies: K, augmented copies of each training video in the feature bank.
        workers: processes that load batches; 0 loads in the main process.

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
        videos_per_batch: int = 2,
        tune_fraction: float = 0.0,
        val_fraction: float = 0.3,
        split_seed: int = 0,
        seed: int = 0,
        image_size: int = 224,
        pose_augmentation: PoseAugmentation = PoseAugmentation(),  # noqa: B008 (frozen)
        bank: Path = Path("data/features"),
        bank_copies: int = 4,
        workers: int = 0,
    ) -> None:
        super().__init__()
        if videos_per_batch < 2:
            raise InputError(f"data.videos_per_batch={videos_per_batch}: a batch needs at least 2 videos to align.")
        if num_frames < 2:
            raise InputError(f"data.num_frames={num_frames}: a view needs at least 2 frames.")
        if bank_copies < 1:
            raise InputError(f"data.bank_copies={bank_copies}: training needs at least 1 augmented copy of a video.")
        self.root, self.action, self.input = Path(root), action, input
        self.sampling = TemporalSampling(num_frames, region)
        self.videos_per_batch, self.seed, self.workers = videos_per_batch, seed, workers
        self.split_seed, self.val_fraction, self.tune_fraction = split_seed, val_fraction, tune_fraction
        self.image_augmentation = ImageAugmentation(image_size)
        self.pose_augmentation = pose_augmentation
        self.bank_folder, self.bank_copies = Path(bank), bank_copies
        self.videos: list[Video] = []

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
        )
        action, count = min(Counter(video.action for video in self.split("train")).items(), key=itemgetter(1))
        if self.videos_per_batch > count:
            raise InputError(
                f"data.videos_per_batch={self.videos_per_batch}, but {self.root} has {count} training videos of "
                f"{action}; lower it or add videos."
            )
        self.inputs: Inputs = PixelInputs(self.image_augmentation)
        if self.videos[0].poses is not None:
            self.inputs = PoseInputs(self.pose_augmentation)

    def use_feature_bank(self, encoder: str, extract: Callable[[Tensor], np.ndarray]) -> None:
        """From now on, features of a frozen frame encoder stand for the pixels; what is missing is computed.

        Args:
            encoder: a name of the frame encoder and its weights, part of the bank's key.
            extract: from images (n, 3, H, W) uint8 to features (n, F).
        """
        bank = FeatureBank(self.bank_folder, encoder, self.image_augmentation, self.bank_copies)
        bank.build(self.videos, extract)
        self.inputs = FeatureInputs(bank)

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
        trimmed = {name: WholeVideos(videos[name], self.inputs) for name in videos}
        loose = {
            f"{name}/loose": WholeVideos(videos[name], self.inputs, self.split_seed)
            for name in videos
            if name != "train"
        }
        return trimmed | loose

    def train_dataloader(self) -> DataLoader[Views]:
        """Batches of 2P views."""
        videos = self.split("train")
        # Without a trainer, as in a notebook, there is only the first epoch.
        batches = VideoBatches(
            [video.action for video in videos],
            self.videos_per_batch,
            self.seed,
            lambda: self.trainer.current_epoch if self.trainer else 0,
        )
        return DataLoader(
            TrainingViews(videos, self.inputs, self.sampling, self.seed),
            batch_sampler=batches,
            collate_fn=join_views,
            num_workers=self.workers,
            persistent_workers=self.workers > 0,
        )

    def val_dataloader(self) -> list[DataLoader[Views]]:
        """Whole videos, one a batch; a loader for each of `evaluated_sets`."""
        return [self._loader(videos) for videos in self.evaluated_sets.values()]

    def test_dataloader(self) -> list[DataLoader[Views]]:
        """As for validation: "val" is the paper's test split."""
        return self.val_dataloader()

    def predict_dataloader(self) -> DataLoader[Views]:
        """Every video, whole."""
        return self._loader(WholeVideos(self.videos, self.inputs))

    def _loader(self, videos: WholeVideos) -> DataLoader[Views]:
        return DataLoader(videos, collate_fn=join_views, num_workers=self.workers)
