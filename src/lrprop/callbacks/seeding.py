"""Makes a resumed run equal to an uninterrupted one."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch


class SeedEveryStep(pl.Callback):
    """Seeds torch anew before every training step, from the run's seed and the step.

    What is drawn in a step (dropout) then depends on nothing that went before, so a run that was killed and resumed
    from the end of an epoch continues as if it had not been. The start of an epoch would be too seldom: Lightning
    skips that hook in the first epoch after a resumption.

    Args:
        seed: the run's seed.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Seeds the generators of all devices, in every process differently."""
        key = (self.seed, trainer.global_step, *[trainer.global_rank] * (trainer.global_rank > 0))
        torch.manual_seed(int(np.random.SeedSequence(key).generate_state(1)[0]))
