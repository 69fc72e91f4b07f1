"""The command line, end to end, on small data."""

from __future__ import annotations

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lrprop.cli import main
from lrprop.data.videofile import read_video
from tests.data.test_penn_action import annotation, write, write_frames, write_phases

ROOT = Path(__file__).parents[1]
EXPERIMENTS = ROOT / "experiments"
TINY = [
    *("--model.encoder.init_args.layers", "1"),
    *("--model.encoder.init_args.width", "16"),
    *("--model.encoder.init_args.heads", "2"),
    *("--model.encoder.init_args.feedforward", "16"),
    *("--model.encoder.init_args.fc_units", "[16]"),
    *("--model.encoder.init_args.embedding", "8"),
    *("--data.num_frames", "12"),
    *("--trainer.check_val_every_n_epoch", "1"),
]


def layers(action: str = "squat", profile: str = "cpu", method: str = "lrprop") -> list[str]:
    names = ["base", f"actions/{action}", f"methods/{method}", f"methods/lrprop/{action}", f"profiles/{profile}"]
    if not method.startswith("lrprop"):
        names.remove(f"methods/lrprop/{action}")
    return [argument for name in names for argument in ("--config", str(EXPERIMENTS / f"{name}.yaml"))]


def fit_arguments(root: Path, runs: Path, name: str = "a", epochs: int = 2, action: str = "squat") -> list[str]:
    return [
        *("fit", *layers(action), *TINY, "--data.root", str(root), "--runs", str(runs), "--name", name),
        *("--trainer.max_epochs", str(epochs)),
    ]


def history(run: Path) -> list[dict[str, str]]:
    with (run / "metrics.csv").open() as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def pose_run(penn_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = tmp_path_factory.mktemp("runs")
    assert main(fit_arguments(penn_folder, runs, epochs=8)) == 0
    return runs / "a"


def test_fit_writes_a_whole_run_directory(pose_run: Path) -> None:
    rows = json.loads((pose_run / "metrics.json").read_text())
    assert rows.keys() == {"final", "untrained", "time_only", "raw", "raw_window"}
    fractions = {f"phase_classification@{percent}" for percent in (5, 10, 25, 50, 75, 100)}
    aps = {f"ap@{k}" for k in (1, 5, 10, 15, 20, 25, 30)}
    for row in rows.values():
        trimmed = {"kendalls_tau", "phase_progression", "dtw_accuracy", "dtw_accuracy_open", *fractions, *aps}
        of_loose = {f"loose/{name}" for name in trimmed - fractions | {"phase_classification@100"}}
        assert row.keys() >= trimmed | of_loose
        assert 0 < row["dtw_accuracy"] <= 1
        assert row["loose/dtw_accuracy"] != row["dtw_accuracy"]
    assert rows["final"] != rows["untrained"]
    for name in ("config.yaml", "metrics.csv", "alignment.png", "alignment.mp4", "checkpoints/last.ckpt"):
        assert (pose_run / name).stat().st_size > 0, name
    assert len(read_video(pose_run / "alignment.mp4")) >= 14


def test_history_has_every_epoch_and_term(pose_run: Path) -> None:
    rows = [row for row in history(pose_run) if row["train/loss"]]
    assert [row["epoch"] for row in rows] == [str(epoch) for epoch in range(8)]
    for row in rows:
        weighted = float(row["train/same"]) + 0.8 * float(row["train/ppp"]) + 0.001 * float(row["train/soft_dtw"])
        assert float(row["train/loss"]) == pytest.approx(weighted, rel=1e-4)


def test_the_checkpoint_gives_the_reported_metrics(pose_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint = str(pose_run / "checkpoints/last.ckpt")
    for subcommand in ("validate", "test"):
        assert main([subcommand, "--config", str(pose_run / "config.yaml"), "--ckpt_path", checkpoint]) == 0
        final = json.loads((pose_run / "metrics.json").read_text())["final"]
        assert f"{100 * final['dtw_accuracy']:.1f}" in capsys.readouterr().out


def test_predict_writes_embeddings(pose_run: Path, penn_folder: Path) -> None:
    checkpoint = str(pose_run / "checkpoints/last.ckpt")
    assert main(["predict", "--config", str(pose_run / "config.yaml"), "--ckpt_path", checkpoint]) == 0
    files = sorted((pose_run / "embeddings").glob("*.npy"))
    assert [file.stem for file in files] == [f"{number:04d}" for number in range(1, 7)]
    embeddings = np.load(files[0])
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, rtol=1e-5)


def test_same_seed_same_metrics(pose_run: Path, penn_folder: Path, tmp_path: Path) -> None:
    assert main(fit_arguments(penn_folder, tmp_path, epochs=8)) == 0
    assert (tmp_path / "a/metrics.json").read_text() == (pose_run / "metrics.json").read_text()
    assert main([*fit_arguments(penn_folder, tmp_path, "b", epochs=8), "--seed_everything", "1"]) == 0
    assert (tmp_path / "b/metrics.json").read_text() != (pose_run / "metrics.json").read_text()


@pytest.mark.parametrize("kills", [4, pytest.param(20, marks=pytest.mark.long)])
def test_killed_again_and_again_equals_uninterrupted(kills: int, penn_folder: Path, tmp_path: Path) -> None:
    """At random moments: in a step, an evaluation, or while a checkpoint is written."""
    runs = {name: tmp_path / name / "a" for name in ("whole", "killed")}
    arguments = {name: fit_arguments(penn_folder, tmp_path / name, epochs=10 * kills) for name in runs}
    assert main(arguments["whole"]) == 0
    last, moments = runs["killed"] / "checkpoints/last.ckpt", random.Random(kills)
    epochs = []
    for _ in range(kills):
        killed_after(moments.uniform(0, 0.15), last, arguments["killed"])
        epochs.append(torch.load(last, weights_only=True)["epoch"])
    assert epochs == sorted(set(epochs)), "every part went on behind the last"
    assert epochs[-1] < 10 * kills - 1, "the run was killed in the middle"
    assert main([*arguments["killed"], "--resume"]) == 0
    assert (runs["killed"] / "metrics.json").read_text() == (runs["whole"] / "metrics.json").read_text()
    killed, whole = ([row["train/loss"] for row in history(run)] for run in runs.values())
    assert killed == whole


def killed_after(seconds: float, last: Path, arguments: list[str]) -> None:
    """Starts or resumes a run, and kills it so long after its next checkpoint."""
    before = last.stat().st_mtime_ns if last.is_file() else None
    resume = [] if before is None else ["--resume"]
    command = [sys.executable, "-m", "lrprop", *arguments, *resume]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # as many threads as the whole run: sums round alike
    while process.poll() is None and (not last.is_file() or last.stat().st_mtime_ns == before):
        time.sleep(0.002)
    time.sleep(seconds)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


def test_a_run_that_is_asked_to_end_saves_and_resumes_in_the_middle_of_an_epoch(
    pose_run: Path, penn_folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = fit_arguments(penn_folder, tmp_path, epochs=8)
    assert main([*arguments, "--trainer.callbacks", "tests.recording.AskToEnd"]) == 143
    assert "go on with --resume" in capfd.readouterr().err
    saved = torch.load(tmp_path / "a/checkpoints/last.ckpt", weights_only=True)
    assert (saved["epoch"], saved["global_step"]) == (1, 3), "the first of two steps of the second epoch"
    config = tmp_path / "a/config.yaml"
    config.write_text((pose_run / "config.yaml").read_text().replace(str(pose_run.parent), str(tmp_path)))
    assert main([*arguments, "--resume"]) == 0
    assert (tmp_path / "a/metrics.json").read_text() == (pose_run / "metrics.json").read_text()
    weights = [
        torch.load(run / "checkpoints/last.ckpt", weights_only=True)["state_dict"] for run in (tmp_path / "a", pose_run)
    ]
    assert all(torch.equal(weights[0][name], tensor) for name, tensor in weights[1].items())


def test_videos_train_through_the_feature_bank(video_folder: Path, tmp_path: Path) -> None:
    arguments = fit_arguments(video_folder, tmp_path, action="custom")
    arguments += ["--data.image_size", "32", "--data.bank", str(tmp_path / "bank"), "--data.tune_fraction", "0.3"]
    assert main(arguments) == 0
    assert len(list((tmp_path / "bank").glob("*.npy"))) == 6
    rows = json.loads((tmp_path / "a/metrics.json").read_text())
    of_tune = rows.pop("tune")  # one video: what needs a pair is None
    assert of_tune.keys() == rows["final"].keys()
    assert of_tune["phase_classification@100"] is not None
    assert all(0 <= row["canonical_error"] < 1 for row in rows.values())
    assert (tmp_path / "a/checkpoints/best.ckpt").is_file()
    assert any(row["tune/kendalls_tau"] and row["tune/loose/canonical_error"] for row in history(tmp_path / "a"))


def test_videos_without_labels_train(video_folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bare = tmp_path / "bare"
    for video in video_folder.glob("*/*.mp4"):
        (bare / video.parent.name).mkdir(parents=True, exist_ok=True)
        (bare / video.parent.name / video.name).write_bytes(video.read_bytes())
    arguments = fit_arguments(bare, tmp_path, action="custom", epochs=1)
    assert main([*arguments, "--data.image_size", "32", "--data.bank", str(tmp_path / "bank")]) == 0
    final = json.loads((tmp_path / "a/metrics.json").read_text())["final"]
    assert final["kendalls_tau"] is not None
    assert final["dtw_accuracy"] is None
    assert len([record for record in caplog.records if "phase labels" in record.message]) == 1


def error_of(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert main(arguments) == 2
    message = capsys.readouterr().err
    assert "Traceback" not in message
    return message


def test_an_existing_run_is_not_overwritten(
    pose_run: Path, penn_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {file: file.stat().st_mtime_ns for file in pose_run.rglob("*")}
    message = error_of(fit_arguments(penn_folder, pose_run.parent), capsys)
    assert "--resume" in message
    assert str(pose_run) in message.replace("\n", "")
    assert before == {file: file.stat().st_mtime_ns for file in pose_run.rglob("*")}


def test_nothing_to_resume(penn_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "nothing to resume" in error_of([*fit_arguments(penn_folder, tmp_path), "--resume"], capsys)


def test_a_run_without_checkpoint_is_not_a_dead_end(
    penn_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/config.yaml").touch()
    for arguments in ([], ["--resume"]):
        assert "remove the folder" in error_of([*fit_arguments(penn_folder, tmp_path), *arguments], capsys)


def test_resuming_other_settings_is_refused(
    pose_run: Path, penn_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [*fit_arguments(penn_folder, pose_run.parent, epochs=8), "--resume", "--data.num_frames", "10"]
    message = error_of(arguments, capsys)
    assert "num_frames: 12" in message
    assert "num_frames: 10" in message


def test_evaluation_takes_the_last_checkpoint_of_the_run(
    pose_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = str(pose_run / "config.yaml")
    assert main(["validate", "--config", config]) == 0
    final = json.loads((pose_run / "metrics.json").read_text())["final"]
    assert f"{100 * final['dtw_accuracy']:.1f}" in capsys.readouterr().out
    assert "no such file" in error_of(["validate", "--config", config, "--runs", str(tmp_path)], capsys)


def test_a_damaged_checkpoint(pose_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damaged = tmp_path / "cut.ckpt"
    damaged.write_bytes((pose_run / "checkpoints/last.ckpt").read_bytes()[:1000])
    arguments = ["predict", "--config", str(pose_run / "config.yaml"), "--ckpt_path", str(damaged)]
    assert "cut.ckpt" in error_of(arguments, capsys)


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("--trainer.max_epochs", "-1", "max_epochs=-1"),
        ("--data.num_frames", "1", "num_frames=1"),
        ("--data.bank_copies", "0", "bank_copies=0"),
        ("--data.videos_per_batch", "9", "videos_per_batch=9"),
        ("--model.learning_rate", "1e30", "embeddings not finite, on the videos 000"),
    ],
)
def test_bad_settings_name_themselves(
    option: str, value: str, expected: str, penn_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert expected in error_of([*fit_arguments(penn_folder, tmp_path), option, value], capsys)


def test_messages_keep_their_brackets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "clips [old]" in error_of(fit_arguments(tmp_path / "clips [old]", tmp_path), capsys)


def test_bad_data_is_one_line_and_leaves_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    for root, expected in ((tmp_path / "absent", "no such folder"), (tmp_path / "empty", "no data found")):
        assert expected in error_of(fit_arguments(root, tmp_path / "runs"), capsys)
    assert not (tmp_path / "runs").exists()


def test_unknown_action_lists_the_known(penn_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [*fit_arguments(penn_folder, tmp_path), "--data.action", "ballet"]
    message = error_of(arguments, capsys)
    assert "ballet" in message
    assert "jumping_jacks" in message


def test_a_checkpoint_of_another_architecture(pose_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["validate", "--config", str(pose_run / "config.yaml"), "--model.encoder.init_args.embedding", "4"]
    message = error_of([*arguments, "--ckpt_path", str(pose_run / "checkpoints/last.ckpt")], capsys)
    assert "another architecture" in message


def test_the_images_of_penn_action_train(tmp_path: Path) -> None:
    root = tmp_path / "penn"
    root.mkdir()
    for number in range(1, 6):
        id = f"{number:04d}"
        write(root, id, annotation(train=-1 if number == 5 else 1))
        write_frames(root, id)
        write_phases(root, np.arange(6) // 2, id=id, folder="squats")
    arguments = [*fit_arguments(root, tmp_path, epochs=1), "--data.input", "pixels", "--data.image_size", "32"]
    assert main([*arguments, "--data.bank", str(tmp_path / "bank")]) == 0
    assert len(list((tmp_path / "bank").glob("*.npy"))) == 5
    assert "input: pixels" in (tmp_path / "a/config.yaml").read_text()


def test_a_data_set_is_inspected(video_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sheet = tmp_path / "sheet.png"
    assert main(["data", "inspect", str(video_folder), "--sheet", str(sheet)]) == 0
    assert "6 videos, no problems" in capsys.readouterr().out
    assert sheet.is_file()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.mp4").touch()
    assert main(["data", "inspect", str(tmp_path / "bad")]) == 1
    assert "a.mp4" in capsys.readouterr().out
    assert "no such folder" in error_of(["data", "inspect", str(tmp_path / "nowhere")], capsys)


def test_a_data_set_is_converted(video_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["data", "convert", str(video_folder), str(tmp_path / "out")]
    assert "--encode" in error_of(arguments, capsys)
    assert main([*arguments, "--encode", "true"]) == 0
    assert len(list((tmp_path / "out").glob("*/*.mp4"))) == 6


def config_of(layering: list[str], capsys: pytest.CaptureFixture[str], root: Path) -> str:
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        main(["fit", *layering, "--data.root", str(root), "--print_config"])
    assert stop.value.code == 0
    return capsys.readouterr().out


ACTIONS = sorted(file.stem for file in (EXPERIMENTS / "actions").glob("*.yaml"))


@pytest.mark.parametrize("profile", ["cpu", "cpu-pixels", "gpu"])
def test_every_profile_parses(profile: str, penn_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refined = [] if profile == "cpu" else ["--config", str(EXPERIMENTS / f"profiles/{profile}.yaml")]
    assert "max_epochs" in config_of([*layers(), *refined], capsys, penn_folder)


@pytest.mark.parametrize("action", ACTIONS)
def test_every_experiment_parses_in_any_order(
    action: str, penn_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs = np.array(layers(action)).reshape(-1, 2)
    expected = config_of(layers(action), capsys, penn_folder)
    assert config_of(pairs[[0, 3, 1, 2, 4]].ravel().tolist(), capsys, penn_folder) == expected
    assert config_of(pairs[[0, 2, 3, 4, 1]].ravel().tolist(), capsys, penn_folder) == expected


@pytest.mark.parametrize("method", sorted(file.stem for file in (EXPERIMENTS / "methods").glob("*.yaml")))
def test_every_method_trains(method: str, penn_folder: Path, tmp_path: Path) -> None:
    arguments = ["fit", *layers(method=method), *TINY, "--data.root", str(penn_folder), "--runs", str(tmp_path)]
    arguments += ["--name", "a", "--trainer.max_epochs", "1", "--floors", "false"]
    assert main([*arguments, "--model.encoder.init_args.embedding", "128"]) == 0  # SAL's head reads as many
    final = json.loads((tmp_path / "a/metrics.json").read_text())["final"]
    assert final["dtw_accuracy"] > 0


# Table 5 of the paper: T, lambda_1 and lambda_2.
TABLE_5: dict[tuple[Any, ...], tuple[int, float, float]] = {
    ("jumping_jacks",): (20, 0.01, 0.4),
    ("tennis_serve", "tennis_forehand"): (40, 0.003, 0.4),
    ("baseball_swing",): (40, 0.001, 0.4),
    ("bowl",): (60, 0.001, 0.4),
    ("situp", "bench_press", "baseball_pitch"): (80, 0.001, 0.4),
    ("golf_swing", "pushup"): (80, 0.001, 1.6),
    ("squat", "pullup", "clean_and_jerk"): (80, 0.001, 0.8),
    ("pouring",): (240, 0.001, 0.8),
}


@pytest.mark.parametrize(("action", "row"), [(a, row) for actions, row in TABLE_5.items() for a in actions])
def test_table_5(
    action: str, row: tuple[int, float, float], penn_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = config_of(layers(action), capsys, penn_folder)
    assert f"num_frames: {row[0]}\n" in text
    assert f"lambda_soft_dtw: {row[1]}\n" in text
    assert f"lambda_ppp: {row[2]}\n" in text
    assert f"action: {action}\n" in text
