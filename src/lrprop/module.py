"""The model: an encoder and an objective, and nothing else."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any, Literal

import lightning.pytorch as pl
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.optim import Adam
from torch.optim.lr_scheduler import CosineAnnealingLR

from lrprop.batch import Views
from lrprop.encoders import Encoder
from lrprop.errors import InputError

log = logging.getLogger("lrprop")


class AlignmentModule(pl.LightningModule):
    """Learns embeddings whose nearest neighbours, across videos, are at the same moment of the action.

    Args:
        encoder: from views to embeddings.
        objective: from embeddings and views to a dictionary of terms, "loss" among them.
        learning_rate: of Adam, decayed to 0 along a cosine; the default is CARL's.
        weight_decay: of Adam (an L2 penalty); the default is CARL's.
        on_nonfinite: what a loss that is not a finite number does: "stop" ends the run with an error, "skip" leaves the
            step out, in all processes, and counts it.
        gather: let the objective see the videos of all processes of a distributed run, as if they were one batch.
            Each process computes all of it; gradients pass through to the process that a video is on.
    """

    def __init__(
        self,
        encoder: Encoder,
        objective: nn.Module,
        learning_rate: float = 1e-4,
        weight_decay: float = 1e-5,
        on_nonfinite: Literal["stop", "skip"] = "stop",
        gather: bool = False,
    ) -> None:
        super().__init__()
        self.encoder, self.objective = encoder, objective
        self.learning_rate, self.weight_decay = learning_rate, weight_decay
        self.gather, self.on_nonfinite, self.steps_left_out = gather, on_nonfinite, 0

    def forward(self, views: Views) -> Tensor:
        """Embeddings (V, T, D) of unit length."""
        embeddings: Tensor = self.encoder(views)
        return embeddings

    def training_step(self, views: Views, _: int) -> Tensor | None:
        """One loss; every term is logged by its name."""
        projections, embeddings = self.encoder.training_embeddings(views)
        if self.gather and self.trainer.world_size > 1:
            projections, embeddings = self._of_all(projections), self._of_all(embeddings)
            tracks = {name: self._of_all(track) for name, track in vars(views).items() if name != "frames"}
            views = replace(views, **tracks)  # an objective reads no frames
        terms = self._terms(projections, views, embeddings)
        if self._is_left_out(terms, views):
            return None
        self.log_dict(
            {f"train/{name}": term.detach() for name, term in terms.items()},
            on_step=False,
            on_epoch=True,
            logger=False,  # LogEpoch does, before the checkpoint is written
            prog_bar=True,
            batch_size=len(views.video),
            sync_dist=True,
        )
        return terms["loss"]

    def _of_all(self, tensor: Tensor) -> Tensor:
        """The tensors (V, ...) of all processes as one; with their gradients."""
        gathered: Any = self.all_gather(tensor, sync_grads=tensor.requires_grad)
        of_all: Tensor = gathered.flatten(0, 1)
        return of_all

    def _terms(self, projections: Tensor, views: Views, embeddings: Tensor) -> dict[str, Tensor]:
        """The objective, in float32 at least: distances and dynamic programming do not bear half precision."""
        try:
            with torch.autocast(self.device.type, enabled=False):
                terms: dict[str, Tensor] = self.objective(
                    _at_least_float32(projections), views, _at_least_float32(embeddings)
                )
            return terms
        except ValueError:
            if projections.isfinite().all():
                raise
            return {"embeddings": projections.sum(), "loss": projections.sum()}

    def _is_left_out(self, terms: dict[str, Tensor], views: Views) -> bool:
        """Whether the loss of any process is not finite.

        Raises:
            InputError: this process's is, and the run is to stop.
        """
        is_finite = bool(terms["loss"].isfinite())
        if not is_finite:
            self._tell(terms, views)
        all_finite = self.trainer.strategy.reduce_boolean_decision(is_finite) if self.on_nonfinite == "skip" else True
        self.steps_left_out += not all_finite
        return not all_finite

    def _tell(self, terms: dict[str, Tensor], views: Views) -> None:
        names = (
            ", ".join(name for name, term in terms.items() if name != "loss" and not term.isfinite().all()) or "loss"
        )
        datamodule = getattr(self.trainer, "datamodule", None)
        numbers = views.video.unique().tolist()
        videos = [datamodule.split("train")[number].id for number in numbers] if datamodule else map(str, numbers)
        problem = f"step {self.global_step}: {names} not finite, on the videos {', '.join(videos)}"
        if self.on_nonfinite == "stop":
            remedy = (
                f"lower model.learning_rate={self.learning_rate}, or leave such steps out (model.on_nonfinite=skip)"
            )
            raise InputError(f"{problem}; {remedy}.")
        log.warning("left out %s", problem)

    def validation_step(self, views: Views, batch_index: int, dataloader_idx: int = 0) -> Tensor:
        """The embeddings of a whole video, (1, n, D); `callbacks.evaluation` gathers them.

        In full precision whatever training used: rounding would tie neighbours and move paths.
        """
        with torch.autocast(self.device.type, enabled=False):
            return self(views)

    test_step = predict_step = validation_step

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Adam and a cosine over all steps; an objective may have `learning_rates` for parameters of its own.

        By step and not by epoch, because Lightning saves the checkpoint of an epoch's end before it moves an epoch's
        schedule: a resumed run would repeat a learning rate.
        """
        own_rates = getattr(self.objective, "learning_rates", {})
        own = [{"params": [self.objective.get_parameter(name)], "lr": rate} for name, rate in own_rates.items()]
        apart = {f"objective.{name}" for name in own_rates}
        others = [p for name, p in self.named_parameters() if p.requires_grad and name not in apart]
        # One kernel instead of a dozen takes a third of their time. float16 alone needs gradients unscaled before.
        is_fused = self.trainer.precision != "16-mixed"
        groups = [{"params": others}, *own]
        optimizer = Adam(groups, lr=self.learning_rate, weight_decay=self.weight_decay, fused=is_fused)
        if is_fused:
            # Lightning does not clip for optimizers that could unscale gradients; here these were never scaled.
            optimizer._step_supports_amp_scaling = False
        cosine = CosineAnnealingLR(optimizer, int(self.trainer.estimated_stepping_batches))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": cosine, "interval": "step"}}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuses a checkpoint of another architecture, naming what differs first.

        Raises:
            InputError: if names or shapes of the weights differ.
        """
        found = {name: tuple(tensor.shape) for name, tensor in checkpoint["state_dict"].items()}
        expected = {name: tuple(tensor.shape) for name, tensor in self.state_dict().items()}
        for name in sorted(found.keys() | expected.keys()):
            if found.get(name) != expected.get(name):
                raise InputError(
                    f"the checkpoint is of another architecture: {name} is {found.get(name, 'missing')} in the "
                    f"checkpoint and {expected.get(name, 'missing')} in the model; "
                    "use the config.yaml of its run."
                )


def _at_least_float32(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor
