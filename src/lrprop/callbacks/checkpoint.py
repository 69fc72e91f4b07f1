"""Checkpoints that are whole, whenever a run is killed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lightning.fabric.plugins import TorchCheckpointIO

from lrprop.whole_file import whole_file


class WholeCheckpoints(TorchCheckpointIO):
    """Writes a checkpoint beside its place and then renames it.

    Lightning's own writes it in the system's folder for temporary files and moves it. That folder is often another disk
    or memory, where a move is a copy: a run that is killed within it leaves half a checkpoint, and nothing to resume.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """A checkpoint replaces the one that is there only once it is complete."""
        with whole_file(Path(path)) as unfinished:
            super().save_checkpoint(checkpoint, unfinished, storage_options)
