from __future__ import annotations

from copy import deepcopy
from functools import partial
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from torch import Tensor, nn
from torch._dynamo.testing import CompileCounter
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils.data import DataLoader

from lrprop.batch import Views
from lrprop.encoders import Encoder, ResNet50
from lrprop.module import AlignmentModule
from lrprop.objectives import LRProp

MAP_BYTES = 1024 * 4 * 4 * 4  # what the frozen layers make of a frame of 64 pixels: channels, height, width, float32


@pytest.fixture(scope="module")
def untouched() -> ResNet50:
    torch.manual_seed(0)
    return ResNet50("random")


@pytest.fixture
def backbone(untouched: ResNet50) -> ResNet50:
    return deepcopy(untouched)


def images(count: int) -> Tensor:
    return torch.randint(0, 255, (count, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def test_layer4_alone_is_trained(backbone: ResNet50) -> None:
    before = deepcopy(backbone.state_dict())
    backbone(images(3)).sum().backward()
    changed = {name for name, tensor in backbone.state_dict().items() if not tensor.equal(before[name])}
    assert {name.split(".")[0] for name in changed} == {"layer4"}
    trained = {name for name, parameter in backbone.named_parameters() if parameter.grad is not None}
    assert trained == {name for name, _ in backbone.named_parameters() if name.startswith("layer4.")}


@pytest.mark.parametrize("training", [True, False])
def test_the_chunk_changes_no_number(backbone: ResNet50, training: bool) -> None:
    """Not even in training: the BatchNorm statistics of layer4 are those of all frames."""
    one_by_one, at_once = deepcopy(backbone).train(training), backbone.train(training)
    one_by_one.chunk = 2
    features = [network(images(5)) for network in (one_by_one, at_once)]
    torch.testing.assert_close(*features, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(one_by_one.state_dict(), at_once.state_dict(), rtol=1e-4, atol=1e-4)


def test_statistics_of_layer4_are_those_of_all_frames(backbone: ResNet50) -> None:
    backbone.chunk = 2
    seen: list[Tensor] = []
    norm = backbone.layer4[0].bn1  # type: ignore[index, union-attr]
    norm.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0]))  # type: ignore[union-attr]
    norm.momentum = 1.0  # type: ignore[union-attr]
    backbone(images(5))
    torch.testing.assert_close(norm.running_mean, seen[0].mean((0, 2, 3)))  # type: ignore[union-attr]
    assert [len(frames) for frames in seen] == [5]


@pytest.mark.parametrize("training", [True, False])
def test_frozen_layers_hold_one_chunk_at_a_time(backbone: ResNet50, training: bool) -> None:
    """When a chunk begins, nothing is left of those before it but the output of layer3, or of layer4 in evaluation."""
    backbone.train(training).chunk = 2
    made: dict[StorageWeakRef, int] = {}
    held: list[int] = []

    def note(_: nn.Module, __: Any, output: Tensor) -> None:
        made[StorageWeakRef(output.untyped_storage())] = output.untyped_storage().nbytes()

    for layer in backbone.fixed.modules():
        layer.register_forward_hook(note)
    backbone.fixed.register_forward_pre_hook(
        lambda _, __: held.append(sum(size for storage, size in made.items() if not storage.expired()))
    )
    with torch.set_grad_enabled(training):
        backbone(images(6))
    assert held == ([0, 2 * MAP_BYTES, 4 * MAP_BYTES] if training else [0, 0, 0])


def kept_for_backward(backbone: ResNet50, count: int, dtype: torch.dtype) -> int:
    """Bytes, weights apart, that the backward pass of some frames needs."""
    weights = {tensor.data_ptr() for tensor in backbone.state_dict().values()}
    saved: dict[int, Tensor] = {}

    def pack(tensor: Tensor) -> Tensor:
        if tensor.data_ptr() not in weights:
            saved[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with (
        torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor),
        torch.autocast("cpu", torch.bfloat16, enabled=dtype is torch.bfloat16),
    ):
        backbone(images(count))
    return sum(tensor.untyped_storage().nbytes() for tensor in saved.values())


@pytest.mark.parametrize(("dtype", "megabytes"), [(torch.float32, 5.4), (torch.bfloat16, 2.7)])
def test_memory_for_the_backward_pass(backbone: ResNet50, dtype: torch.dtype, megabytes: float) -> None:
    """As the docstring has it for 224 pixels: what grows with the frames are the activations of layer4 alone."""
    a_frame = (kept_for_backward(backbone, 3, dtype) - kept_for_backward(backbone, 1, dtype)) / 2
    assert a_frame == pytest.approx(megabytes * 1e6 * (64 / 224) ** 2, rel=0.1)


def test_every_layer_works_channels_last(backbone: ResNet50) -> None:
    strides: list[bool] = []

    def note(_: nn.Module, arguments: tuple[Tensor, ...], output: Tensor) -> None:
        strides.extend(tensor.is_contiguous(memory_format=torch.channels_last) for tensor in (*arguments, output))

    convolutions = [layer for layer in backbone.modules() if isinstance(layer, nn.Conv2d)]
    for layer in convolutions:
        layer.register_forward_hook(note)
    backbone(images(2))
    assert len(strides) == 2 * 53
    assert all(strides)
    assert all(layer.weight.is_contiguous(memory_format=torch.channels_last) for layer in convolutions)


class NotingObjective(LRProp):
    """Notes the types of what it is given."""

    def forward(self, z: Tensor, views: Views, embeddings: Tensor | None = None) -> dict[str, Tensor]:
        terms = super().forward(z, views, embeddings)
        self.types = {z.dtype, *(term.dtype for term in terms.values())}
        self.autocast = torch.is_autocast_enabled("cpu")
        return terms


def test_bfloat16_ends_before_the_objective(untouched: ResNet50) -> None:
    """`--trainer.precision bf16-mixed`: layer4 computes and learns in bfloat16, the objective in float32."""
    backbone, objective, types = deepcopy(untouched), NotingObjective(), set()
    before = deepcopy(backbone.state_dict())
    for stage in (backbone.fixed, backbone.layer4):
        stage.register_forward_hook(lambda _, __, output: types.add(output.dtype))
    encoder = Encoder(
        "pixels", 3, lambda: backbone, fc_units=(16,), width=16, layers=1, heads=2, feedforward=16, embedding=8
    )
    steps, mask = torch.arange(3).repeat(4, 1), torch.ones(4, 3, dtype=torch.bool)
    views = Views(images(12).view(4, 3, 3, 64, 64), steps, mask, torch.full((4,), 3), torch.tensor([0, 0, 1, 1]))
    trainer = pl.Trainer(
        max_steps=1,
        precision="bf16-mixed",
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(AlignmentModule(encoder, objective), DataLoader([views], batch_size=None))  # type: ignore[arg-type]
    assert types == {torch.bfloat16}
    assert objective.types == {torch.float32}
    assert not objective.autocast
    after = backbone.state_dict()
    assert all(tensor.isfinite().all() for tensor in after.values())
    assert not after["layer4.2.conv3.weight"].equal(before["layer4.2.conv3.weight"])
    assert after["fixed.0.weight"].equal(before["fixed.0.weight"])


def test_compiled_frozen_layers_change_no_number(backbone: ResNet50, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a compiler that only counts what it is given: torch's own takes half a minute."""
    counter = CompileCounter()
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=counter))
    compiled = ResNet50("random", compiled=True)
    compiled.load_state_dict(backbone.state_dict())
    torch.testing.assert_close(compiled(images(3)), backbone(images(3)))
    assert counter.frame_count == 1
    assert counter.op_count > 100
