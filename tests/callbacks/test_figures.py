"""Pictures of a run: the phases of each action by themselves, nothing where there are no labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lrprop.batch import EmbeddedVideo
from lrprop.callbacks import draw_val_confusion, figures
from lrprop.viz.confusion import draw_confusion


def videos(action: str, count: int, has_labels: bool = True) -> list[EmbeddedVideo]:
    labels = np.arange(12) // 4
    return [
        EmbeddedVideo(f"{action}{k}", np.eye(3)[labels] + 0.01 * k, labels if has_labels else None, action=action)
        for k in range(count)
    ]


def test_actions_are_judged_by_their_own_training_videos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: dict[str, np.ndarray] = {}
    monkeypatch.setattr(figures, "draw_confusion", lambda counts: drawn.update(counts) or draw_confusion(counts))
    sets = {
        "train": videos("squat", 3) + videos("bowl", 3) + videos("pullup", 3, has_labels=False),
        "val": videos("squat", 2) + videos("bowl", 1) + videos("bowl", 1, has_labels=False) + videos("pullup", 2),
    }
    draw_val_confusion(sets, tmp_path)
    assert list(drawn) == ["bowl", "squat"]
    assert drawn["squat"].tolist() == np.diag([8, 8, 8]).tolist()
    assert drawn["bowl"].tolist() == np.diag([4, 4, 4]).tolist()
    assert (tmp_path / "confusion.png").stat().st_size > 0


def test_without_labels_nothing_is_drawn(tmp_path: Path) -> None:
    draw_val_confusion({"train": videos("squat", 2, False), "val": videos("squat", 2, False)}, tmp_path)
    assert not (tmp_path / "confusion.png").exists()
