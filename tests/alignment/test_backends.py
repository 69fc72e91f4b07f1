from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from lrprop.alignment import BACKENDS, backends, dtw, soft_dtw
from lrprop.alignment.backends import choose_backend
from lrprop.errors import InputError

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.fixture
def no_cuda_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BACKENDS, "numba_cuda", replace(BACKENDS["numba_cuda"], is_available=lambda: False))
    backends._warn_of_slow_cuda.cache_clear()


def test_auto_is_numba_on_the_cpu_and_the_reference_elsewhere() -> None:
    assert choose_backend("auto", CPU).name == "numba"
    assert choose_backend("auto", torch.device("mps")).name == "reference"


def test_auto_on_cuda_falls_back_with_one_warning_that_names_the_remedy(no_cuda_kernels: None) -> None:
    with pytest.warns(UserWarning, match=r"lrprop\[cuda\]"):
        assert choose_backend("auto", CUDA).name == "reference"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert choose_backend("auto", CUDA).name == "reference"


def test_auto_on_cuda_takes_the_kernels_where_they_are_available(monkeypatch: pytest.MonkeyPatch) -> None:
    kernels = replace(BACKENDS["reference"], name="numba_cuda", devices=("cuda",))
    monkeypatch.setitem(BACKENDS, "numba_cuda", kernels)
    assert choose_backend("auto", CUDA) is kernels


@pytest.mark.parametrize("function", [dtw, soft_dtw])
def test_an_unknown_backend_lists_the_known(function: Callable[..., object]) -> None:
    with pytest.raises(InputError, match="backend='cupy' is unknown; choose one of auto, reference, numba"):
        function(torch.zeros(1, 2, 2), backend="cupy")


def test_a_backend_that_is_not_available_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = replace(BACKENDS["numba"], is_available=lambda: False, remedy="pip install numba")
    monkeypatch.setitem(BACKENDS, "numba", broken)
    with pytest.raises(InputError, match="backend='numba' is not available here: pip install numba"):
        dtw(torch.zeros(1, 2, 2), backend="numba")


def test_a_backend_on_the_wrong_device_says_where_it_runs() -> None:
    with pytest.raises(InputError, match="backend='numba' runs on cpu, but the cost is on cuda"):
        choose_backend("numba", CUDA)
