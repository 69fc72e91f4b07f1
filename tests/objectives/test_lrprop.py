from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from lrprop.batch import Views
from lrprop.objectives import LRProp
from tests.oracle import lrprop_oracle


def random_views(seed: int = 0, videos: int = 2, frames: int = 9, dim: int = 5) -> tuple[Tensor, Views]:
    rng = np.random.default_rng(seed)
    count = 2 * videos
    real = rng.integers(3, frames + 1, count)
    steps = np.stack([np.sort(rng.choice(3 * frames, frames, replace=False)) for _ in range(count)])
    mask = np.arange(frames) < real[:, None]
    views = Views(
        frames=torch.empty(count, frames, 0),
        steps=torch.from_numpy(steps),
        mask=torch.from_numpy(mask),
        lengths=torch.full((count,), 3 * frames),
        video=torch.arange(videos).repeat_interleave(2),
    )
    z = normalize(torch.from_numpy(rng.normal(size=(count, frames, dim))), dim=-1)
    return z * views.mask.unsqueeze(-1), views


OPTIONS: list[dict[str, Any]] = [
    {},
    {"pairs": "sum", "temperature": 0.3, "variance": 4.0},
    {"cost": "sqeuclidean", "gamma": 0.01},
    {"training_ends": "open"},
    {"lambda_same": 0.0},
    {"lambda_ppp": 0.0},
    {"lambda_soft_dtw": 0.0},
    {"lambda_ppp": 0.0, "lambda_soft_dtw": 0.0},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("videos", [2, 3])
def test_equals_the_oracle(options: dict[str, Any], videos: int) -> None:
    z, views = random_views(videos, videos)
    terms = LRProp(**options)(z, views)
    expected = lrprop_oracle(z.numpy(), views.steps.numpy(), views.mask.numpy(), views.video.numpy(), **options)
    assert terms.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(terms[name].item(), value, rtol=1e-10, err_msg=name)


@pytest.mark.parametrize("backend", ["reference", "numba"])
def test_gradient(backend: str) -> None:
    z, views = random_views(frames=5, dim=3)
    objective = LRProp(backend=backend, lambda_soft_dtw=0.5)
    # The path is piecewise constant, so finite differences see the same gradient unless a path flips.
    assert torch.autograd.gradcheck(lambda x: objective(x, views)["loss"], z.requires_grad_(), eps=1e-7)


def test_padding_takes_no_part() -> None:
    z, views = random_views()
    loss = LRProp()(z, views)["loss"]
    junk = torch.where(views.mask.unsqueeze(-1), z, torch.full_like(z, 7.0))
    views.steps = torch.where(views.mask, views.steps, torch.full_like(views.steps, 10**6))
    leaf = junk.requires_grad_()
    again = LRProp()(leaf, views)["loss"]
    again.backward()
    assert again.item() == pytest.approx(loss.item(), rel=1e-12)
    assert leaf.grad is not None
    assert leaf.grad[~views.mask].abs().max() == 0


def test_order_of_videos_does_not_matter() -> None:
    z, views = random_views(videos=3)
    order = torch.tensor([4, 5, 2, 3, 0, 1])
    shuffled = Views(**{name: tensor[order] for name, tensor in vars(views).items()})
    ours, theirs = LRProp()(z, views), LRProp()(z[order], shuffled)
    assert ours["same"].item() == pytest.approx(theirs["same"].item(), rel=1e-12)
    assert ours["soft_dtw"].item() == pytest.approx(theirs["soft_dtw"].item(), rel=1e-9)


def test_identical_views_of_distinct_frames_cost_least() -> None:
    """Two identical views: the path is the diagonal, so the propagated prior is the same-video prior."""
    z, views = random_views()
    for tensor in vars(views).values():
        tensor[1:] = tensor[:1]
    views.video = torch.tensor([0, 0, 1, 1])
    z[1:] = z[:1]
    terms = LRProp()(z, views)
    assert terms["ppp"].item() == pytest.approx(terms["same"].item(), rel=1e-12)


def test_collapsed_embeddings_have_finite_gradients() -> None:
    z, views = random_views()
    leaf = (torch.ones_like(z) / z.shape[-1] ** 0.5).requires_grad_()
    LRProp()(leaf, views)["loss"].backward()
    assert leaf.grad is not None
    assert leaf.grad.isfinite().all()


def test_path_on_embedding_follows_the_other_embeddings() -> None:
    z, views = random_views()
    others, _ = random_views(seed=5)
    objective = LRProp(path_on="embedding", lambda_same=0, lambda_soft_dtw=0)
    assert objective(z, views, z)["ppp"].item() == pytest.approx(LRProp()(z, views)["ppp"].item())
    assert objective(z, views, others * views.mask.unsqueeze(-1))["ppp"] != LRProp()(z, views)["ppp"]
    with pytest.raises(ValueError, match="embeddings"):
        objective(z, views)


def test_float32_is_close_to_float64() -> None:
    z, views = random_views(frames=40, dim=32)
    exact, rounded = LRProp()(z, views), LRProp()(z.float(), views)
    for name in exact:
        assert rounded[name].item() == pytest.approx(exact[name].item(), rel=1e-4), name


def test_one_video_has_no_pair_to_align() -> None:
    z, views = random_views(videos=1)
    with pytest.raises(ValueError, match="different videos"):
        LRProp()(z, views)
