"""Features of a frozen frame encoder, computed once: one plain and K augmented copies of every training video."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from rich.progress import track
from torch import Tensor

from lrprop.data.frames import frame_files
from lrprop.data.images import ImageAugmentation
from lrprop.data.video import Video
from lrprop.errors import InputError

FORMAT = 3  # raise it when what a file holds changes, so that older files are not read


@dataclass(frozen=True)
class FeatureBank:
    """A folder of features, one file a video, named by all that its content depends on.

    A file's name holds a digest of the video's bytes and of every setting, so a changed video or setting never reads
    old features. A file is written under another name first: an interrupted build goes on where it stopped, and no
    half-written file is ever read.

    Attributes:
        folder: where the files lie.
        encoder: a name of the frame encoder and its weights.
        augmentation: makes the plain and the augmented images.
        copies: K, augmented copies of a training video.
        seed: seed of the augmentations.
    """

    folder: Path
    encoder: str
    augmentation: ImageAugmentation
    copies: int = 4
    seed: int = 0

    def build(self, videos: Iterable[Video], extract: Callable[[Tensor], np.ndarray]) -> None:
        """Computes what is missing, with a progress bar.

        Args:
            videos: the videos to hold; training videos get K augmented copies besides the plain one.
            extract: from images (n, 3, H, W) uint8 to features (n, F).
        """
        missing = [video for video in videos if not self._file(video).is_file()]
        self.folder.mkdir(parents=True, exist_ok=True)
        for video in track(missing, description="Feature bank", disable=not missing):
            self._write(video, extract)

    def read(self, video: Video) -> np.ndarray:
        """Features (1 + K, n, F) float16 of a training video, (1, n, F) of others, mapped from disk; the plain first.

        Raises:
            InputError: if the file is missing or damaged.
        """
        file = self._file(video)
        try:
            features: np.ndarray = np.load(file, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise InputError(f"feature file {file}: {error}; delete it and run again to compute it anew.") from error
        if features.ndim != 3 or features.shape[:2] != (1 + self._copies_of(video), video.n):
            raise InputError(
                f"feature file {file}: its shape {features.shape} does not fit the {video.n} frames of {video.path}; "
                "delete it and run again to compute it anew."
            )
        return features

    def _copies_of(self, video: Video) -> int:
        return self.copies if video.split == "train" else 0

    def _file(self, video: Video) -> Path:
        settings = (FORMAT, self.encoder, self.augmentation.size, self._copies_of(video), self.seed)
        content = _content_digest(video.path)
        digest = hashlib.sha256(repr(settings).encode() + content).hexdigest()[:20]
        return self.folder / f"{video.path.stem}-{digest}.npy"

    def _write(self, video: Video, extract: Callable[[Tensor], np.ndarray]) -> None:
        frames = video.read()
        copies = [extract(self.augmentation.plain(frames))]
        for copy in range(self._copies_of(video)):
            # The content, not the video's place in the data set, decides the draw: a file's name tells what is in it.
            content = _content_digest(video.path)
            rng = np.random.default_rng((self.seed, copy, *content[:8]))
            copies.append(extract(self.augmentation.augmented(frames, rng)))
        file = self._file(video)
        unfinished = file.with_suffix(f".{os.getpid()}.partial")
        with unfinished.open("wb") as stream:
            np.save(stream, np.stack(copies).astype(np.float16))
        unfinished.replace(file)


def _content_digest(path: Path) -> bytes:
    """SHA-256 of a file or of all frames of a folder, computed again only when one was modified."""
    files = frame_files(path) if path.is_dir() else [path]
    return _digest(tuple((file, file.stat().st_mtime_ns) for file in files))


@cache
def _digest(files: tuple[tuple[Path, int], ...]) -> bytes:
    digest = hashlib.sha256()
    for file, _ in files:
        digest.update(file.read_bytes())
    return digest.digest()
