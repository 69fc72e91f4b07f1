"""`lrprop`: fit, validate, test and predict, and the tools beside them."""

from __future__ import annotations

import logging
import os
import signal
import sys
import warnings
from itertools import zip_longest
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Literal

import torch
from jsonargparse import Namespace, auto_cli
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI, SaveConfigCallback
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities.exceptions import SIGTERMException
from rich.console import Console
from rich.logging import RichHandler
from rich.markup import escape

from lrprop.benchmark import benchmark, tables
from lrprop.callbacks import (
    EmbeddingWriter,
    Evaluation,
    HistoryLogger,
    LogEpoch,
    ProgressBar,
    Report,
    SaveOnSigterm,
    SeedEveryStep,
    UseFeatureBank,
    WandbRun,
    WholeCheckpoints,
    agents_run,
    draw_val_confusion,
    draw_val_pair,
    floor_rows,
    keep_skipped,
    show_skipped,
    show_table,
)
from lrprop.data import AlignmentDataModule, modality_of
from lrprop.data.conversion import convert
from lrprop.data.synthetic import generate
from lrprop.errors import InputError
from lrprop.memory import keep_freed_memory
from lrprop.module import AlignmentModule
from lrprop.sweep import sweep
from lrprop.viz.inspection import inspect

TOOLS: dict[str, Any] = {
    "synth": generate,
    "benchmark": benchmark,
    "tables": tables,
    "sweep": sweep,
    "data": {"inspect": inspect, "convert": convert},
}
LAST = Path("checkpoints/last.ckpt")
Monitor = Literal[
    "kendalls_tau",
    "phase_progression",
    "phase_classification@100",
    "ap@5",
    "dtw_accuracy",
    "loose/dtw_accuracy_open",
    "canonical_error",
]


class AlignmentCLI(LightningCLI):
    """LightningCLI with run directories: `runs/<name>` holds all that a run writes, and is never overwritten."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """The run's own arguments, and what follows from others."""
        parser.add_argument("--name", default=agents_run() or "run", help="name of the run, and of its folder")
        parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder of all runs")
        parser.add_argument("--resume", action="store_true", help="continue the run of this name from its last epoch")
        parser.add_argument("--floors", type=bool, default=True, help="judge what needs no training, too")
        parser.add_argument(
            "--wandb",
            action="store_true",
            default=agents_run() is not None,
            help="log to Weights & Biases besides metrics.csv; a run of its agents always does",
        )
        parser.add_argument(
            "--monitor", type=Monitor, default="kendalls_tau", help="metric on tune that chooses the best epoch"
        )
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

    def _parse_ckpt_path(self) -> None:
        """A checkpoint holds weights only: the configuration comes from YAML alone."""

    def before_instantiate_classes(self) -> None:
        """Turns the run's arguments into the trainer's, and the data's modality into the encoder's."""
        options = self.options
        if options.trainer.devices == "auto":
            options.trainer.devices = 1  # what a run learns is not to depend on how many GPUs a machine has
        options.trainer.use_distributed_sampler = False  # the data module knows which process it is in
        options.model.encoder.init_args.modality = modality_of(options.data.root, options.data.input)
        self.record = self._record()
        self.resume_step: int | None = None
        if self.subcommand == "fit":
            self._check_schedule()
            self._claim_folder()
        else:
            options.ckpt_path = options.ckpt_path or str(self.folder / LAST)
            if self.subcommand != "predict":
                options.verbose = False  # our table says the same
        if options.ckpt_path:
            self.resume_step = _global_step(Path(options.ckpt_path))
        options.trainer.default_root_dir = str(self.folder)

    def _record(self) -> str:
        """The configuration as config.yaml keeps it: what a run is, not how it was started or resumed."""
        kept = self.options.clone()
        for name, value in {"resume": False, "ckpt_path": None}.items():
            if name in kept:
                kept[name] = value
        text: str = self._parser(self.subcommand).dump(kept, skip_none=False)
        return text

    def _check_schedule(self) -> None:
        trainer = self.options.trainer
        if trainer.max_epochs is None or trainer.max_epochs < 1:
            raise InputError(f"trainer.max_epochs={trainer.max_epochs}: train for at least 1 epoch (EPOCHS in make).")
        # At least one validation falls into training, so that there is a best epoch where tune chooses it.
        trainer.check_val_every_n_epoch = min(trainer.check_val_every_n_epoch or 1, trainer.max_epochs)

    def _claim_folder(self) -> None:
        """Refuses an existing run, or, if it is to be resumed, one of other settings or without a checkpoint."""
        if _is_first_process():
            self._check_folder()
        if self.options.resume:
            _check_same(self.folder / "config.yaml", self.record)
            self.options.ckpt_path = str(self.folder / LAST)

    def _check_folder(self) -> None:
        last = self.folder / LAST
        is_there = self.folder.exists() and any(self.folder.iterdir())
        if self.options.resume and not is_there:
            raise InputError(f"--resume: {self.folder} does not exist, so there is nothing to resume; leave it out.")
        if is_there and not last.is_file():
            raise InputError(
                f"{self.folder} has no checkpoint to resume from: remove the folder, or give another --name."
            )
        if is_there and not self.options.resume:
            raise InputError(
                f"{self.folder} exists: continue that run with --resume, give another --name, or remove the folder."
            )

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """The trainer, with loggers and callbacks that need the run directory."""
        callbacks: list[Callback] = [UseFeatureBank(), SeedEveryStep(self.options.seed_everything), LogEpoch()]
        callbacks += [SaveOnSigterm(self.folder / LAST), EmbeddingWriter(self.folder), *self._checkpoints()]
        if self.options.trainer.enable_progress_bar is not False:
            callbacks.append(ProgressBar())
        self.trainer_defaults["callbacks"] = callbacks
        self.save_config_kwargs = {"record": self.record, "save_to_log_dir": False}
        trainer = super().instantiate_trainer(logger=self._loggers(), **kwargs)
        trainer.strategy.checkpoint_io = WholeCheckpoints()
        return trainer

    def _loggers(self) -> list[Logger] | bool:
        if self.subcommand != "fit":
            return False
        loggers: list[Logger] = [HistoryLogger(self.folder, self.resume_step)]
        if self.options.wandb:
            loggers.append(WandbRun(self.folder, resumed=self.options.resume))
        return loggers

    def _checkpoints(self) -> list[ModelCheckpoint]:
        folder = self.folder / LAST.parent
        options: dict[str, Any] = {"dirpath": folder, "enable_version_counter": False}
        checkpoints = [ModelCheckpoint(filename=LAST.stem, save_on_train_epoch_end=True, **options)]
        if self.options.data.tune_fraction > 0:
            monitor = self.options.monitor
            mode = "min" if monitor == "canonical_error" else "max"
            checkpoints.append(ModelCheckpoint(filename="best", monitor=f"tune/{monitor}", mode=mode, **options))
        return checkpoints

    def before_fit(self) -> None:
        """The rows of the report that need no training."""
        self.report = Report(self.folder)
        if self.options.floors and not self.options.resume:
            self.trainer.validate(self.model, self.datamodule, verbose=False)
            floors = floor_rows(self.evaluation, self.datamodule, self.model)
            self._keep(**floors, untrained=self.evaluation.results["val"])

    def after_fit(self) -> None:
        """The last epoch's row, the table and the pictures."""
        if self.evaluation.step != self.trainer.global_step:  # the last epoch may have ended with a validation
            self.trainer.validate(self.model, self.datamodule, verbose=False)
        self._keep(**self._trained_rows())
        if not self.trainer.is_global_zero:
            return
        draw_val_pair(self.datamodule, self.evaluation.embedded["val"], self.folder)
        draw_val_confusion(self.evaluation.embedded, self.folder)
        self._show(self.report.rows)
        if self.model.steps_left_out:
            Console().print(f"[bold yellow]left out {self.model.steps_left_out} steps[/bold yellow]: not finite")
        written = ", ".join(sorted(path.name for path in self.folder.iterdir()))
        Console().print(f"In [bold]{escape(str(self.folder))}[/bold]: {written}", highlight=False)
        for logger in self.trainer.loggers:
            if isinstance(logger, WandbRun):
                logger.finish()

    def _trained_rows(self) -> dict[str, Any]:
        """What the last validation saw, by row of the report: on val, and on tune where there is one."""
        return {{"val": "final"}.get(split, split): metrics for split, metrics in self.evaluation.results.items()}

    def _keep(self, **rows: Any) -> None:
        if self.trainer.is_global_zero:
            self.report.add(**rows)

    def after_validate(self) -> None:
        """The table of a checkpoint, beside what its run knows of the floor rows."""
        if self.trainer.is_global_zero:
            self._show(Report(self.folder).rows | self._trained_rows())

    after_test = after_validate

    def after_predict(self) -> None:
        """Where the embeddings are."""
        if not self.trainer.is_global_zero:
            return
        folder = escape(str(self.folder / "embeddings"))
        count = len({video.id for video in self.datamodule.videos} - self._skipped.keys())
        Console().print(f"Embeddings of {count} videos in [bold]{folder}[/bold]")
        show_skipped(self._skipped.values())

    def _show(self, rows: dict[str, Any]) -> None:
        show_table(rows, f"{self.datamodule.action} ({self.options.name})")
        skipped = self._skipped.values()
        show_skipped(keep_skipped(skipped, self.folder) if self.subcommand == "fit" else skipped)

    @property
    def _skipped(self) -> dict[str, str]:
        """What is wrong with each video that was skipped."""
        return self.datamodule.skipped.problems if self.datamodule.skipped else {}

    @property
    def evaluation(self) -> Evaluation:
        """The callback that computes the metrics."""
        return next(callback for callback in self.trainer.callbacks if isinstance(callback, Evaluation))  # type: ignore


class SaveConfig(SaveConfigCallback):
    """Writes config.yaml into a new run directory, and the configuration to Weights & Biases."""

    def __init__(self, *args: Any, record: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.record = record

    def save_config(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Once, by the run that claimed the folder."""
        file = Path(trainer.default_root_dir) / "config.yaml"
        if not trainer.loggers or file.exists():
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(self.record)
        for logger in trainer.loggers:
            if isinstance(logger, WandbRun):
                logger.log_config(self.config.as_dict())


def _check_same(config: Path, record: str) -> None:
    """Refuses to resume a run under another configuration, naming the first line that differs."""
    before, now = config.read_text().splitlines() if config.is_file() else [], record.splitlines()
    for old, new in zip_longest(before, now, fillvalue="(nothing)"):
        if old != new:
            raise InputError(
                f"--resume: {config} has '{old.strip()}' where this call has '{new.strip()}'; "
                "repeat the settings of the run, or start another with --name."
            )


def _global_step(checkpoint: Path) -> int:
    if not checkpoint.is_file():
        raise InputError(f"checkpoint {checkpoint}: no such file; name a trained run with --name, or give --ckpt_path.")
    try:
        step: int = torch.load(checkpoint, weights_only=True, map_location="cpu")["global_step"]
    except (OSError, RuntimeError, EOFError, KeyError, UnpicklingError) as error:
        raise InputError(f"checkpoint {checkpoint}: it is damaged or not one of ours ({error}).") from error
    return step


def _is_first_process() -> bool:
    """Whether this is the process that speaks and writes for all; before a trainer knows, launchers have said it."""
    names = ("RANK", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "SLURM_PROCID")
    return all(os.environ.get(name, "0") == "0" for name in names)


def main(args: list[str] | None = None) -> int:
    """Runs a command line.

    Args:
        args: the arguments; those of the process if None.

    Returns:
        The exit status: 0, 1 where an inspection found problems, 2 after bad input, which was told in one line, or
        130 after an interruption, 143 after SIGTERM.
    """
    words = sys.argv[1:] if args is None else args
    logging.basicConfig(
        level=logging.WARNING, format="%(message)s", handlers=[RichHandler(show_time=False, show_path=False)]
    )
    logging.getLogger("lrprop").setLevel(logging.INFO if _is_first_process() else logging.ERROR)
    _silence()
    keep_freed_memory()
    try:
        if words and words[0] in TOOLS:
            result = auto_cli(TOOLS[words[0]], args=words[1:], as_positional=True)
            return result if isinstance(result, int) else 0
        else:
            AlignmentCLI(
                AlignmentModule,
                AlignmentDataModule,
                save_config_callback=SaveConfig,
                seed_everything_default=0,
                auto_configure_optimizers=False,
                args=args,
            )
    except (InputError, MisconfigurationException, OSError) as error:
        Console(stderr=True).print(f"[bold red]error:[/bold red] {escape(str(error))}", soft_wrap=True, highlight=False)
        return 2
    except (torch.cuda.OutOfMemoryError, MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        Console(stderr=True).print(f"[bold red]error:[/bold red] {_OUT_OF_MEMORY}", soft_wrap=True, highlight=False)
        return 2
    except SIGTERMException:
        if _is_first_process():
            Console(stderr=True).print("asked to end (SIGTERM): saved; go on with --resume")
        return 128 + signal.SIGTERM
    except KeyboardInterrupt:
        Console(stderr=True).print("interrupted")
        return 130
    return 0


_OUT_OF_MEMORY = (
    "out of memory. In training, lower data.num_frames (T), data.videos_per_batch, data.image_size or data.workers; on "
    "a GPU also set trainer.precision=bf16-mixed and lower model.encoder.init_args.pixels.init_args.chunk. In "
    "evaluation, lower model.encoder.init_args.window or raise evaluation.stride."
)


def _is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out; torch has an error of its own for GPUs only."""
    return isinstance(error, torch.cuda.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)


def _silence() -> None:
    """Hides the remarks of libraries that a user can do nothing about."""
    for library in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(library).setLevel(logging.WARNING)
    for remark in (
        "LightningCLI's args parameter",
        "Experiment logs directory",
        "Checkpoint directory",
        ".*does not have many workers",
        ".*LeafSpec",
        ".*in eval mode",
        "`training_step` returned `None`",  # it was told why
        "It is recommended to use `self.log",  # all processes know the same metrics
    ):
        warnings.filterwarnings("ignore", message=remark)
