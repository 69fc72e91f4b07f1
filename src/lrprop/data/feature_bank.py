"""Features of a frozen frame encoder, computed once: one plain and K augmented copies of every training video."""

from __future__ import annotations

import hashlib
import logging
import math
import shutil
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import islice, zip_longest
from pathlib import Path

import numpy as np
import torch
from rich.progress import Progress, TimeRemainingColumn
from torch import Tensor

from lrprop.data.feature_file import Part, is_sound, map_features, remove_left_behind, write_features
from lrprop.data.frames import frame_files
from lrprop.data.images import ImageAugmentation
from lrprop.data.video import UnreadableVideoError, Video
from lrprop.errors import InputError

FORMAT = 4  # raise it when what a file holds changes, so that older files are not read
CHUNK = 80  # frames decoded at once; a multiple of those that pass through a frame encoder at once

log = logging.getLogger(__name__)

Extract = Callable[[Tensor], np.ndarray]
"""From images (m, 3, H, W) uint8 to features (m, F)."""
Images = tuple[int, int, Tensor]
"""The images (m, 3, H, W) of m frames: which copy of their video, the first of the frames, and the images."""


@dataclass(frozen=True)
class FeatureBank:
    """A folder of features, one file a video, named by all that its content depends on.

    A file's name holds a digest of the video's bytes and of every setting, so a changed video or setting never reads
    old features, and whatever changes none of them, another method, another seed, shares the files. An interrupted
    build goes on behind the last video that it finished.

    Every file ends with a checksum. `build` verifies all files that it finds and computes damaged ones anew, which
    takes a second a GB; `read`, in every training step, only compares sizes.

    Attributes:
        folder: where the files lie.
        encoder: a name of the frame encoder and its weights.
        augmentation: makes the plain and the augmented images.
        copies: K, augmented copies of a training video.
        seed: seed of the augmentations.
        device: where images are made.
    """

    folder: Path
    encoder: str
    augmentation: ImageAugmentation
    copies: int = 4
    seed: int = 0
    device: torch.device | str = "cpu"
    _contents: dict[str, bytes] = field(default_factory=dict, init=False, repr=False, compare=False)

    def build(self, videos: Sequence[Video], extract: Extract) -> None:
        """Computes what is missing or damaged, with a progress bar, after saying how much that will be.

        The images of the next `CHUNK` frames are made in the background while the frame encoder runs; longer videos
        take no more memory.

        Args:
            videos: the videos to hold; training videos get K augmented copies besides the plain one.
            extract: from images (m, 3, H, W) uint8 to features (m, F).

        Raises:
            InputError: a video cannot be read, or the folder cannot be written or has no room.
        """
        self._contents.clear()  # a video may have changed since the last build
        missing = [video for video in videos if not self._is_there(video)]
        if not missing:
            return
        blank = torch.zeros(1, 3, self.augmentation.size, self.augmentation.size, dtype=torch.uint8)
        num_features = extract(blank).shape[1]
        size = sum(2 * video.n * num_features * self._rows(video) for video in missing)
        log.info(
            f"Feature bank: {len(missing)} of {len(videos)} videos to compute, "
            f"up to {max(map(self._rows, missing))} images a frame, about {size / 1e6:.0f} MB more in {self.folder}"
        )
        with _writing_to(self.folder, size), closing(_ahead(self._images(missing))) as images:
            self._write(missing, images, extract, num_features)

    def read(self, video: Video) -> np.ndarray:
        """Features (1 + K, n, F) float16 of a training video, (1, n, F) of others, mapped from disk; the plain first.

        Raises:
            InputError: if the file is missing or has another size than it should.
        """
        file = self._file(video)
        try:
            features = map_features(file)
        except (OSError, ValueError, EOFError) as error:
            raise InputError(f"feature file {file}: {error}; run again to compute it anew.") from error
        if features.ndim != 3 or features.shape[:2] != (self._rows(video), video.n):
            raise InputError(
                f"feature file {file}: its shape {features.shape} does not fit the {video.n} frames of {video.path}; "
                "delete it and run again to compute it anew."
            )
        return features

    def _is_there(self, video: Video) -> bool:
        file = self._file(video)
        if not file.is_file():
            return False
        if not is_sound(file):
            log.warning(f"feature file {file}: damaged; it is computed anew")
            return False
        return True

    def _write(self, videos: Sequence[Video], images: Iterator[Images], extract: Extract, num_features: int) -> None:
        columns = (*Progress.get_default_columns()[:-1], TimeRemainingColumn(elapsed_when_finished=True))
        with Progress(*columns) as progress:
            task = progress.add_task("Feature bank", total=sum(map(self._parts, videos)))
            for video in videos:
                parts = _encoded(islice(images, self._parts(video)), extract, lambda: progress.advance(task))
                write_features(self._file(video), (self._rows(video), video.n, num_features), parts)

    def _images(self, videos: Sequence[Video]) -> Iterator[Images]:
        """What the frame encoder has to see, video by video, the copies of a chunk of frames one after another."""
        for video in videos:
            for start, frames in _chunks(video):
                frames_on_device = torch.from_numpy(frames).to(self.device)
                yield 0, start, self.augmentation.plain(frames_on_device)
                for copy in range(1, self._rows(video)):
                    # The content, not the video's place in the data set, decides the draw: a file's name tells what is
                    # in it. Every chunk of a copy repeats the draw: it is one augmentation for the whole video.
                    rng = np.random.default_rng((self.seed, copy - 1, *self._content(video)[:8]))
                    yield copy, start, self.augmentation.augmented(frames_on_device, rng)

    def _parts(self, video: Video) -> int:
        return math.ceil(video.n / CHUNK) * self._rows(video)

    def _rows(self, video: Video) -> int:
        return 1 + (self.copies if video.split == "train" else 0)

    def _file(self, video: Video) -> Path:
        settings = (FORMAT, self.encoder, self.augmentation.size, self._rows(video) - 1, self.seed)
        digest = hashlib.sha256(repr(settings).encode() + self._content(video)).hexdigest()[:20]
        return self.folder / f"{video.path.stem}-{digest}.npy"

    def _content(self, video: Video) -> bytes:
        """The digest of a video's bytes, as the last build found them."""
        if video.id not in self._contents:
            try:
                self._contents[video.id] = _digest(video.path)
            except (InputError, OSError) as error:
                raise UnreadableVideoError(f"{video.path}: cannot be read ({error}).", video.id) from error
        return self._contents[video.id]


def _chunks(video: Video) -> Iterator[tuple[int, np.ndarray]]:
    """The first step and the frames of every chunk."""
    for start, frames in zip_longest(range(0, video.n, CHUNK), video.chunks(CHUNK)):
        if start is None or frames is None or len(frames) != min(CHUNK, video.n - start):
            problem = f"{video.path}: has other than the {video.n} frames that it was found with; run again."
            raise UnreadableVideoError(problem, video.id)
        yield start, frames


def _ahead(items: Iterator[Images], count: int = 2) -> Generator[Images, None, None]:
    """The same items, made in the background, up to `count` of them before they are asked for.

    It is one thread, whatever the machine: the augmentations draw from torch's only generator, one after another.
    """
    with ThreadPoolExecutor(1) as background:
        coming = deque(background.submit(next, items, None) for _ in range(count))
        while item := coming.popleft().result():
            coming.append(background.submit(next, items, None))
            yield item


def _encoded(images: Iterable[Images], extract: Extract, advance: Callable[[], None]) -> Iterator[Part]:
    for copy, start, chunk in images:
        yield copy, start, extract(chunk)
        advance()


@contextmanager
def _writing_to(folder: Path, size: int) -> Iterator[None]:
    """Makes the folder; a full disk, or one that refuses to be written, is one clear error."""
    remedy = "give data.bank a folder that can be written, on a disk with room"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        remove_left_behind(folder)
        free = shutil.disk_usage(folder).free
        if free < size:
            raise InputError(
                f"data.bank={folder}: {size / 1e6:.0f} MB are to be written, {free / 1e6:.0f} MB are free; {remedy}."
            )
        yield
    except OSError as error:
        raise InputError(f"data.bank={folder}: cannot be written ({error.strerror}); {remedy}.") from error


def _digest(path: Path) -> bytes:
    """SHA-256 of a file, or of all frames of a folder."""
    digest = hashlib.sha256()
    for file in frame_files(path) if path.is_dir() else [path]:
        with file.open("rb") as stream:
            while block := stream.read(2**20):
                digest.update(block)
    return digest.digest()
