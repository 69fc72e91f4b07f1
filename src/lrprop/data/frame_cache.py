"""Decoded frames on disk, for training that reads the images of every video in every epoch."""

from __future__ import annotations

import hashlib
import logging
import math
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from torchvision.transforms import v2

from lrprop.data.frames import frame_files
from lrprop.data.video import UnreadableVideoError, Video
from lrprop.errors import InputError

FORMAT = 1  # raise it when what a file holds changes, so that older files are not read
MARGIN = 256 / 224  # the usual ratio of an image before and after it is cropped
CHUNK = 64  # frames decoded at once
UNFINISHED = 60  # seconds after which nobody writes to a file any more

_log = logging.getLogger("lrprop")


@dataclass(frozen=True)
class FrameCache:
    """A folder of decoded videos, one file a video, made when a video is first read.

    Frames are kept smaller than they are: their shorter side is 8/7 of that of the images that are cut from them, as is
    the custom (256 pixels for images of 224). A crop of 40 % of a square frame is then enlarged to the image by up to
    1.6, by less in wide frames. Smaller frames are kept as they are. Images made from cached frames are not bit for bit
    those from the video; but they are the same whether a video is in the cache or found no room in it.

    A file is known by its video's path, size and time of modification, so a changed video is read anew. It is written
    under another name first, and mapped from disk, so that a view reads only its own frames. Several processes and runs
    may share the folder. Where the limit would be passed, the least recently used files go; but none that was used
    since this run began, which would be needed again in its next epoch: a video without room is decoded every time.

    Attributes:
        folder: where the files lie.
        image_size: side of the square images that are cut from the frames, in pixels.
        limit: bytes that all files together may have.
        began: when the run began, in seconds since the epoch.
    """

    folder: Path
    image_size: int
    limit: int
    began: float = field(default_factory=time.time)

    def read(self, video: Video, steps: Sequence[int] | np.ndarray | None = None) -> np.ndarray:
        """As `Video.read`, of the smaller frames.

        Raises:
            UnreadableVideoError: as `Video.read`.
            InputError: the folder cannot be written.
        """
        file = self._file(video)
        frames = self._mapped(file, video)
        if frames is None and self._write(file, video):
            frames = self._mapped(file, video)
        if frames is None:
            return self._shrunk(video.read(steps))
        return np.array(frames if steps is None else frames[np.asarray(steps)])

    def _file(self, video: Video) -> Path:
        try:
            files = frame_files(video.path) if video.path.is_dir() else [video.path]
            states = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]
        except (OSError, InputError) as error:
            raise UnreadableVideoError(f"{video.path}: cannot be read ({error}); check the path", video.id) from error
        key = (FORMAT, self.image_size, str(video.path.resolve()), states)
        return self.folder / f"{video.path.stem}-{hashlib.sha256(repr(key).encode()).hexdigest()[:20]}.frames.npy"

    def _mapped(self, file: Path, video: Video) -> np.ndarray | None:
        """Frames (n, H, W, 3); None where they are not there, or are damaged."""
        try:
            frames: np.memmap = np.lib.format.open_memmap(file, mode="r")
            is_sound = file.stat().st_size == frames.offset + frames.nbytes
        except FileNotFoundError:
            return None
        except Exception:  # NumPy raises a dozen kinds on a damaged header, from SyntaxError to TokenError
            is_sound = False
        if not (is_sound and frames.dtype == np.uint8 and frames.shape[:1] + frames.shape[3:] == (video.n, 3)):
            _log.warning("frame cache %s: damaged; it is made anew", file)
            return None
        with suppress(OSError):  # another user's file, or one that was just deleted, stays mapped
            os.utime(file, (now := time.time(), now))
        return frames

    def _write(self, file: Path, video: Video) -> bool:
        """Whether there was room."""
        shape = (video.n, *self._shrunk(video.read([0])).shape[1:])
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if not self._make_room(math.prod(shape)):
                return False
            unfinished = file.with_suffix(f".{os.getpid()}.partial")
            try:
                with unfinished.open("wb") as stream:
                    self._write_frames(stream, video, shape)
                unfinished.replace(file)
            finally:
                unfinished.unlink(missing_ok=True)
        except OSError as error:
            raise InputError(
                f"data.frame_cache={self.folder}: cannot be written ({error.strerror}); give a folder that can be "
                "written, on a disk with room for data.frame_cache_gb"
            ) from error
        return True

    def _write_frames(self, stream: BinaryIO, video: Video, shape: tuple[int, ...]) -> None:
        np.lib.format.write_array_header_1_0(stream, {"descr": "|u1", "fortran_order": False, "shape": shape})
        stream.truncate(stream.tell() + math.prod(shape))  # at once, for others to see that the room is taken
        for frames in video.chunks(CHUNK):
            stream.write(self._shrunk(frames).tobytes())

    def _make_room(self, size: int) -> bool:
        """Deletes the least recently used files until one of the size fits; False where it never will in this run."""
        states = []
        for path in self.folder.glob("*.frames.*"):
            with suppress(FileNotFoundError):  # another process made room
                states.append((path.stat(), path))
        total = size + sum(state.st_size for state, _ in states)
        for state, path in sorted(states, key=lambda entry: entry[0].st_mtime):
            if total <= self.limit or state.st_mtime > self.began - UNFINISHED:
                break
            path.unlink(missing_ok=True)
            total -= state.st_size
        return total <= self.limit

    def _shrunk(self, frames: np.ndarray) -> np.ndarray:
        height, width = frames.shape[1:3]
        scale = self.image_size * MARGIN / min(height, width)
        if scale >= 1:
            return frames
        images = torch.from_numpy(frames).permute(0, 3, 1, 2)
        resized = v2.functional.resize(images, [round(height * scale), round(width * scale)], antialias=True)
        return resized.permute(0, 2, 3, 1).contiguous().numpy()
