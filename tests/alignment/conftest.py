from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from lrprop.alignment import BACKENDS

sys.path.insert(0, str(Path(__file__).parents[1]))  # tests/oracle.py


class Place(NamedTuple):
    """A backend and a device to try it on."""

    backend: str
    device: str


def _places() -> list[object]:
    reason = "torch sees no CUDA device"
    no_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason=reason)
    places = []
    for name, backend in BACKENDS.items():
        away = pytest.mark.skipif(not backend.is_available(), reason=f"backend {name} is not available here")
        for device in backend.devices or ("cpu", "cuda"):
            marks = [away, no_cuda] if device == "cuda" else [away]
            places.append(pytest.param(Place(name, device), id=f"{name}-{device}", marks=marks))
    return places


@pytest.fixture(scope="session", params=_places())
def place(request: pytest.FixtureRequest) -> Place:
    """Each backend on each kind of device that its row in BACKENDS names."""
    return request.param
