from __future__ import annotations

from pathlib import Path

import pytest

from lrprop.callbacks import HistoryLogger


def write(folder: Path, resume_step: int | None, steps: list[int]) -> list[str]:
    logger = HistoryLogger(folder, resume_step)
    for step in steps:
        logger.log_metrics({"loss": float(step)}, step)
    logger.save()
    return (folder / "metrics.csv").read_text().splitlines()


def test_rows_go_straight_into_the_run_directory(tmp_path: Path) -> None:
    assert write(tmp_path / "run", None, [0, 1]) == ["loss,step", "0.0,0", "1.0,1"]


def test_resuming_keeps_earlier_rows_and_writes_later_ones_once(tmp_path: Path) -> None:
    write(tmp_path / "run", None, [0, 1, 2, 3])
    assert write(tmp_path / "run", 2, [2, 3]) == ["loss,step", "0.0,0", "1.0,1", "2.0,2", "3.0,3"]


def test_a_late_column_leaves_earlier_rows(tmp_path: Path) -> None:
    logger = HistoryLogger(tmp_path / "run")
    logger.log_metrics({"loss": 1.0}, 0)
    logger.save()
    logger.log_metrics({"tune/ap@5": 0.5}, 1)
    logger.save()
    assert (tmp_path / "run/metrics.csv").read_text().splitlines() == ["loss,step,tune/ap@5", "1.0,0,", ",1,0.5"]


def test_an_interrupted_save_leaves_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "run", None, [0, 1])
    monkeypatch.setattr("csv.DictWriter.writerows", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "run", 2, [2])
    assert (tmp_path / "run/metrics.csv").read_text().splitlines() == ["loss,step", "0.0,0", "1.0,1"]
