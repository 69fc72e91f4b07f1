"""Writes the embeddings of every video, for one's own analysis."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
from lightning.pytorch.callbacks import BasePredictionWriter

from lrprop.data import AlignmentDataModule


class EmbeddingWriter(BasePredictionWriter):
    """`lrprop predict` writes one `embeddings/<id>.npy` (n, D) float32 a video.

    Args:
        folder: the run directory.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(write_interval="batch")
        self.folder = folder / "embeddings"

    def write_on_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        prediction: Any,
        batch_indices: Sequence[int] | None,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int,
    ) -> None:
        """Writes one video."""
        datamodule = trainer.datamodule  # type: ignore[attr-defined]
        assert isinstance(datamodule, AlignmentDataModule)
        file = self.folder / f"{datamodule.videos[int(batch.video)].id}.npy"
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, prediction[0].float().cpu().numpy())
