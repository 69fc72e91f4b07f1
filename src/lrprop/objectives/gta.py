"""GTA: global temporal alignment and cycle-consistency (Hadji, Derpanis and Jepson, CVPR 2021)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lrprop.batch import Views
from lrprop.objectives.antidiagonals import antidiagonals, from_antidiagonals, one_row_down
from lrprop.objectives.pairs import ViewPairs, select_pairs, view_pairs
from lrprop.objectives.priors import cycle_cross_entropy, log_match_probabilities, masked_log_softmax

# The accumulated cost of a cell that no path reaches: its weight beside any other is 0, and its differences are finite.
_UNREACHED = 1e9


class GTA(nn.Module):
    """DTW between two videos with a smooth minimum and a contrastive cost, and a cycle through both accumulated costs.

    For a pair of views x and y of different videos the cost of cell (i, j) is the negative logarithm of the softmax of
    x_i . y_j / temperature over the frames i of x (Eq. 8), so that it is not symmetric. The cost accumulated along the
    paths to a cell is

        R(i, j) = C(i, j) + sum_k p_k R_k,   p = softmax(-R / gamma)

    over its three predecessors, and smooth_dtw(x, y) is R at the last cell. The cycle goes from a frame
    of x to y and back with the probabilities softmax(-R(x, y)) over the frames of x and softmax(-R(y, x)) over those of
    y, and should end where it began: a cross-entropy with smoothed labels. The loss of a pair is

        cycle + weight * (smooth_dtw(x, y) + smooth_dtw(y, x)),

    and that of a batch the mean over its pairs. The defaults are those of the authors' code.

    Args:
        weight: of the two alignment costs.
        temperature: of the contrastive cost.
        gamma: smoothing of the minimum; 0.1 as the temperature.
        label_smoothing: share of the cycle's target that is spread over all real frames.
        cycle_as_logits: read the cycle's probabilities as logits, as the authors' code does, instead of taking their
            logarithm. The cross-entropy then stays above log(T) - 1 however well the cycles close.
    """

    def __init__(
        self,
        weight: float = 0.1,
        temperature: float = 0.1,
        gamma: float = 0.1,
        label_smoothing: float = 0.1,
        cycle_as_logits: bool = False,
    ) -> None:
        super().__init__()
        self.weight, self.temperature, self.gamma = weight, temperature, gamma
        self.label_smoothing, self.cycle_as_logits = label_smoothing, cycle_as_logits

    def forward(self, z: Tensor, views: Views, embeddings: Tensor | None = None) -> dict[str, Tensor]:
        """The loss and its terms.

        Args:
            z: (V, T, D) embeddings of unit length behind the projection head.
            views: the views they come from.
            embeddings: not used.

        Returns:
            Scalars: "loss", and, unweighted, "smooth_dtw" (both directions added) and "cycle".

        Raises:
            ValueError: if there are no two views of different videos.
        """
        pairs = select_pairs(z, views, view_pairs(views.video)[1], "different videos")
        forth, back = self._accumulated(pairs), self._accumulated(pairs.swapped())
        n, m = (pairs.real_frames() - 1).unbind(1)
        every = torch.arange(len(n), device=z.device)
        smooth_dtw = (forth[every, n, m] + back[every, m, n]).mean()
        cycle = self._cycle(forth, back, pairs).mean()
        return {"loss": cycle + self.weight * smooth_dtw, "smooth_dtw": smooth_dtw, "cycle": cycle}

    def _accumulated(self, pairs: ViewPairs) -> Tensor:
        """R (B, T, T) from the first side to the other; that of a pair's padding means nothing."""
        similarity = pairs.other_z @ pairs.z.mT
        cost = -log_match_probabilities(similarity, pairs.mask, self.temperature).mT
        # Padding has a cost near infinity, whose multiples would drown the rest in the gradient of what is not read.
        return accumulated_costs(cost.masked_fill(~pairs.mask.unsqueeze(2), 0.0), self.gamma)

    def _cycle(self, forth: Tensor, back: Tensor, pairs: ViewPairs) -> Tensor:
        """The cross-entropy (B,) of the cycles x -> y -> x, a mean over the real frames of x."""
        is_real, is_other = pairs.mask, pairs.other_mask
        # P(x | y), read by columns, and P(y | x): both hold the log-probabilities of where an alignment comes from.
        to_x = masked_log_softmax(-forth.mT, is_real.unsqueeze(1))
        to_y = masked_log_softmax(-back.mT, is_other.unsqueeze(1))
        # No product of probabilities: early in training no cycle closes, and a probability of 0 would have no gradient.
        log_cycles = torch.logsumexp(to_y.unsqueeze(3) + to_x.unsqueeze(1), 2)
        if self.cycle_as_logits:
            log_cycles = masked_log_softmax(log_cycles.exp(), is_real.unsqueeze(1))
        entropy = cycle_cross_entropy(log_cycles, is_real, self.label_smoothing)
        return (entropy * is_real).sum(1) / is_real.sum(1)


def accumulated_costs(cost: Tensor, gamma: float) -> Tensor:
    """R(i, j) = C(i, j) + the mean of R at (i, j - 1), (i - 1, j - 1) and (i - 1, j) weighted by softmax(-R / gamma).

    Args:
        cost: (B, N, M).
        gamma: smoothing of the minimum, > 0.

    Returns:
        (B, N, M), differentiable; the value at (n - 1, m - 1) depends on the first n rows and m columns only.
    """
    unreached = cost.new_full(cost.shape[:2], _UNREACHED)
    before, last = unreached, unreached
    diagonals: list[Tensor] = []
    for own, is_inside in antidiagonals(cost):
        if diagonals:
            previous = torch.stack([last, one_row_down(before, _UNREACHED), one_row_down(last, _UNREACHED)])
            own = own + (torch.softmax(-previous / gamma, 0) * previous).sum(0)
        before, last = last, torch.where(is_inside, own, unreached)
        diagonals.append(last)
    return from_antidiagonals(diagonals, cost.shape[2])
