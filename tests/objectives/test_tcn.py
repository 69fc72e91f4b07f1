from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lrprop.batch import Views
from lrprop.errors import InputError
from lrprop.objectives import TCN
from lrprop.objectives.tcn import draw_positives
from tests.objectives.test_lrprop import random_views
from tests.oracle import tcn_oracle


def one_view(steps: torch.Tensor) -> Views:
    return Views(
        frames=torch.empty(1, len(steps), 0),
        steps=steps.unsqueeze(0),
        mask=torch.ones(1, len(steps), dtype=torch.bool),
        lengths=steps[-1:] + 1,
        video=torch.zeros(1, dtype=torch.int64),
    )


def test_equals_the_authors_code(shared: Path) -> None:
    """Even rows are anchors and odd rows positives: pairs of neighbours, far from one another."""
    data = np.load(shared / "golden" / "losses.npz")
    expected = json.loads((shared / "golden" / "losses.json").read_text())["tcn"]["loss"]
    z = torch.from_numpy(data["tcn_embedding"]).requires_grad_()
    rows = torch.arange(len(z))
    loss = TCN()(z.unsqueeze(0), one_view(100 * (rows // 2) + rows % 2))["loss"]
    loss.backward()
    assert loss.item() == pytest.approx(expected, rel=1e-12)
    torch.testing.assert_close(z.grad, torch.from_numpy(data["tcn_grad"]), rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("options", [{}, {"window": 3, "temperature": 0.1}, {"window": 50, "reg_lambda": 0.5}], ids=str)
def test_equals_the_oracle(options: dict[str, Any]) -> None:
    z, views = random_views(frames=12)
    z = 2 * z
    torch.manual_seed(1)
    drawn, is_anchor = draw_positives(views.steps, views.mask, options.get("window", 5))
    positives = [
        {i: int(drawn[v, i]) for i in range(z.shape[1]) if bool(is_anchor[v, i])} for v in range(len(views.video))
    ]
    torch.manual_seed(1)
    terms = TCN(**options)(z, views)
    expected = tcn_oracle(z.numpy(), views.steps.numpy(), positives, **options)
    assert terms["loss"].item() == pytest.approx(expected, rel=1e-10)
    weight = options.get("reg_lambda", 0.002)
    assert terms["loss"].item() == pytest.approx((terms["n_pairs"] + weight * terms["l2"]).item())


def test_every_frame_of_the_window_is_drawn_as_often() -> None:
    steps = torch.tensor([[0, 1, 3, 5, 6, 20, 24, 25]]).expand(3000, -1)
    mask = torch.ones_like(steps, dtype=torch.bool)
    mask[:, -1] = False
    torch.manual_seed(0)
    drawn, is_anchor = draw_positives(steps, mask, 5)
    assert is_anchor[0].tolist() == [True, True, True, True, False, True, False, False]
    shares = [torch.bincount(drawn[:, i], minlength=8) / 3000 for i in range(8)]
    candidates = {0: [1, 2, 3], 1: [2, 3, 4], 2: [3, 4], 3: [4], 5: [6]}
    for anchor, frames in candidates.items():
        assert shares[anchor][frames].sum() == 1, anchor
        assert (shares[anchor][frames] - 1 / len(frames)).abs().max() < 0.05, anchor


def test_the_seed_decides() -> None:
    z, views = random_views(frames=20)
    losses = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        losses.append(TCN()(z, views)["loss"].item())
    assert losses[0] == losses[1]
    assert losses[0] != losses[2]


def test_near_frames_are_no_negatives() -> None:
    """All frames lie within one window, so each anchor has its positive to itself."""
    z, _ = random_views(frames=5)
    assert TCN(reg_lambda=0.0)(z[:1], one_view(torch.arange(5)))["loss"] == 0


def test_gradient() -> None:
    z, views = random_views(frames=6, dim=3)

    def loss(x: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(3)
        value: torch.Tensor = TCN(window=4)(x, views)["loss"]
        return value

    assert torch.autograd.gradcheck(loss, z.requires_grad_())


def test_padding_takes_no_part() -> None:
    z, views = random_views(frames=12)
    torch.manual_seed(0)
    loss = TCN()(z, views)["loss"]
    leaf = torch.where(views.mask.unsqueeze(-1), z, torch.full_like(z, 7.0)).requires_grad_()
    torch.manual_seed(0)
    again = TCN()(leaf, views)["loss"]
    again.backward()
    assert again.item() == pytest.approx(loss.item(), rel=1e-12)
    assert leaf.grad is not None
    assert leaf.grad[~views.mask].abs().max() == 0


def test_collapsed_embeddings_have_finite_gradients() -> None:
    z, views = random_views()
    leaf = torch.ones_like(z).float().requires_grad_()
    TCN()(leaf, views)["loss"].backward()
    assert leaf.grad is not None
    assert leaf.grad.isfinite().all()


def test_views_without_anchors_cost_nothing() -> None:
    z, views = random_views(frames=12)
    views.mask[1:, 1:] = False
    torch.manual_seed(0)
    loss = TCN()(z, views)["loss"]
    torch.manual_seed(0)
    alone = TCN()(z[:1], Views(**{name: tensor[:1] for name, tensor in vars(views).items()}))["loss"]
    assert loss.item() == pytest.approx(alone.item(), rel=1e-12)
    views.mask[:, 1:] = False
    leaf = z.clone().requires_grad_()
    nothing = TCN()(leaf, views)["loss"]
    nothing.backward()
    assert nothing == 0
    assert leaf.grad is not None
    assert leaf.grad.abs().max() == 0


def test_window_too_small() -> None:
    with pytest.raises(InputError, match="window=0"):
        TCN(window=0)
