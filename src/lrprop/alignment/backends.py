"""Which code computes an alignment: one row a backend, and the choice among them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from lrprop.alignment import numba_cpu, reference
from lrprop.errors import InputError


@dataclass(frozen=True)
class Backend:
    """One implementation. Its functions trust their input: `dtw` and `soft_dtw` have checked it.

    Attributes:
        name: what `backend=` calls it.
        dtw: (cost, lengths, open_begin, open_end) -> distance (B,), directions (B, N, M) int8, last columns (B,).
        soft_dtw: (cost, lengths, gamma, open_begin, open_end) -> value (B,), and the table (B, N, M) of the recursion.
        soft_dtw_backward: (table, lengths, gamma, open_begin, open_end, grad (B,)) -> the cost's gradient (B, N, M);
            None where torch differentiates `soft_dtw` itself.
        devices: the types of device it runs on; None for every one.
        is_available: whether it can run on this machine.
        remedy: what to do where it is not available.
    """

    name: str
    dtw: Callable[[Tensor, Tensor, bool, bool], tuple[Tensor, Tensor, Tensor]]
    soft_dtw: Callable[[Tensor, Tensor, float, bool, bool], tuple[Tensor, Tensor]]
    soft_dtw_backward: Callable[[Tensor, Tensor, float, bool, bool, Tensor], Tensor] | None = None
    devices: tuple[str, ...] | None = None
    is_available: Callable[[], bool] = lambda: True
    remedy: str = ""


BACKENDS: dict[str, Backend] = {
    backend.name: backend
    for backend in (
        Backend("reference", reference.dtw, reference.soft_dtw),
        Backend("numba", numba_cpu.dtw, numba_cpu.soft_dtw, numba_cpu.soft_dtw_backward, devices=("cpu",)),
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
        if "numba_cuda" in BACKENDS and BACKENDS["numba_cuda"].is_available():
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
