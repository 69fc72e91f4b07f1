from __future__ import annotations

import csv
import importlib
import json
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lrprop.data.synthetic import ACTIONS, contact_sheet_frames, generate
from lrprop.data.synthetic.body import JOINTS, two_bones, unit
from lrprop.data.synthetic.noise import smooth_curve
from lrprop.data.synthetic.render import far_to_near
from lrprop.data.synthetic.stage import Performer
from lrprop.data.synthetic.tempo import canonical_times
from lrprop.data.videofile import read_video
from lrprop.errors import InputError

PHASES = {
    "baseball_pitch": 4,
    "baseball_swing": 3,
    "bench_press": 2,
    "bowl": 3,
    "clean_and_jerk": 6,
    "golf_swing": 3,
    "jumping_jacks": 4,
    "pushup": 2,
    "pullup": 2,
    "situp": 2,
    "squat": 4,
    "tennis_forehand": 3,
    "tennis_serve": 4,
    "pouring": 5,
}
MODULE = importlib.import_module("lrprop.data.synthetic.generate")  # the package's `generate` is the function
SMALL: dict[str, Any] = {"train": 2, "val": 1, "size": 64}


def joints(action: str, c: np.ndarray, seed: int = 0, style: float = 0.0) -> np.ndarray:
    return ACTIONS[action].perform(Performer(c, np.random.default_rng(seed), style)).figure.joints


def rows(root: Path) -> dict[str, list[dict[str, str]]]:
    with (root / "labels.csv").open(newline="") as file:
        reader = csv.DictReader(file)
        assert reader.fieldnames == ["video", "frame", "phase", "time"]
        videos: dict[str, list[dict[str, str]]] = {}
        for row in reader:
            videos.setdefault(row["video"], []).append(row)
    return videos


def frames(root: Path, video: str) -> np.ndarray:
    return read_video(root / f"{video}.mp4")


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate("clean_and_jerk", tmp_path_factory.mktemp("synthetic") / "clean", **SMALL)


class TestSet:
    def test_is_laid_out_like_a_users_own_videos(self, clean: Path) -> None:
        files = sorted(path.relative_to(clean).as_posix() for path in clean.rglob("*") if path.is_file())
        videos = [f"{name}.mp4" for name in ("train/clean_and_jerk_0000", "train/clean_and_jerk_0001")]
        assert files == ["labels.csv", "synthetic.json", *videos, "val/clean_and_jerk_0000.mp4"]
        assert list(rows(clean)) == [file.removesuffix(".mp4") for file in files[2:]]
        manifest = json.loads((clean / "synthetic.json").read_text())
        assert manifest == {"generator": 1, "action": "clean_and_jerk", "train": 2, "val": 1, "seed": 0, "size": 64}

    def test_labels_every_frame(self, clean: Path) -> None:
        for video, labels in rows(clean).items():
            clip = frames(clean, video)
            assert clip.shape == (len(labels), 64, 64, 3)
            assert 20 <= len(clip) <= 120
            assert [int(row["frame"]) for row in labels] == list(range(len(clip)))

    def test_phases_and_times_run_forwards_and_agree(self, clean: Path) -> None:
        for labels in rows(clean).values():
            time = np.array([float(row["time"]) for row in labels])
            phase = np.array([int(row["phase"]) for row in labels])
            assert time[0] == 0
            assert time[-1] == 1
            assert (np.diff(time) >= 0).all()
            assert (np.diff(phase) >= 0).all()
            assert set(phase) == set(range(6))
            np.testing.assert_array_equal(phase, ACTIONS["clean_and_jerk"].phase(time))

    def test_clips_and_seeds_differ(self, clean: Path, tmp_path: Path) -> None:
        other = generate("clean_and_jerk", tmp_path / "other", train=1, val=1, size=64, seed=1)
        clips = [[row["time"] for row in labels] for root in (clean, other) for labels in rows(root).values()]
        assert all(one != two for i, one in enumerate(clips) for two in clips[:i])


class TestDeterminism:
    """On frames before compression: that equal frames give equal files is the business of `videofile`."""

    @pytest.fixture(autouse=True)
    def _uncompressed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def save(path: Path, frames: Iterable[np.ndarray], fps: float) -> None:
            path.parent.mkdir(exist_ok=True)
            with path.open("wb") as file:
                np.save(file, np.stack(list(frames)))

        monkeypatch.setattr(MODULE, "write_video", save)

    @pytest.fixture
    def first(self, tmp_path: Path) -> Path:
        return generate("squat", tmp_path / "first", **SMALL)

    def test_same_arguments_give_the_same_set(self, first: Path, tmp_path: Path) -> None:
        again = generate("squat", tmp_path / "again", **SMALL)
        assert (again / "labels.csv").read_bytes() == (first / "labels.csv").read_bytes()
        for video in rows(first):
            assert (again / f"{video}.mp4").read_bytes() == (first / f"{video}.mp4").read_bytes()

    def test_a_clip_does_not_depend_on_the_counts(self, first: Path, tmp_path: Path) -> None:
        other = generate("squat", tmp_path / "other", train=1, val=1, size=64)
        for video in ("train/squat_0000", "val/squat_0000"):
            assert rows(other)[video] == rows(first)[video]
            assert (other / f"{video}.mp4").read_bytes() == (first / f"{video}.mp4").read_bytes()


class TestWriting:
    def test_a_complete_set_is_used_as_it_is(self, clean: Path) -> None:
        before = {path: path.stat().st_mtime_ns for path in clean.rglob("*")}
        assert generate("clean_and_jerk", str(clean), **SMALL) == clean
        assert {path: path.stat().st_mtime_ns for path in clean.rglob("*")} == before

    def test_an_interrupted_run_leaves_nothing_that_looks_complete(
        self, clean: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        root = tmp_path / "set"

        def interrupt(path: Path, frames: Iterable[np.ndarray], fps: float) -> None:
            if path.stem.endswith("0001"):
                raise KeyboardInterrupt
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(b"half a set")

        with monkeypatch.context() as patch:
            patch.setattr(MODULE, "write_video", interrupt)
            with pytest.raises(KeyboardInterrupt):
                generate("clean_and_jerk", root, **SMALL)
        assert [path.name for path in tmp_path.iterdir()] == ["set.partial"]
        with caplog.at_level(logging.WARNING):
            generate("clean_and_jerk", root, **SMALL)
        assert "set.partial" in caplog.text
        assert [path.name for path in tmp_path.iterdir()] == ["set"]
        assert rows(root) == rows(clean)
        for video, labels in rows(root).items():
            assert len(frames(root, video)) == len(labels)

    def test_an_empty_folder_is_filled(self, tmp_path: Path) -> None:
        (tmp_path / "new").mkdir()
        root = generate("pushup", tmp_path / "new", train=1, val=1, size=32)
        assert len(rows(root)) == 2

    @pytest.mark.parametrize("changed", [{"seed": 5}, {"train": 3}, {"size": 32}])
    def test_refuses_another_set(self, clean: Path, changed: dict[str, int]) -> None:
        with pytest.raises(InputError, match="another synthetic set") as error:
            generate("clean_and_jerk", clean, **SMALL | changed)
        assert str(clean) in str(error.value)
        assert "--root" in str(error.value)

    def test_refuses_a_folder_of_something_else(self, tmp_path: Path) -> None:
        (tmp_path / "mine.txt").write_text("mine")
        with pytest.raises(InputError, match=r"no synthetic\.json"):
            generate("squat", tmp_path, **SMALL)
        assert (tmp_path / "mine.txt").read_text() == "mine"

    def test_refuses_a_set_that_lost_files(self, tmp_path: Path) -> None:
        root = generate("situp", tmp_path / "set", train=1, val=1, size=32)
        (root / "val" / "situp_0000.mp4").unlink()
        with pytest.raises(InputError, match=r"val/situp_0000\.mp4"):
            generate("situp", root, train=1, val=1, size=32)

    def test_refuses_a_broken_manifest(self, tmp_path: Path) -> None:
        (tmp_path / "synthetic.json").write_text("{")
        with pytest.raises(InputError, match="JSON"):
            generate("squat", tmp_path, **SMALL)

    def test_unknown_action_names_the_known_ones(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="'jump_rope'") as error:
            generate("jump_rope", tmp_path / "set")
        assert all(action in str(error.value) for action in ACTIONS)
        assert not (tmp_path / "set").exists()

    @pytest.mark.parametrize("argument", [{"train": 0}, {"val": -1}, {"seed": -1}, {"size": 65}, {"size": 16}])
    def test_bad_numbers_are_named(self, tmp_path: Path, argument: dict[str, int]) -> None:
        name, value = next(iter(argument.items()))
        with pytest.raises(InputError, match=f"{name} = {value}"):
            generate("squat", tmp_path / "set", **SMALL | argument)


def test_the_actions_have_the_phases_of_the_literature() -> None:
    assert {name: action.phases for name, action in ACTIONS.items()} == PHASES


@pytest.mark.parametrize("name", ACTIONS)
class TestAction:
    def test_phases_cover_canonical_time(self, name: str) -> None:
        c = np.linspace(0, 1, 201)
        phase = ACTIONS[name].phase(c)
        assert phase.dtype == np.int64
        assert (np.diff(phase) >= 0).all()
        assert set(phase) == set(range(PHASES[name]))

    def test_bones_keep_their_lengths_and_joints_stay_above_the_floor(self, name: str) -> None:
        track = joints(name, np.linspace(0, 1, 60), style=1)
        assert track.shape == (60, len(JOINTS), 3)
        assert track[..., 1].min() > -0.03
        for start, end in ((1, 3), (3, 5), (2, 4), (4, 6), (7, 9), (9, 11), (8, 10), (10, 12)):
            length = np.linalg.norm(track[:, start] - track[:, end], axis=-1)
            assert np.ptp(length) < 1e-9

    def test_moves_without_jumps_in_every_phase(self, name: str) -> None:
        c = np.linspace(0, 1, 401)
        speed = np.linalg.norm(np.diff(joints(name, c), axis=0), axis=-1).max(1) * 400
        assert speed.max() < 14  # statures per unit of canonical time: a limb that flips would be far above
        phase = ACTIONS[name].phase(c[1:])
        assert all(speed[phase == k].max() > 0.05 for k in range(PHASES[name]))

    def test_people_do_it_a_little_differently(self, name: str) -> None:
        c = np.linspace(0, 1, 30)
        apart = np.linalg.norm(joints(name, c, 1, 1.0) - joints(name, c, 2, 1.0), axis=-1).mean()
        assert 0.005 < apart < 0.12

    def test_can_be_filmed(self, name: str) -> None:
        sheet = contact_sheet_frames(name, count=4, seed=3, size=48)
        assert sheet.shape == (4, 48, 48, 3)
        assert sheet.dtype == np.uint8
        np.testing.assert_array_equal(sheet, contact_sheet_frames(name, count=4, seed=3, size=48))
        moved = np.abs(sheet[1].astype(int) - sheet[2].astype(int)).max(-1) > 60
        assert moved.mean() > 0.002  # beyond the grain


@pytest.mark.parametrize(
    ("name", "joint", "direction", "at"),
    [
        ("squat", "left_hip", (0, -1, 0), 0.5),
        ("pushup", "left_shoulder", (0, -1, 0), 0.5),
        ("pullup", "head", (0, 1, 0), 0.5),
        ("situp", "head", (1, 0, 0), 0.5),
        ("bench_press", "right_wrist", (0, -1, 0), 0.5),
        ("jumping_jacks", "left_wrist", (0, 1, 0), 0.5),
        ("tennis_serve", "right_wrist", (0, 1, 0), 0.68),
        ("baseball_pitch", "left_ankle", (0, 1, 0), 0.25),
        ("bowl", "right_wrist", (0, -1, 0), 0.72),
        ("golf_swing", "left_wrist", (-0.3, 1, 0), 0.45),
        ("clean_and_jerk", "left_hip", (0, -1, 0), 0.34),
    ],
)
def test_key_events_are_where_the_body_turns(
    name: str, joint: str, direction: tuple[float, float, float], at: float
) -> None:
    c = np.linspace(0, 1, 201)
    reached = joints(name, c)[:, JOINTS.index(joint)] @ direction
    assert c[np.argmax(reached)] == pytest.approx(at, abs=0.04)
    assert any(event == at for event in ACTIONS[name].events)


@pytest.mark.parametrize("name", ["squat", "pushup", "pullup", "situp", "bench_press", "jumping_jacks"])
def test_there_and_back_look_alike(name: str) -> None:
    c = np.linspace(0, 1, 41)
    there, back = joints(name, c), joints(name, c[::-1])
    assert np.linalg.norm(there - back, axis=-1).max() < 0.02


def test_hidden_things_do_not_disturb_the_order_of_the_others() -> None:
    assert far_to_near(np.array([0.3, np.nan, 0.1, np.nan, 0.2, -1.0])) == [5, 2, 4, 0]


class TestTempo:
    def test_runs_from_zero_to_one_with_stillness_around(self) -> None:
        for seed in range(50):
            c = canonical_times(np.random.default_rng(seed), 100)
            assert c[0] == 0
            assert c[-1] == 1
            assert (np.diff(c) >= 0).all()
            assert (c == 0).sum() <= 19
            assert (c == 1).sum() <= 19

    def test_is_as_hard_as_documented(self) -> None:
        rng = np.random.default_rng(0)
        clips = np.array([canonical_times(rng, 201) for _ in range(600)])
        events = [event for action in ACTIONS.values() for event in action.events]
        spread = np.mean([(clips < event).mean(1).std() for event in events])
        assert spread == pytest.approx(0.092, abs=0.006)
        assert np.abs(clips[::2] - clips[1::2]).mean() == pytest.approx(0.091, abs=0.008)


def test_smooth_curves_have_unit_variance() -> None:
    curves = smooth_curve(np.random.default_rng(0), np.linspace(0, 1, 50), 4, (4000,))
    assert curves.shape == (50, 4000)
    assert curves.std() == pytest.approx(1, abs=0.05)


class TestTwoBones:
    root, pole = np.zeros((1, 3)), np.array([0.0, 1.0, 0.0])

    def test_reaches_its_target_and_bends_towards_the_pole(self) -> None:
        target = np.array([[0.3, 0.0, 0.0]])
        middle, end = two_bones(self.root, target, 0.2, 0.2, self.pole)
        np.testing.assert_allclose(end, target)
        np.testing.assert_allclose(middle, [[0.15, np.sqrt(0.2**2 - 0.15**2), 0]])

    def test_stretches_towards_a_target_out_of_reach(self) -> None:
        target = np.array([[1.0, 1.0, 1.0]])
        _, end = two_bones(self.root, target, 0.2, 0.3, self.pole)
        np.testing.assert_allclose(end, 0.999 * 0.5 * unit(target))
