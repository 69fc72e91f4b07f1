"""From files on disk to batches: sources, decoding, sampling, augmentation, the data module."""

from lrprop.data.datamodule import AlignmentDataModule
from lrprop.data.sources import find_videos, modality_of
from lrprop.data.video import Video

__all__ = ["AlignmentDataModule", "Video", "find_videos", "modality_of"]
