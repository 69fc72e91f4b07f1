"""Run directories, benchmark tables and sweeps as tidy pandas frames: one row a value, one column a variable.

from lrprop.cli import main
from lrprop.runs import read_embeddings, read_runs

main("fit --config experiments/base.yaml ... --name squat".split())
main("predict --config runs/squat/config.yaml".split())
run = read_runs("runs/squat")
videos = read_embeddings("runs/squat", "val")
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from lrprop.batch import EmbeddedVideo
from lrprop.data import Video, find_videos
from lrprop.data.problems import Skipped
from lrprop.data.video import Split
from lrprop.errors import InputError
from lrprop.viz import Clip, draw_poses

# The trained row of metrics.json; the others need no training.
TRAINED = "final"
# They tell where a run lies, not what it is.
_PLACES = ("name", "runs", "trainer.default_root_dir")


@dataclass(frozen=True, eq=False)
class Runs:
    """One run or several.

    Attributes:
        history: run, step, epoch, metric, value: all that was logged, and nothing where a metric was not defined.
        metrics: run, row, metric, value: the rows of metrics.json, "final" being the trained one; fractions, NaN where
            a metric is not defined.
        config: run, key, value: the configuration by its dotted keys.
    """

    history: pd.DataFrame
    metrics: pd.DataFrame
    config: pd.DataFrame


def read_runs(*folders: Path | str) -> Runs:
    """Read finished runs, which are called by the names of their folders.

    Args:
        folders: run directories, such as `*Path("runs").glob("squat-*")`.

    Raises:
        InputError: no folder at all, two of one name, or a file of one is missing or damaged.
    """
    if not folders:
        raise InputError("no run directory was given; name one such as runs/squat-lrprop-0.")
    for folder, following in pairwise(sorted(folders, key=_name)):
        if _name(folder) == _name(following):
            raise InputError(f"{folder} and {following} have one name; rename one of the folders.")
    history, metrics, config = (
        pd.concat([read(folder) for folder in folders], ignore_index=True)
        for read in (read_history, read_metrics, read_config)
    )
    return Runs(history, metrics, config)


def read_history(folder: Path | str) -> pd.DataFrame:
    """What a run has logged, finished or not: run, step, epoch, metric, value.

    Raises:
        InputError: `metrics.csv` is missing or damaged.
    """
    file = Path(folder) / "metrics.csv"
    wide = _read_csv(file, ["step", "epoch"], "it is written while lrprop fit runs")
    long = wide.melt(["step", "epoch"], var_name="metric", value_name="value").dropna()
    try:
        long = long.astype({"step": int, "epoch": int, "value": float})
    except ValueError as error:
        raise InputError(f"{file}: it is damaged ({error}); resume the run, or start it anew.") from error
    ordered = long.sort_values(["metric", "step", "epoch"], kind="stable", ignore_index=True)
    return _of_run(folder, ordered)


def read_metrics(folder: Path | str) -> pd.DataFrame:
    """The rows of a finished run: run, row, metric, value.

    Raises:
        InputError: `metrics.json` is missing or damaged.
    """
    file = Path(folder) / "metrics.json"
    rows = _parsed(file, json.loads, "lrprop fit writes it at its end")
    try:
        values = [(row, metric, value) for row, metrics in rows.items() for metric, value in metrics.items()]
    except AttributeError as error:
        raise InputError(f"{file}: it is damaged (rows of metrics are expected); run lrprop fit again.") from error
    return _of_run(folder, pd.DataFrame(values, columns=["row", "metric", "value"]).astype({"value": float}))


def read_config(folder: Path | str) -> pd.DataFrame:
    """The configuration of a run: run, key, value, the keys dotted as on the command line.

    Raises:
        InputError: `config.yaml` is missing or damaged.
    """
    return _of_run(folder, pd.DataFrame(list(_dotted(_config(folder))), columns=["key", "value"]))


def read_embeddings(folder: Path | str, split: Split = "val", root: Path | str | None = None) -> list[EmbeddedVideo]:
    """The embeddings that `lrprop predict` wrote, with the labels and canonical times of the data set.

    Args:
        folder: the run directory.
        split: "train", "val" or "tune".
        root: of the data, where it has moved since the run.

    Returns:
        The videos of the split by id, without those that the run skipped as unreadable.

    Raises:
        InputError: the configuration, the data or an embedding is missing or damaged, or they do not belong together.
    """
    return [
        EmbeddedVideo(video.id, embeddings, video.labels, video.truth, video.action)
        for video, embeddings in _embedded(folder, split, root)
    ]


def read_clips(folder: Path | str, split: Split = "val", root: Path | str | None = None) -> list[Clip]:
    """The frames of the same videos in the same order as those of `read_embeddings`, all in memory.

    Args:
        folder: the run directory.
        split: "train", "val" or "tune".
        root: of the data, where it has moved since the run.

    Raises:
        InputError: as `read_embeddings`, or a video cannot be read.
    """
    return [
        Clip(video.id, video.read() if video.poses is None else draw_poses(video.poses), video.labels, video.fps)
        for video, _ in _embedded(folder, split, root)
    ]


def read_benchmark(file: Path | str) -> pd.DataFrame:
    """The table of a benchmark: method, action, seed, row, metric, value, and what else its columns hold.

    Raises:
        InputError: the file is missing or damaged.
    """
    return _read_csv(Path(file), ["method", "action", "seed", "row", "metric", "value"], "lrprop benchmark writes it")


def read_leaderboard(file: Path | str) -> pd.DataFrame:
    """The runs of a sweep: run, state, the metric, and a column for each parameter by its dotted key.

    Raises:
        InputError: the file is missing or damaged.
    """
    board = _read_csv(Path(file), ["run", "state"], "a local sweep writes it")
    if board.columns[:2].tolist() != ["run", "state"] or len(board.columns) < 3:
        raise InputError(
            f"{file}: its columns are {', '.join(board.columns)}; run, state, a metric and parameters are expected."
        )
    return board


def leaderboard(runs: Runs, metric: str) -> pd.DataFrame:
    """Several runs as a sweep, in the form of `read_leaderboard`, the parameters being what differs between them.

    Args:
        runs: at least one.
        metric: of their histories, such as "tune/dtw_accuracy", the last value of which counts. A choice is to be made
            on "tune" alone (`data.tune_fraction`).

    Raises:
        ValueError: no run has the metric.
    """
    values = runs.history[runs.history["metric"] == metric].groupby("run")["value"].last()
    if values.empty:
        raise ValueError(f"metric={metric!r} is none of {', '.join(sorted(set(runs.history['metric'])))}")
    config = runs.config[~runs.config["key"].isin(_PLACES)].pivot(index="run", columns="key", values="value")
    differs = [key for key in config if config[key].map(repr).nunique() > 1]
    board = config[differs].infer_objects()
    board.insert(0, metric, values)
    board.insert(0, "state", "finished")
    return board.reset_index().rename_axis(columns=None)


def metric_table(metrics: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Some metrics side by side, in percent: a line for each row of each run.

    Args:
        metrics: of `Runs`.
        names: the metrics, which become the columns.

    Raises:
        ValueError: a name that no row has.
    """
    for name in names:
        if name not in set(metrics["metric"]):
            raise ValueError(f"metric {name!r} is none of {', '.join(sorted(set(metrics['metric'])))}")
    chosen = metrics[metrics["metric"].isin(names)]
    wide = chosen.pivot(index=["run", "row"], columns="metric", values="value")
    rows = pd.MultiIndex.from_frame(chosen[["run", "row"]].drop_duplicates())
    return 100 * wide.reindex(index=rows, columns=list(names))


def scores_by_action(table: pd.DataFrame, metric: str, methods: Sequence[str]) -> dict[str, list[np.ndarray]]:
    """What `lrprop.benchmark.statistics.interval` takes: the scores of each method, for each action (S,) of its seeds.

    Args:
        table: of `read_benchmark`.
        metric: its name in the table.
        methods: those to be compared.

    Returns:
        By method, the scores on the actions, in the order of the alphabet, on which all methods have one.
    """
    trained = table[(table["row"] == TRAINED) & (table["metric"] == metric)].dropna(subset="value")
    seeds = trained.groupby(["method", "action"])["value"].apply(np.array)
    actions = [a for a in sorted(set(trained["action"])) if all((method, a) in seeds.index for method in methods)]
    return {method: [seeds[method, action] for action in actions] for method in methods}


def _name(folder: Path | str) -> str:
    return Path(folder).resolve().name


def _of_run(folder: Path | str, frame: pd.DataFrame) -> pd.DataFrame:
    frame.insert(0, "run", _name(folder))
    return frame


def _parsed(file: Path, parse: Callable[[str], Any], origin: str) -> Any:
    """What a file holds."""
    if not file.is_file():
        raise InputError(f"{file}: no such file; {origin}.")
    try:
        return parse(file.read_text())
    except (ValueError, yaml.YAMLError) as error:  # bytes that are no text are a ValueError, too
        raise InputError(f"{file}: it is damaged ({error}).") from error


def _read_csv(file: Path, columns: Sequence[str], origin: str) -> pd.DataFrame:
    frame: pd.DataFrame = _parsed(file, lambda text: pd.read_csv(StringIO(text)), origin)
    for column in columns:
        if column not in frame:
            raise InputError(f"{file}: it has no column {column!r}, so it is damaged or something else; {origin}.")
    return frame


def _config(folder: Path | str) -> dict[str, Any]:
    file = Path(folder) / "config.yaml"
    config = _parsed(file, yaml.safe_load, "name a folder that lrprop fit has written")
    if not isinstance(config, dict):
        raise InputError(f"{file}: it is damaged (settings by name are expected).")
    return config


def _dotted(settings: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in settings.items():
        if isinstance(value, dict) and value:
            yield from _dotted(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _embedded(folder: Path | str, split: Split, root: Path | str | None) -> Iterator[tuple[Video, np.ndarray]]:
    """The videos of a split with the embeddings (n, D) of their frames."""
    embeddings = Path(folder) / "embeddings"
    if not embeddings.is_dir():
        raise InputError(f"{embeddings}: no such folder; lrprop predict --config {folder}/config.yaml writes it.")
    videos, may_skip = _videos(folder, root)
    of_split = [video for video in videos if video.split == split]
    if not of_split:
        raise InputError(
            f"split={split}: {folder} has no such videos; it has {', '.join(sorted({v.split for v in videos}))}."
        )
    for video in of_split:
        file = embeddings / f"{video.id}.npy"
        if file.is_file() or not may_skip:
            yield video, _read_array(file, video.n)


def _videos(folder: Path | str, root: Path | str | None) -> tuple[list[Video], bool]:
    """The videos of a run's data set, and whether it may have skipped some."""
    try:
        data = _config(folder)["data"]
        may_skip = data["on_error"] == "skip"
        root = Path(data["root"] if root is None else root)
        options = {name: data[name] for name in ("action", "input", "val_fraction", "tune_fraction")}
        options["seed"] = data["split_seed"]
    except (KeyError, TypeError) as error:
        raise InputError(f"{folder}/config.yaml: it is damaged (data lacks {error}).") from error
    if not root.exists():
        raise InputError(
            f"{root}: the data of {folder} is not there (seen from {Path.cwd()}); give root=<where it is>."
        )
    return find_videos(root, problems=Skipped() if may_skip else None, **options), may_skip


def _read_array(file: Path, frames: int) -> np.ndarray:
    remedy = "run lrprop predict again"
    if not file.is_file():
        raise InputError(f"{file}: no such file; {remedy}.")
    try:
        embeddings: np.ndarray = np.load(file)
    except (ValueError, EOFError) as error:
        raise InputError(f"{file}: it is damaged ({error}); {remedy}.") from error
    if embeddings.ndim != 2 or len(embeddings) != frames:
        raise InputError(f"{file}: it has shape {embeddings.shape}, but the video has {frames} frames; {remedy}.")
    return embeddings
