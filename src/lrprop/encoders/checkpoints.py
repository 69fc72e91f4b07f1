"""Weights of a ResNet-50 from the files in the wild: whoever trained it, wherever it stands in the file."""

from __future__ import annotations

import logging
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from lrprop.errors import InputError

_log = logging.getLogger("lrprop")

SHARE_NEEDED = 0.95
# MoCo, BYOL and DINO keep a slow copy of the network beside the one they train; a part of its name tells it.
SLOW_COPIES = {"target", "momentum", "k", "key", "teacher", "ema"}


def load_weights(network: nn.Module, file: Path) -> None:
    """Copies the weights in a file into a ResNet-50, all but its classifier `fc`, and logs what was found.

    The network may stand anywhere in the file, behind any prefix, in containers within containers. Its children bear
    torchvision's names, or the numbers that `nn.Sequential(*resnet.children())` gives them. Of all prefixes the one
    counts that most of the network's tensors have, and the trained network before its slow copy. This reads
    torchvision's files, MoCo's ("module.encoder_q."), BYOL's as in CARL ("module.encoder."), and the many ports of
    BYOL and SimCLR ("online_network.", "online_encoder.net.", "backbone.", "convnet.", ...).

    Args:
        network: torchvision's ResNet-50, changed in place.
        file: written by `torch.save`, of tensors in plain containers.

    Raises:
        InputError: if the file cannot be read, holds anything but tensors and plain containers, has fewer than 95 %
            of the network's tensors, or is of a network of another width or depth.
    """
    expected = {name: tensor for name, tensor in network.state_dict().items() if _is_loaded(name)}
    tensors = _tensors(_read(file))
    found = _compare(expected, _best_keys(network, list(expected), tensors), tensors)
    matched = f"{len(found.keys)} of {len(expected)} tensors match in name and shape"
    if found.misshapen or found.further or len(found.keys) < SHARE_NEEDED * len(expected):
        raise InputError(
            f"weights {file}: the tensors do not fit a ResNet-50: {matched}; {found}; "
            "give the file of a ResNet-50, or rename its keys to torchvision's."
        )
    _log.log(logging.WARNING if found.missing else logging.INFO, "weights %s: %s; %s", file, matched, found)
    network.load_state_dict({name: tensors[key] for name, key in found.keys.items()}, strict=False)


def _is_loaded(name: str) -> bool:
    """False for the classifier, and for the counters of BatchNorm, which older files lack and nothing reads."""
    return not name.startswith("fc.") and not name.endswith("num_batches_tracked")


def _read(file: Path) -> object:
    """The content of a file, through torch's restricted unpickler."""
    if not file.is_file():
        problem = "is a folder" if file.is_dir() else "no such file"
        raise InputError(f"weights {file}: {problem}; give a file of ResNet-50 weights, 'imagenet' or 'random'.")
    resave = "load it where it was made and torch.save the network's state_dict()"
    try:
        _verify_checksums(file)
        return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # what torch's readers raise over a damaged file has no common type
        foreign = re.search(r"GLOBAL (\S+)", str(error))
        if foreign:
            raise InputError(
                f"weights {file}: holds {foreign[1]}, and only tensors in plain containers are read; {resave}."
            ) from error
        raise InputError(
            f"weights {file}: cannot be read ({type(error).__name__}): empty, damaged or not written by torch.save; "
            f"copy it again, or {resave}."
        ) from error


def _verify_checksums(file: Path) -> None:
    """Refuses flipped bits, which torch.load reads as weights; files older than the zip format have no checksums."""
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            if archive.testzip() is not None:
                raise zipfile.BadZipFile


def _tensors(content: object) -> dict[str, Tensor]:
    """All tensors in dictionaries within dictionaries, by their keys joined with dots."""
    tensors: dict[str, Tensor] = {}
    seen, waiting = set(), [("", content)]
    for key, value in waiting:  # grows on the way
        if isinstance(value, Tensor):
            tensors[key] = value
        elif isinstance(value, Mapping) and id(value) not in seen:
            seen.add(id(value))
            waiting += [(f"{key}.{part}" if key else str(part), inner) for part, inner in value.items()]
    return tensors


def _best_keys(network: nn.Module, names: list[str], tensors: dict[str, Tensor]) -> dict[str, str]:
    """For each name the key it has under the prefix, and in the spelling, that most names have in the file."""
    numbers = {child: str(number) for number, (child, _) in enumerate(network.named_children())}
    numbered = [re.sub(r"^\w+", lambda child: numbers[child[0]], name) for name in names]
    prefixes = dict.fromkeys(["", *(key[: dot.end()] for key in tensors for dot in re.finditer(r"\.", key))])
    places = [(prefix, spellings) for prefix in prefixes for spellings in (names, numbered)]

    def rank(place: tuple[str, list[str]]) -> tuple[int, bool]:
        prefix, spellings = place
        is_slow_copy = not SLOW_COPIES.isdisjoint(re.split(r"[._]", prefix))
        return sum(prefix + spelling in tensors for spelling in spellings), not is_slow_copy

    prefix, spellings = max(places, key=rank)
    return {name: prefix + spelling for name, spelling in zip(names, spellings, strict=True)}


@dataclass(frozen=True)
class _Found:
    """How the tensors in a file fit a network.

    Attributes:
        keys: for every tensor of the network that the file has, its key there.
        missing: names of the tensors that the file has not.
        misshapen: keys of the tensors that have another shape there.
        further: keys of tensors within the network's stages that the network has not.
        others: keys of all else: heads, the slow copy, the optimiser's state.
    """

    keys: dict[str, str]
    missing: list[str]
    misshapen: list[str]
    further: list[str]
    others: list[str]

    def __str__(self) -> str:
        groups = {"missing": self.missing, "of another shape": self.misshapen}
        groups |= {"of further layers": self.further, "unexpected": self.others}
        return "; ".join(f"{len(keys)} {group}{_first(keys)}" for group, keys in groups.items())


def _compare(expected: dict[str, Tensor], keys: dict[str, str], tensors: dict[str, Tensor]) -> _Found:
    present = {name: key for name, key in keys.items() if key in tensors}
    fitting = {name: key for name, key in present.items() if tensors[key].shape == expected[name].shape}
    stages = tuple({key.removesuffix(name.partition(".")[2]) for name, key in keys.items()})
    rest = [key for key in tensors if key not in present.values() and _is_loaded(key)]
    return _Found(
        keys=fitting,
        missing=[name for name in keys if name not in present],
        misshapen=[key for name, key in present.items() if name not in fitting],
        further=[key for key in rest if key.startswith(stages)],
        others=[key for key in rest if not key.startswith(stages)],
    )


def _first(keys: list[str]) -> str:
    return f" ({', '.join(keys[:3])}{', ...' if len(keys) > 3 else ''})" if keys else ""
