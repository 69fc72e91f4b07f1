from __future__ import annotations

import pytest
import torch
from torch.nn.functional import normalize

from lrprop.alignment import pairwise_distances


def embeddings(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return normalize(torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype), dim=-1)


@pytest.mark.parametrize("squared", [False, True])
def test_equals_the_definition(squared: bool) -> None:
    x, y = embeddings(2, 5, 8), embeddings(2, 7, 8, seed=1)
    expected = (x[:, :, None] - y[:, None]).square().sum(-1)
    ours = pairwise_distances(x, y, squared=squared)
    assert ours.shape == (2, 5, 7)
    torch.testing.assert_close(ours, expected if squared else expected.sqrt())


@pytest.mark.parametrize("squared", [False, True])
def test_gradcheck_of_distinct_points(squared: bool) -> None:
    x, y = embeddings(2, 3, 4).requires_grad_(), embeddings(2, 5, 4, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda x, y: pairwise_distances(x, y, squared=squared), (x, y))


@pytest.mark.parametrize("squared", [False, True])
def test_coincident_points_have_distance_zero_and_the_zero_subgradient(squared: bool) -> None:
    x = embeddings(1, 4, 8).requires_grad_()
    y = x.detach().clone().requires_grad_()
    distances = pairwise_distances(x, y, squared=squared)
    assert (distances.diagonal(0, 1, 2) == 0).all()
    for grad in torch.autograd.grad(distances.diagonal(0, 1, 2).sum(), (x, y)):
        assert not grad.any()
        assert grad.isfinite().all()


def test_coincident_points_do_not_disturb_the_gradient_of_the_others() -> None:
    x, y = embeddings(1, 3, 4), embeddings(1, 5, 4, seed=1)
    y[0, 2] = x[0, 1]
    apart = torch.ones(3, 5, dtype=torch.bool)
    apart[1, 2] = False
    x.requires_grad_()
    (grad,) = torch.autograd.grad(pairwise_distances(x, y).sum(), x)
    difference = x.detach()[0, :, None] - y[0]
    units = torch.where(apart[..., None], normalize(difference, dim=-1), 0.0)
    torch.testing.assert_close(grad[0], units.sum(1))


def test_squared_distances_pass_gradcheck_at_coincident_points() -> None:
    x = embeddings(1, 3, 4).requires_grad_()
    y = x.detach().clone()
    assert torch.autograd.gradcheck(lambda x: pairwise_distances(x, y, squared=True), x)


@pytest.mark.parametrize("gap", [1e-2, 1e-4, 1e-6])
def test_small_distances_of_normalised_float32_embeddings_keep_their_digits(gap: float) -> None:
    x = embeddings(1, 40, 128, dtype=torch.float32)
    y = x + gap * embeddings(1, 40, 128, seed=1, dtype=torch.float32)
    exact = pairwise_distances(x.double(), y.double())
    ours = pairwise_distances(x.requires_grad_(), y)
    torch.testing.assert_close(ours.double(), exact, rtol=1e-5, atol=0)
    (grad,) = torch.autograd.grad(ours.diagonal(0, 1, 2).sum(), x)
    torch.testing.assert_close(grad.norm(dim=-1), torch.ones(1, 40))


def test_half_precision_is_promoted() -> None:
    x = embeddings(1, 3, 4).to(torch.bfloat16)
    assert pairwise_distances(x, x).dtype == torch.float32


def test_empty_batches_and_wrong_shapes() -> None:
    assert pairwise_distances(torch.zeros(0, 3, 4), torch.zeros(0, 5, 4)).shape == (0, 3, 5)
    with pytest.raises(ValueError, match=r"got \(1, 3, 4\) and \(1, 3, 5\)"):
        pairwise_distances(torch.zeros(1, 3, 4), torch.zeros(1, 3, 5))
