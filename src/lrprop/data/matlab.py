"""MATLAB's .mat files of version 5, as far as data sets use them: arrays of numbers, and text.

SciPy reads far more of the format, but some damaged files crash it, and Python with it. The format is that of "MAT-File
Format" (The MathWorks), chapter 1: a header of 128 bytes, then elements, each a tag (type, number of bytes) and data.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Collection, Iterator
from itertools import islice
from pathlib import Path

import numpy as np

_HEADER = 128
_MATRIX, _COMPRESSED = 14, 15
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_TEXT = {1: "utf-8", 2: "utf-8", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
_CHARACTERS = 4  # the class of arrays of text
_NUMERIC = range(6, 16)  # the classes of arrays of numbers, from double to uint64
_COMPLEX = 0x800
_LARGEST = 2**26  # bytes of one variable, so that a small file cannot take all memory


def read_mat(path: Path, names: Collection[str]) -> dict[str, np.ndarray | str]:
    """Read variables of a .mat file.

    Args:
        path: the file.
        names: the variables to read; others are not looked at.

    Returns:
        Those of the variables that are there: arrays of real numbers, with the numbers' type in the file, and text.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no .mat file of version 5, damaged, or one of the variables is neither numbers nor text.
    """
    data = path.read_bytes()
    order = {b"IM": "<", b"MI": ">"}.get(data[126:128])
    if order is None or struct.unpack(order + "H", data[124:126])[0] != 0x100:
        raise ValueError("it is no MAT-file of version 5")
    found = {}
    for kind, content in _elements(data[_HEADER:], order, padded=False):
        if kind == _COMPRESSED:
            kind, content = next(_elements(_inflated(content), order), (0, b""))
        if kind == _MATRIX:
            parts = _elements(content, order)
            flags, shape, name = _description(parts, order)
            if name in names:
                found[name] = _value(flags, shape, next(parts, None), order)
    return found


def _elements(data: bytes, order: str, padded: bool = True) -> Iterator[tuple[int, bytes]]:
    """Type and content of each element; inside of others they are padded to 8 bytes, on top they have whole tags."""
    at = 0
    while at < len(data):
        if at + 8 > len(data):
            raise ValueError("it is cut short")
        kind, size = struct.unpack_from(order + "II", data, at)
        start, end = at + 8, at + 8 + size
        if kind >> 16:  # a short element: both in one word, and the content in the other
            kind, size = kind & 0xFFFF, kind >> 16
            start, end = at + 4, at + 4 + min(size, 4)
        if end > len(data):
            raise ValueError("it is cut short")
        yield kind, data[start:end]
        at = end + (-end % 8 if padded or kind != _COMPRESSED else 0)


def _inflated(content: bytes) -> bytes:
    stream = zlib.decompressobj()
    try:
        data = stream.decompress(content, _LARGEST)
    except zlib.error as error:
        raise ValueError(f"a compressed variable is damaged, {error}") from error
    if stream.unconsumed_tail:
        raise ValueError(f"a compressed variable has more than {_LARGEST} bytes")
    return data  # whole or not: MATLAB leaves out the end mark where a variable just fills its buffer


def _description(parts: Iterator[tuple[int, bytes]], order: str) -> tuple[int, tuple[int, ...], str]:
    """Flags and class, dimensions and name of a variable, the first three parts of it."""
    described = [content for _, content in islice(parts, 3)]
    if len(described) < 3 or len(described[0]) != 8 or len(described[1]) < 8 or len(described[1]) % 4:
        raise ValueError("a variable is not described")
    shape = tuple(int(size) for size in np.frombuffer(described[1], order + "i4"))
    return struct.unpack_from(order + "I", described[0])[0], shape, described[2].decode("latin-1")


def _value(flags: int, shape: tuple[int, ...], part: tuple[int, bytes] | None, order: str) -> np.ndarray | str:
    kind, content = part or (0, b"")
    if flags & 0xFF == _CHARACTERS and kind in _TEXT:
        endian = "" if "8" in _TEXT[kind] else "-le" if order == "<" else "-be"
        return content.decode(_TEXT[kind] + endian)
    if flags & 0xFF not in _NUMERIC or flags & _COMPLEX or kind not in _NUMBERS:
        raise ValueError("a variable is neither real numbers nor text")
    numbers = np.frombuffer(content, order + _NUMBERS[kind])
    if min(shape) < 0 or math.prod(shape) != len(numbers):
        raise ValueError(f"a variable has {len(numbers)} numbers where its size is {shape}")
    return numbers.reshape(shape, order="F").astype(numbers.dtype.newbyteorder("="))
