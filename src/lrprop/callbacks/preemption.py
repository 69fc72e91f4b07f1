"""A run that is asked to end saves what it has learned."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.utilities.exceptions import SIGTERMException


class SaveOnSigterm(pl.Callback):
    """On SIGTERM, with which schedulers announce that they take a machine away, ends the step, saves, and stops.

    Lightning's own answer saves nothing, and of several processes it may leave some waiting for ever. Here they decide
    together after every step, so the signal may reach any of them.

    Args:
        checkpoint: the file to write, from which the run resumes in the middle of its epoch.
    """

    def __init__(self, checkpoint: Path) -> None:
        self.checkpoint = checkpoint
        self.asked = False

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Takes the place of Lightning's handler, which is set by then; Lightning puts back the one before it."""
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._ask)

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Saves and stops, if any process was asked to.

        Raises:
            SIGTERMException: to leave the training loop.
        """
        if trainer.strategy.reduce_boolean_decision(self.asked, all=False):
            trainer.save_checkpoint(self.checkpoint)
            raise SIGTERMException

    def _ask(self, *_: Any) -> None:
        self.asked = True
