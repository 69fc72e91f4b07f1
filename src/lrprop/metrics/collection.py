"""The metrics as a torchmetrics class: it gathers the embedded videos of all processes, `evaluate` computes."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities.data import dim_zero_cat

from lrprop.batch import EmbeddedVideo
from lrprop.metrics.evaluation import evaluate

Role = Literal["train", "val"]
_ROLES: tuple[Role, ...] = ("train", "val")
_STATES = {
    "embeddings": torch.float32,
    "labels": torch.int64,
    "truths": torch.float32,
    "ids": torch.uint8,
    "sizes": torch.int64,
}


class AlignmentMetrics(Metric):
    """Every metric over the videos of all processes, each video counted once however often a sampler repeats it.

    All states are flat: `embeddings` (sum of n D), `labels` and `truths` (sum of n), `ids` (UTF-8 bytes) and `sizes`,
    four numbers a video: n, D, the bytes of its id and its role. Flat states can be gathered from processes that saw
    different numbers of videos, or none. Embeddings and truths are kept in float32; a video without labels is kept as
    one whose labels are all -1, which `evaluate` treats alike.

    Args:
        **options: keyword arguments of `lrprop.metrics.evaluate`.
    """

    full_state_update = False
    embeddings: list[Tensor]
    labels: list[Tensor]
    truths: list[Tensor]
    ids: list[Tensor]
    sizes: list[Tensor]

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.options = options
        for name in _STATES:
            self.add_state(name, default=[], dist_reduce_fx="cat")
        self._seed()

    def reset(self) -> None:
        """Forget every video."""
        super().reset()
        self._seed()

    def update(self, video: EmbeddedVideo, role: Role) -> None:
        """Take one video in.

        Args:
            video: arrays or tensors of (n, D) embeddings, (n,) labels and (n,) truth, the latter two optional.
            role: "train" where the supervised probes learn from it, "val" where it is judged.

        Raises:
            ValueError: an unknown role, or labels or truth of another length than the embeddings.
        """
        if role not in _ROLES:
            raise ValueError(f"role = {role!r}; expected one of {_ROLES}")
        n, dimension = video.embeddings.shape
        name = list(video.id.encode())
        self._append("embeddings", video.embeddings)
        self._append("labels", self._per_frame(video, "labels", -1))
        self._append("truths", self._per_frame(video, "truth", float("nan")))
        self._append("ids", name)
        self._append("sizes", [n, dimension, len(name), _ROLES.index(role)])

    def compute(self) -> dict[str, float | None]:
        """The values of `lrprop.metrics.evaluate` on the videos of all processes."""
        videos = self._videos()
        train, val = (list(videos[role].values()) for role in _ROLES)
        return evaluate(train, val, **self.options)

    def _seed(self) -> None:
        """An empty tensor of the right type in every state: a process without a video must gather like the others."""
        for name, dtype in _STATES.items():
            setattr(self, name, [torch.empty(0, dtype=dtype, device=self.device)])

    def _append(self, state: str, values: Any) -> None:
        tensor = torch.as_tensor(values, dtype=_STATES[state], device=self.device)
        getattr(self, state).append(tensor.detach().flatten())

    @staticmethod
    def _per_frame(video: EmbeddedVideo, field: str, missing: float) -> Any:
        values = getattr(video, field)
        n = len(video.embeddings)
        if values is None:
            return [missing] * n
        if len(values) != n:
            raise ValueError(f"video '{video.id}' has {n} embedded frames but {len(values)} values of {field}")
        return values

    def _videos(self) -> dict[Role, dict[str, EmbeddedVideo]]:
        """The videos by role and id, without the copies that a distributed sampler adds to even out the processes."""
        flat = {name: dim_zero_cat(getattr(self, name)).cpu() for name in _STATES}
        sizes = flat["sizes"].reshape(-1, 4)
        n, dimension, id_bytes, roles = sizes.T
        columns = zip(
            torch.split(flat["embeddings"], (n * dimension).tolist()),
            torch.split(flat["labels"], n.tolist()),
            torch.split(flat["truths"], n.tolist()),
            torch.split(flat["ids"], id_bytes.tolist()),
            roles.tolist(),
            n.tolist(),
            strict=True,
        )
        videos: dict[Role, dict[str, EmbeddedVideo]] = {role: {} for role in _ROLES}
        for embeddings, labels, truth, name, role, frames in columns:
            key = bytes(name.tolist()).decode()
            known = None if truth.isnan().all() else truth.numpy().astype(np.float64)
            video = EmbeddedVideo(key, embeddings.reshape(frames, -1).numpy(), labels.numpy(), known)
            videos[_ROLES[role]].setdefault(key, video)
        return videos
