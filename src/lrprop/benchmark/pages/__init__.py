"""The page of a grid: its tables, its figures and what is missing, in one Markdown file with pictures beside it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from lrprop.benchmark.pages.beside_paper import beside_the_paper
from lrprop.benchmark.pages.comparison import comparison
from lrprop.benchmark.pages.sensitivity import sensitivity
from lrprop.benchmark.results import Results, grouped, name_of, seeds_in_words
from lrprop.benchmark.statistics import RESAMPLES
from lrprop.errors import InputError

__all__ = ["write_page"]


def write_page(results: Results, out: Path) -> Path:
    """Write the page of a grid, and its figures beside it as `<page>-*.png`.

    A grid whose methods have `values` is about the factors that they name; any other compares its methods.

    Args:
        results: of the grid.
        out: the Markdown file.

    Returns:
        `out`.

    Raises:
        InputError: if the table holds no cell of the grid.
    """
    if not results.metrics:
        raise InputError(f"{results.file}: no finished cell of {results.grid.file}; run lrprop benchmark first.")
    body = sensitivity if any(method.values for method in results.grid.methods) else comparison
    out.parent.mkdir(parents=True, exist_ok=True)
    parts = [_heading(results), _state(results)]
    parts += [body(results, protocol, out) for protocol in results.protocols]
    parts += [beside_the_paper(results, number) for number in results.grid.paper]
    out.write_text("\n\n".join(part for part in parts if part) + "\n", encoding="utf-8")
    return out


def _heading(results: Results) -> str:
    grid, file = results.grid, _shown(results.grid.file)
    size = f"Methods x actions x seeds: {len(grid.methods)} x {len(grid.actions)} x {len(grid.seeds)}"
    return f"""# {grid.name}

{size}, profile `{grid.profile}`, on {_input(results)}.

- `lrprop benchmark {file}` trains and evaluates what is missing, writes every number into
  [{results.file.name}]({results.file.name}) and makes this page; `lrprop tables {file}` makes the page alone. The
  data are looked for in `{grid.root.as_posix()}`, or where `--root` says.
- All figures in %, on val, of the last epoch: means over seeds, then over actions. Behind ±: half of the 95 % bootstrap
  interval ({RESAMPLES} resamples of the actions, and of the seeds within each).
- A mean over actions counts the actions on which every method has a value, and of each method the seeds that it has
  there; what is missing is named below the table. A method has none before it has a cell on every action.
- The best method is in bold. The rows that need no training stand below."""


def _input(results: Results) -> str:
    grid = results.grid
    if grid.modality == "poses":
        has_labels = any(name_of(metric) == "dtw_accuracy" for metric in results.metrics)
        labels = " with silver phase labels, a rule on the same joints" * has_labels
        return f"the annotated joints of Penn Action{labels}"
    what = "synthetic videos with exact labels" if grid.synthetic else f"the videos of `{grid.root.name}`"
    return f"{what}, behind the profile's frame encoder"


def _shown(file: Path) -> str:
    """A path as a reader of the repository would type it."""
    absolute = file.absolute()
    return absolute.relative_to(Path.cwd()).as_posix() if absolute.is_relative_to(Path.cwd()) else file.name


def _state(results: Results) -> str:
    """What is not there: cells, metrics, and pairs of videos without a tau."""
    total = len(results.grid.cells())
    notes = [f"{total - len(results.missing)} of {total} cells are finished."]
    notes += [f"**Missing**: {cells}." for cells in _missing(results)]
    if results.undefined:
        notes.append(f"No trained method has a value of: {', '.join(results.undefined)}.")
    for protocol in results.protocols:
        for method, (pairs, actions) in results.undefined_pairs(protocol).items():
            where = f"{', '.join(actions)}, all seeds together"
            how_many = "1 pair of videos has" if pairs == 1 else f"{pairs} pairs of videos have"
            notes.append(f"{method}, {protocol}: {how_many} no Kendall's tau ({where}).")
    return "\n".join(f"- {note}" for note in notes)


def _missing(results: Results) -> list[str]:
    """The cells that are missing: seeds of which all are, then by method and seeds."""
    of_seed = Counter(cell.seed for cell in results.missing)
    whole = [seed for seed, count in of_seed.items() if count == len(results.grid.cells()) / len(results.grid.seeds)]
    seeds = grouped(((cell.method, cell.action), cell.seed) for cell in results.missing if cell.seed not in whole)
    actions = grouped(((method, seeds_in_words(of)), action) for (method, action), of in seeds.items())
    everywhere = len(results.grid.actions)
    alike = grouped(
        (("every action" if len(where) == everywhere > 1 else ", ".join(where), of_method), method)
        for (method, of_method), where in actions.items()
    )
    singles = [f"{', '.join(methods)} on {where}, {of_methods}" for (where, of_methods), methods in alike.items()]
    return [f"every method on every action, {seeds_in_words(whole)}"] * bool(whole) + singles
