from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrprop.data.folder import read_folder
from lrprop.data.folder_writer import write_folder, write_labels
from lrprop.data.video import Split, Video
from lrprop.data.videofile import write_video

N = 5


def video(root: Path, id: str, action: str = "", labels: np.ndarray | None = None) -> Video:
    write_video(root / action / f"{id}.mp4", np.full((N, 16, 16, 3), 90, np.uint8), fps=12)
    split: Split = "val" if id.startswith("val/") else "train"
    return Video(id, root / action / f"{id}.mp4", N, 12.0, split, labels, action=action)


def test_a_folder_an_action_and_splits_where_there_are_two(tmp_path: Path) -> None:
    places = (("train/a", "bowl"), ("val/b.c", "bowl"), ("a", "squat"))
    write_folder([video(tmp_path, *place) for place in places], tmp_path / "out")
    files = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*"))
    assert files == ["bowl/train/a.mp4", "bowl/val/b.c.mp4", "squat/a.mp4"]


def test_only_what_is_known_is_written_beside_a_video(tmp_path: Path) -> None:
    time = np.linspace(0, 1, N)
    timed = Video("b", video(tmp_path, "b").path, N, 12.0, "train", truth=time)
    write_folder([video(tmp_path, "a", labels=np.arange(N)), timed, video(tmp_path, "c")], tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").glob("*.csv")) == ["a.csv", "b.csv"]
    first, second, third = read_folder(tmp_path / "out")
    np.testing.assert_array_equal(first.labels, np.arange(N))
    np.testing.assert_array_equal(second.truth, time)
    assert first.truth is second.labels is third.labels is third.truth is None


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return video(tmp_path_factory.mktemp("clip"), "a").path


@given(
    labels=st.lists(st.integers(-1, 2**31 - 1), min_size=N, max_size=N),
    truth=st.none() | st.lists(st.floats(0, 1), min_size=N, max_size=N),
)
def test_labels_are_read_as_they_were_written(clip: Path, labels: list[int], truth: list[float] | None) -> None:
    write_labels(clip.with_suffix(".csv"), labels, None if truth is None else np.array(truth))
    (found,) = read_folder(clip.parent)
    np.testing.assert_array_equal(np.full(N, -1) if found.labels is None else found.labels, labels)
    assert (found.truth is None) == (truth is None)
    if found.truth is not None:
        np.testing.assert_array_equal(found.truth, truth)
