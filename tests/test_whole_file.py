from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from lrprop.callbacks import WholeCheckpoints
from lrprop.errors import InputError
from lrprop.whole_file import whole_file


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """Files end at so many bytes, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_the_file_appears_once_it_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "new/table.csv"
    with whole_file(file) as unfinished:
        unfinished.write_text("whole")
        assert not file.exists()
    assert file.read_text() == "whole"
    assert list(file.parent.iterdir()) == [file]


def test_what_was_there_stays_whatever_is_raised(tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    file.write_text("before")

    def interrupted() -> None:
        with whole_file(file) as unfinished:
            unfinished.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert file.read_text() == "before"
    assert list(tmp_path.iterdir()) == [file]


def test_a_folder_that_cannot_be_made_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    with (
        pytest.raises(InputError, match=r"runs/a/table\.csv: cannot be written"),
        whole_file(tmp_path / "runs/a/table.csv"),
    ):
        pass


def test_a_full_disk_leaves_the_last_good_checkpoint(tmp_path: Path) -> None:
    file, checkpoint = tmp_path / "last.ckpt", {"weights": torch.arange(100_000), "epoch": 1}
    WholeCheckpoints().save_checkpoint(checkpoint, file)
    with room_for(200_000), pytest.raises(InputError, match=r"last\.ckpt: cannot be written .*what was there stays"):
        WholeCheckpoints().save_checkpoint(checkpoint | {"epoch": 2}, file)
    assert torch.load(file, weights_only=True)["epoch"] == 1
    assert list(tmp_path.iterdir()) == [file]
