"""Lets a frozen frame encoder run once instead of every epoch."""

from __future__ import annotations

import hashlib

import lightning.pytorch as pl
import numpy as np
import torch
from torch import Tensor, nn

from lrprop.callbacks.distributed import first_of_node_first
from lrprop.data import AlignmentDataModule
from lrprop.module import AlignmentModule


class UseFeatureBank(pl.Callback):
    """Before anything runs, replaces the pixels of the data module by features, where the encoder allows it."""

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Builds what is missing of the bank and turns the data module to it."""
        assert isinstance(pl_module, AlignmentModule)
        datamodule = trainer.datamodule  # type: ignore[attr-defined]
        assert isinstance(datamodule, AlignmentDataModule)
        if not pl_module.encoder.can_use_feature_bank or datamodule.has_feature_bank:
            return
        device = trainer.strategy.root_device
        backbone = pl_module.encoder.backbone.to(device)

        def extract(images: Tensor) -> np.ndarray:
            with torch.inference_mode():
                features: np.ndarray = backbone(images.to(device)).cpu().numpy()
            return features

        name = f"{type(backbone).__name__}-{backbone.num_features}-{_digest(backbone)}"
        with first_of_node_first(trainer):
            datamodule.use_feature_bank(name, extract, device)


def _digest(network: nn.Module) -> str:
    weights = hashlib.sha256()
    for tensor in network.state_dict().values():
        weights.update(tensor.cpu().numpy().tobytes())
    return weights.hexdigest()[:16]
