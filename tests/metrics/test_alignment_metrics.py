from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch.multiprocessing.spawn import spawn

from lrprop.batch import EmbeddedVideo
from lrprop.metrics import AlignmentMetrics, evaluate
from lrprop.metrics.collection import Role
from tests.metrics.embedded_samples import random_samples

Share = list[tuple[EmbeddedVideo, Role]]


def _videos() -> tuple[list[EmbeddedVideo], list[EmbeddedVideo]]:
    """Ids of unequal length, one of them on both sides; one video without labels, none without truth."""
    train, val = random_samples(0, 4).videos("swing"), random_samples(1, 5).videos("Schläger-")
    train[0] = replace(train[0], id=val[0].id)
    val[2] = replace(val[2], labels=None)
    rounded = [[replace(v, embeddings=v.embeddings.astype("float32")) for v in side] for side in (train, val)]
    return rounded[0], rounded[1]


def _metric(videos: Share) -> AlignmentMetrics:
    metric = AlignmentMetrics(ks=(1, 5), fractions=(0.5, 1.0))
    for video, role in videos:
        metric.update(video, role)
    return metric


def _all() -> Share:
    train, val = _videos()
    return [(video, "train") for video in train] + [(video, "val") for video in val]


@pytest.mark.filterwarnings("ignore:.*no phase labels")
def test_the_class_gives_what_the_function_gives() -> None:
    train, val = _videos()
    expected = evaluate(train, val, ks=(1, 5), fractions=(0.5, 1.0))
    assert _metric(_all()).compute() == pytest.approx(expected, abs=1e-6)


@pytest.mark.filterwarnings("ignore:.*no phase labels")
def test_tensors_are_as_good_as_arrays_and_a_repeated_video_counts_once() -> None:
    videos = _all()
    video = videos[-1][0]
    columns: Any = [torch.as_tensor(column) for column in (video.embeddings, video.labels, video.truth)]
    tensors = EmbeddedVideo(video.id, *columns)
    assert _metric([*videos, (tensors, "val")]).compute() == _metric(videos).compute()


@pytest.mark.filterwarnings("ignore:.*no labelled held-out")
def test_reset_forgets_every_video() -> None:
    metric = _metric(_all()[:3])
    metric.reset()
    for video, role in _all():
        metric.update(video, role)
    with pytest.warns(UserWarning, match="no phase labels"):
        assert metric.compute() == _metric(_all()).compute()
    metric.reset()
    with pytest.warns(UserWarning, match="before the ``update``"):
        assert metric.compute()["kendalls_tau"] is None


def test_bad_videos_are_named() -> None:
    video = _videos()[0][1]
    with pytest.raises(ValueError, match="role = 'test'"):
        AlignmentMetrics().update(video, "test")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"video 'swing01' has \d+ embedded frames but 1 values of labels"):
        AlignmentMetrics().update(replace(video, labels=np.zeros(1, dtype=int)), "val")


def _shares(rank: int) -> tuple[Share, Share]:
    """Two ways to share the videos out: unevenly with one video repeated; and all of them to one process."""
    videos = _all()
    uneven = [videos[:6], [*videos[6:], videos[4]]]
    return uneven[rank], [videos, []][rank]


def _work(rank: int, folder: Path) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    metrics = [_metric(share) for share in _shares(rank)]
    first = [metric.compute() for metric in metrics]
    again = metrics[0].sizes  # the metric is local again after compute
    (folder / f"{rank}.json").write_text(json.dumps([*first, len(again)]))
    dist.destroy_process_group()


@pytest.mark.filterwarnings("ignore:.*no phase labels")
def test_two_processes_give_what_one_gives(tmp_path: Path) -> None:
    spawn(_work, (tmp_path,), nprocs=2)  # type: ignore[no-untyped-call]
    expected = pytest.approx(_metric(_all()).compute(), abs=1e-12)
    for rank in range(2):
        uneven, lopsided, states = json.loads((tmp_path / f"{rank}.json").read_text())
        assert uneven == expected
        assert lopsided == expected
        assert states == 1 + len(_shares(rank)[0])
