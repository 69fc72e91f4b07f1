from __future__ import annotations

import logging
import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.io import loadmat, savemat

from lrprop.data.penn_action import ACTIONS, ALL, UNUSED_ACTIONS, read_penn_action, resample_labels
from lrprop.errors import InputError
from tests.fuzzing import TIMES

N = 6


def annotation(**changes: Any) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    mat = {"x": rng.uniform(0, 320, (N, 13)), "y": rng.uniform(0, 240, (N, 13)), "visibility": np.ones((N, 13))}
    return mat | {"action": "squat", "train": 1, "nframes": N, "dimensions": [240, 320, N]} | changes


def write(root: Path, id: str = "0001", mat: dict[str, Any] | None = None) -> Path:
    (root / "labels").mkdir(exist_ok=True)
    savemat(root / "labels" / f"{id}.mat", annotation() if mat is None else mat)
    return root / "labels" / f"{id}.mat"


def write_frames(root: Path, id: str = "0001", n: int = N) -> Path:
    folder = root / "frames" / id
    folder.mkdir(parents=True)
    for number in range(1, n + 1):
        image = np.full((24, 32, 3), 20 * number, np.uint8)
        Image.fromarray(image).save(folder / f"{number:06d}.jpg")
    return folder


def write_phases(root: Path, phases: np.ndarray, split: str = "train", id: str = "0001", folder: str = "squat") -> Path:
    path = root / "penn_action_labels" / split / folder / f"{id}.npy"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, phases)
    return path


def test_poses_splits_and_phases(tmp_path: Path) -> None:
    hidden = np.ones((N, 13))
    hidden[2, 5] = 0
    write(tmp_path, "0010", annotation(train=-1))
    write(tmp_path, "0002", annotation(visibility=hidden))
    write(tmp_path, "0001", annotation(action="bowl"))
    write_phases(tmp_path, np.array([0, 0, 1, 1, 2, 3], dtype=np.int32), "val", "0010")
    first, last = read_penn_action(tmp_path, "squat")
    assert (first.id, first.split, first.n, last.id, last.split) == ("0002", "train", N, "0010", "val")
    assert first.path == tmp_path / "labels" / "0002.mat"
    assert first.poses is not None
    assert first.poses.dtype == np.float32
    raw = annotation()
    np.testing.assert_allclose(first.poses, np.stack((raw["x"], raw["y"], hidden), -1), rtol=1e-6)
    assert first.labels is None
    assert last.labels is not None
    assert last.labels.dtype == np.int64
    np.testing.assert_array_equal(last.labels, [0, 0, 1, 1, 2, 3])


def test_a_hidden_joint_may_have_no_number(tmp_path: Path) -> None:
    mat = annotation()
    mat["x"][3, 4], mat["visibility"][3, 4] = np.nan, 0
    write(tmp_path, mat=mat)
    (video,) = read_penn_action(tmp_path, "squat")
    assert video.poses is not None
    np.testing.assert_array_equal(video.poses[3, 4], 0)
    assert np.isfinite(video.poses).all()


@pytest.mark.parametrize(("name", "value"), [("x", np.nan), ("y", np.inf)])
def test_a_visible_joint_needs_a_number(tmp_path: Path, name: str, value: float) -> None:
    mat = annotation()
    mat[name][3, 4] = value
    write(tmp_path, mat=mat)
    with pytest.raises(InputError, match=r"0001\.mat: joint 4 of frame 3 is visible"):
        read_penn_action(tmp_path, "squat")


@pytest.mark.parametrize("missing", ["action", "x", "y", "visibility", "train"])
def test_a_missing_variable_is_named(tmp_path: Path, missing: str) -> None:
    mat = annotation()
    del mat[missing]
    write(tmp_path, mat=mat)
    with pytest.raises(InputError, match=rf"0001\.mat: has no '{missing}'"):
        read_penn_action(tmp_path, "squat")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"x": np.ones((N, 12))}, r"shapes x \(6, 12\), y \(6, 13\)"),
        ({"visibility": np.ones((N - 1, 13))}, r"visibility \(5, 13\)"),
        ({name: np.ones((N, 14)) for name in ("x", "y", "visibility")}, r"all must be \(n, 13\)"),
        ({"x": np.ones((0, 13))}, r"has no 'x'"),
        ({"visibility": np.full((N, 13), 2)}, "visibility has values other than 0 and 1"),
        ({"train": 0}, r"train is \[\[0\]\], not 1 or -1"),
        ({"train": [1, 1]}, "train is .*not 1 or -1"),
    ],
)
def test_a_wrong_annotation_is_refused(tmp_path: Path, changes: dict[str, Any], problem: str) -> None:
    write(tmp_path, mat=annotation(**changes))
    with pytest.raises(InputError, match=rf"0001\.mat: .*{problem}"):
        read_penn_action(tmp_path, "squat")


@pytest.mark.parametrize("share", [0, 0.01, 0.3, 0.9])
def test_a_damaged_annotation_is_named(tmp_path: Path, share: float) -> None:
    path = write(tmp_path)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(InputError, match=r"0001\.mat: (cannot be read as a MATLAB file|has no)"):
        read_penn_action(tmp_path, "squat")


@pytest.mark.parametrize(
    ("phases", "problem"),
    [
        (np.zeros(0, np.int64), r"shape \(0,\), not one a frame"),
        (np.zeros((N, 1), np.int64), r"shape \(6, 1\)"),
        (np.zeros(N), "integers, not float64"),
        (np.array([b"down"] * N), r"integers, not \|S4"),
        (np.full(N, -2), "integers >= 0.*-2"),
        (np.array([None] * N), "cannot be read as an array"),
    ],
)
def test_phases_that_do_not_fit_are_refused(tmp_path: Path, phases: np.ndarray, problem: str) -> None:
    write(tmp_path)
    write_phases(tmp_path, phases)
    with pytest.raises(InputError, match=rf"0001\.npy: .*{problem}"):
        read_penn_action(tmp_path, "squat")


@pytest.mark.parametrize("size", [0, 3, 140])
def test_a_damaged_phase_file_is_named(tmp_path: Path, size: int) -> None:
    write(tmp_path)
    path = write_phases(tmp_path, np.zeros(N, np.int64))
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(InputError, match=r"0001\.npy: cannot be read as an array"):
        read_penn_action(tmp_path, "squat")


def test_phases_in_both_splits_are_refused(tmp_path: Path) -> None:
    write(tmp_path)
    for split in ("train", "val"):
        write_phases(tmp_path, np.zeros(N, np.int64), split)
    with pytest.raises(InputError, match=r"0001\.npy: video 0001 has labels in .*val.*0001\.npy too"):
        read_penn_action(tmp_path, "squat")


@pytest.mark.parametrize("action", ["squats", "", "Squat"])
def test_an_unknown_action_lists_the_known(tmp_path: Path, action: str) -> None:
    write(tmp_path)
    with pytest.raises(InputError, match=rf"action '{action}' is not in Penn Action.*baseball_pitch.*tennis_serve"):
        read_penn_action(tmp_path, action)


@pytest.mark.parametrize("action", UNUSED_ACTIONS)
def test_an_action_without_phases_says_so(tmp_path: Path, action: str) -> None:
    with pytest.raises(InputError, match=rf"action '{action}' of Penn Action has no phases"):
        read_penn_action(tmp_path, action)


def test_an_action_without_videos_is_refused(tmp_path: Path) -> None:
    write(tmp_path)
    with pytest.raises(InputError, match="none of its 1 annotations is of action 'bowl'"):
        read_penn_action(tmp_path, "bowl")


@pytest.fixture(scope="module")
def penn(shared: Path) -> Path:
    if not (shared / "penn_action").is_dir():
        pytest.skip(f"no Penn Action at {shared / 'penn_action'}")
    return shared / "penn_action"


def test_real_squats(penn: Path) -> None:
    videos = read_penn_action(penn, "squat")
    splits = Counter(video.split for video in videos)
    assert splits == {"train": 114, "val": 117}
    assert videos == sorted(videos, key=lambda video: video.id)
    for video in videos:
        assert video.poses is not None
        assert video.poses.shape == (video.n, 13, 3)
        assert video.labels is None or (len(video.labels) == video.n and set(video.labels) <= {0, 1, 2, 3})
    files = sum(1 for _ in (penn / "penn_action_labels").glob("*/squat/*.npy"))
    assert sum(video.labels is not None for video in videos) == files > 0


def test_every_spelling_in_the_annotations_is_known(penn: Path) -> None:
    files = sorted((penn / "labels").glob("*.mat"))
    spellings = {str(loadmat(file, variable_names=["action"])["action"].item()) for file in files}
    assert spellings == {*ACTIONS, *UNUSED_ACTIONS}


def test_all_actions_at_once_and_each_video_says_which(tmp_path: Path) -> None:
    for id, action in {"0001": "bowl", "0002": "squat", "0003": "jump_rope"}.items():
        write(tmp_path, id, annotation(action=action))
    write_phases(tmp_path, np.arange(N), id="0002")
    videos = read_penn_action(tmp_path, ALL)
    assert [(video.id, video.action, video.labels is not None) for video in videos] == [
        ("0001", "bowl", False),
        ("0002", "squat", True),
    ]


# --- images ----------------------------------------------------------------------------------------------------------


def test_images_stand_for_poses(tmp_path: Path) -> None:
    mat = annotation(train=-1)
    del mat["x"], mat["y"]  # joints are not read
    write(tmp_path, "0002", mat)
    folder = write_frames(tmp_path, "0002", 12)
    write_phases(tmp_path, np.arange(12), "val", "0002")
    (video,) = read_penn_action(tmp_path, "squat", images=True)
    assert (video.id, video.path, video.n, video.split) == ("0002", folder, 12, "val")
    assert (video.action, video.poses) == ("squat", None)
    np.testing.assert_array_equal(video.labels, np.arange(12))
    np.testing.assert_allclose(video.read([11, 2]).mean((1, 2, 3)), [240, 60], atol=2)


def test_images_that_are_not_there(tmp_path: Path) -> None:
    write(tmp_path)
    with pytest.raises(InputError, match="has no folder frames; put the images of Penn Action there"):
        read_penn_action(tmp_path, "squat", images=True)
    write_frames(tmp_path, "0002")
    with pytest.raises(InputError, match=r"frames/0001: cannot be listed"):
        read_penn_action(tmp_path, "squat", images=True)


@pytest.mark.parametrize(
    ("folder", "action"),
    [("squats", "squat"), ("bowling", "bowl"), ("pushups", "pushup"), ("pullups", "pullup"), ("bowl", "bowl")],
)
def test_folders_of_phases_as_they_circulate(tmp_path: Path, folder: str, action: str) -> None:
    write(tmp_path, mat=annotation(action=action))
    write_phases(tmp_path, np.arange(N), folder=folder)
    (video,) = read_penn_action(tmp_path, action)
    np.testing.assert_array_equal(video.labels, np.arange(N))


def test_phases_of_another_action_are_refused(tmp_path: Path) -> None:
    write(tmp_path)
    write_phases(tmp_path, np.arange(N), folder="bowling")
    with pytest.raises(InputError, match=r"bowling/0001\.npy: video 0001 shows squat by its annotation"):
        read_penn_action(tmp_path, "squat")


@pytest.mark.parametrize("images", [False, True])
def test_phases_of_another_number_are_resampled_and_counted_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, images: bool
) -> None:
    for id, phases in {"0001": np.arange(4), "0002": np.arange(N), "0003": np.arange(9)}.items():
        write(tmp_path, id)
        write_frames(tmp_path, id)
        write_phases(tmp_path, phases, id=id)
    with caplog.at_level(logging.INFO, logger="lrprop"):
        few, same, many = read_penn_action(tmp_path, "squat", images)
    np.testing.assert_array_equal(few.labels, [0, 0, 1, 2, 2, 3])
    np.testing.assert_array_equal(same.labels, np.arange(N))
    np.testing.assert_array_equal(many.labels, [0, 1, 3, 4, 6, 7])
    (record,) = caplog.records
    assert record.getMessage().startswith(
        f"{tmp_path}: 2 of 3 videos have another number of frames than of phases, such as 0001; "
    )


@pytest.mark.parametrize("count", [1, 2, 7, 30, 61])
@pytest.mark.parametrize("n", [1, 5, 30, 64])
def test_resampling_takes_the_index_that_the_authors_take(count: int, n: int) -> None:
    expected = [math.floor(j * count / n) for j in range(n)]
    np.testing.assert_array_equal(resample_labels(np.arange(count), n), expected)


def test_problems_are_listed_and_the_rest_is_read(tmp_path: Path) -> None:
    for id in ("0001", "0002", "0003", "0004"):
        write(tmp_path, id)
    (tmp_path / "labels" / "0001.mat").write_bytes(b"no annotation")
    write(tmp_path, "0002", annotation(train=0))
    write_phases(tmp_path, np.zeros(N), id="0004")
    problems: list[str] = []
    (video,) = read_penn_action(tmp_path, "squat", problems=problems)
    assert video.id == "0003"
    assert [Path(problem.split(":")[0]).name for problem in problems] == ["0001.mat", "0002.mat", "0004.npy"]


# --- fuzz ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["labels/0001.mat", "penn_action_labels/train/squat/0001.npy"])
def fuzzed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, bytes]:
    """A root, one file in it, and the file's bytes while it was sound."""
    root = tmp_path_factory.mktemp("fuzz")
    write(root)
    write_phases(root, np.arange(N) // 2)
    return root, root / request.param, (root / request.param).read_bytes()


def read_or_refuse(root: Path, path: Path, data: bytes) -> None:
    path.write_bytes(data)
    try:
        (video,), message = read_penn_action(root, "squat"), ""
    except InputError as error:
        message = str(error)
    if message:  # an annotation may turn out to be of another action
        assert message.startswith((f"{path}: ", f"{root}: none of its"))
        return
    assert video.poses is not None
    assert video.poses.shape[1:] == (13, 3)
    assert np.isfinite(video.poses).all()
    assert video.labels is not None
    assert video.labels.shape == (video.n,)


@given(data=st.binary(max_size=200), share=st.floats(0, 1))
@settings(max_examples=60 * TIMES, deadline=None)
def test_random_bytes(fuzzed: tuple[Path, Path, bytes], data: bytes, share: float) -> None:
    root, path, content = fuzzed
    read_or_refuse(root, path, content[: int(share * len(content))] + data)


@given(bits=st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=4))
@settings(max_examples=100 * TIMES, deadline=None)
def test_flipped_bits(fuzzed: tuple[Path, Path, bytes], bits: list[float]) -> None:
    root, path, content = fuzzed
    data = bytearray(content)
    for bit in (int(8 * len(data) * place) for place in bits):
        data[bit // 8] ^= 1 << bit % 8
    read_or_refuse(root, path, bytes(data))
