"""Weights & Biases: what a run sends there, and what its agents ask of a run."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

from lightning.fabric.loggers.logger import rank_zero_experiment
from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.utilities import rank_zero_only

import lrprop
from lrprop.errors import InputError

# The pictures of a run directory, and what they are called there.
_FIGURES = {"alignment.png": "val/alignment", "confusion.png": "val/phase_confusion"}
_VIDEOS = {"alignment.mp4": "val/alignment_video"}


class WandbRun(WandbLogger):
    """A run at Weights & Biases: configuration, state of the code, metrics and, at its end, the pictures.

    Everything lies in `wandb/` of the run directory as well. With `WANDB_MODE=offline` it lies only there, no account
    is needed, and `wandb sync <run directory>/wandb/offline-run-*` sends it later. The variables of W&B hold, such as
    `WANDB_PROJECT` (lrprop where it is not set) and `WANDB_ENTITY`.

    Args:
        folder: the run directory; its name is the run's.
        resumed: go on with the run that the folder has at W&B.

    Raises:
        InputError: wandb is not installed, or not logged in.
    """

    def __init__(self, folder: Path, resumed: bool = False) -> None:
        project = os.environ.get("WANDB_PROJECT", "lrprop")
        try:
            super().__init__(name=folder.name, save_dir=folder, project=project, id=_id_of(folder) if resumed else None)
        except ModuleNotFoundError as error:
            raise InputError(
                "--wandb: wandb is not installed; pip install 'lrprop[wandb]', or leave it out."
            ) from error
        self.folder = folder

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """The run of the `wandb` package, begun when it is first asked for."""
        from wandb.errors import Error

        self.folder.mkdir(parents=True, exist_ok=True)  # else wandb writes into the system's folder for temporary files
        try:
            return super().experiment
        except Error as error:
            reason = str(error).rstrip(".")
            raise InputError(f"--wandb: {reason}; with WANDB_MODE=offline no account is needed.") from error

    def log_config(self, config: dict[str, Any]) -> None:
        """The configuration, and the state of the code that runs it."""
        self.log_hyperparams({**config, "code": code_state()})

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Closes the run where it has failed; `finish` closes the others, which still have their pictures to send."""
        super().finalize(status)
        if status != "success" and self._experiment is not None:
            self.experiment.finish(exit_code=1)
            self._experiment = None

    @rank_zero_only
    def finish(self) -> None:
        """Sends the pictures of the run directory, and closes the run."""
        for file, name in _FIGURES.items():
            if (self.folder / file).is_file():
                self.log_image(name, [str(self.folder / file)])
        for file, name in _VIDEOS.items():
            if (self.folder / file).is_file():
                self.log_video(name, [str(self.folder / file)])
        self.experiment.finish()
        self._experiment = None


def agents_run() -> str | None:
    """The id of the run that an agent of W&B has started this process for; None where none has."""
    return os.environ.get("WANDB_RUN_ID") if os.environ.get("WANDB_SWEEP_ID") else None


def code_state() -> dict[str, Any]:
    """The commit of lrprop's source, and whether files of the package differ from it; None where git does not know."""
    package = Path(lrprop.__file__).parent

    def git(*words: str) -> str:
        command = ["git", "-C", str(package), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", "__init__.py")  # fails where the repository is somebody else's
        return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain", "--", "."))}
    except (OSError, subprocess.CalledProcessError):
        return {"commit": None, "dirty": None}


def _id_of(folder: Path) -> str | None:
    """The id of the last run that a folder has at W&B, whose directories are called [offline-]run-<time>-<id>."""
    last = max(folder.glob("wandb/*run-*-*"), key=lambda path: path.name.split("-")[-2], default=None)
    return last.name.split("-")[-1] if last else None
