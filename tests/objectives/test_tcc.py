from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from lrprop.batch import Views
from lrprop.errors import InputError
from lrprop.objectives import TCC
from tests.objectives.test_lrprop import random_views
from tests.oracle import tcc_oracle

LOSS_TYPES = ["regression_mse_var", "regression_mse", "regression_huber", "classification"]
OPTIONS: list[dict[str, Any]] = [
    *({"loss_type": loss_type} for loss_type in LOSS_TYPES),
    {"temperature": 0.5, "divide_by_dimension": False, "variance_lambda": 0.1},
    {"loss_type": "regression_huber", "huber_delta": 1.0},
    {"loss_type": "classification", "label_smoothing": 0.0},
]


def golden(shared: Path, variant: str) -> tuple[Tensor, Views, float, Tensor]:
    """Embeddings of three videos, a view each, and what the authors' code makes of them."""
    data = np.load(shared / "golden" / "losses.npz")
    expected = json.loads((shared / "golden" / "losses.json").read_text())[f"tcc_{variant}"]["loss"]
    steps = torch.from_numpy(data["tcc_steps"])
    views = Views(
        frames=torch.empty(3, 20, 0),
        steps=steps,
        mask=torch.ones_like(steps, dtype=torch.bool),
        lengths=torch.from_numpy(data["tcc_seq_len"]),
        video=torch.arange(3),
    )
    return torch.from_numpy(data["tcc_embedding"]), views, expected, torch.from_numpy(data["tcc_grad"])


@pytest.mark.parametrize("variant", ["regression_mse_var", "regression_mse", "regression_huber"])
def test_equals_the_authors_code(shared: Path, variant: Any) -> None:
    z, views, expected, gradient = golden(shared, variant)
    # The reference values of the Huber loss were computed with delta = 1.
    loss = TCC(variant, huber_delta=1.0)(z.requires_grad_(), views)["loss"]
    assert loss.item() == pytest.approx(expected, rel=1e-12)
    if variant == "regression_mse_var":  # the one whose gradient was kept
        loss.backward()
        torch.testing.assert_close(z.grad, gradient, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("videos", [2, 3])
def test_equals_the_oracle(options: dict[str, Any], videos: int) -> None:
    z, views = random_views(videos, videos)
    views.lengths = torch.arange(2 * videos) + 27
    inputs = (z, views.steps, views.mask, views.lengths, views.video)
    expected = tcc_oracle(*(tensor.numpy() for tensor in inputs), **options)
    assert TCC(**options)(z, views)["loss"].item() == pytest.approx(expected, rel=1e-10)


def test_terms_add_up() -> None:
    z, views = random_views()
    terms = TCC(variance_lambda=0.3)(z, views)
    assert terms["loss"].item() == pytest.approx((terms["scaled_error"] + 0.3 * terms["log_variance"]).item())


@pytest.mark.parametrize("loss_type", LOSS_TYPES)
def test_gradient(loss_type: Any) -> None:
    z, views = random_views(frames=5, dim=3)
    objective = TCC(loss_type)
    assert torch.autograd.gradcheck(lambda x: objective(x, views)["loss"], z.requires_grad_())


@pytest.mark.parametrize("loss_type", LOSS_TYPES)
def test_padding_takes_no_part(loss_type: Any) -> None:
    z, views = random_views()
    loss = TCC(loss_type)(z, views)["loss"]
    leaf = torch.where(views.mask.unsqueeze(-1), z, torch.full_like(z, 7.0)).requires_grad_()
    views.steps = torch.where(views.mask, views.steps, torch.full_like(views.steps, 10**6))
    again = TCC(loss_type)(leaf, views)["loss"]
    again.backward()
    assert again.item() == pytest.approx(loss.item(), rel=1e-12)
    assert leaf.grad is not None
    assert leaf.grad[~views.mask].abs().max() == 0


def test_views_of_one_video_are_not_compared() -> None:
    """A second view of each video, equal to the first, repeats the same pairs and adds none."""
    z, views = random_views()
    pick = torch.tensor([0, 2])
    apart = Views(**{name: tensor[pick] for name, tensor in vars(views).items()})
    twice = torch.tensor([0, 0, 2, 2])
    doubled = Views(**{name: tensor[twice] for name, tensor in vars(views).items()})
    assert TCC()(z[twice], doubled)["loss"].item() == pytest.approx(TCC()(z[pick], apart)["loss"].item(), rel=1e-12)
    views.video = torch.zeros(4, dtype=torch.int64)
    with pytest.raises(ValueError, match="different videos"):
        TCC()(z, views)


@pytest.mark.parametrize("loss_type", LOSS_TYPES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_cycles_without_variance_stay_finite(loss_type: Any, dtype: torch.dtype) -> None:
    """A softmax so sharp that it is exactly one frame, and a view of one frame, have no variance."""
    z, views = random_views(dim=16)
    views.mask[0, 1:] = False
    leaf = z.to(dtype).requires_grad_()
    loss = TCC(loss_type, temperature=1e-6)(leaf, views)["loss"]
    loss.backward()
    assert leaf.grad is not None
    assert math.isfinite(loss.item())
    assert leaf.grad.isfinite().all()


@pytest.mark.parametrize("loss_type", LOSS_TYPES)
def test_collapsed_embeddings_have_finite_gradients(loss_type: Any) -> None:
    z, views = random_views()
    leaf = (torch.ones_like(z) / z.shape[-1] ** 0.5).float().requires_grad_()
    TCC(loss_type)(leaf, views)["loss"].backward()
    assert leaf.grad is not None
    assert leaf.grad.isfinite().all()


def test_order_of_views_does_not_matter() -> None:
    z, views = random_views(videos=3)
    order = torch.tensor([4, 0, 2, 3, 1, 5])
    shuffled = Views(**{name: tensor[order] for name, tensor in vars(views).items()})
    assert TCC()(z[order], shuffled)["loss"].item() == pytest.approx(TCC()(z, views)["loss"].item(), rel=1e-12)


def test_views_that_agree_cycle_back() -> None:
    """Equal views of distinct frames: every cycle ends where it began."""
    z, views = random_views(dim=16)
    for tensor in vars(views).values():
        tensor[1:] = tensor[:1]
    views.video = torch.tensor([0, 0, 1, 1])
    z[1:] = z[:1]
    assert TCC("regression_mse", temperature=1e-3)(z, views)["loss"] < 1e-8


def test_unknown_loss_type() -> None:
    with pytest.raises(InputError, match="regression_mse_var"):
        TCC("mse")  # type: ignore[arg-type]
