"""LRProp: pair-wise position propagation (Bar-Shalom, Leifman and Elad, 2023)."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from lrprop.alignment import dtw, pairwise_distances, soft_dtw
from lrprop.batch import Views
from lrprop.errors import InputError
from lrprop.objectives.pairs import ViewPairs, select_pairs, view_pairs
from lrprop.objectives.priors import position_divergence


class LRProp(nn.Module):
    """The three terms of LRProp, over every pair of views in a batch of any number of videos (Eq. 12).

    Same video: KL from a Gaussian around each frame's own step (Eq. 2-4). Different videos: the same KL around the
    step that the DTW path propagates from the other video (Eq. 5-9), and SoftDTW (Eq. 10-11). A weight of 0 switches
    a term off. The loss is the sum of the weighted terms; the terms are reported unweighted.

    The printed formulas of the copy of the paper at hand are incomplete, so each reading is an option here. The
    defaults of `temperature`, `variance` and `gamma` are those published by CARL and LAV.

    Args:
        lambda_same: weight of the same-video term; 1 in the paper.
        lambda_ppp: lambda_2, weight of the propagated prior.
        lambda_soft_dtw: lambda_1, weight of SoftDTW.
        temperature: tau of Eq. 1.
        variance: sigma^2 of Eq. 2 and 7, in squared steps.
        gamma: smoothing of SoftDTW.
        pairs: whether the terms of several pairs are averaged or added.
        cost: the cost that DTW and SoftDTW run on: Euclidean distance (Eq. 5) or its square.
        training_ends: "fixed" joins the corners of two views; "open" matches all of one to a part of the other,
            once in each direction.
        path_on: which embeddings the DTW path is computed on, behind the projection head or before it.
        backend: backend of `lrprop.alignment`.

    Raises:
        InputError: if every term is switched off.
    """

    def __init__(
        self,
        lambda_same: float = 1.0,
        lambda_ppp: float = 0.8,
        lambda_soft_dtw: float = 0.001,
        temperature: float = 0.1,
        variance: float = 10.0,
        gamma: float = 0.1,
        pairs: Literal["mean", "sum"] = "mean",
        cost: Literal["l2", "sqeuclidean"] = "l2",
        training_ends: Literal["fixed", "open"] = "fixed",
        path_on: Literal["projection", "embedding"] = "projection",
        backend: str = "auto",
    ) -> None:
        super().__init__()
        if not (lambda_same or lambda_ppp or lambda_soft_dtw):
            raise InputError("lambda_same, lambda_ppp and lambda_soft_dtw are all 0: give one term a weight.")
        self.lambda_same, self.lambda_ppp, self.lambda_soft_dtw = lambda_same, lambda_ppp, lambda_soft_dtw
        self.temperature, self.variance, self.gamma = temperature, variance, gamma
        self.pairs, self.cost, self.training_ends, self.path_on = pairs, cost, training_ends, path_on
        self.backend = backend

    def forward(self, z: Tensor, views: Views, embeddings: Tensor | None = None) -> dict[str, Tensor]:
        """The loss and its terms.

        Args:
            z: (V, T, D) embeddings of unit length behind the projection head.
            views: the views they come from; `views.video` says which two share a video.
            embeddings: (V, T, D) embeddings before the projection head; needed for `path_on="embedding"`.

        Returns:
            Scalars: "loss", and "same", "ppp", "soft_dtw" for the terms whose weight is not 0.

        Raises:
            ValueError: if a term has a weight but no pair of views, or `embeddings` is needed and missing.
        """
        same, cross = view_pairs(views.video)
        terms: dict[str, Tensor] = {}
        if self.lambda_same:
            terms["same"] = self._reduce(self._same(select_pairs(z, views, same, "same video")))
        if self.lambda_ppp or self.lambda_soft_dtw:
            between = select_pairs(z, views, cross, "different videos")
            cost = self._cost(between.z, between.other_z)
            if self.lambda_ppp:
                path_cost = cost.detach() if self.path_on == "projection" else self._embedding_cost(embeddings, cross)
                terms["ppp"] = self._reduce(self._propagated(between, path_cost))
            if self.lambda_soft_dtw:
                terms["soft_dtw"] = self._reduce(self._soft_dtw(between, cost))
        weights = {"same": self.lambda_same, "ppp": self.lambda_ppp, "soft_dtw": self.lambda_soft_dtw}
        loss = sum((weights[name] * term for name, term in terms.items()), start=z.new_zeros(()))
        return {"loss": loss, **terms}

    def _same(self, pairs: ViewPairs) -> Tensor:
        return self._both_directions(pairs, pairs.steps, pairs.other_steps)

    def _propagated(self, pairs: ViewPairs, cost: Tensor) -> Tensor:
        """Eq. 6-9: the KL from where the propagated steps expect each frame."""
        return self._both_directions(pairs, *self._propagated_steps(pairs, cost))

    def _propagated_steps(self, pairs: ViewPairs, cost: Tensor) -> tuple[Tensor, Tensor]:
        """The path's first match k(i) carries a step from one video to the other; in both directions (Eq. 6-7)."""
        matches, other_matches = self._first_matches(pairs, cost)
        return pairs.other_steps.gather(1, matches), pairs.steps.gather(1, other_matches)

    def _both_directions(self, pairs: ViewPairs, expected: Tensor, other_expected: Tensor) -> Tensor:
        return (self._divergence(pairs, expected) + self._divergence(pairs.swapped(), other_expected)) / 2

    def _divergence(self, pairs: ViewPairs, expected: Tensor) -> Tensor:
        return position_divergence(pairs, expected, self.temperature, self.variance)

    def _first_matches(self, pairs: ViewPairs, cost: Tensor) -> tuple[Tensor, Tensor]:
        lengths = pairs.real_frames()
        if self.training_ends == "fixed":
            aligned = dtw(cost, lengths, backend=self.backend)
            return aligned.first_match(), aligned.first_match(axis=1)
        aligned = dtw(cost, lengths, open_begin=True, open_end=True, backend=self.backend)
        reverse = dtw(cost.mT, lengths.flip(1), open_begin=True, open_end=True, backend=self.backend)
        return aligned.first_match(), reverse.first_match()

    def _soft_dtw(self, pairs: ViewPairs, cost: Tensor) -> Tensor:
        lengths = pairs.real_frames()
        if self.training_ends == "fixed":
            return soft_dtw(cost, self.gamma, lengths, backend=self.backend)
        forth = soft_dtw(cost, self.gamma, lengths, open_begin=True, open_end=True, backend=self.backend)
        back = soft_dtw(cost.mT, self.gamma, lengths.flip(1), open_begin=True, open_end=True, backend=self.backend)
        return (forth + back) / 2

    def _cost(self, z: Tensor, other_z: Tensor) -> Tensor:
        return pairwise_distances(z, other_z, squared=self.cost == "sqeuclidean")

    def _embedding_cost(self, embeddings: Tensor | None, pairs: Tensor) -> Tensor:
        if embeddings is None:
            raise ValueError("path_on='embedding' needs the embeddings before the projection head; pass embeddings=.")
        first, second = pairs.to(embeddings.device).unbind(1)
        return self._cost(embeddings.detach()[first], embeddings.detach()[second])

    def _reduce(self, per_pair: Tensor) -> Tensor:
        return per_pair.mean() if self.pairs == "mean" else per_pair.sum()
