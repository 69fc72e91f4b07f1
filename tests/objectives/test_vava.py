from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from lrprop.alignment import pairwise_distances
from lrprop.batch import Views
from lrprop.errors import InputError
from lrprop.objectives import VAVA
from lrprop.objectives.vava import sinkhorn
from tests.objectives.test_lrprop import random_views
from tests.oracle import sinkhorn_oracle, vava_oracle

# Small enough that the costs weigh more than the priors.
SHARP: dict[str, Any] = {"lambda_prior": 0.001, "lambda_structure": 0.001, "prior_width": 20.0, "iterations": 2000}


def random_sequence(seed: int, frames: int, dim: int = 5) -> Tensor:
    return normalize(torch.from_numpy(np.random.default_rng(seed).normal(size=(1, frames, dim))), dim=-1)


def plan_of(x: Tensor, y: Tensor, **options: Any) -> Tensor:
    """The plan (n + 1, m + 1) of two sequences (1, n, D) and (1, m, D)."""
    real = [torch.ones(1, side.shape[1], dtype=torch.bool) for side in (x, y)]
    return VAVA(**options).transport(pairwise_distances(x, y, squared=True), *real).log_plan[0].exp()


OPTIONS: list[dict[str, Any]] = [
    {},
    {"iterations": 3, "lambda_prior": 0.02, "lambda_structure": 0.1, "zeta": 0.9, "virtual_distance": 2.0},
    {"window": 2, "margin": 1.0, "temperature": 0.1, "lambda_intra": 0.3, "lambda_inter": 1.0, "prior_width": 0.7},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize(("decay", "phi"), [(0.999, 0.999), (0.4, 0.4), (0.0, 0.001)])
def test_equals_the_oracle(options: dict[str, Any], decay: float, phi: float) -> None:
    z, views = random_views(1, 3)
    terms = VAVA(consistency_decay=decay, **options)(z, views)
    expected = vava_oracle(z.numpy(), views.mask.numpy(), views.video.numpy(), phi=phi, **options)
    assert terms.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(terms[name].item(), value, rtol=1e-9, err_msg=name)


@pytest.mark.parametrize("iterations", [1, 7])
def test_sinkhorn_equals_the_oracle_with_padding(iterations: int) -> None:
    rng = np.random.default_rng(0)
    kernel = torch.from_numpy(rng.uniform(0.1, 2, (2, 5, 6)))
    sizes = [(5, 4), (3, 6)]
    mask = torch.arange(5) < torch.tensor([[5], [3]])
    other_mask = torch.arange(6) < torch.tensor([[4], [6]])
    log_kernel = kernel.log().masked_fill(~(mask.unsqueeze(2) & other_mask.unsqueeze(1)), -1e9)
    plan = sinkhorn(log_kernel, mask, other_mask, iterations).exp()
    for b, (n, m) in enumerate(sizes):
        np.testing.assert_allclose(plan[b, :n, :m], sinkhorn_oracle(kernel[b, :n, :m].numpy(), iterations), rtol=1e-10)
        assert plan[b].sum().item() == pytest.approx(1)
        assert plan[b, :n, :m].sum().item() == pytest.approx(1)


def test_marginals_are_uniform() -> None:
    plan = plan_of(random_sequence(0, 9), random_sequence(1, 7), iterations=2000)
    np.testing.assert_allclose(plan.sum(1), 1 / 10, rtol=1e-12)
    np.testing.assert_allclose(plan.sum(0), 1 / 8, rtol=1e-6)


@pytest.mark.parametrize("decay", [0.999, 0.5, 0.0])
def test_symmetry(decay: float) -> None:
    x, y = random_sequence(0, 9), random_sequence(1, 7)
    options = {"iterations": 2000, "consistency_decay": decay}
    np.testing.assert_allclose(plan_of(x, y, **options), plan_of(y, x, **options).T, atol=1e-8)


def test_backwards_is_the_same_but_for_the_virtual_frame() -> None:
    """The virtual frame lies before the first frame, and still equal lengths make both directions of time alike."""
    x, y = random_sequence(0, 8), random_sequence(1, 8)
    there, back = plan_of(x, y, iterations=500), plan_of(x.flip(1), y.flip(1), iterations=500)
    np.testing.assert_allclose(there[1:, 1:], back[1:, 1:].flip(0, 1), atol=1e-8)


def test_identity_pair_lies_on_the_diagonal() -> None:
    x = random_sequence(0, 20)
    sharp = plan_of(x, x, **SHARP)
    assert sharp.argmax(1).tolist() == list(range(21))
    assert sharp.diagonal().sum() > 0.8
    # By default the priors weigh more than the costs: a band, of the prior's width, that the borders bend a little.
    band = plan_of(x, x)
    gap = (torch.arange(21)[:, None] - torch.arange(21)).abs()
    assert (band.argmax(1) - torch.arange(21)).abs().max() <= 1
    assert band[gap <= 6].sum() > 0.85


def test_consistency_and_optimality() -> None:
    """The other video is in another order: the diagonal's prior ignores that, the nearest neighbours' follows it."""
    x = random_sequence(0, 20)
    order = torch.arange(20).roll(10)
    follows = {}
    for decay in (0.999, 0.0):
        plan = plan_of(x, x[:, order], consistency_decay=decay)[1:, 1:]
        follows[decay] = (plan.argmax(1) == order.argsort()).double().mean().item()
    assert follows[0.999] == 0
    assert follows[0.0] > 0.85  # the borders bend the plan a little


def test_virtual_frame_takes_unmatched_mass() -> None:
    x = random_sequence(0, 8)
    y = x.clone()
    y[:, 3] = -x.mean(1)
    matched, unmatched = plan_of(x, x, **SHARP), plan_of(x, y, **SHARP)
    assert matched[1:, 0].max() < 0.05 / 9
    assert unmatched[4, 0] > 0.3 / 9
    assert unmatched[0, 4] > 0.3 / 9
    assert plan_of(x, y, **SHARP, zeta=4.0)[4, 0] < unmatched[4, 0]


def test_phi_falls_with_training_steps_and_is_saved() -> None:
    z, views = random_views()
    objective = VAVA(consistency_decay=0.5)
    weights = []
    for _ in range(9):
        weights.append(objective._consistency_weight(z.dtype).item())
        objective(z, views)
    np.testing.assert_allclose(weights, [0.5**power for power in (1, 1, 1, 2, 2, 2, 2, 2, 3)])
    resumed = VAVA(consistency_decay=0.5)
    resumed.load_state_dict(objective.state_dict())
    assert resumed.steps_trained == 9
    resumed.eval()(z, views)
    assert resumed.steps_trained == 9


@pytest.mark.parametrize("decay", [0.999, 0.3])
def test_gradient(decay: float) -> None:
    z, views = random_views(frames=5, dim=3)
    objective = VAVA(window=2, lambda_inter=0.5, lambda_prior=0.02, consistency_decay=decay, iterations=4).eval()
    assert torch.autograd.gradcheck(lambda x: objective(x, views)["loss"], z.requires_grad_())


def test_padding_takes_no_part() -> None:
    z, views = random_views()
    loss = VAVA()(z, views)["loss"]
    leaf = torch.where(views.mask.unsqueeze(-1), z, torch.full_like(z, 7.0)).requires_grad_()
    again = VAVA()(leaf, views)["loss"]
    again.backward()
    assert again.item() == pytest.approx(loss.item(), rel=1e-12)
    assert leaf.grad is not None
    assert leaf.grad[~views.mask].abs().max() == 0


def test_order_of_videos_does_not_matter() -> None:
    z, views = random_views(videos=3)
    order = torch.tensor([4, 5, 2, 3, 0, 1])
    shuffled = Views(**{name: tensor[order] for name, tensor in vars(views).items()})
    objective = VAVA(iterations=2000)
    ours, theirs = objective(z, views), objective(z[order], shuffled)
    for name in ours:
        assert ours[name].item() == pytest.approx(theirs[name].item(), rel=1e-4), name


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_collapsed_embeddings_have_finite_gradients(dtype: torch.dtype) -> None:
    z, views = random_views(frames=40)
    leaf = (torch.ones_like(z, dtype=dtype) / z.shape[-1] ** 0.5).requires_grad_()
    VAVA()(leaf, views)["loss"].backward()
    assert leaf.grad is not None
    assert leaf.grad.isfinite().all()


def test_float32_is_close_to_float64() -> None:
    z, views = random_views(frames=40, dim=32)
    exact, rounded = VAVA()(z, views), VAVA()(z.float(), views)
    for name in exact:
        assert rounded[name].item() == pytest.approx(exact[name].item(), rel=1e-4), name


def test_bad_arguments_are_named() -> None:
    with pytest.raises(InputError, match="iterations=0"):
        VAVA(iterations=0)
    z, views = random_views(videos=1)
    with pytest.raises(ValueError, match="different videos"):
        VAVA()(z, views)
