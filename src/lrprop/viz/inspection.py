"""`lrprop data inspect`: a data set at a glance, as a table, a list of problems and a contact sheet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lrprop.data.problems import noted
from lrprop.data.survey import Survey, Surveyed, survey
from lrprop.viz.contact_sheet import contact_sheet
from lrprop.viz.poses import draw_poses

ROWS = 14  # the 13 actions of Penn Action find room
COLUMNS = 6


def inspect(folder: Path, sheet: Path | None = None) -> int:
    """Show what a data set has and what is wrong in it.

    Prints a table (videos by split, frames, frames per second, height x width, phases, labelled videos; a row for each
    action) and a list of all problems, and draws a few frames of a few videos. Every layout that can be trained on is
    recognised: Penn Action, Pouring, CARL's form of either, and folders of videos or of frames.

    Args:
        folder: the data set.
        sheet: the PNG to draw; by default `<folder>-frames.png` in the working directory.

    Returns:
        1 where there are problems, else 0: the exit status of the command.

    Raises:
        InputError: there is no data at all.
    """
    folder = Path(folder)
    found = survey(folder)
    name = folder.resolve().name
    rows = list(_rows(found))
    console = Console()
    console.print(_table(found, name))
    for problem in found.problems:
        console.print(f"[bold red]problem:[/bold red] {escape(problem)}", soft_wrap=True, highlight=False)
    if rows:
        out = sheet or Path(f"{name}-frames.png")
        contact_sheet(rows, out, columns_of_rows=2 if len(rows) > 1 else 1)
        drawn = f"Frames of {len(rows)} videos in [bold]{escape(str(out))}[/bold]"
        console.print(drawn, soft_wrap=True, highlight=False)
    return 1 if found.problems else 0


def _table(found: Survey, name: str) -> Table:
    count = len(found.problems)
    problems = f"{count} problem{'' if count == 1 else 's'}" if count else "no problems"
    table = Table("", title=escape(f"{name}: {found.layout}"), caption=f"{len(found.videos)} videos, {problems}")
    for column in ("train", "val", "frames", "fps", "size", "phases", "labelled"):
        table.add_column(column, justify="right")
    for action, videos in _by_action(found):
        table.add_row(escape(action or "all"), *_cells(videos))
    return table


def _by_action(found: Survey) -> list[tuple[str, list[Surveyed]]]:
    return [(action, list(videos)) for action, videos in groupby(found.videos, lambda found: found.video.action)]


def _cells(surveyed: Sequence[Surveyed]) -> Iterator[str]:
    videos = [one.video for one in surveyed]
    for split in ("train", "val"):
        yield str(sum(video.split == split for video in videos))
    yield _range([video.n for video in videos])
    yield _range([round(video.fps, 2) for video in videos])
    sizes = sorted({one.size for one in surveyed if one.size is not None}, key=np.prod)
    yield " .. ".join(f"{height}x{width}" for height, width in dict.fromkeys([*sizes[:1], *sizes[-1:]])) or "poses"
    phases = {int(phase) for video in videos if video.labels is not None for phase in np.unique(video.labels)} - {-1}
    yield str(len(phases)) if phases else "-"
    yield str(sum(video.labels is not None for video in videos))


def _range(values: Sequence[float]) -> str:
    return " .. ".join(f"{value:g}" for value in dict.fromkeys([min(values), max(values)]))


def _rows(found: Survey) -> Iterator[tuple[str, np.ndarray]]:
    """Frames of some videos, those of every action; what cannot be decoded becomes a problem."""
    groups = _by_action(found)
    for action, videos in groups[:ROWS]:
        count = min(len(videos), max(1, ROWS // len(groups)))
        for k in np.linspace(0, len(videos) - 1, count).astype(int):
            with noted(found.problems):
                yield f"{videos[k].video.id} {action}".strip(), _frames(videos[k])


def _frames(surveyed: Surveyed) -> np.ndarray:
    video = surveyed.video
    steps = np.unique(np.linspace(0, video.n - 1, COLUMNS).astype(int))
    return surveyed.read(steps.tolist()) if video.poses is None else draw_poses(video.poses)[steps]
