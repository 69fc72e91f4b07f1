from __future__ import annotations

from pathlib import Path

import pytest
import torch
from lightning.fabric.plugins import TorchCheckpointIO

from lrprop.callbacks import WholeCheckpoints


def test_a_checkpoint_is_read_as_it_was_written(tmp_path: Path) -> None:
    WholeCheckpoints().save_checkpoint({"epoch": 3, "weight": torch.ones(2)}, tmp_path / "last.ckpt")
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["epoch"] == 3
    assert [file.name for file in tmp_path.iterdir()] == ["last.ckpt"]


def test_a_save_that_is_cut_short_leaves_the_checkpoint_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def half(_: object, checkpoint: object, path: Path, options: object) -> None:
        Path(path).write_bytes(b"half a checkp")
        raise KeyboardInterrupt

    last = tmp_path / "last.ckpt"
    WholeCheckpoints().save_checkpoint({"epoch": 3}, last)
    monkeypatch.setattr(TorchCheckpointIO, "save_checkpoint", half)
    with pytest.raises(KeyboardInterrupt):
        WholeCheckpoints().save_checkpoint({"epoch": 4}, last)
    assert torch.load(last, weights_only=True)["epoch"] == 3
