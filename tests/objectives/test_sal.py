from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from lrprop.batch import Views
from lrprop.encoders import Encoder
from lrprop.errors import InputError
from lrprop.module import AlignmentModule
from lrprop.objectives import SAL
from tests.objectives.test_lrprop import random_views


def seeded(objective: SAL, z: Tensor, views: Views) -> dict[str, Tensor]:
    torch.manual_seed(3)
    terms: dict[str, Tensor] = objective(z, views)
    return terms


def small(dim: int = 5, **options: float) -> SAL:
    torch.manual_seed(0)
    return SAL(embedding=dim, hidden=(6,), **options).double()  # type: ignore[arg-type]


@pytest.mark.parametrize("negatives", [0.0, 0.5, 0.75, 1.0])
def test_triplets(negatives: float) -> None:
    mask = torch.arange(12) < torch.tensor([[5], [7], [12]])
    frames, shuffled = SAL(triplets=40, negatives=negatives).draw(mask)
    assert shuffled.sum() == int(negatives * 120)
    assert mask.unsqueeze(1).expand(-1, 40, -1).gather(2, frames).all()
    first, middle, last = frames.unbind(2)
    is_between = ((first < middle) & (middle < last)) | ((last < middle) & (middle < first))
    assert is_between.equal(~shuffled)
    assert (middle != first).all()
    assert (middle != last).all()


def test_all_kinds_of_triplets_are_drawn() -> None:
    """Of five frames only three triplets can be drawn, each in two directions; all are equally likely in a class."""
    frames, shuffled = SAL(triplets=3000).draw(torch.ones(1, 5, dtype=torch.bool))
    for ordered, kinds in ((True, [(1, 2, 3)]), (False, [(1, 0, 3), (1, 4, 3)])):
        drawn = frames[shuffled != ordered].tolist()
        for kind in kinds:
            for order in (kind, kind[::-1]):
                assert drawn.count(list(order)) / len(drawn) == pytest.approx(0.5 / len(kinds), abs=0.06), order


def test_draws_follow_the_global_generator() -> None:
    z, views = random_views(frames=12)
    objective = small()
    first, second = seeded(objective, z, views), seeded(objective, z, views)
    assert first["loss"] == second["loss"]
    assert objective(z, views)["loss"] != first["loss"]


def test_gradient() -> None:
    z, views = random_views(frames=7, dim=3)
    objective = small(dim=3, triplets=2)
    assert torch.autograd.gradcheck(lambda x: seeded(objective, x, views)["loss"], z.requires_grad_())


def test_padding_and_short_views_take_no_part() -> None:
    z, views = random_views(frames=9)
    views.mask[0, 4:], views.mask[1] = False, True
    objective = small()
    loss = seeded(objective, z, views)["loss"]
    leaf = torch.where(views.mask.unsqueeze(-1), z, torch.full_like(z, 7.0)).requires_grad_()
    again = seeded(objective, leaf, views)["loss"]
    again.backward()
    assert again == loss
    assert leaf.grad is not None
    assert leaf.grad[~views.mask].abs().max() == 0
    assert leaf.grad[0].abs().max() == 0
    assert leaf.grad[1].abs().max() > 0


@pytest.mark.parametrize("frames", [3, 9])
def test_only_short_views_have_loss_zero(frames: int) -> None:
    z, views = random_views(frames=frames)
    views.mask[:, 3:] = False
    leaf = z.requires_grad_()
    terms = small()(leaf, views)
    terms["loss"].backward()
    assert terms["loss"] == 0
    assert leaf.grad is not None
    assert leaf.grad.abs().max() == 0


def test_collapsed_embeddings_have_finite_gradients() -> None:
    z, views = random_views()
    leaf = (torch.ones_like(z) / z.shape[-1] ** 0.5).requires_grad_()
    small()(leaf, views)["loss"].backward()
    assert leaf.grad is not None
    assert leaf.grad.isfinite().all()


def test_order_can_be_learnt_from_ordered_embeddings_only() -> None:
    """On a curve the head learns to tell the triplets apart; on equal embeddings it can only learn the shares."""
    _, views = random_views(frames=12)
    views.mask[:] = True
    angle = torch.linspace(0, 3, 12, dtype=torch.float64)
    curve = torch.stack([angle.cos(), angle.sin()], 1).expand(4, -1, -1)
    accuracy = {}
    for name, z in {"curve": curve, "point": normalize(torch.ones_like(curve), dim=-1)}.items():
        torch.manual_seed(0)
        objective = SAL(embedding=2, hidden=(32, 32)).double()
        optimiser = torch.optim.Adam(objective.parameters(), lr=0.01)
        for _ in range(400):
            optimiser.zero_grad()
            objective(z, views)["loss"].backward()
            optimiser.step()
        objective.triplets = 200
        accuracy[name] = objective(z, views)["accuracy"].item()
    assert accuracy["curve"] > 0.9
    assert accuracy["point"] == pytest.approx(0.75)


def test_the_head_is_trained_and_saved_with_the_module() -> None:
    module = AlignmentModule(Encoder(modality="poses", layers=1, fc_units=(8,), width=8, heads=1), SAL())
    names = {f"objective.head.{layer}.{kind}" for layer in (0, 2, 4) for kind in ("weight", "bias")}
    assert names <= module.state_dict().keys()
    assert names <= {name for name, parameter in module.named_parameters() if parameter.requires_grad}


def test_bad_arguments_are_named() -> None:
    with pytest.raises(InputError, match=r"negatives=1\.5"):
        SAL(negatives=1.5)
    with pytest.raises(InputError, match="triplets=0"):
        SAL(triplets=0)
    z, views = random_views()
    with pytest.raises(InputError, match="embedding=128"):
        SAL()(z, views)
