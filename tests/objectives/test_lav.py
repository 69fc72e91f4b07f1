from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from lrprop.batch import Views
from lrprop.objectives import LAV
from tests.objectives.test_lrprop import random_views
from tests.oracle import lav_oracle


@pytest.mark.parametrize("options", [{}, {"alpha": 2.0, "sigma": 4.0, "margin": 1.5, "gamma": 0.02}], ids=str)
@pytest.mark.parametrize("videos", [2, 3])
def test_equals_the_oracle(options: dict[str, Any], videos: int) -> None:
    z, views = random_views(videos, videos)
    expected, gradient = lav_oracle(
        *(value.numpy() for value in (z, views.steps, views.lengths, views.mask, views.video)), **options
    )
    terms = LAV(**options)(z.requires_grad_(), views)
    terms["loss"].backward()
    assert terms.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(terms[name].item(), value, rtol=1e-10, err_msg=name)
    assert z.grad is not None
    np.testing.assert_allclose(z.grad.numpy(), gradient, atol=1e-10)


def golden(shared: Path) -> tuple[dict[str, Any], Any, Tensor, Views]:
    """The reference pair; that the videos have 40 and 33 frames follows from the values alone."""
    values, arrays = json.loads((shared / "golden/losses.json").read_text()), np.load(shared / "golden/losses.npz")
    z = torch.from_numpy(np.concatenate([arrays["lav_a"], arrays["lav_b"]]))
    steps = torch.from_numpy(np.stack([arrays["lav_steps_a"], arrays["lav_steps_b"]])).long()
    views = Views(torch.empty(2, 20, 0), steps, torch.ones(2, 20).bool(), torch.tensor([40, 33]), torch.arange(2))
    return values, arrays, z.requires_grad_(), views


def test_reference_values(shared: Path) -> None:
    values, _, z, views = golden(shared)
    objective = LAV()
    assert objective.contrastive_idm(z, views)[0].item() == pytest.approx(values["contrastive_idm"]["loss"], rel=1e-12)
    assert objective(z, views)["loss"].item() == pytest.approx(values["lav"]["loss"], rel=1e-8)


def test_reference_gradient(shared: Path) -> None:
    """Within the rounding of the reference, whose SoftDTW ran in float32: 1.6e-5 of that term's gradient."""
    _, arrays, z, views = golden(shared)
    objective = LAV()
    objective(z, views)["loss"].backward()
    assert z.grad is not None
    reference = np.concatenate([arrays["lav_grad_a"], arrays["lav_grad_b"]])
    assert np.linalg.norm(z.grad.numpy() - reference) < 3e-6 * np.linalg.norm(reference)
    exact = lav_oracle(*(value.detach().numpy() for value in (z, views.steps, views.lengths, views.mask, views.video)))
    np.testing.assert_allclose(z.grad.numpy(), exact[1], rtol=1e-6, atol=1e-10)


def test_gradient() -> None:
    z, views = random_views(frames=5, dim=3)
    objective = LAV(sigma=3.0)
    assert torch.autograd.gradcheck(lambda x: objective(x, views)["loss"], z.requires_grad_())


def test_padding_takes_no_part() -> None:
    z, views = random_views()
    loss = LAV()(z, views)["loss"]
    leaf = torch.where(views.mask.unsqueeze(-1), z, torch.full_like(z, 7.0)).requires_grad_()
    views.steps = torch.where(views.mask, views.steps, torch.full_like(views.steps, 10**6))
    again = LAV()(leaf, views)["loss"]
    again.backward()
    assert again.item() == pytest.approx(loss.item(), rel=1e-12)
    assert leaf.grad is not None
    assert leaf.grad[~views.mask].abs().max() == 0


def test_more_padding_changes_nothing() -> None:
    z, views = random_views()
    longer = replace(
        views, **{k: torch.cat([t, torch.zeros_like(t[:, :3])], 1) for k, t in vars(views).items() if t.ndim > 1}
    )
    ours, theirs = LAV()(z, views), LAV()(torch.cat([z, z[:, :3] * 0], 1), longer)
    assert ours["loss"].item() == pytest.approx(theirs["loss"].item(), rel=1e-12)


def test_backwards_is_the_same() -> None:
    """SoftDTW and Contrastive-IDM do not know the arrow of time."""
    z, views = random_views()
    views.mask[:] = True
    objective = LAV(sigma=9.5)  # between two steps: pairs exactly sigma apart fall by rounding
    ours = objective(z, views)
    views.steps = views.lengths.unsqueeze(1) - views.steps.flip(1)
    theirs = objective(z.flip(1), views)
    for name in ours:
        assert ours[name].item() == pytest.approx(theirs[name].item(), rel=1e-9), name


def test_collapsed_embeddings_have_finite_gradients() -> None:
    z, views = random_views()
    leaf = (torch.ones_like(z) / z.shape[-1] ** 0.5).requires_grad_()
    LAV()(leaf, views)["loss"].backward()
    assert leaf.grad is not None
    assert leaf.grad.isfinite().all()


def test_contrastive_idm_prefers_a_curve_to_a_point() -> None:
    z, views = random_views(dim=2)
    angle = torch.pi * views.steps.double() / views.lengths.unsqueeze(1)
    curve = torch.stack([angle.cos(), angle.sin()], dim=2)
    point = torch.full_like(z, 0.5**0.5)
    assert LAV().contrastive_idm(curve, views).sum() < LAV().contrastive_idm(point, views).sum() / 2


def test_one_video_has_no_pair_to_align() -> None:
    z, views = random_views(videos=1)
    with pytest.raises(ValueError, match="different videos"):
        LAV()(z, views)
