"""LAC: local alignment and contrast (Oei, Gomaa, Feit and Belo, arXiv 2409.04607, 2024)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from lrprop.alignment import pairwise_distances
from lrprop.batch import Views
from lrprop.errors import InputError
from lrprop.objectives.antidiagonals import antidiagonals, from_antidiagonals, one_row_down
from lrprop.objectives.pairs import ViewPairs, select_pairs, view_pairs
from lrprop.objectives.priors import position_divergence

# The score of an alignment that does not exist: its weight beside any other is 0, and its differences are finite.
_NO_ALIGNMENT = -1e9


class LAC(nn.Module):
    """A Smith-Waterman alignment of two views of a video with learned gap penalties, and SCL's contrast between them.

    For views x and y of n and m real frames, with S_ij = |x_i - y_j|^2 and the penalties of opening a gap, o_ij, and of
    extending it, e_ij, the smooth scores of the alignments that end at cell (i, j) in a match, in a gap of x and in a
    gap of y are

        D_ij = S_ij + smax(0, D_i-1,j-1, X_i-1,j-1, Y_i-1,j-1)
        X_ij = smax(D_i,j-1 - o_ij, X_i,j-1 - e_ij)
        Y_ij = smax(D_i-1,j - o_ij, X_i-1,j - o_ij, Y_i-1,j - e_ij)

    with smax(...) = temperature * log sum exp(... / temperature). The loss of a pair is

        (sum_i KL(Q_i || P_i) + weight * smax of all D_ij) / (n m),

    Q and P as in `SCL`, and that of a batch the mean over its pairs. The penalties are parameters, one for each cell.

    What is minimised follows the authors' code as its configurations go with it: S holds distances, so that training
    lowers the cost of the costliest local alignment. Their article speaks of inverted distances, and a later state of
    the code has them. Its gradients, where they differ from the formulas above, are not reproduced, nor is the 1e-6
    that it adds to P.

    Args:
        weight: of the local alignment; the authors' is 0.01 on Penn Action and 0.1 on Pouring.
        temperature: of the smooth maximum and of the softmax over cosine similarities.
        variance: of the Gaussian Q, in squared steps.
        gap_penalty: what all penalties begin with.
        frames: the most frames of a view; the default is what Pouring's have, the most of all actions here.
        gap_learning_rate: of the penalties; all else has the model's.
    """

    def __init__(
        self,
        weight: float = 0.01,
        temperature: float = 0.8,
        variance: float = 10.0,
        gap_penalty: float = 1.0,
        frames: int = 240,
        gap_learning_rate: float = 0.1,
    ) -> None:
        super().__init__()
        self.weight, self.temperature, self.variance, self.frames = weight, temperature, variance, frames
        self.gap_open = nn.Parameter(torch.full((frames, frames), gap_penalty))
        self.gap_extend = nn.Parameter(torch.full((frames, frames), gap_penalty))
        self.learning_rates: Mapping[str, float] = dict.fromkeys(("gap_open", "gap_extend"), gap_learning_rate)

    def forward(self, z: Tensor, views: Views, embeddings: Tensor | None = None) -> dict[str, Tensor]:
        """The loss and its terms.

        Args:
            z: (V, T, D) embeddings of unit length behind the projection head.
            views: the views they come from; `views.video` says which two share a video.
            embeddings: not used.

        Returns:
            Scalars: "loss", and, unweighted, "contrast" and "local_alignment".

        Raises:
            InputError: if a view has more than `frames` frames.
            ValueError: if no two views share a video.
        """
        if z.shape[1] > self.frames:
            raise InputError(
                f"LAC has gap penalties for {self.frames} frames, and a view has {z.shape[1]}: "
                "set model.objective.init_args.frames to data.num_frames."
            )
        pairs = select_pairs(z, views, view_pairs(views.video)[0], "same video")
        n, m = pairs.real_frames().unbind(1)
        contrast = position_divergence(pairs, pairs.steps, self.temperature, self.variance) / m
        terms = {"contrast": contrast.mean(), "local_alignment": (self._score(pairs) / (n * m)).mean()}
        return {"loss": terms["contrast"] + self.weight * terms["local_alignment"], **terms}

    def _score(self, pairs: ViewPairs) -> Tensor:
        """The smooth maximum (B,) of the scores of all local alignments."""
        is_cell = pairs.mask.unsqueeze(2) & pairs.other_mask.unsqueeze(1)
        similarity = pairwise_distances(pairs.z, pairs.other_z, squared=True)
        frames = similarity.shape[1]
        scores = local_alignment_scores(
            similarity, self.gap_open[:frames, :frames], self.gap_extend[:frames, :frames], self.temperature
        )
        real = scores.masked_fill(~is_cell, _NO_ALIGNMENT)
        return self.temperature * torch.logsumexp(real.flatten(1) / self.temperature, 1)


def local_alignment_scores(similarity: Tensor, gap_open: Tensor, gap_extend: Tensor, temperature: float) -> Tensor:
    """D of `LAC`: the smooth score of all local alignments whose last match is (i, j).

    Smooth Smith-Waterman with affine gaps (Petti et al., Bioinformatics 2023); a gap of x may be followed by one of y,
    not the other way round.

    Args:
        similarity: (B, N, M), what a match is worth.
        gap_open: (N, M), what the first cell of a gap costs.
        gap_extend: (N, M), what any other costs.
        temperature: of the smooth maximum, > 0.

    Returns:
        (B, N, M), differentiable; the value at (n - 1, m - 1) depends on the first n rows and m columns only.
    """

    def smooth_maximum(*scores: Tensor) -> Tensor:
        return temperature * torch.logsumexp(torch.stack(scores) / temperature, 0)

    cells = torch.stack([similarity, gap_open.expand_as(similarity), gap_extend.expand_as(similarity)])
    none = similarity.new_full((3, *similarity.shape[:2]), _NO_ALIGNMENT)
    start = torch.zeros_like(none[0])
    before, last = none, none
    matches: list[Tensor] = []
    for (own, opening, extending), is_inside in antidiagonals(cells):
        match, gap, _ = last
        match_above, gap_above, other_gap_above = one_row_down(last, _NO_ALIGNMENT)
        ending = torch.stack(
            [
                own + smooth_maximum(start, *one_row_down(before, _NO_ALIGNMENT)),
                smooth_maximum(match - opening, gap - extending),
                smooth_maximum(match_above - opening, gap_above - opening, other_gap_above - extending),
            ]
        )
        before, last = last, torch.where(is_inside, ending, none)
        matches.append(last[0])
    return from_antidiagonals(matches, similarity.shape[2])
