from __future__ import annotations

import pytest

from lrprop.data.file_name import is_file_name


@pytest.mark.parametrize("name", ["0001_squat", "water real.view 0", "é" * 100])
def test_a_file_may_have_it(name: str) -> None:
    assert is_file_name(name)


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".hidden", "../a", "a/b", "a\\b", "a\nb", "a\0", "\ufffd", "x" * 201, "é" * 101]
)
def test_a_file_may_not(name: str) -> None:
    assert not is_file_name(name)
