"""Processes that train: a log each, asked to end or killed with all that they started."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lrprop import processes
from lrprop.errors import InputError
from lrprop.processes import ChildProcesses, alone, ended_on_interrupt


@pytest.fixture
def running(tmp_path: Path) -> Iterator[ChildProcesses]:
    with alone(tmp_path) as lock:
        yield ChildProcesses(lock)


def shell(script: str) -> list[str]:
    return ["sh", "-c", script]


def test_a_process_leaves_its_log_and_how_it_ended(running: ChildProcesses, tmp_path: Path) -> None:
    ended = running.run(shell("echo told; echo $OMP_NUM_THREADS; exit 3"), tmp_path / "a.log")
    assert ended is not None
    assert ended.status == 3
    assert ended.seconds > 0
    assert ended.peak_mib > 0
    command, *told = (tmp_path / "a.log").read_text().splitlines()
    assert command.startswith("sh -c 'echo told;")
    assert told == ["told", "1"]
    running.run(shell("echo again"), tmp_path / "a.log")
    assert (tmp_path / "a.log").read_text().splitlines()[:3] == [command, *told]


def test_a_process_is_asked_to_end(running: ChildProcesses, tmp_path: Path) -> None:
    script = "trap 'echo saved; exit 0' TERM; echo ready; while true; do sleep 0.05; done"
    log = tmp_path / "a.log"
    ended = running.run(shell(script), log, lambda: "ready\n" in log.read_text().partition("\n")[2])
    assert ended is not None
    assert ended.status == 0
    assert log.read_text().splitlines()[-1] == "saved"


def test_a_process_that_will_not_end_is_killed(
    running: ChildProcesses, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "_GRACE", 0.2)
    ended = running.run(shell("trap '' TERM; while true; do sleep 0.05; done"), tmp_path / "a.log", lambda: True)
    assert ended is not None
    assert ended.status in (-signal.SIGKILL, -signal.SIGTERM)  # SIGTERM where it came before the trap


def test_stopping_kills_what_processes_have_started(running: ChildProcesses, tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    found: list[object] = []
    script = f"sh -c 'while true; do touch {tmp_path}/alive; sleep 0.05; done' & wait"
    thread = threading.Thread(target=lambda: found.append(running.run(shell(script), tmp_path / "a.log")))
    thread.start()
    while not (tmp_path / "alive").exists():
        time.sleep(0.01)
    running.stop()
    thread.join(10)
    assert found == [None]
    (tmp_path / "alive").unlink()
    time.sleep(0.3)
    assert not (tmp_path / "alive").exists()
    assert running.run(shell("true"), tmp_path / "b.log") is None, "none begins after that"
    assert not (tmp_path / "b.log").exists()


def test_signals_become_interrupts(running: ChildProcesses, tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), ended_on_interrupt(running):
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) == before
    assert running.run(shell("true"), tmp_path / "b.log") is None


def test_only_one_trains_in_a_folder(running: ChildProcesses, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="still trains there; wait for it, or move"), alone(tmp_path, "move"):
        pass
