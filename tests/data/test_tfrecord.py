from __future__ import annotations

import os
import struct
import tracemalloc
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrprop.data.tfrecord import SequenceExample, crc32c, masked_crc32c, read_records, read_sequence_examples
from lrprop.errors import InputError
from tests.data.tfrecord_writer import (
    bytes_feature,
    float_feature,
    int64_feature,
    masked,
    message,
    record,
    sequence_example,
    varint,
    write_records,
)
from tests.fuzzing import TIMES
from tests.oracle import crc32c_oracle

RECORDS = [b"one", b"", bytes(range(256)) * 3]
EXAMPLE = sequence_example(
    {"name": bytes_feature([b"pour"]), "len": int64_feature([2])},
    {"video": [bytes_feature([b"\xff\xd8one"]), bytes_feature([b"\xff\xd8two"])], "frame_labels": [int64_feature([3])]},
)


def one(path: Path, data: bytes) -> SequenceExample:
    (example,) = read_sequence_examples(write_records(path / "a.tfrecord", [data]))
    return example


# --- the framing -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "crc"),
    [  # RFC 3720, B.4, and the check value of the catalogues
        (b"123456789", 0xE3069283),
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
        (b"", 0),
    ],
)
def test_known_checksums(data: bytes, crc: int) -> None:
    assert crc32c(data) == crc32c_oracle(data) == crc


@given(st.binary(max_size=100))
def test_checksums(data: bytes) -> None:
    assert crc32c(data) == crc32c_oracle(data)
    assert masked_crc32c(data).to_bytes(4, "little") == masked(data)


def test_records(tmp_path: Path) -> None:
    assert list(read_records(write_records(tmp_path / "a.tfrecord", RECORDS))) == RECORDS


def test_what_tensorflow_writes(tmp_path: Path) -> None:
    """The bytes of its TFRecordWriter for "foo" and "bar"."""
    length = bytes.fromhex("0300000000000000 b099490e")
    foo, bar = length + b"foo" + bytes.fromhex("618abefe"), length + b"bar" + bytes.fromhex("4600e5c8")
    assert record(b"foo") == foo
    (tmp_path / "a.tfrecord").write_bytes(foo + bar)
    assert list(read_records(tmp_path / "a.tfrecord")) == [b"foo", b"bar"]


def test_one_record_is_held_at_a_time(tmp_path: Path) -> None:
    size, count = 2**20, 12
    length, checksum = struct.pack("<Q", size), masked_crc32c(bytes(size))  # the oracle would take a second
    path = tmp_path / "a.tfrecord"
    path.write_bytes((length + masked(length) + bytes(size) + checksum.to_bytes(4, "little")) * count)
    tracemalloc.start()
    assert sum(len(found) for found in read_records(path)) == size * count
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3.5 * size


def test_an_early_end_of_reading(tmp_path: Path) -> None:
    path = write_records(tmp_path / "a.tfrecord", RECORDS)
    path.write_bytes(path.read_bytes()[:-1])
    assert next(read_records(path)) == b"one"


@pytest.mark.parametrize("position", range(len(record(b"data"))))
def test_any_flipped_bit_is_noticed(tmp_path: Path, position: int) -> None:
    path = write_records(tmp_path / "a.tfrecord", [b"first", b"data", b"last"])
    start = len(record(b"first"))
    whole = bytearray(path.read_bytes())
    for bit in range(8):
        data = bytearray(whole)
        data[start + position] ^= 1 << bit
        path.write_bytes(data)
        with pytest.raises(InputError, match=r"a\.tfrecord, record 1: the checksum of its (length|data) is wrong"):
            list(read_records(path))


def test_truncation_anywhere_but_between_records(tmp_path: Path) -> None:
    path = write_records(tmp_path / "a.tfrecord", [b"first", b"data"])
    whole, between = path.read_bytes(), len(record(b"first"))
    for length in set(range(1, len(whole))) - {between}:
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=rf"a\.tfrecord, record {int(length > between)}: .*fetch the file again"):
            list(read_records(path))


@pytest.mark.parametrize("claimed", [10, 2**31, 2**40, 2**64 - 1])
def test_a_length_that_does_not_fit_is_not_believed(tmp_path: Path, claimed: int) -> None:
    length = struct.pack("<Q", claimed)
    (tmp_path / "a.tfrecord").write_bytes(length + masked(length) + bytes(9))
    with pytest.raises(InputError, match=rf"a\.tfrecord, record 0: has {claimed} bytes, more than the file holds"):
        list(read_records(tmp_path / "a.tfrecord"))


def test_no_file(tmp_path: Path) -> None:
    (tmp_path / "empty.tfrecord").touch()
    os.mkfifo(tmp_path / "pipe.tfrecord")
    for name, problem in (("a", "no such file"), ("empty", "is empty"), ("pipe", "no such file")):
        with pytest.raises(InputError, match=rf"{name}\.tfrecord: {problem}"):
            list(read_records(tmp_path / f"{name}.tfrecord"))
    with pytest.raises(InputError, match="no such file"):
        list(read_records(tmp_path))


# --- the protocol buffer ---------------------------------------------------------------------------------------------


def test_a_sequence_example(tmp_path: Path) -> None:
    example = one(tmp_path, EXAMPLE)
    assert example.context == {"name": [b"pour"], "len": [2]}
    assert example.feature_lists == {"video": [[b"\xff\xd8one"], [b"\xff\xd8two"]], "frame_labels": [[3]]}


@pytest.mark.parametrize("packed", [True, False])
def test_numbers_packed_or_not(tmp_path: Path, packed: bool) -> None:
    integers = [0, 1, -1, 127, 128, 300, 2**31, 2**63 - 1, -(2**63)]
    floats = [0.0, -1.5, 3.0e38, float("inf")]
    context = {"i": int64_feature(integers, packed), "f": float_feature(floats, packed)}
    example = one(tmp_path, sequence_example(context, {}))
    assert example.context["i"] == integers
    np.testing.assert_array_equal(example.context["f"], np.array(floats, np.float32))


def test_what_is_empty_or_unknown_or_said_twice(tmp_path: Path) -> None:
    unknown = b"\x98\x06\x05" + b"\x9d\x06abcd" + b"\x99\x06abcdefgh" + message(100, b"what")
    entry = unknown + message(1, b"k") + message(2, unknown + int64_feature([1]) + unknown)
    data = message(1, message(1, entry) + message(1, message(1, b"none") + message(2, b"")))
    data += message(1, message(1, message(1, b"k") + message(2, int64_feature([2]))) + message(1, b"")) + unknown
    assert one(tmp_path, data) == SequenceExample({"k": [2], "none": [], "": []}, {})
    assert one(tmp_path, b"") == SequenceExample({}, {})


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"\x0a", "a number has no end"),
        (b"\xff" * 11, "a number has no end"),
        (b"\x0a\x05abc", "field 1 is longer than its message"),
        (b"\x0a" + varint(2**63), "field 1 is longer than its message"),
        (b"\x0b", "unknown field 1 of wire type 3"),
        (b"\x0f", "unknown field 1 of wire type 7"),
        (b"\x02\x00", "unknown field 0"),
        (b"\x08\x01", "field 1 has the wire type 0"),
        (b"\x0d" + bytes(4), "field 1 has the wire type 5"),
        (message(1, message(1, message(1, b"\xff"))), "utf-8"),
        (sequence_example({"f": message(2, message(1, b"abc"))}, {}), "buffer size"),
        (sequence_example({"f": message(2, b"\x09" + bytes(8))}, {}), "a float32 has the wire type 1"),
        (sequence_example({"i": message(3, b"\x0d" + bytes(4))}, {}), "an int64 has the wire type 5"),
        (sequence_example({"i": message(3, message(1, b"\x80"))}, {}), "a number has no end"),
    ],
)
def test_what_is_no_sequence_example(tmp_path: Path, data: bytes, problem: str) -> None:
    path = write_records(tmp_path / "a.tfrecord", [EXAMPLE, data])
    with pytest.raises(InputError, match=rf"a\.tfrecord, record 1: is no SequenceExample \(.*{problem}.*\); fetch"):
        list(read_sequence_examples(path))


@cache
def protobuf_class() -> Any:
    """SequenceExample as Google's library makes it of TensorFlow's published definition."""
    descriptor_pb2 = pytest.importorskip("google.protobuf.descriptor_pb2")
    descriptor_pool = pytest.importorskip("google.protobuf.descriptor_pool")
    message_factory = pytest.importorskip("google.protobuf.message_factory")
    file = descriptor_pb2.FileDescriptorProto(name="example.proto", package="t", syntax="proto3")
    kinds = {"bytes": 12, "float": 2, "int64": 3}

    def add(name: str, *fields: tuple[str, int, str], repeated: bool = False) -> Any:
        made = file.message_type.add(name=name)
        for field, number, kind in fields:
            type = {"type": kinds[kind]} if kind in kinds else {"type": 11, "type_name": f".t.{kind}"}
            made.field.add(name=field, number=number, label=3 if repeated else 1, **type)
        return made

    def add_map(name: str, field: str, entry_name: str, value: str) -> None:
        made = add(name, (field, 1, f"{name}.{entry_name}"), repeated=True)
        entry = made.nested_type.add(name=entry_name)
        entry.options.map_entry = True
        entry.field.add(name="key", number=1, label=1, type=9)
        entry.field.add(name="value", number=2, label=1, type=11, type_name=f".t.{value}")

    add("BytesList", ("value", 1, "bytes"), repeated=True)
    add("FloatList", ("value", 1, "float"), repeated=True)
    add("Int64List", ("value", 1, "int64"), repeated=True)
    lists = [("bytes_list", 1, "BytesList"), ("float_list", 2, "FloatList"), ("int64_list", 3, "Int64List")]
    feature = add("Feature", *lists)
    feature.oneof_decl.add(name="kind")
    for field in feature.field:
        field.oneof_index = 0
    add_map("Features", "feature", "FeatureEntry", "Feature")
    add("FeatureList", ("feature", 1, "Feature"), repeated=True)
    add_map("FeatureLists", "feature_list", "FeatureListEntry", "FeatureList")
    add("SequenceExample", ("context", 1, "Features"), ("feature_lists", 2, "FeatureLists"))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("t.SequenceExample"))


features = st.one_of(
    st.tuples(st.just("bytes_list"), st.lists(st.binary(max_size=20), max_size=3)),
    st.tuples(st.just("float_list"), st.lists(st.floats(width=32, allow_nan=False), max_size=3)),
    st.tuples(st.just("int64_list"), st.lists(st.integers(-(2**63), 2**63 - 1), max_size=3)),
)


@given(
    context=st.dictionaries(st.text(max_size=4), features, max_size=3),
    lists=st.dictionaries(st.text(max_size=4), st.lists(features, max_size=3), max_size=3),
)
@settings(max_examples=100 * TIMES, deadline=None)
def test_as_google_writes_it(tmp_path_factory: pytest.TempPathFactory, context: Any, lists: Any) -> None:
    example = protobuf_class()()
    for key, (kind, values) in context.items():
        getattr(example.context.feature[key], kind).value.extend(values)
    for key, steps in lists.items():
        example.feature_lists.feature_list[key].SetInParent()
        for kind, values in steps:
            getattr(example.feature_lists.feature_list[key].feature.add(), kind).value.extend(values)
    found = one(tmp_path_factory.getbasetemp(), example.SerializeToString())
    assert found.context == {key: values for key, (_, values) in context.items()}
    assert found.feature_lists == {key: [values for _, values in steps] for key, steps in lists.items()}


# --- fuzz ------------------------------------------------------------------------------------------------------------


@given(data=st.binary(min_size=1, max_size=120))
@settings(max_examples=200 * TIMES, deadline=None)
def test_random_files(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "random.tfrecord"
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"random\.tfrecord, record 0: "):
        list(read_records(path))


@given(data=st.binary(max_size=60), start=st.integers(0, len(EXAMPLE)))
@settings(max_examples=300 * TIMES, deadline=None)
def test_random_records(tmp_path_factory: pytest.TempPathFactory, data: bytes, start: int) -> None:
    """With right checksums, so that the protocol buffer is reached: well formed, or refused by name."""
    path = tmp_path_factory.getbasetemp() / "random.tfrecord"
    write_records(path, [EXAMPLE[:start] + data])
    try:
        (example,) = read_sequence_examples(path)
    except InputError as error:
        example, message = None, str(error)
    assert example is not None or "random.tfrecord, record 0: is no SequenceExample (" in message
    if example is not None:
        steps = [step for steps in example.feature_lists.values() for step in steps]
        for feature in (*example.context.values(), *steps):
            assert len({type(value) for value in feature}) <= 1
