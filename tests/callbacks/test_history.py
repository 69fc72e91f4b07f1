from __future__ import annotations

from pathlib import Path

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


def test_a_row_cut_short_is_forgotten(tmp_path: Path) -> None:
    write(tmp_path / "run", None, [0, 1])
    with (tmp_path / "run/metrics.csv").open("a") as stream:
        stream.write("4.2e-")
    assert write(tmp_path / "run", 2, [2]) == ["loss,step", "0.0,0", "1.0,1", "2.0,2"]
