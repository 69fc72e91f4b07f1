"""TFRecord files of SequenceExamples, read without TensorFlow.

A file is a row of records, each `length (8 bytes), masked CRC of length (4), data, masked CRC of data (4)`, little
endian. The data is a protocol buffer, `tensorflow.SequenceExample`, of which every message is a row of fields
`number and wire type, value`. Both checksums are verified, and no length is believed before it fits the file.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar

import numpy as np

from lrprop.alignment.compiled import kernel
from lrprop.errors import InputError

Feature = list[bytes] | list[float] | list[int]
T = TypeVar("T")

_LARGEST = 2**31 - 1  # bytes; no protocol buffer may be larger
_VARINT, _FIXED64, _LENGTH_DELIMITED, _FIXED32 = 0, 1, 2, 5
_FIXED_SIZES = {_FIXED64: 8, _FIXED32: 4}
_REMEDY = "fetch the file again"


@dataclass(frozen=True)
class SequenceExample:
    """One record: a sequence and what is known of it as a whole.

    Attributes:
        context: by name, the values that hold for the whole sequence.
        feature_lists: by name, the values of every step.
    """

    context: dict[str, Feature]
    feature_lists: dict[str, list[Feature]]


def read_sequence_examples(path: Path) -> Iterator[SequenceExample]:
    """Read a TFRecord file of SequenceExamples, holding one record at a time.

    Raises:
        InputError: naming the file and the record, counted from 0: as `read_records`, or a record that is no
            SequenceExample.
    """
    for number, record in enumerate(read_records(path)):
        try:
            example = _sequence_example(memoryview(record))
        except ValueError as error:
            raise InputError(f"{path}, record {number}: is no SequenceExample ({error}); {_REMEDY}") from error
        yield example


def read_records(path: Path) -> Iterator[bytes]:
    """Read the records of a TFRecord file one at a time.

    A file that was cut exactly between two records looks complete: nothing in the format counts its records.

    Args:
        path: an uncompressed TFRecord file.

    Yields:
        The data of each record.

    Raises:
        InputError: naming the file and the record: the file is missing, empty or cut short, or a checksum is wrong.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; check the path")
    try:
        with path.open("rb") as file:
            yield from _records(path, file, path.stat().st_size)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); {_REMEDY}") from error


def crc32c(data: bytes) -> int:
    """The CRC-32C (Castagnoli) of RFC 3720, as an unsigned integer of 32 bits."""
    return int(_crc32c(np.frombuffer(data, np.uint8), _CRC_TABLE))


def masked_crc32c(data: bytes) -> int:
    """The checksum that TFRecord stores: rotated and shifted, so that a checksum of checksums stays strong."""
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _records(path: Path, file: BinaryIO, size: int) -> Iterator[bytes]:
    if size == 0:
        raise InputError(f"{path}: is empty; {_REMEDY}")
    number = 0
    while header := file.read(12):
        where = f"{path}, record {number}"
        if len(header) < 12:
            raise InputError(f"{where}: is cut short; {_REMEDY}")
        _check(where, "length", header[:8], header[8:])
        (length,) = struct.unpack("<Q", header[:8])
        if length > min(size - file.tell() - 4, _LARGEST):
            raise InputError(f"{where}: has {length} bytes, more than the file holds or than a record may; {_REMEDY}")
        data = file.read(length)
        _check(where, "data", data, file.read(4))
        yield data
        number += 1


def _check(where: str, part: str, data: bytes, stored: bytes) -> None:
    if masked_crc32c(data).to_bytes(4, "little") != stored:
        raise InputError(f"{where}: the checksum of its {part} is wrong, it is damaged or no TFRecord; {_REMEDY}")


def _crc_table() -> np.ndarray:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, table >> 1 ^ 0x82F63B78, table >> 1).astype(np.uint32)
    return table


_CRC_TABLE = _crc_table()


@kernel
def _crc32c(data: np.ndarray, table: np.ndarray) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def _sequence_example(message: memoryview) -> SequenceExample:
    example = SequenceExample({}, {})
    for features in _messages(message, 1):
        example.context.update(_map(features, _feature))
    for feature_lists in _messages(message, 2):
        example.feature_lists.update(_map(feature_lists, _feature_list))
    return example


def _map(message: memoryview, read: Callable[[memoryview], T]) -> dict[str, T]:
    """A map is a repeated message of a key (1) and a value (2), either of which may be left out where it is empty."""
    found = {}
    for entry in _messages(message, 1):
        key, value = ([memoryview(b""), *_messages(entry, number)][-1] for number in (1, 2))
        found[str(key, "utf-8")] = read(value)
    return found


def _feature_list(message: memoryview) -> list[Feature]:
    return [_feature(value) for value in _messages(message, 1)]


def _feature(message: memoryview) -> Feature:
    """One of bytes_list (1), float_list (2) and int64_list (3); an empty feature has none."""
    found: Feature = []
    for number, read in ((1, _bytes_list), (2, _float_list), (3, _int64_list)):
        for values in _messages(message, number):
            found = read(values)
    return found


def _bytes_list(message: memoryview) -> Feature:
    return [bytes(value) for value in _messages(message, 1)]


def _float_list(message: memoryview) -> Feature:
    """Packed or one field a number: either way bytes of float32."""
    values: list[float] = []
    for number, wire_type, value in _fields(message):
        if number == 1:
            if isinstance(value, int) or wire_type == _FIXED64:
                raise ValueError(f"a float32 has the wire type {wire_type}")
            values += np.frombuffer(value, "<f4").tolist()
    return values


def _int64_list(message: memoryview) -> Feature:
    """Packed or one field a number."""
    values: list[int] = []
    for number, wire_type, value in _fields(message):
        if number == 1:
            if isinstance(value, int):
                values.append(value)
            elif wire_type == _LENGTH_DELIMITED:
                values += _varints(value)
            else:
                raise ValueError(f"an int64 has the wire type {wire_type}")
    return [value - 2**64 if value >= 2**63 else value for value in values]  # two's complement


def _varints(packed: memoryview) -> Iterator[int]:
    position = 0
    while position < len(packed):
        value, position = _varint(packed, position)
        yield value


def _messages(message: memoryview, wanted: int) -> Iterator[memoryview]:
    """The values of a field that holds bytes, text or messages; other fields are skipped."""
    for number, wire_type, value in _fields(message):
        if number == wanted:
            if isinstance(value, int) or wire_type != _LENGTH_DELIMITED:
                raise ValueError(f"field {number} has the wire type {wire_type}")
            yield value


def _fields(message: memoryview) -> Iterator[tuple[int, int, memoryview | int]]:
    """The number, wire type and value of every field: an unsigned integer for a varint, else the bytes."""
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        number, wire_type = tag >> 3, tag & 7
        if number == 0 or wire_type not in (_VARINT, _LENGTH_DELIMITED, *_FIXED_SIZES):
            raise ValueError(f"unknown field {number} of wire type {wire_type}")
        if wire_type == _VARINT:
            value, position = _varint(message, position)
            yield number, wire_type, value
            continue
        length = _FIXED_SIZES.get(wire_type, 0)
        if wire_type == _LENGTH_DELIMITED:
            length, position = _varint(message, position)
        if length > len(message) - position:
            raise ValueError(f"field {number} is longer than its message")
        yield number, wire_type, message[position : position + length]
        position += length


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    """An unsigned integer of up to 64 bits, 7 bits a byte, the low ones first; and the position after it."""
    value = 0
    for shift, byte in enumerate(message[position : position + 10]):
        value |= (byte & 0x7F) << 7 * shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, position + shift + 1
    raise ValueError("a number has no end")
