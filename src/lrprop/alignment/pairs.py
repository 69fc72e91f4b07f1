"""DTW and SoftDTW between all pairs of two lists of sequences, straight from their embeddings.

Nothing of the size of all cost matrices is ever held: the pairs go by in blocks of like lengths, at most `BLOCK` cells
each (or one pair), and the backward pass computes each block anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import reduce
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from lrprop.alignment.distances import pairwise_distances
from lrprop.alignment.dtw import dtw_distance
from lrprop.alignment.limits import pair_without_path
from lrprop.alignment.soft_dtw import soft_dtw
from lrprop.alignment.validation import check_gamma, check_real
from lrprop.errors import InputError

BLOCK = 2**19

# Embeddings (B, N, D) and (B, M, D) and lengths (B, 2) to values (B,).
Score = Callable[[Tensor, Tensor, Tensor], Tensor]


@torch.no_grad()
def dtw_pairs(
    sequences: Sequence[Tensor],
    others: Sequence[Tensor] | None = None,
    *,
    squared: bool = False,
    band: int | float | None = None,
    open_begin: bool = False,
    open_end: bool = False,
    backend: str = "auto",
) -> Tensor:
    """The DTW distance of every sequence to every other one.

    Args:
        sequences: n tensors (n_i, D) of finite embeddings, of any lengths; the widest of their dtypes is that of all.
        others: k tensors (m_j, D) to compare them with; None for `sequences` themselves, where each unordered pair is
            aligned once (but with open ends, which treat the two sequences differently, twice).
        squared: the cost is the squared Euclidean distance, else the Euclidean distance.
        band: a width in frames (int), a share (float), or None, as in `dtw`.
        open_begin: as in `dtw`: a path may begin at any frame of the sequence from `others`.
        open_end: as in `dtw`: a path may end at any frame of the sequence from `others`.
        backend: "auto" or a name of `lrprop.alignment.BACKENDS`.

    Returns:
        (n, k) distances; carries no gradient.

    Raises:
        ValueError: for no sequences, or one of a wrong type or shape or that is not finite (checked on the CPU),
            naming it.
        InputError: for a band that is wrong or leaves a pair no path, naming its sequences, or a backend that is not
            available.
    """

    def score(x: Tensor, y: Tensor, lengths: Tensor) -> Tensor:
        cost = pairwise_distances(x, y, squared=squared)
        return dtw_distance(cost, lengths, band=band, open_begin=open_begin, open_end=open_end, backend=backend)

    return _table(sequences, others, score, band, symmetric=others is None and not (open_begin or open_end))


def soft_dtw_pairs(
    sequences: Sequence[Tensor],
    others: Sequence[Tensor] | None = None,
    gamma: float = 0.1,
    *,
    squared: bool = True,
    divergence: bool = False,
    band: int | float | None = None,
    open_begin: bool = False,
    open_end: bool = False,
    backend: str = "auto",
) -> Tensor:
    """The SoftDTW value of every sequence with every other one, differentiable in the embeddings.

    Args:
        sequences: n tensors (n_i, D) of finite embeddings, of any lengths; the widest of their dtypes is that of all.
        others: k tensors (m_j, D) to compare them with; None for `sequences` themselves, where each unordered pair is
            aligned once (but with open ends, which treat the two sequences differently, twice).
        gamma: the temperature, > 0, in the unit of the cost.
        squared: the cost is the squared Euclidean distance, else the Euclidean distance.
        divergence: return `soft_dtw_divergence` of each pair instead; not with open ends.
        band: a width in frames (int), a share (float), or None, as in `soft_dtw`.
        open_begin: as in `soft_dtw`: paths may begin at any frame of the sequence from `others`.
        open_end: as in `soft_dtw`: paths may end at any frame of the sequence from `others`.
        backend: "auto" or a name of `lrprop.alignment.BACKENDS`.

    Returns:
        (n, k) values, differentiable once.

    Raises:
        ValueError: for no sequences, or one of a wrong type or shape or that is not finite (checked on the CPU),
            naming it.
        InputError: for a divergence with open ends, a gamma that is not positive, a band that is wrong or leaves a pair
            no path, naming its sequences, or a backend that is not available.
    """
    check_gamma(gamma)
    has_open_ends = open_begin or open_end
    if divergence and has_open_ends:
        raise InputError("divergence=True needs closed ends: a sequence is no part of itself; leave open_* at False")

    def score(x: Tensor, y: Tensor, lengths: Tensor) -> Tensor:
        cost = pairwise_distances(x, y, squared=squared)
        return soft_dtw(cost, gamma, lengths, band=band, open_begin=open_begin, open_end=open_end, backend=backend)

    table = _table(sequences, others, score, band, symmetric=others is None and not has_open_ends)
    if not divergence:
        return table
    own = table.diagonal() if others is None else _with_themselves(sequences, score)
    others_own = own if others is None else _with_themselves(others, score)
    return table - (own[:, None] + others_own) / 2


def _table(
    sequences: Sequence[Tensor],
    others: Sequence[Tensor] | None,
    score: Score,
    band: int | float | None,
    symmetric: bool,
) -> Tensor:
    """(n, k) the score of all pairs; of a symmetric one each unordered pair is computed once."""
    x = _padded(sequences, "sequences")
    y = x if others is None else _padded(others, "others", dimension=x[0].shape[2])
    _check_reach(x[1], y[1], band, "sequences" if others is None else "others")
    first, second = torch.meshgrid(torch.arange(len(x[0])), torch.arange(len(y[0])), indexing="ij")
    if not symmetric:
        return _scores(x, y, first.flatten(), second.flatten(), score).view(first.shape)
    upper = first <= second
    number = torch.empty_like(first)
    number[upper] = torch.arange(int(upper.sum()))
    number = torch.where(upper, number, number.T)
    return _scores(x, y, first[upper], second[upper], score)[number.to(x[0].device)]


def _with_themselves(sequences: Sequence[Tensor], score: Score) -> Tensor:
    x = _padded(sequences, "sequences")
    every = torch.arange(len(x[0]))
    return _scores(x, x, every, every, score)


def _check_reach(n: Tensor, m: Tensor, band: int | float | None, name: str) -> None:
    """Refuse a band that leaves a pair no path here, where the numbers of its sequences are known."""
    pairs = torch.cartesian_prod(n, m)
    pair = pair_without_path(pairs, band)
    if pair is not None:
        i, j = divmod(pair, len(m))
        frames = " and ".join(map(str, pairs[pair].tolist()))
        who = f"sequences[{i}] and {name}[{j}] of {frames} frames"
        raise InputError(f"band={band} leaves {who} no path from end to end; widen the band")


def _padded(sequences: Sequence[Tensor], name: str, dimension: int | None = None) -> tuple[Tensor, Tensor]:
    """The embeddings (n, T, D), 0 on padding, and their lengths (n,) on the CPU."""
    if not len(sequences):
        raise ValueError(f"{name} must hold at least one sequence of embeddings (T, D); got none")
    for number, sequence in enumerate(sequences):
        check_real(sequence, f"{name}[{number}]")
        if dimension is None and sequence.ndim == 2:
            dimension = sequence.shape[1]
        if sequence.ndim != 2 or not len(sequence) or sequence.shape[1] != dimension:
            wanted = "" if dimension is None else f" and D = {dimension}"
            shape = tuple(sequence.shape)
            raise ValueError(f"{name}[{number}] must be (T, D) with T >= 1{wanted}; got shape {shape}")
        if sequence.device.type == "cpu" and not sequence.isfinite().all():
            raise ValueError(f"{name}[{number}] holds NaN or infinity; embeddings must be finite")
    dtype = reduce(torch.promote_types, (sequence.dtype for sequence in sequences))
    frames = pad_sequence([sequence.to(dtype) for sequence in sequences], batch_first=True)
    return frames, torch.tensor([len(sequence) for sequence in sequences])


def _scores(x: tuple[Tensor, Tensor], y: tuple[Tensor, Tensor], first: Tensor, second: Tensor, score: Score) -> Tensor:
    """(P,) the scores of the pairs of sequence first[p] of x and second[p] of y."""
    lengths = torch.stack([x[1][first], y[1][second]], 1)
    values: Tensor = _BlockByBlock.apply(x[0], y[0], torch.stack([first, second]), lengths, score)
    return values


def _blocks(lengths: Tensor) -> Iterator[Tensor]:
    """The numbers of the pairs, a block at a time; neighbours in it have like lengths, so that little is padded."""
    n, m = lengths.numpy().T
    order = np.lexsort((m, n, m // 8))[::-1]
    start = 0
    while start < len(order):
        widest = m[order[start]] // 8 * 8 + 7  # m grows no more but within its eight
        stop = start + max(1, BLOCK // int(n.max() * widest))
        yield torch.from_numpy(order[start:stop].copy())
        start = stop


class _BlockByBlock(torch.autograd.Function):
    """The scores of pairs, which keeps no cost for the backward pass but computes each block again."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, pairs: Tensor, lengths: Tensor, score: Score) -> Tensor:
        ctx.save_for_backward(x, y)
        ctx.pairs, ctx.lengths, ctx.score = pairs, lengths, score
        order = list(_blocks(lengths))
        values = torch.cat([score(*_embeddings(x, y, pairs, lengths, block)) for block in order])
        return values[torch.cat(order).argsort().to(x.device)]

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, y = ctx.saved_tensors
        x_grad, y_grad = torch.zeros_like(x), torch.zeros_like(y)
        for block in _blocks(ctx.lengths):
            u, v, lengths = _embeddings(x, y, ctx.pairs, ctx.lengths, block)
            with torch.enable_grad():
                values = ctx.score(u.requires_grad_(), v.requires_grad_(), lengths)
            grads = torch.autograd.grad(values, (u, v), grad[block.to(grad.device)])
            for total, part, numbers in zip((x_grad, y_grad), grads, ctx.pairs[:, block].to(x.device), strict=True):
                total[:, : part.shape[1]].index_add_(0, numbers, part)
        return x_grad, y_grad, None, None, None


def _embeddings(x: Tensor, y: Tensor, pairs: Tensor, lengths: Tensor, block: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The embeddings (B, N, D) and (B, M, D) and lengths (B, 2) of a block of pairs."""
    first, second = pairs[:, block].to(x.device)
    n, m = lengths[block].amax(0).tolist()
    return x[:, :n][first], y[:, :m][second], lengths[block]
