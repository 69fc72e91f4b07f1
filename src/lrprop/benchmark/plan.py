"""What each cell of a grid runs: its layers of YAML, its options, and the command line made of them."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

import yaml

from lrprop.benchmark.grid import Cell, Grid
from lrprop.data import modality_of
from lrprop.data.synthetic import generate
from lrprop.errors import InputError


class Plan:
    """The command lines of a grid's cells.

    Attributes:
        configs: what decides each cell's result, in twelve hexadecimal digits. Not the place of the data, so that a
            table goes with the repository from machine to machine.

    Args:
        grid: what is compared.
        experiments: folder of the YAML layers.
        root: of the data, instead of the grid's.

    Raises:
        InputError: for a layer that does not exist.
    """

    def __init__(self, grid: Grid, experiments: Path, root: Path | None = None) -> None:
        self.grid, self.experiments, self.root = grid, experiments, Path(root or grid.root)
        self._parsed: dict[Path, Any] = {}
        self.configs = {cell: self._config(cell, self.options(cell)) for cell in grid.cells()}

    def layers(self, cell: Cell) -> list[Path]:
        """The YAML files of a cell, later ones over earlier ones; those of the Makefile's LAYERS."""
        method, profile = self.grid.method(cell.method).method, self.grid.profile
        must_exist = {
            "base": True,
            f"actions/{cell.action}": True,
            **({f"synthetic/{cell.action}": False} if self.grid.synthetic else {}),
            f"profiles/{profile}": True,
            f"profiles/{profile}-{self.grid.modality}": False,
            f"methods/{method}": True,
            f"methods/{method}/{cell.action}": False,
        }
        files = {self.experiments / f"{name}.yaml": needed for name, needed in must_exist.items()}
        for file, is_needed in files.items():
            if is_needed and not file.is_file():
                raise InputError(f"{file} does not exist; the grid names it by an action, a method or its profile.")
        return [file for file in files if file.is_file()]

    def options(self, cell: Cell) -> dict[str, Any]:
        """The arguments beside the layers."""
        method = self.grid.method(cell.method)
        return {
            "seed_everything": cell.seed,
            # They are the same for every method: the first one's cells measure them for all.
            "floors": cell.method == self.grid.base,
            **self.grid.options,
            **self.grid.action_options.get(cell.action, {}),
            **method.options,
            **method.action_options.get(cell.action, {}),
        }

    def config_with_floors(self, cell: Cell) -> str:
        """What `configs` would say of a cell if it measured the floor rows, too; they change nothing in training."""
        return self._config(cell, {**self.options(cell), "floors": True})

    def data(self, action: str) -> Path:
        """Where the videos of an action lie: the root of Penn Action, or a folder of their own."""
        return self.root if self.grid.modality == "poses" else self.root / action

    def prepare_data(self, actions: Collection[str]) -> None:
        """Makes what can be made, and compares the rest with what the grid says of it.

        Args:
            actions: those that are about to be trained.

        Raises:
            InputError: if the data are poses and the grid says pixels, or the other way round.
        """
        for action in sorted(actions):
            folder = self.data(action)
            if self.grid.synthetic:
                generate(action, folder)
            if folder.is_dir() and modality_of(folder) != self.grid.modality:
                raise InputError(
                    f"grid {self.grid.file}: modality is {self.grid.modality}, but {folder} has {modality_of(folder)}."
                )

    def command(self, cell: Cell, runs: Path, name: str) -> list[str]:
        """`lrprop fit` for one cell, into `runs/name`."""
        configs = [word for file in self.layers(cell) for word in ("--config", str(file))]
        where = ["--data.root", str(self.data(cell.action)), "--runs", str(runs), "--name", name]
        options = [f"--{key}={_word(value)}" for key, value in self.options(cell).items()]
        bar = "--trainer.enable_progress_bar=false"
        return [sys.executable, "-m", "lrprop", "fit", *configs, *where, *options, bar]

    def _config(self, cell: Cell, options: dict[str, Any]) -> str:
        layers = [self._read(file) for file in self.layers(cell)]
        return hashlib.sha256(json.dumps([layers, options]).encode()).hexdigest()[:12]

    def _read(self, file: Path) -> Any:
        """What a layer says, so that its comments decide nothing; each is read once."""
        if file not in self._parsed:
            self._parsed[file] = yaml.safe_load(file.read_text())
        return self._parsed[file]


def _word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
