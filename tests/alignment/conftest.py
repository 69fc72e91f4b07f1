from __future__ import annotations

from typing import Any, NamedTuple

import pytest
import torch

from lrprop.alignment import BACKENDS


class Place(NamedTuple):
    """A backend and a device to try it on."""

    backend: str
    device: str


def _places() -> list[Any]:
    no_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device")
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
    chosen: Place = request.param
    return chosen
