"""A progress bar that says what matters."""

from __future__ import annotations

import lightning.pytorch as pl
from lightning.pytorch.callbacks import RichProgressBar

SHORT = {"kendalls_tau": "tau", "dtw_accuracy": "dtw acc", "soft_dtw": "sdtw"}


class ProgressBar(RichProgressBar):
    """Shows the terms of the loss and the last tau and DTW accuracy under short names, on one line."""

    def get_metrics(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        """Names without their split, three digits each."""
        metrics = super().get_metrics(trainer, pl_module)
        metrics.pop("v_num", None)
        names = {name: name.split("/")[-1] for name in metrics}
        return {SHORT.get(names[name], names[name]): f"{value:.3g}" for name, value in metrics.items()}  # type: ignore
