"""What is compared: a grid of methods x actions x seeds, a file of `experiments/benchmarks`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, Literal

import yaml

from lrprop.data.penn_action import ALL
from lrprop.data.video import Modality
from lrprop.errors import InputError

# Rows of metrics.json that need no training, in the order of the tables; "final" is the trained one.
FLOORS = ("untrained", "time_only", "raw_window", "raw")
# Methods and factors are part of the names of folders and files.
_NAME = re.compile(r"[A-Za-z0-9][\w.+=-]*")


@dataclass(frozen=True)
class Method:
    """A method of a grid: a layer of `experiments/methods`, and what is changed on top of it.

    Attributes:
        name: what the tables call it.
        method: the layer.
        options: further arguments of `lrprop fit` by their dotted names; they come last.
        action_options: the same for one action.
        values: its place along each factor of a sensitivity figure, by the factor's name.
        together: train one model on all actions of Penn Action instead of one on each.
    """

    name: str
    method: str
    options: dict[str, Any] = field(default_factory=dict)
    action_options: dict[str, dict[str, Any]] = field(default_factory=dict)
    values: dict[str, float] = field(default_factory=dict)
    together: bool = False


@dataclass(frozen=True, order=True)
class Cell:
    """One training run; its action is `ALL` where the method is trained on all at once."""

    method: str
    action: str
    seed: int

    @property
    def name(self) -> str:
        """Of its run directory."""
        return f"{self.action}-{self.method}-{self.seed}"


@dataclass(frozen=True)
class Grid:
    """What is compared.

    Attributes:
        file: the YAML file; the other attributes are its keys.
        root: of the data: Penn Action, or a folder with one folder of videos an action under its name.
        profile: layer of `experiments/profiles`.
        methods: what is compared; an entry of the file is the name of a layer of `experiments/methods`, or the fields
            of a `Method`.
        actions: layers of `experiments/actions`.
        seeds: of training.
        modality: what the videos are made of.
        synthetic: whether `lrprop synth` makes the data where they are missing.
        options: further arguments of `lrprop fit` by their dotted names, for all cells.
        action_options: the same for one action.
        paper: the tables of the paper, 1 to 4, whose numbers are set beside these.
        leads: the methods that each other one is set against, with intervals; the first method where none is given.
        copy_from: other grids on the same data. A cell that their tables, beside this one's, hold with the same
            configuration is copied from there and not trained, whatever its method is called. Only the first method
            takes over floor rows.
    """

    file: Path
    root: Path
    profile: str
    methods: list[Method]
    actions: list[str]
    seeds: list[int]
    modality: Modality = "poses"
    synthetic: bool = False
    options: dict[str, Any] = field(default_factory=dict)
    action_options: dict[str, dict[str, Any]] = field(default_factory=dict)
    paper: list[Literal[1, 2, 3, 4]] = field(default_factory=list)
    leads: list[str] = field(default_factory=list)
    copy_from: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Of the table, the page and the folder of runs."""
        return self.file.stem

    @property
    def method_names(self) -> list[str]:
        """In the order of the file."""
        return [method.name for method in self.methods]

    @property
    def base(self) -> str:
        """The first method: it measures the floor rows for all; the factors and the paper's Table 4 are about it."""
        return self.methods[0].name

    def method(self, name: str) -> Method:
        """The method of that name."""
        return next(method for method in self.methods if method.name == name)

    def cells(self) -> list[Cell]:
        """All cells, seed by seed, so that an unfinished table is an even one."""
        triples = product(self.seeds, [*self.actions, ALL], self.methods)
        return [Cell(m.name, action, seed) for seed, action, m in triples if m.together == (action == ALL)]


def read_grid(file: Path) -> Grid:
    """Read a grid.

    Raises:
        InputError: naming the file and what is wrong in it.
    """
    try:
        fields = yaml.safe_load(file.read_text())
        fields["methods"] = [_read_method(entry) for entry in _listed(fields, "methods")]
        fields["root"] = Path(fields["root"])
        fields["leads"] = fields.get("leads") or [method.name for method in fields["methods"][:1]]
        grid = Grid(file=file, **fields)
        _check(grid)
    except (OSError, TypeError, KeyError, yaml.YAMLError) as error:
        raise InputError(f"grid {file}: {error}; it needs root, profile, methods, actions and seeds.") from error
    except ValueError as error:
        raise InputError(f"grid {file}: {error}") from error
    return grid


def _read_method(entry: Any) -> Method:
    try:
        return Method(entry, entry) if isinstance(entry, str) else Method(**entry)
    except TypeError as error:
        raise ValueError(f"method {entry}: give the name of a layer, or name, method and options.") from error


def _listed(fields: dict[str, Any], name: str) -> list[Any]:
    if not isinstance(fields[name], list) or not fields[name]:
        raise ValueError(f"{name}: {fields[name]} is not a list of at least one.")
    return fields[name]


def _check(grid: Grid) -> None:
    for name in ("methods", "actions", "seeds"):
        _check_distinct(name, grid.method_names if name == "methods" else _listed(vars(grid), name))
    for method in grid.methods:
        for name in (method.name, *method.values):
            if not _NAME.fullmatch(name) or name in (*FLOORS, "final"):
                raise ValueError(
                    f"the name {name!r} is a floor row's, or has other signs than letters, digits, . _ + = -"
                )
    for options in (grid.action_options, *(method.action_options for method in grid.methods)):
        for action in options.keys() - set(grid.actions):
            raise ValueError(f"action_options name {action!r}, which is not among the actions.")
    if grid.modality not in ("poses", "pixels"):
        raise ValueError(f"modality: {grid.modality!r} is neither poses nor pixels.")
    if ALL in grid.actions:
        raise ValueError(f"actions: {ALL!r} is for a method of its own, with together: true.")
    for name in grid.leads:
        if name not in grid.method_names:
            raise ValueError(f"leads: {name!r} is not among the methods.")
    for name in grid.copy_from:
        if not grid.file.with_name(f"{name}.yaml").is_file():
            raise ValueError(f"copy_from: there is no grid {name!r} beside this one.")
    for number in grid.paper:
        if number not in (1, 2, 3, 4):
            raise ValueError(f"paper: {number!r} is none of the tables 1 to 4.")


def _check_distinct(name: str, values: Iterable[Any]) -> None:
    known = set()
    for value in values:
        if value in known:
            raise ValueError(f"{name}: {value!r} stands there twice.")
        known.add(value)
