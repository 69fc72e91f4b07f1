from __future__ import annotations

import io
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import loadmat, savemat

from lrprop.data.matlab import read_mat
from tests.fuzzing import TIMES

KINDS = [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64, np.float32, np.float64]


def variables() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    numbers = {f"of_{kind.__name__}": rng.integers(0, 100, (3, 5)).astype(kind) for kind in KINDS}
    return numbers | {"cube": rng.normal(size=(2, 3, 4)), "one": 7, "none": np.zeros((0, 2)), "action": "squat"}


def saved(variables: dict[str, Any], compressed: bool = True) -> bytes:
    stream = io.BytesIO()
    savemat(stream, variables, do_compression=compressed)  # type: ignore[arg-type]
    return stream.getvalue()


@pytest.mark.parametrize("compressed", [True, False])
def test_what_scipy_writes(tmp_path: Path, compressed: bool) -> None:
    (tmp_path / "a.mat").write_bytes(saved(variables(), compressed))
    expected = loadmat(tmp_path / "a.mat")
    found = read_mat(tmp_path / "a.mat", variables().keys())
    assert found.keys() == variables().keys()
    assert found.pop("action") == "squat"
    for name, value in found.items():
        assert isinstance(value, np.ndarray)
        np.testing.assert_array_equal(value, expected[name])
        assert value.shape == expected[name].shape


def test_a_compressed_variable_without_end_mark(tmp_path: Path) -> None:
    data = saved({"x": np.arange(4.0)})
    inflated = zlib.decompress(data[136:])
    stream = zlib.compressobj()
    content = stream.compress(inflated) + stream.flush(zlib.Z_SYNC_FLUSH)
    (tmp_path / "a.mat").write_bytes(data[:132] + len(content).to_bytes(4, "little") + content)
    np.testing.assert_array_equal(read_mat(tmp_path / "a.mat", ["x"])["x"], [np.arange(4)])


def test_other_variables_are_not_looked_at(tmp_path: Path) -> None:
    (tmp_path / "a.mat").write_bytes(saved({"cells": np.array(["a", 1], object), "complex": 1j, "x": 3}))
    assert list(read_mat(tmp_path / "a.mat", ["x", "y"])) == ["x"]
    for name in ("cells", "complex"):
        with pytest.raises(ValueError, match="a variable is neither real numbers nor text"):
            read_mat(tmp_path / "a.mat", [name])


def test_what_matlab_writes(shared: Path) -> None:
    """On other machines than ours; SciPy agrees."""
    files = sorted((shared / "penn_action" / "labels").glob("*.mat"))[::100]
    if not files:
        pytest.skip(f"no annotations at {shared / 'penn_action'}")
    names = ("action", "train", "x", "y", "visibility")
    for path in files:
        expected = loadmat(path)
        found = read_mat(path, names)
        assert found["action"] == expected["action"].item()
        for name in names[1:]:
            np.testing.assert_array_equal(found[name], expected[name])


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "no MAT-file of version 5"),
        (b"MATLAB 7.3 MAT-file, an HDF5 file in truth".ljust(124) + b"\0\2IM", "no MAT-file of version 5"),
        (saved({"x": 1})[:150], "cut short"),
        (saved({"x": np.zeros((9, 9))}, compressed=False)[:-40], "cut short"),
        (saved({"x": np.zeros((9, 9))})[:-1] + b"?", "damaged"),
        (saved({"x": np.zeros(2**23)}), "more than 67108864 bytes"),
    ],
)
def test_a_damaged_file(tmp_path: Path, data: bytes, problem: str) -> None:
    (tmp_path / "a.mat").write_bytes(data)
    with pytest.raises(ValueError, match=problem):
        read_mat(tmp_path / "a.mat", ["x"])


# --- fuzz ------------------------------------------------------------------------------------------------------------

SOUND = saved({"x": np.arange(12.0).reshape(4, 3), "action": "squat"}, compressed=False)


def read_or_refuse(folder: Path, data: bytes) -> None:
    (folder / "a.mat").write_bytes(data)
    try:
        found = read_mat(folder / "a.mat", ["x", "action"])
    except ValueError:
        return
    assert all(isinstance(value, (str, np.ndarray)) for value in found.values())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@given(bits=st.lists(st.integers(8 * 124, 8 * len(SOUND) - 1), min_size=1, max_size=5))
@settings(max_examples=400 * TIMES, deadline=None)
def test_flipped_bits(folder: Path, bits: list[int]) -> None:
    data = bytearray(SOUND)
    for bit in bits:
        data[bit // 8] ^= 1 << bit % 8
    read_or_refuse(folder, bytes(data))


@given(start=st.integers(0, len(SOUND)), data=st.binary(max_size=100))
@settings(max_examples=200 * TIMES, deadline=None)
def test_random_ends(folder: Path, start: int, data: bytes) -> None:
    read_or_refuse(folder, SOUND[:start] + data)
