"""Folders of frames: a video that is kept as one image a frame, and is read like a video file.

root/train/pour/000001.jpg ...   the frames, in natural order: 2.jpg comes before 10.jpg
root/train/pour.csv              its labels, as beside a video file
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps

from lrprop.data.videofile import SUFFIXES as VIDEO_SUFFIXES
from lrprop.data.videofile import VideoInfo
from lrprop.errors import InputError

SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})
"""Lower-case suffixes of the images that are taken for frames."""

FPS = 30.0
"""Images state no frame rate; this one only sets the speed of drawings."""

_DEEP_MODES = ("I", "F")  # and "I;16", "I;16B", ...: more than 8 bits, which Pillow would clip and not scale
_SIDEWAYS = (5, 6, 7, 8)  # the EXIF orientations that swap height and width
_REMEDY = "copy the image again, or take its folder out of the data set"


def frame_folders(root: Path) -> Iterator[Path]:
    """The folders of frames below a folder: those that hold images, and neither videos nor folders.

    Hidden files and folders are left out, and links to folders are not followed.
    """
    for folder, below, names in os.walk(root):
        below[:] = [name for name in below if not name.startswith(".")]
        suffixes = {Path(name).suffix.lower() for name in names if not name.startswith(".")}
        if Path(folder) != root and not below and suffixes & SUFFIXES and not suffixes & VIDEO_SUFFIXES:
            yield Path(folder)


def frame_files(folder: str | Path) -> list[Path]:
    """The images of a folder in natural order, in which numbers count by their value: 2.jpg comes before 10.jpg.

    Raises:
        InputError: the folder is missing, cannot be read or holds no image.
    """
    folder = Path(folder)
    try:
        names = [entry.name for entry in os.scandir(folder) if entry.is_file() and not entry.name.startswith(".")]
    except OSError as error:
        raise InputError(f"{folder}: cannot be listed ({error.strerror}); give a folder of frames") from error
    frames = [name for name in names if Path(name).suffix.lower() in SUFFIXES]
    if not frames:
        raise InputError(f"{folder}: has no frame; put images ({', '.join(sorted(SUFFIXES))}) in it, or delete it")
    return [folder / name for name in sorted(frames, key=_natural)]


def probe_frames(folder: str | Path) -> VideoInfo:
    """Count the frames of a folder and read their size, from the header of every image.

    Args:
        folder: a folder of images, one a frame.

    Returns:
        The number of frames, `FPS`, and height and width in pixels.

    Raises:
        InputError: there is no frame, an image cannot be read, or the images differ in size.
    """
    files = frame_files(folder)
    sizes = [frame_size(file) for file in files]
    _check_one_size(files, sizes)
    return VideoInfo(len(files), FPS, *sizes[0])


def read_frames(folder: str | Path, steps: Sequence[int] | np.ndarray | None = None) -> np.ndarray:
    """Decode frames of a folder, turned upright; only these are read.

    Args:
        folder: a folder of images, one a frame.
        steps: frame indices in [0, n), in any order, repeats allowed; None for all frames.

    Returns:
        (len(steps) or n, H, W, 3) uint8, RGB.

    Raises:
        InputError: there is no frame, or none at one of `steps`, or an image is damaged, has more than 8 bits a
            channel or another size than the others.
        ValueError: a step is negative, or `steps` is empty.
    """
    files = frame_files(folder)
    wanted = range(len(files)) if steps is None else [int(step) for step in steps]
    if not wanted or min(wanted) < 0:
        raise ValueError(f"steps must be frame indices >= 0, at least one; got {list(wanted)}")
    if max(wanted) >= len(files):
        raise InputError(
            f"{folder}: frame {max(wanted)} was asked for, but the folder has {len(files)} frames; index it again"
        )
    chosen = [files[step] for step in wanted]
    return _decoded(chosen, like=chosen[0])


def read_frame_chunks(folder: str | Path, size: int) -> Iterator[np.ndarray]:
    """Decode a folder from its first frame to its last, holding one chunk of it in memory at a time.

    Args:
        folder: a folder of images, one a frame.
        size: frames a chunk, >= 1; the last chunk may have fewer.

    Yields:
        (size, H, W, 3) uint8, RGB; joined, the chunks are `read_frames(folder)`.

    Raises:
        InputError: as `read_frames`, when the iterator comes to the bad image.
        ValueError: `size` is less than 1.
    """
    if size < 1:
        raise ValueError(f"size must be a number of frames >= 1; got {size}")
    files = frame_files(folder)
    return (_decoded(files[start : start + size], like=files[0]) for start in range(0, len(files), size))


def _decoded(files: list[Path], like: Path) -> np.ndarray:
    """The frames of some files, all of the size of one of their folder."""
    frames = [decode_frame(file) for file in files]
    _check_one_size([like, *files], [frame_size(like), *(frame.shape[:2] for frame in frames)])
    return np.stack(frames)


def decode_frame(image: Path | bytes, name: str = "") -> np.ndarray:
    """Decode one image.

    Args:
        image: a file, or its content.
        name: what errors call it; a file goes by its path.

    Returns:
        (H, W, 3) uint8, RGB, upright.

    Raises:
        InputError: the image is damaged, or has more than 8 bits a channel.
    """
    with _opened(image, name) as opened:
        upright: Image.Image = ImageOps.exif_transpose(opened)
        return np.asarray(upright.convert("RGB"))


def frame_size(image: Path | bytes, name: str = "") -> tuple[int, int]:
    """Height and width of an upright image in pixels, from its header; arguments and errors as `decode_frame`."""
    with _opened(image, name) as opened:
        sideways = opened.getexif().get(ExifTags.Base.Orientation) in _SIDEWAYS
        return opened.size if sideways else opened.size[::-1]


@contextmanager
def _opened(image: Path | bytes, name: str) -> Iterator[Image.Image]:
    name = name or str(image)
    try:
        with Image.open(io.BytesIO(image) if isinstance(image, bytes) else image) as opened:
            if opened.mode.startswith(_DEEP_MODES):
                raise InputError(f"{name}: has more than 8 bits a channel ({opened.mode}); save it with 8")
            yield opened
    except InputError:
        raise
    except Exception as error:  # Pillow raises a dozen kinds on a damaged image, from SyntaxError to struct.error
        raise InputError(f"{name}: cannot be read as an image ({error}); {_REMEDY}") from error


def _check_one_size(files: Sequence[Path], sizes: Sequence[tuple[int, ...]]) -> None:
    odd = next((k for k, size in enumerate(sizes) if size != sizes[0]), None)
    if odd is not None:
        first, other = ("x".join(map(str, sizes[k])) for k in (0, odd))
        raise InputError(
            f"{files[odd]}: is {other} pixels, but {files[0].name} is {first}; give all frames of a video one size"
        )


def _natural(name: str) -> tuple[list[str | int], str]:
    parts = re.split(r"([0-9]+)", name)
    return [int(part) if k % 2 else part.lower() for k, part in enumerate(parts)], name
