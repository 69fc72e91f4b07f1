"""Fake files: every tensor of a ResNet-50 is one number repeated, which takes no space and shows where it went."""

from __future__ import annotations

import argparse
import logging
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torchvision.models import resnet50

from lrprop.encoders.checkpoints import load_weights
from lrprop.errors import InputError
from tests.fuzzing import TIMES

State = dict[str, Tensor]
NUMBERS = {"conv1": 0, "bn1": 1, "layer1": 4, "layer2": 5, "layer3": 6, "layer4": 7, "fc": 9}


@pytest.fixture(scope="module")
def network() -> nn.Module:
    return resnet50(weights=None)


def names_and_shapes() -> dict[str, torch.Size]:
    with torch.device("meta"):
        return {name: tensor.shape for name, tensor in resnet50(weights=None).state_dict().items()}


SHAPES = names_and_shapes()
LOADED = [name for name in SHAPES if not name.startswith("fc.") and not name.endswith("num_batches_tracked")]


def trained(prefix: str = "", *, numbered: bool = False, first: float = 1.0) -> State:
    """A state dict whose n-th tensor holds the number `first` + n everywhere."""
    state = {}
    for number, (name, shape) in enumerate(SHAPES.items()):
        child, _, rest = name.partition(".")
        state[prefix + (f"{NUMBERS[child]}.{rest}" if numbered else name)] = torch.tensor(first + number).expand(shape)
    return state


def slow(prefix: str, *, numbered: bool = False) -> State:
    return trained(prefix, numbered=numbered, first=-1000.0)


def head(prefix: str) -> State:
    return {f"{prefix}{layer}.{kind}": torch.zeros(2) for layer in (0, 2) for kind in ("weight", "bias")}


def without_fc(state: State) -> State:
    return {name: tensor for name, tensor in state.items() if ".fc." not in name and ".9." not in name}


OPTIMISER = {"state": {0: {"momentum_buffer": torch.zeros(64, 3, 7, 7)}}, "param_groups": [{"lr": 0.1, "params": [0]}]}

# The slow copy stands first wherever there is one: it is its name that tells it, not its place.
FILES: dict[str, Callable[[], Any]] = {
    "torchvision": trained,
    "torchvision before BatchNorm counted": lambda: {k: v for k, v in trained().items() if "num_batches" not in k},
    "the classifier cut off": lambda: {name: v for name, v in trained().items() if not name.startswith("fc.")},
    "wrapped in state_dict": lambda: {"state_dict": trained(), "epoch": 3, "best": 0.7, "arch": "resnet50"},
    "wrapped in model, data parallel": lambda: {"model": trained("module."), "optimizer": OPTIMISER},
    "compiled": lambda: {"model": trained("module._orig_mod.")},
    "MoCo v2": lambda: {
        "epoch": 200,
        "state_dict": {
            **slow("module.encoder_k."),
            **without_fc(trained("module.encoder_q.")),
            **head("module.encoder_q.fc."),
            "module.queue": torch.zeros(2, 3),
        },
        "optimizer": OPTIMISER,
    },
    "BYOL of CARL": lambda: {"model": {**slow("module.encoder_k."), **trained("module.encoder.")}},
    "BYOL, online and target encoder": lambda: {
        **slow("target_encoder.net."),
        **trained("online_encoder.net."),
        **head("online_encoder.projector."),
        **head("online_predictor."),
    },
    "BYOL, online and target network": lambda: {
        "target_network_state_dict": slow("encoder.", numbered=True),
        "online_network_state_dict": {**trained("encoder.", numbered=True), **head("projetion.net.")},
        "optimizer_state_dict": OPTIMISER,
    },
    "backbone and momentum backbone": lambda: {
        "state_dict": {**slow("momentum_backbone."), **trained("backbone."), **head("projector.")},
        "hparams": {"lr": 0.1},
    },
    "backbone of numbered children": lambda: {
        "state_dict": {**slow("backbone_momentum.", numbered=True), **trained("backbone.", numbered=True)}
    },
    "SimCLR encoder": lambda: {"state_dict": {**trained("encoder."), **head("projection.model.")}},
    "SimCLR convnet": lambda: {**trained("convnet."), **head("projector.")},
    "deep in containers": lambda: {"classy": {"base_model": {"model": {"trunk": trained("_feature_blocks.")}}}},
}


def save(content: Any, tmp_path: Path, **options: Any) -> Path:
    torch.save(content, tmp_path / "weights.pth", **options)
    return tmp_path / "weights.pth"


def assert_loaded(network: nn.Module, names: list[str]) -> None:
    state = network.state_dict()
    for name in names:
        assert (state[name] == 1 + list(SHAPES).index(name)).all(), name


@pytest.mark.parametrize("kind", FILES)
def test_formats_are_recognised(kind: str, network: nn.Module, tmp_path: Path) -> None:
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    load_weights(network, save(FILES[kind](), tmp_path))
    assert_loaded(network, LOADED)
    assert not network.fc.weight.any()  # type: ignore[union-attr, operator]


def test_files_older_than_the_zip_format(network: nn.Module, tmp_path: Path) -> None:
    load_weights(network, save(trained(), tmp_path, _use_new_zipfile_serialization=False))
    assert_loaded(network, LOADED)


def test_one_line_says_what_was_found(network: nn.Module, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "lrprop")
    load_weights(network, save({**trained(), **head("head.")}, tmp_path))
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("lrprop", "INFO")
    assert "265 of 265 tensors match" in record.message
    assert "0 missing" in record.message
    assert "4 unexpected (head.0.weight, head.0.bias, head.2.weight, ...)" in record.message


def test_95_percent_are_needed(network: nn.Module, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    state = trained("module.")
    for name in LOADED[:13]:
        del state[f"module.{name}"]
    load_weights(network, save(state, tmp_path))
    assert_loaded(network, LOADED[13:])
    assert "252 of 265" in caplog.text
    assert "13 missing (conv1.weight, bn1.weight, bn1.bias, ...)" in caplog.text
    assert caplog.records[0].levelname == "WARNING"
    del state[f"module.{LOADED[13]}"]
    with pytest.raises(InputError, match=r"weights\.pth.*251 of 265.*14 missing \(conv1\.weight, .*rename"):
        load_weights(network, save(state, tmp_path))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"conv1.weight": torch.zeros(64, 3, 3, 3)}, r"264 of 265.*1 of another shape \(conv1\.weight\)"),
        ({"layer3.6.conv1.weight": torch.zeros(1)}, r"1 of further layers \(layer3\.6\.conv1\.weight\)"),
    ],
    ids=["a stem for small images", "a ResNet-101"],
)
def test_other_architectures_are_refused(change: State, message: str, network: nn.Module, tmp_path: Path) -> None:
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with pytest.raises(InputError, match=message):
        load_weights(network, save({**trained(), **change}, tmp_path))
    torch.testing.assert_close(network.state_dict(), before, rtol=0, atol=0)


@pytest.mark.parametrize("content", [{}, [torch.zeros(2)], torch.zeros(2), 5, {"a": {"b": torch.zeros(2)}}])
def test_files_of_something_else_are_refused(content: Any, network: nn.Module, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"weights\.pth: the tensors do not fit a ResNet-50: 0 of 265"):
        load_weights(network, save(content, tmp_path))


def test_a_dictionary_that_holds_itself_ends(network: nn.Module, tmp_path: Path) -> None:
    state: dict[str, Any] = {"state_dict": trained()}
    state["again"] = state["once more"] = state
    load_weights(network, save(state, tmp_path))
    assert_loaded(network, LOADED)


class Bomb:
    """Makes a file where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("new_format", [True, False])
def test_other_objects_are_refused_by_name(new_format: bool, network: nn.Module, tmp_path: Path) -> None:
    def refused(content: Any, name: str) -> None:
        file = save(content, tmp_path, _use_new_zipfile_serialization=new_format)
        with pytest.raises(InputError, match=rf"weights\.pth: holds {name}, .*torch\.save the network's state_dict"):
            load_weights(network, file)

    refused({"state_dict": trained(), "args": argparse.Namespace(lr=1)}, r"argparse\.Namespace")
    refused(nn.Linear(1, 1), r"torch\.nn\.modules\.linear\.Linear")
    mark = tmp_path / "exploded"
    refused({"state_dict": trained(), "bomb": Bomb(mark)}, r"\S+")
    assert not mark.exists()


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_damaged_files(network: nn.Module, tmp_path: Path) -> None:
    whole = save(trained(), tmp_path).read_bytes()
    old = save(trained(), tmp_path, _use_new_zipfile_serialization=False).read_bytes()
    file = tmp_path / "damaged.pth"
    contents = [whole[: len(whole) * part // 8] for part in range(8)] + [
        old[: len(old) * part // 8] for part in range(8)
    ]
    for content in (*contents, b"\0" * 1000, b"not weights\n", pickle.dumps({"a": 1}), pickle.dumps({"a": 1}, 4)):
        file.write_bytes(content)
        with pytest.raises(
            InputError, match=r"damaged\.pth: cannot be read .*: empty, damaged or not written by torch\.save"
        ):
            load_weights(network, file)
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("hello.txt", "hello")
    with pytest.raises(InputError, match=r"damaged\.pth: cannot be read .*: empty, damaged"):
        load_weights(network, file)


def test_a_flipped_bit_in_the_weights(network: nn.Module, tmp_path: Path) -> None:
    file = save(trained(), tmp_path)
    hundred = np.float32(100).tobytes()
    assert file.read_bytes().count(hundred) == 1
    file.write_bytes(file.read_bytes().replace(hundred, np.float32(-100).tobytes()))
    with pytest.raises(InputError, match=r"weights\.pth: cannot be read .*: empty, damaged"):
        load_weights(network, file)


def test_a_folder_and_nothing(network: nn.Module, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder; give a file"):
        load_weights(network, tmp_path)
    with pytest.raises(InputError, match=r"absent\.pth: no such file"):
        load_weights(network, tmp_path / "absent.pth")


@settings(max_examples=60 * TIMES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 2**20), st.integers(1, 255)), max_size=3), st.binary(max_size=40))
def test_flipped_bits_and_random_bytes(
    network: nn.Module, tmp_path: Path, flips: list[tuple[int, int]], start: bytes
) -> None:
    """The right weights or an error that names the file."""
    content = bytearray(save(trained(), tmp_path).read_bytes())
    for place, bits in flips:
        content[place % len(content)] ^= bits
    content[: len(start)] = start
    file = tmp_path / "fuzzed.pth"
    file.write_bytes(content)
    try:
        load_weights(network, file)
    except InputError as error:
        assert "fuzzed.pth" in str(error)  # noqa: PT017 (either outcome is right)
    else:
        assert_loaded(network, LOADED)
