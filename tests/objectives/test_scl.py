from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from lrprop.batch import Views
from lrprop.objectives import SCL, LRProp
from tests.objectives.test_lrprop import random_views
from tests.oracle import scl_oracle

OPTIONS: list[dict[str, Any]] = [
    {},
    {"temperature": 0.3, "variance": 4.0},
    {"carl_epsilon": True},
    {"carl_epsilon": True, "temperature": 0.3, "variance": 4.0},
]


def golden(shared: Path) -> tuple[Tensor, Views, float, Tensor]:
    """The embeddings and views of the authors' code, its loss and its gradient."""
    data = np.load(shared / "golden" / "losses.npz")
    expected = json.loads((shared / "golden" / "losses.json").read_text())["scl"]["loss"]
    z, steps, mask, gradient = (
        torch.from_numpy(data[f"scl_{name}"]).flatten(0, 1) for name in ("embedding", "steps", "mask", "grad")
    )
    views = Views(
        frames=torch.empty(4, 24, 0),
        steps=steps,
        mask=mask.bool(),
        lengths=torch.from_numpy(data["scl_seq_len"]).flatten(),
        video=torch.tensor([0, 0, 1, 1]),
    )
    return z, views, expected, gradient


def test_equals_the_authors_code_padding_included(shared: Path) -> None:
    z, views, expected, gradient = golden(shared)
    loss = SCL(carl_epsilon=True)(z.requires_grad_(), views)["loss"]
    loss.backward()
    assert z.grad is not None
    assert loss.item() == pytest.approx(expected, rel=1e-6)
    assert (z.grad - gradient).abs().max() < 1e-6 * gradient.abs().max()
    # Padding takes part there: its gradient is small, but not 0.
    torch.testing.assert_close(z.grad[~views.mask], gradient[~views.mask], rtol=1e-4, atol=0)


def test_what_carl_epsilon_changes(shared: Path) -> None:
    """Its epsilons cost 1.2e-3 of the value; the rest is that longer views then weigh more than shorter ones."""
    z, views, expected, _ = golden(shared)
    per_video = []
    for video in range(2):
        own = Views(**{name: tensor[views.video == video] for name, tensor in vars(views).items()})
        per_video.append(SCL()(z[views.video == video], own)["loss"].item())
    weights = [int(views.mask[views.video == video].sum()) for video in range(2)]
    assert np.average(per_video, weights=weights) / expected - 1 == pytest.approx(1.2e-3, abs=5e-5)
    assert SCL()(z, views)["loss"].item() == pytest.approx(np.mean(per_video), rel=1e-12)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("videos", [1, 3])
def test_equals_the_oracle(options: dict[str, Any], videos: int) -> None:
    z, views = random_views(videos, videos)
    expected = scl_oracle(z.numpy(), views.steps.numpy(), views.mask.numpy(), views.video.numpy(), **options)
    assert SCL(**options)(z, views)["loss"].item() == pytest.approx(expected, rel=1e-10)


def test_is_the_same_video_term_of_lrprop() -> None:
    z, views = random_views(videos=3)
    assert SCL()(z, views)["loss"].item() == pytest.approx(LRProp()(z, views)["same"].item(), rel=1e-12)


@pytest.mark.parametrize("carl_epsilon", [False, True])
def test_gradient(carl_epsilon: bool) -> None:
    z, views = random_views(frames=5, dim=3)
    objective = SCL(carl_epsilon=carl_epsilon)
    assert torch.autograd.gradcheck(lambda x: objective(x, views)["loss"], z.requires_grad_())


def test_padding_takes_no_part() -> None:
    z, views = random_views()
    loss = SCL()(z, views)["loss"]
    leaf = torch.where(views.mask.unsqueeze(-1), z, torch.full_like(z, 7.0)).requires_grad_()
    views.steps = torch.where(views.mask, views.steps, torch.full_like(views.steps, 10**6))
    again = SCL()(leaf, views)["loss"]
    again.backward()
    assert again.item() == pytest.approx(loss.item(), rel=1e-12)
    assert leaf.grad is not None
    assert leaf.grad[~views.mask].abs().max() == 0


@pytest.mark.parametrize("carl_epsilon", [False, True])
def test_collapsed_embeddings_have_finite_gradients(carl_epsilon: bool) -> None:
    z, views = random_views()
    leaf = (torch.ones_like(z) / z.shape[-1] ** 0.5).float().requires_grad_()
    SCL(carl_epsilon=carl_epsilon)(leaf, views)["loss"].backward()
    assert leaf.grad is not None
    assert leaf.grad.isfinite().all()


def test_order_of_views_does_not_matter() -> None:
    z, views = random_views(videos=3)
    order = torch.tensor([4, 0, 2, 3, 1, 5])
    shuffled = Views(**{name: tensor[order] for name, tensor in vars(views).items()})
    assert SCL()(z[order], shuffled)["loss"].item() == pytest.approx(SCL()(z, views)["loss"].item(), rel=1e-12)


def test_needs_two_views_of_a_video() -> None:
    z, views = random_views()
    views.video = torch.arange(4)
    with pytest.raises(ValueError, match="same video"):
        SCL()(z, views)
