"""Videos into a folder that `read_folder` reads, the phases of each in a CSV file beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lrprop.data.copying import copy_video, with_suffix
from lrprop.data.progress import tracked
from lrprop.data.video import Video


def write_folder(videos: Sequence[Video], folder: Path, encode: bool = False) -> None:
    """Write videos into `[action/][split/]id`; there is a split where the action has videos of "val".

    Args:
        videos: what is written, their ids unique within an action.
        folder: where to; made where it is missing.
        encode: write H.264 in MP4, and not the same files.

    Raises:
        UnreadableVideoError: to encode, as `Video.chunks`.
        OSError: something cannot be copied.
    """
    has_val = {video.action for video in videos if video.split == "val"}
    for video in tracked(videos, "Converting", few=0):
        split = video.split if video.action in has_val else ""
        path = folder / video.action / split / video.id.removeprefix(f"{split}/")
        copy_video(video, path, encode)
        if video.labels is not None or video.truth is not None:
            labels = np.full(video.n, -1) if video.labels is None else video.labels
            write_labels(with_suffix(path, ".csv"), labels, video.truth)


def write_labels(path: Path, labels: Sequence[int] | np.ndarray, truth: np.ndarray | None = None) -> None:
    """Write the label file of one video.

    Args:
        path: the CSV file, beside the video and of its name.
        labels: (n,) phases, -1 where a frame has none.
        truth: (n,) canonical times in [0, 1], or None.
    """
    columns = [range(len(labels)), labels] if truth is None else [range(len(labels)), labels, truth]
    header = ",".join(("frame", "phase", "time")[: len(columns)])
    rows = [",".join(map(str, row)) for row in zip(*columns, strict=True)]
    path.write_text("\n".join([header, *rows, ""]))
