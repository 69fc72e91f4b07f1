"""Which code computes an alignment: one row a backend, and the choice among them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from lrprop.alignment import numba_cpu, reference
from lrprop.alignment.limits import PathLimits
from lrprop.errors import InputError


@dataclass(frozen=True)
class Backend:
    """One implementation. Its functions trust their input: the public functions have checked it.

    A pair with NaN or infinity on a cell that a path may visit gets the distance, value and gradient NaN, and no other
    pair is touched.

    Attributes:
        name: what `backend=` calls it.
        dtw: (cost, limits) -> distance (B,), directions (B, N, M) int8, last columns (B,) int64.
        dtw_distance: (cost, limits) -> distance (B,), in memory that grows with N + M only.
        soft_dtw: (cost, limits, gamma) -> value (B,), likewise.
        soft_dtw_forward: (cost, limits, gamma) -> value (B,), and the tape (B, ...) that the backward pass needs; None
            where torch differentiates `soft_dtw` itself.
        soft_dtw_backward: (tape, limits, grad (B,), shape of the cost) -> the cost's gradient, 0 on all cells that no
            path may visit. It may use up the tape.
        devices: the types of device it runs on; None for every one.
        is_available: whether it can run on this machine.
        remedy: what to do where it is not available.
    """

    name: str
    dtw: Callable[[Tensor, PathLimits], tuple[Tensor, Tensor, Tensor]]
    dtw_distance: Callable[[Tensor, PathLimits], Tensor]
    soft_dtw: Callable[[Tensor, PathLimits, float], Tensor]
    soft_dtw_forward: Callable[[Tensor, PathLimits, float], tuple[Tensor, Tensor]] | None = None
    soft_dtw_backward: Callable[[Tensor, PathLimits, Tensor, torch.Size], Tensor] | None = None
    devices: tuple[str, ...] | None = None
    is_available: Callable[[], bool] = lambda: True
    remedy: str = ""


def _numba_cuda(name: str) -> Callable[..., Any]:
    """A function of `numba_cuda`, which is imported by the first call: CUDA alone takes it more than a second."""

    def function(*arguments: Any) -> Any:
        return getattr(import_module("lrprop.alignment.numba_cuda"), name)(*arguments)

    return function


BACKENDS: dict[str, Backend] = {
    backend.name: backend
    for backend in (
        Backend("reference", reference.dtw, reference.dtw_distance, reference.soft_dtw),
        Backend(
            "numba",
            numba_cpu.dtw,
            numba_cpu.dtw_distance,
            numba_cpu.soft_dtw,
            numba_cpu.soft_dtw_forward,
            numba_cpu.soft_dtw_backward,
            devices=("cpu",),
        ),
        Backend(
            "numba_cuda",
            _numba_cuda("dtw"),
            _numba_cuda("dtw_distance"),
            _numba_cuda("soft_dtw"),
            _numba_cuda("soft_dtw_forward"),
            _numba_cuda("soft_dtw_backward"),
            devices=("cuda",),
            is_available=lambda: find_spec("numba_cuda") is not None and _numba_cuda("is_available")(),
            remedy="pip install 'lrprop[cuda]' on a machine with an NVIDIA GPU",
        ),
    )
}


def choose_backend(name: str, device: torch.device) -> Backend:
    """The backend of that name, or for "auto" the fastest one for the device.

    Args:
        name: "auto" or a key of `BACKENDS`.
        device: where the cost lies.

    Raises:
        InputError: if the name is unknown, or the backend named is not available or does not run on the device.
    """
    if name == "auto":
        return _fastest(device)
    if name not in BACKENDS:
        raise InputError(f"backend={name!r} is unknown; choose one of {', '.join(['auto', *BACKENDS])}")
    backend = BACKENDS[name]
    if not backend.is_available():
        raise InputError(f"backend={name!r} is not available here: {backend.remedy}, or choose backend='auto'")
    if backend.devices is not None and device.type not in backend.devices:
        where = ", ".join(backend.devices)
        raise InputError(f"backend={name!r} runs on {where}, but the cost is on {device}; choose backend='auto'")
    return backend


def _fastest(device: torch.device) -> Backend:
    if device.type == "cpu":
        return BACKENDS["numba"]
    if device.type == "cuda":
        if BACKENDS["numba_cuda"].is_available():
            return BACKENDS["numba_cuda"]
        _warn_of_slow_cuda()
    return BACKENDS["reference"]


@cache
def _warn_of_slow_cuda() -> None:
    """Once a process: every training step comes by here."""
    warnings.warn(
        "alignment on CUDA runs the slow 'reference' backend; pip install 'lrprop[cuda]' brings the fast kernels",
        stacklevel=5,
    )
