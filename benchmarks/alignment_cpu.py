"""How fast, how exact and how lean the alignment on the CPU is, beside the public packages that do the same.

    python benchmarks/alignment_cpu.py [--threads 2] [--quick] [--only soft,path] [--output result.json]

One process; within a row all contenders take turns, and the median counts. Every result is checked before
it is timed, and one that is wrong is shown as wrong. Nothing is installed: a package that is absent is named and left
out. docs/alignment.md holds the figures and says what they mean.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

import numba
import numpy as np
import torch
from scipy.spatial.distance import cdist
from scipy.stats import kendalltau
from torch import Tensor

from lrprop.alignment import BACKENDS, dtw, pairwise_distances, soft_dtw
from lrprop.alignment.limits import path_limits
from lrprop.metrics.functional import average_precision_at_k, dtw_accuracy, kendalls_tau

GAMMA = 0.1
DIM = 128
KS = (5, 10, 15)

SoftDTW = Callable[[Tensor], Tensor]
"""cost (B, N, M) -> values (B,), differentiable."""
Loss = Callable[[Tensor, Tensor], Tensor]
"""x (B, N, D), y (B, M, D) -> values (B,), differentiable; the cost is the squared Euclidean distance."""
FindPath = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""x (N, D), y (M, D) -> path (L, 2)."""


def log(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


# --- the contenders --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Contender:
    """A package, and how it is asked for each thing; None where it does not have it.

    Attributes:
        package: the name of the distribution.
        pinned: the version that the published figures are about.
        soft_dtw: gamma -> the recursion on a cost.
        loss: gamma -> the loss from embeddings.
        path: -> the DTW path from features.
        squared: whether its path is that of the squared distances.
        expands: whether its loss holds (B, N, M, D) differences.
    """

    name: str
    package: str
    pinned: str
    soft_dtw: Callable[[float], SoftDTW] | None = None
    loss: Callable[[float], Loss] | None = None
    path: Callable[[], FindPath] | None = None
    squared: bool = False
    expands: bool = False


def our_soft_dtw(gamma: float) -> SoftDTW:
    return lambda cost: soft_dtw(cost, gamma)


def our_loss(gamma: float) -> Loss:
    return lambda x, y: soft_dtw(pairwise_distances(x, y, squared=True), gamma)


def our_path() -> FindPath:
    def path(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        cost = pairwise_distances(torch.from_numpy(x)[None], torch.from_numpy(y)[None])
        return dtw(cost).path(0).numpy()

    return path


def first(x: Tensor, y: Tensor) -> Tensor:
    """As `dist_func`, it hands a package the cost itself."""
    return x


def tslearn_soft_dtw(gamma: float) -> SoftDTW:
    module = import_module("tslearn.metrics").SoftDTWLossPyTorch(gamma, dist_func=first)
    return lambda cost: module(cost, cost)


def tslearn_loss(gamma: float) -> Loss:
    return import_module("tslearn.metrics").SoftDTWLossPyTorch(gamma)


def tslearn_path() -> FindPath:
    find = import_module("tslearn.metrics").dtw_path
    return lambda x, y: np.array(find(x, y)[0])


def pysdtw_soft_dtw(gamma: float) -> SoftDTW:
    function = import_module("pysdtw.sdtw_cpu").SoftDTWcpu  # the public module takes the lengths from features
    return lambda cost: function.apply(cost, torch.tensor([cost.shape[1:]]).expand(len(cost), 2), gamma, 0.0)


def pysdtw_loss(gamma: float) -> Loss:
    return import_module("pysdtw").SoftDTW(gamma, use_cuda=False)


RON = "dtw_loss_functions.soft_dtw_implementations.soft_dtw_cuda_ron"
MAG = "dtw_loss_functions.soft_dtw_implementations.soft_dtw_cuda_mag"


def ron_soft_dtw(gamma: float) -> SoftDTW:
    function = import_module(f"{RON}.autograd").SoftDTWAutograd
    return lambda cost: function.apply(cost, gamma, None)


def ron_loss(gamma: float) -> Loss:
    return import_module(RON).SoftDTW(gamma=gamma)


def mag_soft_dtw(gamma: float) -> SoftDTW:
    module = import_module(MAG).SoftDTW(use_cuda=False, gamma=gamma, dist_func=first)
    return lambda cost: module(cost, cost)


def mag_loss(gamma: float) -> Loss:
    return import_module(MAG).SoftDTW(use_cuda=False, gamma=gamma)


class SdtwFunction(torch.autograd.Function):
    """The package soft-dtw takes one pair of float64 arrays at a time; this joins it to torch."""

    @staticmethod
    def forward(ctx: Any, cost: Tensor, gamma: float) -> Tensor:
        pair = import_module("sdtw").SoftDTW
        ctx.pairs = [pair(matrix, gamma) for matrix in cost.numpy()]
        return cost.new_tensor([pair.compute() for pair in ctx.pairs])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        alignments = np.stack([pair.grad() for pair in ctx.pairs])
        return grad[:, None, None] * torch.from_numpy(alignments).to(grad.dtype), None


class SdtwLoss(torch.autograd.Function):
    """The same from the embeddings, with the package's own distances and their Jacobian."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, gamma: float) -> Tensor:
        pair, distance = import_module("sdtw").SoftDTW, import_module("sdtw.distance").SquaredEuclidean
        ctx.inputs = list(zip(x.numpy(), y.numpy(), strict=True))
        ctx.pairs = [pair(distance(*inputs), gamma) for inputs in ctx.inputs]
        return x.new_tensor([pair.compute() for pair in ctx.pairs])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        distance = import_module("sdtw.distance").SquaredEuclidean
        gradients: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
        for (x, y), pair in zip(ctx.inputs, ctx.pairs, strict=True):
            alignment = pair.grad()
            gradients[0].append(distance(x, y).jacobian_product(np.ascontiguousarray(alignment)))
            gradients[1].append(distance(y, x).jacobian_product(np.ascontiguousarray(alignment.T)))
        in_x, in_y = (grad[:, None, None] * torch.from_numpy(np.stack(both)).to(grad.dtype) for both in gradients)
        return in_x, in_y, None


def sdtw_soft_dtw(gamma: float) -> SoftDTW:
    import_module("sdtw")
    return lambda cost: SdtwFunction.apply(cost, gamma)


def sdtw_loss(gamma: float) -> Loss:
    import_module("sdtw")
    return lambda x, y: SdtwLoss.apply(x, y, gamma)


def librosa_path() -> FindPath:
    find = import_module("librosa").sequence.dtw
    return lambda x, y: find(X=x.T, Y=y.T, metric="euclidean")[1][::-1]


def aeon_path() -> FindPath:
    find = import_module("aeon.distances").dtw_alignment_path
    return lambda x, y: np.array(find(x.T, y.T)[0])


def dtaidistance_path() -> FindPath:
    find = import_module("dtaidistance.dtw").warping_path_fast
    return lambda x, y: np.array(find(x.astype(np.double), y.astype(np.double), use_ndim=True))


def dtw_python_path() -> FindPath:
    find = import_module("dtw").dtw

    def path(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        alignment = find(x, y, step_pattern="symmetric1")
        return np.stack([alignment.index1, alignment.index2], 1)

    return path


OURS = Contender("lrprop", "lrprop", "", our_soft_dtw, our_loss, our_path)
PEERS = (
    Contender("tslearn", "tslearn", "0.10.0", tslearn_soft_dtw, tslearn_loss, tslearn_path, True, expands=True),
    Contender("pysdtw", "pysdtw", "0.0.5", pysdtw_soft_dtw, pysdtw_loss),
    Contender("ron", "dtw-loss-functions", "1.0.5", ron_soft_dtw, ron_loss),
    Contender("mag", "dtw-loss-functions", "1.0.5", mag_soft_dtw, mag_loss, expands=True),
    Contender("soft-dtw", "soft-dtw", "0.1.6", sdtw_soft_dtw, sdtw_loss),
    Contender("librosa", "librosa", "0.11", path=librosa_path),
    Contender("aeon", "aeon", "1.6", path=aeon_path, squared=True),
    Contender("dtaidistance", "dtaidistance", "2.5", path=dtaidistance_path, squared=True),
    Contender("dtw-python", "dtw-python", "1.9", path=dtw_python_path),
)


def having(what: str, *arguments: float) -> dict[str, Callable[..., Any]]:
    """The contenders that have it and can be imported here, ours first."""
    found = {}
    for contender in (OURS, *PEERS):
        make = getattr(contender, what)
        if make is None:
            continue
        try:
            found[contender.name] = make(*arguments)
        except Exception as error:  # a package may fail to import in any way
            log(f"  {contender.name} is left out: {type(error).__name__}: {error}")
    return found


# --- timing ----------------------------------------------------------------------------------------------------------


@dataclass
class Row:
    """One line of the table.

    Attributes:
        what: what was done.
        target: the ratio to reach, as the project set it.
        cells: how many cells of cost one call works through; 0 where that says nothing.
        values: what was measured, by contender; seconds, or the unit of a row that says so.
        least: the shortest turn, by contender: on a busy machine it says more than the median.
        wrong: by contender, how far off the result is.
        skipped: by contender, why it was not measured.
        unit: "s" for seconds.
    """

    what: str
    target: str = ""
    cells: int = 0
    values: dict[str, float] = field(default_factory=dict)
    least: dict[str, float] = field(default_factory=dict)
    wrong: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    unit: str = "s"

    def best_peer(self) -> str | None:
        peers = {name: value for name, value in self.values.items() if name != OURS.name and name not in self.wrong}
        return min(peers, key=lambda name: peers[name]) if peers else None


@dataclass(frozen=True)
class Effort:
    """How long a row may take: at least `runs` turns, and more until `seconds` are over."""

    runs: int = 7
    seconds: float = 3.0


_TURN = 5e-3
"""Seconds; a turn repeats a shorter call until it is that long."""
_REST = 3e-3
"""Seconds before a turn: the OpenMP pools of the contender before have then stopped spinning."""
_PATIENCE = 6.0
"""A peer that takes so many times the fastest peer's time cannot be the fastest: its first warm turn alone counts."""


def turn(call: Callable[[], object]) -> float:
    """Seconds a call, once a call has woken the contender's own pool and filled the caches."""
    time.sleep(_REST)
    start = time.perf_counter()
    call()
    once = time.perf_counter() - start
    repeats = max(1, min(500, int(_TURN / once)))
    if repeats == 1 and once > 10 * _TURN:
        return once
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - start) / repeats


def take_turns(row: Row, calls: dict[str, Callable[[], object]], effort: Effort) -> Row:
    """Fill the row with the median seconds of the calls, which are warm already."""
    samples = {name: [turn(call)] for name, call in calls.items()}
    fastest = min((taken[0] for name, taken in samples.items() if name != OURS.name), default=np.inf)
    contenders = [name for name, taken in samples.items() if name == OURS.name or taken[0] <= _PATIENCE * fastest]
    end = time.perf_counter() + effort.seconds
    done = 0
    while done < effort.runs or time.perf_counter() < end:
        for name in contenders:
            samples[name].append(turn(calls[name]))
        done += 1
    row.values = {name: median(taken[1:] or taken) for name, taken in samples.items()}
    row.least = {name: min(taken) for name, taken in samples.items()}
    log(f"  {row.what}: " + ", ".join(f"{name} {value * 1e3:.3g} ms" for name, value in row.values.items()))
    return row


@contextmanager
def threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads(), numba.get_num_threads()
    torch.set_num_threads(count)
    numba.set_num_threads(count)
    yield
    torch.set_num_threads(before[0])
    numba.set_num_threads(before[1])


# --- what is measured ------------------------------------------------------------------------------------------------


def unit_walks(batch: int, frames: int, dim: int = DIM, seed: int = 0) -> Tensor:
    """(B, T, D) float32 of unit norm that drift slowly, as the frames of a video do."""
    generator = torch.Generator().manual_seed(seed)
    start = torch.randn(batch, 1, dim, generator=generator)
    walk = start + torch.randn(batch, frames, dim, generator=generator).cumsum(1) / frames**0.5
    return torch.nn.functional.normalize(walk, dim=-1)


def two_walks(batch: int, frames: int) -> tuple[Tensor, Tensor]:
    return unit_walks(batch, frames, seed=1), unit_walks(batch, frames, seed=2)


def value_and_gradients(function: Callable[..., Tensor], inputs: list[Tensor]) -> list[Tensor]:
    """The values, and the gradient of their sum in every input."""
    value = function(*inputs)
    return [value.detach(), *torch.autograd.grad(value.sum(), inputs)]


def judged_values(inputs: list[Tensor]) -> list[Tensor]:
    """The same by the reference backend in float64, which the tests hold against plain loops."""
    wide = [tensor.detach().double().requires_grad_() for tensor in inputs]

    def loss(*inputs: Tensor) -> Tensor:
        cost = inputs[0] if len(inputs) == 1 else pairwise_distances(*inputs, squared=True)
        return soft_dtw(cost, GAMMA, backend="reference")

    return value_and_gradients(loss, wide)


def difference(result: list[Tensor], judge: list[Tensor], scale: float) -> str:
    """Empty where the result is right: values to 1e-4 of their scale, gradients to 2e-3 of the largest."""
    scales = [max(scale, float(judge[0].abs().max()))] + [float(gradient.abs().max()) for gradient in judge[1:]]
    errors = [float((r - j).abs().nan_to_num(torch.inf).max()) for r, j in zip(result, judge, strict=True)]
    value, *gradients = (error / largest for error, largest in zip(errors, scales, strict=True))
    right = value <= 1e-4 and max(gradients) <= 2e-3
    return "" if right else f"value off by {value:.0e}, gradient by {max(gradients):.0e}"


def measure_gradients(row: Row, functions: dict[str, Any], inputs: list[Tensor], effort: Effort) -> Row:
    """Time value and gradients of the functions, after a look at what they return."""
    judge = judged_values(inputs)
    calls: dict[str, Callable[[], object]] = {}
    for name, function in functions.items():
        try:
            wrong = difference(value_and_gradients(function, inputs), judge, GAMMA * 2 * inputs[0].shape[1])
        except Exception as error:  # whatever a package raises
            row.skipped[name] = f"{type(error).__name__}: {error}"
            continue
        if wrong:
            row.wrong[name] = wrong
        calls[name] = partial(value_and_gradients, function, inputs)
    return take_turns(row, calls, effort)


def soft_rows(effort: Effort, quick: bool) -> Iterator[Row]:
    """The recursion through autograd, on a given cost."""
    targets = {(32, 240): "12x", (4, 1000): "12x", (16, 80): "8x", (2, 240): "8x", (1, 80): "4x"}
    for (batch, frames), target in list(targets.items())[2 if quick else 0 :]:
        x, y = two_walks(batch, frames)
        cost = pairwise_distances(x, y, squared=True).requires_grad_()
        row = Row(f"SoftDTW, forward + backward, ({batch}, {frames})", target, cost.numel())
        yield measure_gradients(row, having("soft_dtw", GAMMA), [cost], effort)


def kernel_rows(effort: Effort, quick: bool) -> Iterator[Row]:
    """The backend's own two functions on one thread; the peers, which have no such door, through autograd."""
    for batch, frames in [(8, 240)] if quick else [(8, 240), (4, 1000)]:
        cost = pairwise_distances(*two_walks(batch, frames), squared=True)
        leaf = cost.clone().requires_grad_()
        functions = having("soft_dtw", GAMMA)
        calls: dict[str, Callable[[], object]] = {
            name: partial(value_and_gradients, function, [leaf]) for name, function in functions.items()
        }
        calls[OURS.name] = bare_kernel(cost)
        row = Row(f"Bare kernel, one thread, ({batch}, {frames})", "3 ns a cell", cost.numel())
        with threads(1):
            for call in calls.values():
                call()
            yield take_turns(row, calls, effort)


def bare_kernel(cost: Tensor) -> Callable[[], object]:
    """The forward and the backward function of the backend, without the public function and autograd."""
    backend, limits, ones = BACKENDS["numba"], path_limits(cost, None, None, False, False), torch.ones(len(cost))
    forward, backward = backend.soft_dtw_forward, backend.soft_dtw_backward
    assert forward is not None, "the backend has no forward function"
    assert backward is not None, "the backend has no backward function"
    return lambda: backward(forward(cost, limits, GAMMA)[1], limits, ones, cost.shape)


def loss_rows(effort: Effort, quick: bool) -> Iterator[Row]:
    """From embeddings to the gradient in the embeddings."""
    for batch, frames in [(4, 240)] if quick else [(32, 240), (4, 1000)]:
        x, y = two_walks(batch, frames)
        functions = having("loss", GAMMA)
        row = Row(f"Loss from embeddings, D = {DIM}, ({batch}, {frames})", "6x", batch * frames**2)
        expanded = 4 * batch * frames**2 * DIM
        for peer in PEERS:
            if peer.expands and 4 * expanded > available_memory() and peer.name in functions:
                row.skipped[peer.name] = f"needs some {3 * expanded / 2**30:.0f} GiB"
                del functions[peer.name]
        yield measure_gradients(row, functions, [x.requires_grad_(), y.requires_grad_()], effort)


def available_memory() -> float:
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def path_rows(effort: Effort, quick: bool) -> Iterator[Row]:
    """The DTW path from features. Some packages square the distances: each is judged on its own cost."""
    for frames, target in [(80, "8x")] if quick else [(80, "8x"), (240, "12x"), (1000, "12x")]:
        x, y = (np.ascontiguousarray(walk[0].numpy()) for walk in two_walks(1, frames))
        row = Row(f"DTW path from features, D = {DIM}, N = {frames}", target, frames**2)
        calls: dict[str, Callable[[], object]] = {}
        for contender in (OURS, *PEERS):
            find = having_path(contender, x, y)
            if find is None:
                continue
            calls[contender.name] = find
            wrong = path_difference(find(), x, y, contender.squared)
            if wrong:
                row.wrong[contender.name] = wrong
        yield take_turns(row, calls, effort)


def having_path(contender: Contender, x: np.ndarray, y: np.ndarray) -> Callable[[], np.ndarray] | None:
    """Its call on the features, in the precision that it works in, prepared beforehand."""
    if contender.path is None:
        return None
    try:
        find = contender.path()
    except Exception as error:  # a package may fail to import in any way
        log(f"  {contender.name} is left out: {type(error).__name__}: {error}")
        return None
    if contender is not OURS:
        x, y = x.astype(np.float64), y.astype(np.float64)
    return lambda: find(x, y)


def path_difference(path: np.ndarray, x: np.ndarray, y: np.ndarray, squared: bool) -> str:
    """Empty where the path costs what the best one costs."""
    cost = cdist(x.astype(np.float64), y.astype(np.float64), "sqeuclidean" if squared else "euclidean")
    least = float(dtw(torch.from_numpy(cost)[None], backend="reference").distance)
    excess = cost[path[:, 0], path[:, 1]].sum() / least - 1
    return "" if abs(excess) <= 1e-5 else f"path costs {excess:.0e} more"


def labelled_videos(count: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """`count` sequences of 40 to 120 unit frames around one course, and 4 phases."""
    generator = np.random.default_rng(0)
    course = unit_walks(1, 121, seed=3)[0].numpy()
    videos, labels = [], []
    for frames in generator.integers(40, 121, count):
        when = np.sort(generator.random(frames))
        noisy = course[(when * 120).astype(int)] + 0.05 * generator.standard_normal((frames, DIM))
        videos.append((noisy / np.linalg.norm(noisy, axis=1, keepdims=True)).astype(np.float32))
        labels.append((when * 4).astype(np.int64))
    return videos, labels


def accuracy_by_hand(paths_of: Callable[[np.ndarray], np.ndarray], videos: Any, labels: Any) -> float:
    """DTW accuracy as one writes it with a package that aligns one cost."""
    shares = []
    for a in range(len(videos)):
        for b in range(len(videos)):
            if a != b:
                path = paths_of(cdist(videos[a], videos[b]))
                shares.append(np.mean(labels[a][path[:, 0]] == labels[b][path[:, 1]]))
    return float(np.mean(shares))


def tau_by_hand(videos: list[np.ndarray]) -> float:
    """Kendall's tau with scipy, pair by pair."""
    taus = []
    for a in range(len(videos)):
        for b in range(len(videos)):
            if a != b:
                nearest = cdist(videos[a], videos[b], "sqeuclidean").argmin(1)
                taus.append(kendalltau(np.arange(len(nearest)), nearest).statistic)
    return float(np.nanmean(taus))


def average_precision_by_hand(videos: list[np.ndarray], labels: list[np.ndarray]) -> dict[int, float]:
    """AP@K with cdist and argsort, video by video."""
    rows = []
    for a in range(len(videos)):
        others = [b for b in range(len(videos)) if b != a]
        pool, phases = np.concatenate([videos[b] for b in others]), np.concatenate([labels[b] for b in others])
        order = np.argsort(cdist(videos[a], pool, "sqeuclidean"), axis=1, kind="stable")
        rows.append([np.mean(phases[order[:, :k]] == labels[a][:, None]) for k in KS])
    return dict(zip(KS, np.mean(rows, axis=0).tolist(), strict=True))


def metric_rows(effort: Effort, quick: bool) -> Iterator[Row]:
    """The metrics on one set of videos, beside straightforward code."""
    count = 12 if quick else 60
    videos, labels = labelled_videos(count)
    size = f"{count} sequences of 40-120 frames"
    few = Effort(5, 0)
    accuracy = {OURS.name: lambda: dtw_accuracy(videos, labels)}
    for name, paths_of in cost_paths().items():
        accuracy[name] = lambda paths_of=paths_of: accuracy_by_hand(paths_of, videos, labels)  # type: ignore[misc]
    yield agreed(Row(f"DTW accuracy, {size}", "15x librosa, 20x tslearn"), accuracy, 2e-3, few)
    tau = {OURS.name: lambda: kendalls_tau(videos), "scipy": lambda: tau_by_hand(videos)}
    yield agreed(Row(f"Kendall's tau, {size}", "20x"), tau, 1e-6, few)
    precision = {
        OURS.name: lambda: average_precision_at_k(videos, labels, KS)[15],
        "scipy": lambda: average_precision_by_hand(videos, labels)[15],
    }
    yield agreed(Row(f"AP@5,10,15, {size}", "40x"), precision, 1e-6, few)


def cost_paths() -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """How librosa and tslearn align a cost that is given."""
    found: dict[str, Callable[[np.ndarray], np.ndarray]] = {}
    try:
        librosa = import_module("librosa")
        found["librosa"] = lambda cost: librosa.sequence.dtw(C=cost)[1]
    except ImportError as error:
        log(f"  librosa is left out: {error}")
    try:
        tslearn = import_module("tslearn.metrics")
        found["tslearn"] = lambda cost: np.array(tslearn.dtw_path_from_metric(cost, metric="precomputed")[0])
    except ImportError as error:
        log(f"  tslearn is left out: {error}")
    return found


def agreed(row: Row, calls: dict[str, Callable[[], float]], tolerance: float, effort: Effort) -> Row:
    """Time calls that must return the same number as ours."""
    results = {name: call() for name, call in calls.items()}
    for name, result in results.items():
        if not abs(result - results[OURS.name]) <= tolerance:
            row.wrong[name] = f"{result:.6f} where ours is {results[OURS.name]:.6f}"
    return take_turns(row, dict(calls), effort)


# --- memory ----------------------------------------------------------------------------------------------------------


def memory_rows(effort: Effort, quick: bool) -> Iterator[Row]:
    """The peak of the loss's forward and backward pass above its inputs, each contender in a process of its own."""
    batch, frames = (4, 240) if quick else (32, 240)
    row = Row(f"Peak memory of the loss, ({batch}, {frames}, {DIM})", "2 (cost + gradient)", unit="(B,N,M)")
    # Large arrays then go back to the system when they are freed, so that the resident size tells what is held.
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"}
    for name in having("loss", GAMMA):
        arguments = ["--peak-of", name, str(batch), str(frames)]
        command = [sys.executable, __file__, "--threads", str(torch.get_num_threads()), *arguments]
        child = subprocess.run(command, env=environment, capture_output=True, text=True)
        if child.returncode:
            row.skipped[name] = child.stderr.strip().splitlines()[-1]
        else:
            row.values[name] = float(child.stdout) / (4 * batch * frames**2)
            log(f"  {row.what}: {name} {row.values[name]:.2f} x (B,N,M)")
    yield row


def peak_of(name: str, batch: int, frames: int) -> int:
    """Bytes by which one forward and backward pass lifts the peak of this process, by Linux's own record of it."""
    contender = next(contender for contender in (OURS, *PEERS) if contender.name == name)
    assert contender.loss is not None
    loss = contender.loss(GAMMA)
    for _ in range(2):  # compile and start all pools
        value_and_gradients(loss, [x.requires_grad_() for x in two_walks(2, 64)])
    inputs = [x.requires_grad_() for x in two_walks(batch, frames)]
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # sets the peak back to the present size
    before = resident("VmRSS")
    result = value_and_gradients(loss, inputs)
    peak = resident("VmHWM") - before
    del result
    return peak


def resident(key: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(key)).split()[1])


# --- the report ------------------------------------------------------------------------------------------------------

SECTIONS = {
    "soft": soft_rows,
    "kernel": kernel_rows,
    "loss": loss_rows,
    "path": path_rows,
    "metrics": metric_rows,
    "memory": memory_rows,
}


def machine() -> dict[str, Any]:
    """What the figures are about: the processor, the threads, the versions."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    about = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    packages = ["lrprop", "torch", "numba", "numpy", "scipy", *dict.fromkeys(peer.package for peer in PEERS)]
    return {
        "processor": about.get("model name", platform.processor()),
        "family": f"{about.get('cpu family', '?')}, model {about.get('model', '?')}",
        "AVX-512": "avx512f" in about.get("flags", ""),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "versions": {package: version_of(package) for package in packages},
    }


def version_of(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "source tree" if package == "lrprop" else "absent"


def wrong_versions(about: dict[str, Any]) -> list[str]:
    """The peers that are not the ones the published figures are about."""
    found = {peer.package: (about["versions"][peer.package], peer.pinned) for peer in PEERS}
    return [f"{name} {has}, not {wanted}" for name, (has, wanted) in found.items() if not has.startswith(wanted)]


def amount(row: Row, name: str) -> str:
    value = row.values[name]
    if row.unit != "s":
        return f"{value:.2f}"
    text = f"{value * 1e3:.3g} ms" if value < 1 else f"{value:.2f} s"
    return f"{text} ({value * 1e9 / row.cells:.3g} ns)" if row.cells else text


def ratio(row: Row, peer: str | None) -> str:
    return f"{row.values[peer] / row.values[OURS.name]:.1f}x" if peer and OURS.name in row.values else ""


def table(rows: list[Row]) -> str:
    """Markdown; beside a time, in brackets, the nanoseconds a cell of the cost."""
    lines = ["| what | lrprop | best peer | ratio | reach | the others |", "| --- | --- | --- | --- | --- | --- |"]
    for row in rows:
        best = row.best_peer()
        others = [
            f"{name} {amount(row, name)}, {ratio(row, name)}" for name in row.values if name not in (OURS.name, best)
        ]
        notes = [f"{name} WRONG: {why}" for name, why in row.wrong.items()]
        notes += [f"{name} not run: {why}" for name, why in row.skipped.items()]
        ours = amount(row, OURS.name) if OURS.name in row.values else ""
        peer = f"{best} {amount(row, best)}" if best else ""
        lines.append(
            f"| {row.what} | {ours} | {peer} | {ratio(row, best)} | {row.target} | {'; '.join(others + notes)} |"
        )
    return "\n".join(lines)


def report(about: dict[str, Any], rows: list[Row]) -> str:
    """The machine and the table."""
    head = f"{about['processor']} (family {about['family']}, AVX-512: {about['AVX-512']}), {about['cores']} cores, "
    head += f"{about['threads']} threads for every contender, load {about['load']} before the start, "
    head += f"Python {about['python']}"
    packages = ", ".join(f"{package} {number}" for package, number in about["versions"].items())
    return f"{head}\n\n{packages}\n\n{table(rows)}"


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2, help="threads of every contender (default 2)")
    parser.add_argument("--quick", action="store_true", help="small sizes and few runs: to see that all of it runs")
    parser.add_argument("--only", default=",".join(SECTIONS), help=f"of {', '.join(SECTIONS)}, comma-separated")
    parser.add_argument("--output", type=Path, help="also write the figures here, as JSON")
    parser.add_argument("--peak-of", nargs=3, metavar=("NAME", "B", "T"), help=argparse.SUPPRESS)
    return parser.parse_args()


def settle_threads(count: int) -> None:
    """Start anew where the libraries have been loaded with another number of threads: they read it once."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
    if any(os.environ.get(name) != str(count) for name in names):
        os.environ.update(dict.fromkeys(names, str(count)))
        os.execv(sys.executable, [sys.executable, *sys.argv])
    torch.set_num_threads(count)


def main() -> None:
    arguments = parse()
    settle_threads(arguments.threads)
    if arguments.peak_of:
        name, batch, frames = arguments.peak_of
        print(peak_of(name, int(batch), int(frames)))
        return
    effort = Effort(5, 0.3) if arguments.quick else Effort()
    about = machine()
    for message in wrong_versions(about):
        log(f"not the pinned version: {message}")
    rows: list[Row] = []
    for section in arguments.only.split(","):
        log(section)
        rows += SECTIONS[section](effort, arguments.quick)
    print(report(about, rows))
    if arguments.output:
        arguments.output.write_text(json.dumps({"machine": about, "rows": [asdict(row) for row in rows]}, indent=1))


if __name__ == "__main__":
    main()
