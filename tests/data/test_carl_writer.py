from __future__ import annotations

import pickle
import pickletools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lrprop.data.carl import ORDER, read_carl
from lrprop.data.carl_writer import write_carl
from lrprop.data.penn_action import ALL
from lrprop.data.video import Video
from lrprop.data.videofile import write_video
from lrprop.errors import InputError

N = 6
LABELS = np.array([0, 0, 1, -1, 2, 2])


def video(root: Path, id: str, action: str = "", labels: np.ndarray | None = LABELS) -> Video:
    """A clip below a root; its split stands in its id, and no two ids of a test have the same images."""
    path = root / action / f"{id}.mp4"
    write_video(path, np.full((N, 16, 16, 3), 2 * sum(id.encode()) % 256, np.uint8), fps=25)
    return Video(id, path, N, 25.0, "val" if id.startswith("val/") else "train", labels, action=action)


def written(root: Path, split: str) -> Any:
    return pickle.loads((root / f"{split}.pkl").read_bytes())


def names(root: Path) -> list[str]:
    return [video.id for video in read_carl(root, ALL)]


def test_one_action_is_a_list_of_the_fields_of_pouring(tmp_path: Path) -> None:
    write_carl([video(tmp_path, id) for id in ("train/a", "train/b", "val/c.d")], tmp_path / "out")
    train, val = written(tmp_path / "out", "train"), written(tmp_path / "out", "val")
    assert [list(entry) for entry in train] == [["id", "video_file", "frame_label", "seq_len", "name"]] * 2
    assert [entry["id"] for entry in train + val] == [0, 1, 0]
    (entry,) = val
    assert (entry["name"], entry["video_file"], entry["seq_len"]) == ("c.d", "videos/c.d.mp4", N)
    assert [type(value) for value in entry.values()] == [int, str, torch.Tensor, int, str]
    assert entry["frame_label"].dtype == torch.int64
    assert entry["frame_label"].tolist() == LABELS.tolist()


def test_several_actions_are_the_tuple_of_penn_action(tmp_path: Path) -> None:
    given = [video(tmp_path, id, action) for id, action in (("0001", "pushup"), ("0002", "pullup"), ("0003", "pushup"))]
    write_carl(given, tmp_path / "out")
    entries, indices = written(tmp_path / "out", "train")
    assert [entry["name"] for entry in entries] == ["0001_pushup", "0002_pullup", "0003_pushup"]
    assert [entry["action_label"] for entry in entries] == [7, 8, 7]  # alphabetically pullup would come first
    assert indices == [[]] * 7 + [[0, 2], [1]] + [[]] * 4
    assert written(tmp_path / "out", "val") == ([], [[] for _ in ORDER])
    assert [found.id for found in read_carl(tmp_path / "out", "pushup")] == ["0001_pushup", "0003_pushup"]


def test_the_pickles_call_for_what_those_of_older_python_and_torch_know(tmp_path: Path) -> None:
    write_carl([video(tmp_path, "a"), video(tmp_path, "b", labels=None)], tmp_path / "out")
    data = (tmp_path / "out" / "train.pkl").read_bytes()
    instructions = list(pickletools.genops(data))
    assert instructions[0][1] == 4  # the protocol
    strings = {argument for _, argument, _ in instructions if isinstance(argument, str)}
    assert {"torch._utils", "_rebuild_tensor_v2", "torch.storage", "_load_from_bytes"} <= strings
    assert sum(opcode.name == "STACK_GLOBAL" for opcode, _, _ in instructions) == 3  # and OrderedDict


def test_a_video_without_phases_has_minus_one_throughout(tmp_path: Path) -> None:
    write_carl([video(tmp_path, "a", labels=None)], tmp_path / "out")
    (entry,) = written(tmp_path / "out", "train")
    assert entry["frame_label"].tolist() == [-1] * N
    assert entry["frame_label"].dtype == torch.int64
    assert read_carl(tmp_path / "out", ALL)[0].labels is None


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (["train/a", "val/b"], ["a", "b"]),
        (["train/a", "train/b", "val/a"], ["train-a", "train-b", "val-a"]),
        (["train/A", "val/a"], ["train-A", "val-a"]),  # one file where case is ignored
        (["deep/er/a", "deep/b.c"], ["deep-b.c", "deep-er-a"]),
    ],
)
def test_names_are_unique_and_tell_the_id(tmp_path: Path, ids: list[str], expected: list[str]) -> None:
    given = [video(tmp_path, id) for id in ids]
    write_carl(given, tmp_path / "out")
    assert names(tmp_path / "out") == expected
    made = {found.path.read_bytes(): (found.id, found.split) for found in read_carl(tmp_path / "out", ALL)}
    assert len(made) == len(given)
    for one in given:
        name, split = made[one.path.read_bytes()]
        assert one.id.replace("/", "-").endswith(name)
        assert one.split == split


def test_names_tell_the_action_once(tmp_path: Path) -> None:
    actions = {"train/0001_squat": "squat", "train/bowl": "bowl", "val/situp_squat": "situp"}
    write_carl([video(tmp_path, id, action) for id, action in actions.items()], tmp_path / "out")
    assert names(tmp_path / "out") == ["0001_squat", "bowl_bowl", "situp_squat_situp"]
    shown = {found.id: found.action for found in read_carl(tmp_path / "out", ALL)}
    assert shown == {"0001_squat": "squat", "bowl_bowl": "bowl", "situp_squat_situp": "situp"}


def test_one_name_of_two_actions_is_two_names(tmp_path: Path) -> None:
    write_carl([video(tmp_path, "train/a", "squat"), video(tmp_path, "train/a", "bowl")], tmp_path / "out")
    assert names(tmp_path / "out") == ["a_bowl", "a_squat"]


@pytest.mark.parametrize(
    ("ids", "problem"),
    [
        (["train/a/b", "train/a-b"], r"a-b\.mp4: would be called train-a-b in CARL's form, as .*a/b\.mp4; rename one"),
        (["a\nb"], r"would be called 'a\\nb' in CARL's form, which is no file name; rename it"),
        (["a" * 90 + "/" + "b" * 120], r"which is no file name; rename it"),
    ],
)
def test_names_that_cannot_be(tmp_path: Path, ids: list[str], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        write_carl([video(tmp_path, id) for id in ids], tmp_path / "out")
    assert not (tmp_path / "out").exists()
