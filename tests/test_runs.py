"""Runs, benchmark tables and sweeps as frames: what stands in the files, and clear errors where it does not."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from lrprop.cli import main
from lrprop.errors import InputError
from lrprop.runs import (
    leaderboard,
    metric_table,
    read_benchmark,
    read_clips,
    read_config,
    read_embeddings,
    read_history,
    read_leaderboard,
    read_metrics,
    read_runs,
    scores_by_action,
)
from tests.test_cli import fit_arguments


@pytest.fixture(scope="module")
def run(penn_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained run with its embeddings."""
    runs = tmp_path_factory.mktemp("runs")
    assert main(fit_arguments(penn_folder, runs)) == 0
    assert main(["predict", "--config", str(runs / "a/config.yaml")]) == 0
    return runs / "a"


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> Path:
    """A run to damage."""
    shutil.copytree(run, tmp_path / "b", ignore=shutil.ignore_patterns("checkpoints"))
    return tmp_path / "b"


def change_config(run: Path, **data: object) -> None:
    file = run / "config.yaml"
    config = yaml.safe_load(file.read_text())
    config["data"] |= data
    file.write_text(yaml.safe_dump(config))


def test_history_is_the_csv_file_with_a_row_a_value(run: Path) -> None:
    history = read_history(run)
    assert history.columns.tolist() == ["run", "step", "epoch", "metric", "value"]
    assert set(history["run"]) == {"a"}
    with (run / "metrics.csv").open() as stream:
        expected = {
            (int(row["step"]), int(row["epoch"]), name, float(value))
            for row in csv.DictReader(stream)
            for name, value in row.items()
            if value not in ("", "nan") and name not in ("step", "epoch")
        }
    found = history[["step", "epoch", "metric", "value"]].itertuples(index=False, name=None)
    assert sorted(found) == sorted(expected)
    assert history[history["metric"] == "train/loss"]["epoch"].tolist() == [0, 1]


def test_metrics_are_the_rows_of_the_report(run: Path) -> None:
    metrics = read_metrics(run)
    rows = json.loads((run / "metrics.json").read_text())
    assert len(metrics) == sum(map(len, rows.values()))
    for _, row, metric, value in metrics.itertuples(index=False, name=None):
        assert value == rows[row][metric] or (np.isnan(value) and rows[row][metric] is None)


def test_config_has_dotted_keys(run: Path, penn_folder: Path) -> None:
    config = read_config(run).set_index("key")["value"]
    assert config["data.root"] == str(penn_folder)
    assert config["model.encoder.init_args.fc_units"] == [16]
    assert config["model.objective.init_args.lambda_ppp"] == 0.8
    assert config["ckpt_path"] is None


def test_several_runs_together_in_the_order_given(run: Path, copy: Path) -> None:
    runs = read_runs(copy, run)
    for frame in (runs.history, runs.metrics, runs.config):
        assert list(dict.fromkeys(frame["run"])) == ["b", "a"]
        assert len(frame) == 2 * (frame["run"] == "a").sum()


def test_runs_of_one_name_are_refused(run: Path) -> None:
    with pytest.raises(InputError, match="have one name; rename one of the folders"):
        read_runs(run, str(run))
    with pytest.raises(InputError, match="no run directory was given"):
        read_runs()


def test_an_unfinished_run_has_a_history(copy: Path) -> None:
    (copy / "metrics.json").unlink()
    assert not read_history(copy).empty
    with pytest.raises(InputError, match=r"b/metrics\.json: no such file; lrprop fit writes it at its end"):
        read_runs(copy)


@pytest.mark.parametrize(
    ("name", "content", "read"),
    [
        ("metrics.csv", b"", read_history),
        ("metrics.csv", b"\xff\xfe\x00", read_history),
        ("metrics.csv", b"epoch,loss\n0,1\n", read_history),
        ("metrics.csv", b"step,epoch,loss\n0,0,high\n", read_history),
        ("metrics.json", b'{"final": {"ap@1"', read_metrics),
        ("metrics.json", b"[1, 2]", read_metrics),
        ("metrics.json", b'{"final": 3}', read_metrics),
        ("config.yaml", b"a: [", read_config),
        ("config.yaml", b"- a", read_config),
    ],
)
def test_a_damaged_file_is_named(copy: Path, name: str, content: bytes, read: Callable[[Path], pd.DataFrame]) -> None:
    (copy / name).write_bytes(content)
    with pytest.raises(InputError, match=rf"b/{name}: .*damaged"):
        read(copy)


@pytest.mark.parametrize("read", [read_history, read_metrics, read_config, read_runs, read_embeddings])
def test_a_missing_run_is_named(tmp_path: Path, read: Callable[[Path], object]) -> None:
    with pytest.raises(InputError, match=r"nowhere/\S+: no such (file|folder)"):
        read(tmp_path / "nowhere")


def test_embeddings_come_with_the_labels_of_the_data_set(run: Path, penn_folder: Path) -> None:
    train, val = read_embeddings(run, "train"), read_embeddings(run)
    assert [video.id for video in train + val] == [f"{number:04d}" for number in range(1, 7)]
    for video in val:
        np.testing.assert_array_equal(video.embeddings, np.load(run / "embeddings" / f"{video.id}.npy"))
        labels = np.load(penn_folder / "penn_action_labels/val/squat" / f"{video.id}.npy")
        np.testing.assert_array_equal(video.labels, labels)
        assert video.truth is None
        assert video.action == "squat"


def test_clips_are_the_same_videos(run: Path) -> None:
    clips, videos = read_clips(run, "val"), read_embeddings(run, "val")
    assert [clip.id for clip in clips] == [video.id for video in videos]
    for clip, video in zip(clips, videos, strict=True):
        assert len(clip) == len(video.embeddings)
        np.testing.assert_array_equal(clip.labels, video.labels)


def test_pixels_are_read_and_truth_comes_with_them(video_folder: Path, copy: Path) -> None:
    change_config(copy, root=str(video_folder), action="custom")
    for name in ("clip0", "clip1"):
        n = sum(line.startswith(f"val/{name},") for line in (video_folder / "labels.csv").read_text().splitlines())
        (copy / "embeddings/val").mkdir(exist_ok=True)
        np.save(copy / "embeddings/val" / f"{name}.npy", np.zeros((n, 2)))
    clips, videos = read_clips(copy), read_embeddings(copy)
    assert [clip.frames.shape[1:] for clip in clips] == [(32, 32, 3)] * 2
    assert all(video.truth is not None and len(video.truth) == len(video.embeddings) for video in videos)


def test_data_that_has_moved(copy: Path, penn_folder: Path, tmp_path: Path) -> None:
    change_config(copy, root=str(tmp_path / "gone"))
    with pytest.raises(InputError, match=r"gone: the data of .*b is not there .*; give root="):
        read_embeddings(copy)
    assert len(read_embeddings(copy, root=penn_folder)) == 2


def test_embeddings_that_do_not_fit(copy: Path) -> None:
    file = copy / "embeddings/0005.npy"
    embeddings = np.load(file)
    np.save(file, embeddings[1:])
    with pytest.raises(InputError, match=rf"0005\.npy: it has shape \({len(embeddings) - 1}, 8\), but the video has"):
        read_embeddings(copy)
    file.write_bytes(file.read_bytes()[:40])
    with pytest.raises(InputError, match=r"0005\.npy: it is damaged .*; run lrprop predict again"):
        read_embeddings(copy)
    file.unlink()
    with pytest.raises(InputError, match=r"0005\.npy: no such file; run lrprop predict again"):
        read_embeddings(copy)
    change_config(copy, on_error="skip")
    assert [video.id for video in read_embeddings(copy)] == ["0006"]


def test_a_split_that_is_not_there(copy: Path) -> None:
    with pytest.raises(InputError, match=r"split=tune: .*b has no such videos; it has train, val\."):
        read_embeddings(copy, "tune")
    change_config(copy, tune_fraction=0.25)
    assert len(read_embeddings(copy, "tune")) == 1


def test_a_config_of_something_else(copy: Path) -> None:
    (copy / "config.yaml").write_text("data: {root: a}")
    with pytest.raises(InputError, match=r"config\.yaml: it is damaged \(data lacks 'on_error'\)"):
        read_embeddings(copy)


def test_the_table_of_a_benchmark_and_its_scores(tmp_path: Path) -> None:
    file = tmp_path / "grid.csv"
    lines = ["method,action,seed,row,metric,value,seconds"]
    values = {("x", "bowl"): (0.1, 0.2), ("y", "bowl"): (0.3,), ("x", "squat"): (0.5, 0.7), ("y", "squat"): (0.9, 0.8)}
    for (method, action), of_seeds in values.items():
        lines += [f"{method},{action},{seed},final,ap@5,{value},1.0" for seed, value in enumerate(of_seeds)]
        lines += [f"{method},{action},0,raw,ap@5,0.0,1.0"]
    lines += ["x,pullup,0,final,ap@5,0.4,1.0", "z,squat,0,final,ap@5,0.4,1.0", "x,squat,0,final,tau,,1.0"]
    file.write_text("\n".join(lines) + "\n")
    table = read_benchmark(file)
    assert len(table) == len(lines) - 1
    scores = scores_by_action(table, "ap@5", ["y", "x"])
    assert list(scores) == ["y", "x"]
    assert [of_seeds.tolist() for of_seeds in scores["x"]] == [[0.1, 0.2], [0.5, 0.7]], "pullup lacks a method"
    assert [of_seeds.tolist() for of_seeds in scores["y"]] == [[0.3], [0.9, 0.8]]
    assert scores_by_action(table, "tau", ["x"]) == {"x": []}
    file.write_text("method,action\nx,y\n")
    with pytest.raises(InputError, match=r"grid\.csv: it has no column 'seed'.*lrprop benchmark writes it"):
        read_benchmark(file)


def test_the_tables_of_the_project_are_read() -> None:
    for file in (Path(__file__).parents[1] / "docs/results").glob("*.csv"):
        assert {"final", "time_only"} <= set(read_benchmark(file)["row"]), file


def test_the_leaderboard_of_a_sweep_has_whatever_parameters_there_are(tmp_path: Path) -> None:
    file = tmp_path / "leaderboard.csv"
    file.write_text("run,state,tune/ap@5,model.learning_rate,model.encoder\n1,finished,0.5,0.1,a\n2,failed,,0.2,b\n")
    board = read_leaderboard(file)
    assert board.columns.tolist() == ["run", "state", "tune/ap@5", "model.learning_rate", "model.encoder"]
    assert board["tune/ap@5"].isna().tolist() == [False, True]
    for damaged in ("run,metric,state\n1,2,3\n", "run,state\n1,finished\n"):
        file.write_text(damaged)
        with pytest.raises(InputError, match=r"leaderboard\.csv: its columns are .*run, state, a metric"):
            read_leaderboard(file)


def test_runs_become_a_leaderboard_of_what_differs(run: Path, copy: Path) -> None:
    change_config(copy, num_frames=30, seed_of_something=1)
    history = copy / "metrics.csv"
    rows = pd.read_csv(history)
    rows.loc[rows.index[-1], "val/dtw_accuracy"] = 0.125
    rows.to_csv(history, index=False)
    board = leaderboard(read_runs(run, copy), "val/dtw_accuracy")
    assert board.columns.tolist() == ["run", "state", "val/dtw_accuracy", "data.num_frames", "data.seed_of_something"]
    assert board["data.num_frames"].tolist() == [12, 30]
    assert board["val/dtw_accuracy"].tolist()[1] == 0.125, "the last value counts"
    with pytest.raises(ValueError, match="metric='nothing' is none of train/loss"):
        leaderboard(read_runs(run), "nothing")


def test_a_table_of_metrics_in_percent(run: Path) -> None:
    metrics = read_metrics(run)
    table = metric_table(metrics, ["kendalls_tau", "dtw_accuracy"])
    assert table.columns.tolist() == ["kendalls_tau", "dtw_accuracy"]
    assert table.index.tolist() == [("a", row) for row in json.loads((run / "metrics.json").read_text())]
    final = json.loads((run / "metrics.json").read_text())["final"]
    assert table.loc[("a", "final"), "dtw_accuracy"] == pytest.approx(100 * final["dtw_accuracy"])
    with pytest.raises(ValueError, match="metric 'accuracy' is none of ap@1"):
        metric_table(metrics, ["accuracy"])
