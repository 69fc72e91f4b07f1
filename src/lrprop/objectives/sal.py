"""SAL: shuffle and learn (Misra, Zitnick and Hebert, ECCV 2016), as TCC's comparison trains it."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from lrprop.batch import Views
from lrprop.errors import InputError

_FRAMES = 5  # a triplet is chosen among frames a < b < c < d < e
_ORDERED = (1, 2, 3)
_SHUFFLED = ((1, 0, 3), (1, 4, 3))


class SAL(nn.Module):
    """A small classifier tells whether three frames of a view are in temporal order.

    Of each view, sets of five frames a < b < c < d < e are drawn. (b, c, d) is in order; (b, a, d) and (b, e, d) are
    not. Half of all triplets are read backwards, which keeps their class. The embeddings of a triplet are
    concatenated and classified; the loss is the cross-entropy. Views of fewer than five real frames are left out, and
    a batch of nothing else has loss 0.

    The draws come from torch's global generator. The head is part of the objective, so the module's optimiser trains
    it and a checkpoint holds it. The defaults are those of TCC's published configuration (Dwibedi et al., CVPR 2019).

    Args:
        embedding: D, the length of an embedding; the encoder's.
        hidden: units of the head's hidden layers.
        triplets: triplets a view.
        negatives: the share of shuffled triplets among all of a batch, rounded down.

    Raises:
        InputError: if `negatives` is no share or `triplets` not positive.
    """

    def __init__(
        self, embedding: int = 128, hidden: tuple[int, ...] = (128, 64), triplets: int = 8, negatives: float = 0.75
    ) -> None:
        super().__init__()
        if not 0 <= negatives <= 1:
            raise InputError(f"negatives={negatives} is no share of the triplets: give a number in [0, 1].")
        if triplets < 1:
            raise InputError(f"triplets={triplets}: draw at least 1 triplet a view.")
        self.embedding, self.triplets, self.negatives = embedding, triplets, negatives
        units = [3 * embedding, *hidden]
        layers: list[nn.Module] = []
        for width, following in pairwise(units):
            layers += [nn.Linear(width, following), nn.ReLU()]
        self.head = nn.Sequential(*layers, nn.Linear(units[-1], 2))

    def forward(self, z: Tensor, views: Views, embeddings: Tensor | None = None) -> dict[str, Tensor]:
        """The loss, and how well the head does.

        Args:
            z: (V, T, D) embeddings of unit length behind the projection head.
            views: the views they come from; only their mask is read.
            embeddings: not used.

        Returns:
            Scalars: "loss", and "accuracy" in [0, 1], the share of triplets told right; both 0 where no view has
            five frames. Always answering "shuffled" reaches an accuracy of `negatives`.

        Raises:
            InputError: if D is not `embedding`.
        """
        if z.shape[-1] != self.embedding:
            raise InputError(
                f"model.objective.embedding={self.embedding}, but the encoder's embedding={z.shape[-1]}: give both the "
                "same."
            )
        long_enough = views.mask.sum(1) >= _FRAMES
        if not long_enough.any():
            return {"loss": 0 * z.sum(), "accuracy": z.new_zeros(())}
        frames, shuffled = self.draw(views.mask[long_enough])
        chosen = z[long_enough].gather(1, frames.flatten(1).unsqueeze(2).expand(-1, -1, self.embedding))
        logits = self.head(chosen.reshape(-1, 3 * self.embedding))
        labels = shuffled.flatten().long()
        accuracy = (logits.argmax(1) == labels).to(z).mean()
        return {"loss": cross_entropy(logits, labels), "accuracy": accuracy}

    def draw(self, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Triplets of frames of each view, and which are shuffled.

        Args:
            mask: (V, T), true where a frame is real: at least five in each view.

        Returns:
            (V, K, 3) frames and (V, K) bool, K the number of triplets a view.
        """
        shape = (len(mask), self.triplets)
        order = torch.rand(*shape, mask.shape[1], device=mask.device).masked_fill(~mask.unsqueeze(1), -1.0)
        five = order.topk(_FRAMES, dim=2).indices.sort(dim=2).values
        five = torch.where(_coin(shape, mask.device), five, five.flip(2))
        total = shape[0] * shape[1]
        is_shuffled = (torch.randperm(total, device=mask.device) < int(self.negatives * total)).view(shape)
        shuffled = torch.where(_coin(shape, mask.device), five[..., _SHUFFLED[0]], five[..., _SHUFFLED[1]])
        return torch.where(is_shuffled.unsqueeze(2), shuffled, five[..., _ORDERED]), is_shuffled


def _coin(shape: tuple[int, ...], device: torch.device) -> Tensor:
    return torch.rand(*shape, 1, device=device) < 0.5
