"""Trainings as processes of their own: alone in a folder, each with a log, all ended on request."""

from __future__ import annotations

import fcntl
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from lrprop.errors import InputError

_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
_POLL = 0.5  # seconds between two looks at a process that may be asked to end
_GRACE = 120.0  # seconds that it then has to write its checkpoint


@dataclass(frozen=True)
class Ended:
    """How a process ended.

    Attributes:
        status: its exit status; negative for the signal that killed it.
        seconds: wall time.
        peak_mib: peak memory of the process.
    """

    status: int
    seconds: float
    peak_mib: float


class ChildProcesses:
    """Runs command lines, from any number of threads, and ends them all on request.

    Args:
        lock: a file descriptor that the processes inherit; see `alone`.
        one_thread: whether each computes on one thread, for several at a time.
    """

    def __init__(self, lock: int, one_thread: bool = True) -> None:
        self._lock, self._extra = lock, _ONE_THREAD if one_thread else {}
        self._running: set[int] = set()
        self._guard, self._stopped = threading.Lock(), False

    def run(self, command: Sequence[str], log: Path, ends: Callable[[], bool] | None = None) -> Ended | None:
        """Run a command to its end.

        Args:
            command: the words of the command line.
            log: what it prints is added there, below the command line.
            ends: asked now and then; once it says so, the process is asked to end by SIGTERM.

        Returns:
            How it ended; None where all were stopped before it began or while it ran.
        """
        start = time.monotonic()
        process = self._start(command, log)
        if process is None:
            return None
        status, peak = _wait(process.pid, ends)
        process.returncode = os.waitstatus_to_exitcode(status)
        with self._guard:
            self._running.discard(process.pid)
            stopped = self._stopped
        return None if stopped else Ended(process.returncode, time.monotonic() - start, peak)

    def stop(self) -> None:
        """Kills all processes and what they started, and starts no more; their last checkpoints stay."""
        with self._guard:
            self._stopped = True
            for pid in self._running:
                _kill_group(pid)

    def _start(self, command: Sequence[str], log: Path) -> subprocess.Popen[bytes] | None:
        with self._guard:
            if self._stopped:
                return None
            with log.open("a") as stream:
                print(shlex.join(command), file=stream, flush=True)
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=stream,
                    stderr=stream,
                    env=os.environ | self._extra,
                    pass_fds=(self._lock,),
                    start_new_session=True,  # a group of its own, so that all of `make train` can be killed
                )
            self._running.add(process.pid)
            return process


def _wait(pid: int, ends: Callable[[], bool] | None) -> tuple[int, float]:
    """The status of a process that has ended, as the system encodes it, and its peak memory in MiB."""
    asked: float | None = None
    while True:
        ended, status, usage = os.wait4(pid, 0 if ends is None else os.WNOHANG)
        if ended:
            return status, usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
        if ends is not None and asked is None and ends():
            os.kill(pid, signal.SIGTERM)
            asked = time.monotonic()
        elif asked is not None and time.monotonic() - asked > _GRACE:
            _kill_group(pid)
        time.sleep(_POLL)


def _kill_group(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


@contextmanager
def ended_on_interrupt(processes: ChildProcesses) -> Iterator[None]:
    """Kills the processes when this one is told to end: by Ctrl-C, SIGTERM, or the end of its terminal."""
    before = {}
    if threading.current_thread() is threading.main_thread():
        numbers = [signal.SIGTERM, *[signal.SIGHUP] * (signal.getsignal(signal.SIGHUP) != signal.SIG_IGN)]
        before = {number: signal.signal(number, signal.default_int_handler) for number in numbers}
    try:
        yield
    except BaseException:
        processes.stop()
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def alone(folder: Path, remedy: str = "give another --runs") -> Iterator[int]:
    """Makes sure that nobody else runs trainings in a folder; yields the lock's file descriptor.

    Processes that inherit the descriptor hold the lock, too: those that a killed program left behind keep the next
    one from training the same beside them.

    Args:
        folder: is made.
        remedy: what else the user can do, the end of a sentence.

    Raises:
        InputError: if somebody does.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(
                f"{folder}: another process, or one that a killed process left, still trains there; wait for it, or "
                f"{remedy}."
            ) from error
        yield file.fileno()
