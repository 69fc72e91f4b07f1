"""One file of features: what `numpy.save` would write, and behind it a checksum."""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np

_CHECKSUM_BYTES = 4
_BLOCK = 2**20
_DAY = 24 * 3600  # seconds; nobody writes to what has not grown for so long

Part = tuple[int, int, np.ndarray]
"""The features (m, F) of m frames: which copy of the video, the first of the frames, and the features."""


def write_features(file: Path, shape: tuple[int, int, int], parts: Iterable[Part]) -> None:
    """Writes features part by part; the file appears under its name once it is complete.

    Args:
        file: where to.
        shape: copies of the video, its frames n, and F.
        parts: in any order; together they are all of the array. They are kept in float16.

    Raises:
        OSError: the file cannot be written. Whatever is raised, no part of it stays.
    """
    unfinished = file.with_suffix(f".{os.getpid()}.partial")
    try:
        with unfinished.open("w+b") as stream:
            header = {"descr": "<f2", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(stream, header)
            array = stream.tell()
            for copy, start, features in parts:
                stream.seek(array + 2 * shape[2] * (shape[1] * copy + start))
                stream.write(features.astype("<f2").tobytes())
            stream.seek(0)
            stream.write(_checksum(stream, array + 2 * int(np.prod(shape))))
        unfinished.replace(file)
    finally:
        unfinished.unlink(missing_ok=True)


def remove_left_behind(folder: Path) -> None:
    """Removes the parts of files that a process which was killed left, once they are a day old."""
    for unfinished in folder.glob("*.partial"):
        with suppress(FileNotFoundError):  # another process came first
            if time.time() - unfinished.stat().st_mtime > _DAY:
                unfinished.unlink()


def is_sound(file: Path) -> bool:
    """False where a file is missing, cut short or not what was written: it is read to its end, about 1 GB a second."""
    try:
        with file.open("rb") as stream:
            length = os.fstat(stream.fileno()).st_size - _CHECKSUM_BYTES
            return length > 0 and _checksum(stream, length) == stream.read()
    except FileNotFoundError:
        return False


def map_features(file: Path) -> np.ndarray:
    """Features (copies, n, F) float16, mapped from disk.

    Raises:
        OSError: the file is missing or cannot be read.
        ValueError: it is cut short or no such file. Whether all its bytes are right, only `is_sound` tells.
    """
    try:
        features: np.ndarray = np.load(file, mmap_mode="r", allow_pickle=False)
    except OSError:
        raise
    except Exception as error:  # NumPy raises a dozen kinds on a damaged header, from SyntaxError to TokenError
        raise ValueError(f"damaged ({error})") from error
    return features


def _checksum(stream: BinaryIO, length: int) -> bytes:
    """The CRC-32 of the next bytes."""
    checksum = 0
    while length > 0 and (block := stream.read(min(_BLOCK, length))):
        checksum = zlib.crc32(block, checksum)
        length -= len(block)
    return checksum.to_bytes(_CHECKSUM_BYTES, "little")
