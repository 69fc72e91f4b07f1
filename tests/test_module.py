from __future__ import annotations

import logging
from pathlib import Path

import lightning.pytorch as pl
import pytest
import torch
from torch import Tensor, nn

from lrprop.batch import Views
from lrprop.cli import _is_out_of_memory, main
from lrprop.data import AlignmentDataModule
from lrprop.encoders import Encoder
from lrprop.errors import InputError
from lrprop.module import AlignmentModule
from lrprop.objectives import LAC
from tests.encoders.test_encoder import SMALL


class NaNInTheSecondStep(nn.Module):
    """An objective of two terms, one of which is lost once."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, z: Tensor, views: Views, embeddings: Tensor | None = None) -> dict[str, Tensor]:
        self.calls += 1
        near, far = z.square().sum(), z.sum() * (torch.nan if self.calls == 2 else 1)
        return {"loss": near + far, "near": near, "far": far}


class Weights(pl.Callback):
    """The sum of all weights after each step, and the norm of the gradients it was taken with."""

    def __init__(self) -> None:
        self.sums: list[float] = []
        self.gradient_norms: list[float] = []

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: object) -> None:
        weights = list(pl_module.parameters())
        self.sums.append(float(sum(weight.detach().double().sum() for weight in weights)))
        self.gradient_norms.append(float(sum(w.grad.square().sum() for w in weights if w.grad is not None) ** 0.5))


def fit(
    penn_folder: Path, tmp_path: Path, precision: str = "32-true", **options: str
) -> tuple[AlignmentModule, Weights]:
    torch.manual_seed(0)
    data = AlignmentDataModule(penn_folder, "squat", num_frames=6)
    module = AlignmentModule(Encoder("poses", **(SMALL | {"num_frames": 6})), NaNInTheSecondStep(), **options)  # type: ignore
    weights = Weights()
    options_of_trainer: dict[str, object] = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "precision": precision,
    }
    trainer = pl.Trainer(
        max_epochs=2,
        callbacks=[weights],
        gradient_clip_val=1e-3,
        limit_val_batches=0,
        default_root_dir=tmp_path,
        **options_of_trainer,  # type: ignore
    )
    trainer.fit(module, data)
    return module, weights


def test_a_loss_that_is_not_finite_stops_and_names_step_term_and_videos(penn_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"step 1: far not finite, on the videos 000\d, 000\d; lower model\.learning_rate"
    ):
        fit(penn_folder, tmp_path)


def test_such_a_step_can_be_left_out(penn_folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "lrprop"):
        module, weights = fit(penn_folder, tmp_path, on_nonfinite="skip")
    assert module.steps_left_out == 1
    first, second, third, _ = weights.sums
    assert first == second != third
    (told,) = [record.getMessage() for record in caplog.records if "left out" in record.getMessage()]
    assert told.startswith("left out step 1: far not finite, on the videos 000")


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_gradients_are_clipped_in_every_precision(precision: str, penn_folder: Path, tmp_path: Path) -> None:
    _, weights = fit(penn_folder, tmp_path, precision, on_nonfinite="skip")
    assert weights.gradient_norms[0] == pytest.approx(1e-3, rel=1e-2)
    assert weights.sums[0] != weights.sums[2]


def test_an_objective_may_have_learning_rates_of_its_own(penn_folder: Path, tmp_path: Path) -> None:
    """Adam's first step moves a parameter by its rate; here nothing but the penalties has one."""
    data = AlignmentDataModule(penn_folder, "squat", num_frames=6)
    module = AlignmentModule(Encoder("poses", **(SMALL | {"num_frames": 6})), LAC(), learning_rate=0.0)  # type: ignore
    before = {name: weight.detach().clone() for name, weight in module.named_parameters()}
    trainer = pl.Trainer(
        max_steps=1, logger=False, enable_checkpointing=False, enable_progress_bar=False, default_root_dir=tmp_path
    )
    trainer.fit(module, data)
    moved = {name: (weight - before[name]).abs().max().item() for name, weight in module.named_parameters()}
    assert moved.pop("objective.gap_open") == pytest.approx(0.1, rel=1e-3)
    assert moved.pop("objective.gap_extend") == pytest.approx(0.1, rel=1e-3)
    assert set(moved.values()) == {0.0}


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: 9 bytes")])
def test_out_of_memory_names_what_to_lower(
    error: Exception,
    penn_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("lrprop.cli.AlignmentCLI.__init__", fail)
    assert main(["fit"]) == 2
    assert "out of memory" in (said := capsys.readouterr().err)
    assert all(knob in said for knob in ("data.num_frames", "data.videos_per_batch", "chunk", "evaluation.stride"))


def test_other_errors_are_not_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _is_out_of_memory(torch.cuda.OutOfMemoryError())
    assert not _is_out_of_memory(RuntimeError("shapes"))

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("shapes")

    monkeypatch.setattr("lrprop.cli.AlignmentCLI.__init__", fail)
    with pytest.raises(RuntimeError, match="shapes"):
        main(["fit"])
