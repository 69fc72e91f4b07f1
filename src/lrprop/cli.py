"""`lrprop`: fit, validate, test and predict, and the tools beside them."""

from __future__ import annotations

import logging
import sys
import warnings
from pathlib import Path
from typing import Any

import torch
from jsonargparse import Namespace, auto_cli
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI, SaveConfigCallback
from lightning.pytorch.loggers import Logger, WandbLogger
from rich.console import Console
from rich.logging import RichHandler

from lrprop.callbacks import (
    EmbeddingWriter,
    Evaluation,
    HistoryLogger,
    ProgressBar,
    Report,
    SeedEveryStep,
    UseFeatureBank,
    draw_val_pair,
    floor_rows,
    show_table,
)
from lrprop.data import AlignmentDataModule, modality_of
from lrprop.data.synthetic import generate
from lrprop.errors import InputError
from lrprop.module import AlignmentModule

TOOLS = {"synth": generate}
LAST = Path("checkpoints/last.ckpt")


class AlignmentCLI(LightningCLI):
    """LightningCLI with run directories: `runs/<name>` holds all that a run writes, and is never overwritten."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """The run's own arguments, and what follows from others."""
        parser.add_argument("--name", default="run", help="name of the run, and of its folder")
        parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder of all runs")
        parser.add_argument("--resume", action="store_true", help="continue the run of this name from its last epoch")
        parser.add_argument("--wandb", action="store_true", help="log to Weights & Biases besides metrics.csv")
        parser.add_argument("--monitor", default="kendalls_tau", help="metric on tune that chooses the best epoch")
        parser.add_lightning_class_args(Evaluation, "evaluation")
        parser.link_arguments("seed_everything", "data.seed")
        parser.link_arguments("data.num_frames", "model.encoder.init_args.num_frames")

    @property
    def options(self) -> Namespace:
        """The arguments of the subcommand that runs."""
        options: Namespace = self.config[self.config.subcommand]
        return options

    @property
    def folder(self) -> Path:
        """The run directory."""
        return Path(self.options.runs) / self.options.name

    def before_instantiate_classes(self) -> None:
        """Turns the run's arguments into the trainer's, and the data's modality into the encoder's."""
        self.options.model.encoder.init_args.modality = modality_of(self.options.data.root)
        trainer, resume_step = self.options.trainer, None
        if self.subcommand == "fit":
            resume_step = self._claim_folder()
        trainer.default_root_dir = str(self.folder)
        if trainer.logger is None:
            trainer.logger = False  # the loggers are made in `instantiate_trainer`, when the folder is ours
        self._resume_step = resume_step

    def _claim_folder(self) -> int | None:
        """Refuses an existing run unless it is to be resumed; tells the step to resume from."""
        last = self.folder / LAST
        if self.options.resume:
            if not last.is_file():
                raise InputError(f"--resume: {last} does not exist, so there is nothing to resume; leave --resume out.")
            self.options.ckpt_path = str(last)
            step: int = torch.load(last, weights_only=True, map_location="cpu")["global_step"]
            return step
        if self.folder.exists() and any(self.folder.iterdir()):
            raise InputError(
                f"{self.folder} exists: continue that run with --resume, give another --name, or remove the folder."
            )
        return None

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """The trainer, with loggers and callbacks that need the run directory."""
        callbacks: list[Callback] = [UseFeatureBank(), SeedEveryStep(self.options.seed_everything)]
        callbacks += [EmbeddingWriter(self.folder), *self._checkpoints()]
        if self.options.trainer.enable_progress_bar is not False:
            callbacks.append(ProgressBar())
        self.trainer_defaults["callbacks"] = callbacks
        return super().instantiate_trainer(logger=self._loggers(), **kwargs)

    def _loggers(self) -> list[Logger] | bool:
        if self.subcommand != "fit":
            return False
        loggers: list[Logger] = [HistoryLogger(self.folder, self._resume_step)]
        if self.options.wandb:
            self.folder.mkdir(parents=True, exist_ok=True)
            loggers.append(WandbLogger(name=self.options.name, save_dir=self.folder, project="lrprop"))
        return loggers

    def _checkpoints(self) -> list[ModelCheckpoint]:
        folder = self.folder / LAST.parent
        options: dict[str, Any] = {"dirpath": folder, "enable_version_counter": False}
        checkpoints = [ModelCheckpoint(filename=LAST.stem, save_on_train_epoch_end=True, **options)]
        if self.options.data.tune_fraction > 0:
            monitor = f"tune/{self.options.monitor}"
            checkpoints.append(ModelCheckpoint(filename="best", monitor=monitor, mode="max", **options))
        return checkpoints

    def before_fit(self) -> None:
        """The rows of the report that need no training."""
        self.report = Report(self.folder)
        if self.options.ckpt_path is None:
            self.trainer.validate(self.model, self.datamodule, verbose=False)
            floors = floor_rows(self.evaluation, self.datamodule, self.model)
            self.report.add(**floors, untrained=self.evaluation.results["val"])

    def after_fit(self) -> None:
        """The last epoch's row, the table and the pictures."""
        self.trainer.validate(self.model, self.datamodule, verbose=False)
        self.report.add(final=self.evaluation.results["val"])
        draw_val_pair(self.datamodule, self.evaluation.embedded["val"], self.folder)
        self._show(self.report.rows)
        Console().print(f"In [bold]{self.folder}[/bold]: alignment.png, alignment.mp4, metrics.json, metrics.csv, ...")

    def after_validate(self) -> None:
        """The table of a checkpoint, beside what its run knows of the floor rows."""
        self._show(Report(self.folder).rows | {"final": self.evaluation.results["val"]})

    after_test = after_validate

    def after_predict(self) -> None:
        """Where the embeddings are."""
        Console().print(
            f"Embeddings of {len(self.datamodule.videos)} videos in [bold]{self.folder / 'embeddings'}[/bold]"
        )

    def _show(self, rows: dict[str, Any]) -> None:
        show_table(rows, f"{self.datamodule.action} ({self.options.name})")

    @property
    def evaluation(self) -> Evaluation:
        """The callback that computes the metrics."""
        return next(callback for callback in self.trainer.callbacks if isinstance(callback, Evaluation))  # type: ignore


class SaveConfig(SaveConfigCallback):
    """Writes config.yaml into the run directory, and the configuration to the loggers."""

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Only training has a configuration to keep."""
        if self.config.get("resume") is not None and trainer.loggers:
            super().setup(trainer, pl_module, stage)

    def save_config(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """To every logger that is not the run directory itself."""
        for logger in trainer.loggers:
            if not isinstance(logger, HistoryLogger):
                logger.log_hyperparams(self.config.as_dict())


def main(args: list[str] | None = None) -> int:
    """Runs a command line.

    Args:
        args: the arguments; those of the process if None.

    Returns:
        The exit status: 0, or 2 after bad input, which was told in one line.
    """
    tool = (sys.argv[1:] if args is None else args)[:1]
    logging.basicConfig(
        level=logging.WARNING, format="%(message)s", handlers=[RichHandler(show_time=False, show_path=False)]
    )
    logging.getLogger("lrprop").setLevel(logging.INFO)
    _silence()
    try:
        if tool and tool[0] in TOOLS:
            auto_cli(TOOLS[tool[0]], args=(sys.argv[1:] if args is None else args)[1:], as_positional=True)
        else:
            AlignmentCLI(
                AlignmentModule,
                AlignmentDataModule,
                save_config_callback=SaveConfig,
                save_config_kwargs={"overwrite": True},
                seed_everything_default=0,
                auto_configure_optimizers=False,
                args=args,
            )
    except InputError as error:
        Console(stderr=True).print(f"[bold red]error:[/bold red] {error}", soft_wrap=True, highlight=False)
        return 2
    return 0


def _silence() -> None:
    """Hides the remarks of libraries that a user can do nothing about."""
    for library in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(library).setLevel(logging.WARNING)
    for remark in (
        "Experiment logs directory",
        "Checkpoint directory",
        ".*does not have many workers",
        ".*LeafSpec",
        ".*in eval mode",
    ):
        warnings.filterwarnings("ignore", message=remark)
