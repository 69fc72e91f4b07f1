"""VAVA: learning to align sequential actions in the wild (Liu et al., CVPR 2022)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, softplus

from lrprop.alignment import pairwise_distances
from lrprop.batch import Views
from lrprop.errors import InputError
from lrprop.objectives.contrast import temporal_contrast
from lrprop.objectives.pairs import select_pairs, view_pairs

# Stands in for minus infinity in log-weights: exp of it is 0, and its differences stay finite.
_NOTHING = -1e9


@dataclass
class Transport:
    """How the frames of B pairs of views are matched; index 0 on either side is the virtual frame.

    Attributes:
        log_plan: (B, N + 1, M + 1), the logarithm of the mass t_ij; a plan's mass is 1.
        log_prior: (B, N + 1, M + 1), the logarithm of the prior p_ij, normalised to mass 1.
        structure: (B, N + 1, M + 1), the inverse difference moment in (0, 1] that a unit of mass earns.
    """

    log_plan: Tensor
    log_prior: Tensor
    structure: Tensor


class VAVA(nn.Module):
    """Optimal transport between the frames of two videos under temporal priors, and contrastive terms.

    The plan T of two videos of n and m frames minimises, with both marginals uniform,

        <T, D> - lambda_structure (n + m) I(T) + lambda_prior (n m / 4) KL(T || P),

    D the squared Euclidean distances; Sinkhorn's iterations find it, and gradients flow through them. P mixes two
    Gaussians, phi times one along the diagonal (consistency) and 1 - phi times one around each frame's nearest
    neighbours, both ways (optimality); I(T) mixes two inverse difference moments alike. A virtual frame before the
    first of either video, at cost zeta from all frames, takes the mass of frames that have no match.

    The loss is `<T, D> + lambda_intra * intra + lambda_inter * inter`, the mean over all pairs of views of different
    videos. "intra" is the mean over both videos and their pairs of frames of D / (1 + gap^2) inside a window of frames
    and max(0, margin - D) outside. "inter" is the cross-entropy that tells the worst match of each frame from its
    best, by the plan: softplus((best - worst) / temperature).

    The formulas of the paper at hand are incomplete, so this is a reading, with the defaults of the authors' code.
    Where it departs from that code: distances are sums over coordinates everywhere, there sometimes means; the nearest
    neighbours count both ways, there one way; best and worst are the plan's, there those of kernel times cost; and
    `<T, D>` has weight 1, while there it is divided by about (n m)^2, which leaves it next to no weight.

    Args:
        lambda_structure: lambda_1, weight of the inverse difference moment; scaled by n + m.
        lambda_prior: lambda_2, weight of the divergence from the prior, > 0; scaled by n m / 4.
        lambda_intra: weight of the contrast within videos.
        lambda_inter: weight of the contrast between videos.
        zeta: cost of a match with the virtual frame, a squared distance.
        virtual_distance: how far the prior places the virtual frame from all others, in frames.
        prior_width: delta, standard deviation of the prior, in frames across the diagonal.
        margin: the squared distance beyond which far frames of a video no longer repel.
        window: frames at most this many apart in a view attract.
        temperature: of the contrast between videos, in squared distances.
        consistency_decay: phi is this to the power floor(sqrt(training steps so far + 1)), kept within
            [0.001, 0.999].
        iterations: Sinkhorn's iterations.

    Raises:
        InputError: if `lambda_prior`, `prior_width` or `iterations` is not positive.
    """

    steps_trained: Tensor

    def __init__(
        self,
        lambda_structure: float = 1.0,
        lambda_prior: float = 0.1,
        lambda_intra: float = 1.0,
        lambda_inter: float = 0.0001,
        zeta: float = 0.5,
        virtual_distance: float = 5.0,
        prior_width: float = 2.0,
        margin: float = 2.0,
        window: int = 15,
        temperature: float = 0.5,
        consistency_decay: float = 0.999,
        iterations: int = 20,
    ) -> None:
        super().__init__()
        positive = {"lambda_prior": lambda_prior, "prior_width": prior_width, "iterations": iterations}
        for name, value in positive.items():
            if value <= 0:
                raise InputError(f"{name}={value} must be positive: give a number above 0.")
        self.lambda_structure, self.lambda_prior = lambda_structure, lambda_prior
        self.lambda_intra, self.lambda_inter = lambda_intra, lambda_inter
        self.zeta, self.virtual_distance, self.prior_width = zeta, virtual_distance, prior_width
        self.margin, self.window, self.temperature = margin, window, temperature
        self.consistency_decay, self.iterations = consistency_decay, iterations
        # A buffer, so that a resumed run goes on with the same phi.
        self.register_buffer("steps_trained", torch.zeros((), dtype=torch.long))

    def forward(self, z: Tensor, views: Views, embeddings: Tensor | None = None) -> dict[str, Tensor]:
        """The loss and its terms; in training mode also one step of phi's schedule.

        Args:
            z: (V, T, D) embeddings of unit length behind the projection head.
            views: the views they come from; only their mask and video are read.
            embeddings: not used.

        Returns:
            Scalars: "loss"; unweighted, its terms "transport", "intra" and "inter"; and what the plan trades the
            transport off against, no part of the loss: "structure" in (0, 1] and "divergence" >= 0 in nats.

        Raises:
            ValueError: if there are no two views of different videos.
        """
        cross = view_pairs(views.video)[1]
        pairs = select_pairs(z, views, cross, "different videos")
        squared = pairwise_distances(pairs.z, pairs.other_z, squared=True)
        transport = self.transport(squared, pairs.mask, pairs.other_mask)
        plan = transport.log_plan.exp()
        terms = {
            "transport": (plan * _with_virtual(squared, self.zeta, self.zeta)).sum((1, 2)).mean(),
            "intra": self._intra(z, views.mask)[cross].mean(),
            "inter": self._inter(squared, transport.log_plan[:, 1:, 1:], pairs.mask, pairs.other_mask).mean(),
        }
        loss = terms["transport"] + self.lambda_intra * terms["intra"] + self.lambda_inter * terms["inter"]
        terms["structure"] = (plan * transport.structure).sum((1, 2)).mean()
        terms["divergence"] = (plan * (transport.log_plan - transport.log_prior)).sum((1, 2)).mean()
        if self.training:
            self.steps_trained += 1
        return {"loss": loss, **terms}

    def transport(self, squared: Tensor, mask: Tensor, other_mask: Tensor) -> Transport:
        """The plan of B pairs of views.

        Args:
            squared: (B, N, M) squared distances.
            mask: (B, N), true where a frame of the first view is real.
            other_mask: (B, M), the same of the second.
        """
        n, m = _real_frames(mask, squared), _real_frames(other_mask, squared)
        rows, columns = pad(mask, (1, 0), value=True), pad(other_mask, (1, 0), value=True)
        log_prior, structure = self._priors(squared.detach(), mask, other_mask)
        real = rows.unsqueeze(2) & columns.unsqueeze(1)
        log_prior = log_prior.masked_fill(~real, _NOTHING)
        gain = self.lambda_structure * (n + m) * structure - _with_virtual(squared, self.zeta, self.zeta)
        log_kernel = (log_prior + gain / (self.lambda_prior * n * m / 4)).masked_fill(~real, _NOTHING)
        log_plan = sinkhorn(log_kernel, rows, columns, self.iterations)
        return Transport(log_plan, log_prior - log_prior.logsumexp((1, 2), keepdim=True), structure)

    def _priors(self, squared: Tensor, mask: Tensor, other_mask: Tensor) -> tuple[Tensor, Tensor]:
        """The logarithm of the prior, not normalised, and the structure, both (B, N + 1, M + 1)."""
        phi = self._consistency_weight(squared.dtype)
        n, m = _real_frames(mask, squared) + 1, _real_frames(other_mask, squared) + 1
        place, other_place = _places(mask, n), _places(other_mask, m)
        # The factor 1.5 is the authors'.
        far = 1.5 * 2 * self.virtual_distance / (n + m)
        diagonal = _with_virtual((place.unsqueeze(2) - other_place.unsqueeze(1)).abs(), far, 0.0)
        nearest = other_place.gather(1, _argmin(squared, other_mask))
        other_nearest = place.gather(1, _argmin(squared.mT, mask))
        across = _with_virtual((other_place.unsqueeze(1) - nearest.unsqueeze(2)).abs(), far, 0.0)
        along = _with_virtual((place.unsqueeze(2) - other_nearest.unsqueeze(1)).abs(), far, 0.0)
        frame = (1 / n.square() + 1 / m.square()).sqrt()
        log_prior = torch.logaddexp(
            phi.log() - (diagonal / frame / self.prior_width).square() / 2,
            (1 - phi).log() - ((across + along) / 2 / frame / self.prior_width).square() / 2,
        )
        structure = phi / (1 + diagonal.square()) + (1 - phi) / (1 + (across.square() + along.square()) / 2)
        return log_prior, structure

    def _consistency_weight(self, dtype: torch.dtype) -> Tensor:
        """The weight phi of the prior along the diagonal; the other prior has the rest."""
        power = (self.steps_trained + 1).to(dtype).sqrt().floor()
        return (self.consistency_decay**power).clamp(0.001, 0.999)

    def _intra(self, z: Tensor, mask: Tensor) -> Tensor:
        """The contrast within every view, (V,)."""
        frame = torch.arange(z.shape[1], device=z.device, dtype=z.dtype)
        gap = (frame.unsqueeze(1) - frame).abs()
        near_weight = 1 / (1 + gap.square())
        return temporal_contrast(z, mask, gap, self.window, self.margin, near_weight) / mask.sum(1).square()

    def _inter(self, squared: Tensor, log_plan: Tensor, mask: Tensor, other_mask: Tensor) -> Tensor:
        """The contrast of best and worst matches, (B,)."""
        best = _mean_match(squared, -log_plan, mask, other_mask)
        worst = _mean_match(squared, log_plan, mask, other_mask)
        return softplus((best - worst) / self.temperature)


def sinkhorn(log_kernel: Tensor, mask: Tensor, other_mask: Tensor, iterations: int) -> Tensor:
    """Scales the rows and columns of a kernel to uniform marginals, in the log domain (Cuturi, NeurIPS 2013).

    Args:
        log_kernel: (B, N, M), very small where a mask is false.
        mask: (B, N), true where a row takes part.
        other_mask: (B, M), true where a column takes part.
        iterations: how often columns and then rows are scaled, >= 1.

    Returns:
        (B, N, M) logarithm of the plan. Its rows sum to 1 / n exactly, its columns to 1 / m as iterations grow.
    """
    row_mass = -mask.sum(1, keepdim=True).to(log_kernel).log()
    column_mass = -other_mask.sum(1, keepdim=True).to(log_kernel).log()
    rows = torch.zeros_like(log_kernel[:, :, 0])
    columns = torch.zeros_like(log_kernel[:, 0])
    for _ in range(iterations):
        columns = column_mass - (log_kernel + rows.unsqueeze(2)).logsumexp(1)
        # A row or column of nothing must stay one: its scale would undo the kernel's zeros.
        columns = columns.masked_fill(~other_mask, 0.0)
        rows = (row_mass - (log_kernel + columns.unsqueeze(1)).logsumexp(2)).masked_fill(~mask, 0.0)
    return log_kernel + rows.unsqueeze(2) + columns.unsqueeze(1)


def _real_frames(mask: Tensor, like: Tensor) -> Tensor:
    """Real frames of every view, (B, 1, 1), of another tensor's type."""
    return mask.sum(1).to(like).view(-1, 1, 1)


def _places(mask: Tensor, n: Tensor) -> Tensor:
    """Each frame's place in (0, 1], (B, N), among n that the virtual frame leads."""
    return (torch.arange(mask.shape[1], device=mask.device) + 2) / n.squeeze(2)


def _with_virtual(matrix: Tensor, value: Tensor | float, corner: float) -> Tensor:
    """A matrix (B, N, M) with the virtual frame's row and column before it, (B, N + 1, M + 1)."""
    framed = pad(matrix, (1, 0, 1, 0))
    framed[:, :1] = value
    framed[:, :, :1] = value
    framed[:, 0, 0] = corner
    return framed


def _argmin(values: Tensor, mask: Tensor) -> Tensor:
    return values.masked_fill(~mask.unsqueeze(1), math.inf).argmin(2)


def _mean_match(squared: Tensor, values: Tensor, mask: Tensor, other_mask: Tensor) -> Tensor:
    """Mean distance of the frames of either side to the frames of the other with the least value, summed, (B,)."""
    forth = squared.gather(2, _argmin(values, other_mask).unsqueeze(2)).squeeze(2)
    back = squared.gather(1, _argmin(values.mT, mask).unsqueeze(1)).squeeze(1)
    return (forth * mask).sum(1) / mask.sum(1) + (back * other_mask).sum(1) / other_mask.sum(1)
