"""A tiny writer of TFRecord files, after the published formats; it shares no code with the reader."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tests.oracle import crc32c_oracle


def varint(value: int) -> bytes:
    value &= 2**64 - 1
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + varint(rest) if rest else bytes([low])


def message(number: int, content: bytes) -> bytes:
    """A field of a length and that many bytes."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def bytes_feature(values: Sequence[bytes]) -> bytes:
    return message(1, b"".join(message(1, value) for value in values))


def float_feature(values: Sequence[float], packed: bool = True) -> bytes:
    numbers = [struct.pack("<f", value) for value in values]
    return message(2, message(1, b"".join(numbers)) if packed else b"".join(b"\x0d" + number for number in numbers))


def int64_feature(values: Sequence[int], packed: bool = True) -> bytes:
    numbers = [varint(value) for value in values]
    return message(3, message(1, b"".join(numbers)) if packed else b"".join(b"\x08" + number for number in numbers))


def sequence_example(context: Mapping[str, bytes], lists: Mapping[str, Sequence[bytes]]) -> bytes:
    features = [message(1, message(1, key.encode()) + message(2, value)) for key, value in context.items()]
    feature_lists = [
        message(1, message(1, key.encode()) + message(2, b"".join(message(1, value) for value in values)))
        for key, values in lists.items()
    ]
    return message(1, b"".join(features)) + message(2, b"".join(feature_lists))


def masked(data: bytes) -> bytes:
    crc = crc32c_oracle(data)
    rotated = (crc >> 15) | (crc << 17) % 2**32
    return struct.pack("<I", (rotated + 0xA282EAD8) % 2**32)


def record(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    return length + masked(length) + data + masked(data)


def write_records(path: Path, records: Iterable[bytes]) -> Path:
    path.write_bytes(b"".join(map(record, records)))
    return path
