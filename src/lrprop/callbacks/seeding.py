"""Makes a resumed run equal to an uninterrupted one."""

from __future__ import annotations

import lightning.pytorch as pl
import numpy as np
import torch


class SeedEveryEpoch(pl.Callback):
    """Seeds torch anew at the start of every epoch, from the run's seed and the epoch.

    What is drawn in an epoch (dropout) then depends on nothing that went before, so a run that was killed and resumed
    from the end of an epoch continues as if it had not been.

    Args:
        seed: the run's seed.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Seeds the generators of all devices."""
        torch.manual_seed(int(np.random.SeedSequence((self.seed, trainer.current_epoch)).generate_state(1)[0]))
