"""Check and time the alignment kernels on an NVIDIA GPU: `python benchmarks/alignment_gpu.py > table.md`.

Every check compares with float64, on shapes, gammas, bands and ends of all kinds; one that fails makes the exit status
1. Then a Markdown table: kernels alone, and SoftDTW forward and backward through autograd against the packages that
happen to be installed. Nothing is installed here; a package that is absent is named.

Times are medians over many runs between device events, each run on another copy of the input than the one before, so
that the cache does not flatter. Runs of the packages take turns.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from itertools import product
from statistics import median
from typing import Any

import torch
from torch import Tensor

from lrprop.alignment import BACKENDS, dtw, soft_dtw
from lrprop.alignment.limits import PathLimits, path_limits

CUDA = torch.device("cuda")
SIZES = [(16, 80), (32, 240), (4, 1000), (8, 2000)]
GAMMAS = [1.0, 0.1, 1e-2, 1e-3]
COPIES = 4
LONGEST_OF_PEERS = 1024  # one thread a frame, one block a pair
Runner = Callable[[Tensor], Tensor]

# --- checks ----------------------------------------------------------------------------------------------------------


def draw(batch: int, rows: int, columns: int, scale: float = 1.0, dtype: torch.dtype = torch.float32) -> Tensor:
    """Squared differences of two random walks each: costs with a real alignment in them."""
    x, y = (torch.randn(batch, t, 4, device=CUDA).cumsum(1) / t**0.5 for t in (rows, columns))
    cost = torch.cdist(x.double(), y.double()).square()
    return (scale * cost / cost.amax((1, 2), keepdim=True)).to(dtype)


def problems(name: str, cost: Tensor, gamma: float, **options: Any) -> Iterator[str]:
    """What is wrong with SoftDTW on a cost, against the same in float64 by plain torch."""
    lengths = options.get("lengths")
    values, paths = [], []
    for backend, leaf in (("numba_cuda", cost.clone()), ("reference", cost.double())):
        leaf.requires_grad_()
        value = soft_dtw(leaf, gamma, backend=backend, **options)
        paths.append(torch.autograd.grad(value.sum(), leaf)[0].double())
        values.append(value.detach().double())
    steps = torch.tensor(cost.shape[1:], device=CUDA).sum() if lengths is None else lengths.to(CUDA).sum(1)
    bound = torch.maximum(values[1].abs(), gamma * steps)
    exact = cost.dtype == torch.float64
    value_error = ((values[0] - values[1]).abs() / bound).max().item()
    path_error = (paths[0] - paths[1]).abs().max().item()
    if not value_error <= (1e-12 if exact else 1e-6):
        yield f"{name}: value is off by {value_error:.1e} of max(|value|, gamma (n + m))"
    if not path_error <= (1e-8 if exact else 1e-5):
        yield f"{name}: soft alignment is off by {path_error:.1e}"
    found, expected = (dtw(cost, backend=b, **options) for b in ("numba_cuda", "reference"))
    if not torch.allclose(found.distance, expected.distance, rtol=1e-6):
        yield f"{name}: DTW distance"
    if not all(torch.equal(found.path(b), expected.path(b)) for b in range(min(len(cost), 4))):
        yield f"{name}: DTW path"


def check_everything() -> list[str]:
    """All that is wrong."""
    wrong: list[str] = []
    for (batch, size), gamma in product(SIZES, GAMMAS):
        wrong += problems(f"{(batch, size)} gamma={gamma}", draw(min(batch, 4), size, size, 256.0), gamma)
    for begin, end, band in product((False, True), (False, True), (None, 0.2, 30)):
        for dtype in (torch.float32, torch.float64):
            lengths = torch.tensor([[230, 190], [131, 190], [64, 33], [2, 2]])
            options: dict[str, Any] = {"lengths": lengths, "band": band, "open_begin": begin, "open_end": end}
            wrong += problems(f"{options} {dtype}", draw(4, 230, 190, 1.0, dtype), 0.1, **options)
    for rows, columns in ((1, 1), (1, 700), (1500, 3), (513, 40), (40, 1025)):
        wrong += problems(f"{rows} x {columns}", draw(3, rows, columns), 0.05)
    wrong += problems("gamma=1e-7: exponents too large", draw(3, 100, 90, 256.0), 1e-7)
    return wrong + check_nan() + check_stream() + check_no_waiting()


def check_nan() -> list[str]:
    cost = draw(3, 90, 80)
    alone = soft_dtw(cost, 0.1, backend="numba_cuda")
    cost[1, 40, 40] = torch.nan
    leaf = cost.clone().requires_grad_()
    value = soft_dtw(leaf, 0.1, backend="numba_cuda")
    grad = torch.autograd.grad(value.sum(), leaf)[0]
    right = value.isnan().tolist() == [False, True, False] and torch.equal(value[::2], alone[::2])
    right = right and bool(grad[1].isnan().all()) and bool(grad[::2].isfinite().all())
    return [] if right else ["NaN in a pair is not NaN in that pair alone"]


def check_stream() -> list[str]:
    """Work queued behind a long wait on another stream has to come after it."""
    stream = torch.cuda.Stream()
    expected = soft_dtw(torch.ones(2, 50, 50, device=CUDA), 0.1, backend="numba_cuda")
    cost = torch.full((2, 50, 50), torch.nan, device=CUDA)
    torch.cuda.synchronize()
    with torch.cuda.stream(stream):
        torch.cuda._sleep(50_000_000)
        cost.fill_(1.0)
        value = soft_dtw(cost, 0.1, backend="numba_cuda")
    stream.synchronize()
    return [] if torch.equal(value, expected) else ["kernels do not run in torch's current stream"]


def check_no_waiting() -> list[str]:
    """Torch refuses what waits for the device; the event behind a long wait shows what Numba may have waited for."""
    cost = draw(2, 60, 60).requires_grad_()
    lengths = torch.tensor([[60, 60], [50, 40]], device=CUDA)
    soft_dtw(cost, 0.1, lengths, backend="numba_cuda").sum().backward()
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        torch.cuda._sleep(2_000_000_000)
        soft_dtw(cost, 0.1, lengths, backend="numba_cuda").sum().backward()
        done = torch.cuda.Event()
        done.record()
        return ["the host waits for the device"] if done.query() else []
    except RuntimeError as error:
        return [f"the host waits for the device: {error}"]
    finally:
        torch.cuda.set_sync_debug_mode("default")
        torch.cuda.synchronize()


# --- times -----------------------------------------------------------------------------------------------------------


def milliseconds(run: Callable[[int], object], repeats: int) -> list[float]:
    events = [[torch.cuda.Event(enable_timing=True) for _ in range(2)] for _ in range(repeats)]
    for number, (start, end) in enumerate(events):
        start.record()
        run(number % COPIES)
        end.record()
    torch.cuda.synchronize()
    return [start.elapsed_time(end) for start, end in events]


def medians(runs: dict[str, Callable[[int], object]], rounds: int = 5, repeats: int = 20) -> dict[str, float]:
    """The median of each, in ms; they take turns."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        milliseconds(run, 5)
    for _ in range(rounds):
        for name, run in runs.items():
            times[name] += milliseconds(run, repeats)
    return {name: median(values) for name, values in times.items()}


def kernel_times(batch: int, size: int) -> dict[str, float]:
    """Each launch queued behind a wait, so that the host's time to start a kernel does not count."""
    costs = [draw(batch, size, size) for _ in range(COPIES)]
    limits: PathLimits = path_limits(costs[0], None, None, False, False)
    backend, grad = BACKENDS["numba_cuda"], torch.ones(batch, device=CUDA)
    assert backend.soft_dtw_forward is not None
    assert backend.soft_dtw_backward is not None
    tapes = [backend.soft_dtw_forward(cost, limits, 0.1)[1] for cost in costs]
    runs: dict[str, Callable[[int], object]] = {
        "forward": lambda k: backend.soft_dtw_forward(costs[k], limits, 0.1),  # type: ignore[misc]
        "backward": lambda k: backend.soft_dtw_backward(tapes[k], limits, grad, costs[k].shape),  # type: ignore[misc]
        "value only": lambda k: backend.soft_dtw(costs[k], limits, 0.1),
        "DTW path": lambda k: backend.dtw(costs[k], limits),
        "DTW distance": lambda k: backend.dtw_distance(costs[k], limits),
    }
    return {name: device_time(run) for name, run in runs.items()}


def device_time(run: Callable[[int], object], repeats: int = 20) -> float:
    run(0)
    torch.cuda.synchronize()
    times = []
    for _ in range(5):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda._sleep(100_000_000)  # some 50 ms, for the host to queue all that follows
        start.record()
        for number in range(repeats):
            run(number % COPIES)
        end.record()
        torch.cuda.synchronize()
        times.append(start.elapsed_time(end) / repeats)
    return median(times)


def peers(gamma: float, size: int) -> tuple[dict[str, Runner], list[str]]:
    """SoftDTW of a cost by whatever imports here, and what does not or is too short."""
    runners: dict[str, Runner] = {
        "lrprop numba_cuda": lambda cost: soft_dtw(cost, gamma, backend="numba_cuda"),
        "lrprop reference": lambda cost: soft_dtw(cost, gamma, backend="reference"),
    }
    absent = []
    if size > 500:
        del runners["lrprop reference"]
        absent.append(f"lrprop reference at {size} frames: too slow")
    for name, make in {"pysdtw": _pysdtw, "soft_dtw_cuda": _soft_dtw_cuda, "tslearn": _tslearn}.items():
        with suppress(ImportError):
            runners[name] = make(gamma, size)
        if name not in runners:
            absent.append(f"{name}: does not import" if size <= LONGEST_OF_PEERS else f"{name} at {size} frames")
    return runners, absent


def _pysdtw(gamma: float, size: int) -> Runner:
    if size > LONGEST_OF_PEERS:
        raise ImportError
    soft = importlib.import_module("pysdtw").SoftDTW(gamma=gamma, dist_func=lambda cost, _: cost, use_cuda=True)
    return lambda cost: soft(cost, cost)


def _soft_dtw_cuda(gamma: float, size: int) -> Runner:
    if size > LONGEST_OF_PEERS:
        raise ImportError
    function = importlib.import_module("soft_dtw_cuda")._SoftDTWCUDA
    return lambda cost: function.apply(cost, gamma, 0.0)


def _tslearn(gamma: float, size: int) -> Runner:
    function = importlib.import_module("tslearn.metrics.soft_dtw_loss_pytorch")._SoftDTWLossPyTorch
    return lambda cost: function.apply(cost, gamma)


def differentiate(runner: Runner, costs: list[Tensor], k: int) -> Tensor:
    leaf = costs[k].detach().requires_grad_()
    return torch.autograd.grad(runner(leaf).sum(), leaf)[0]


def print_tables() -> None:
    print("| kernels alone, us | forward | backward | both | value only | DTW path | DTW distance |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for batch, size in SIZES:
        us = {name: 1e3 * ms for name, ms in kernel_times(batch, size).items()}
        both = us["forward"] + us["backward"]
        row = us["forward"], us["backward"], both, us["value only"], us["DTW path"], us["DTW distance"]
        print(f"| ({batch}, {size}, {size}) | " + " | ".join(f"{value:.0f}" for value in row) + " |", flush=True)
    print("\n| forward + backward through autograd | ms | times the fastest |\n| --- | --- | --- |")
    notes = set()
    for batch, size in SIZES:
        runners, absent = peers(0.1, size)
        notes.update(absent)
        costs = [draw(batch, size, size) for _ in range(COPIES)]
        times = medians({name: partial(differentiate, runner, costs) for name, runner in runners.items()})
        for name, ms in times.items():
            print(f"| ({batch}, {size}, {size}) {name} | {ms:.3f} | {ms / min(times.values()):.1f} |", flush=True)
    print("\nNot timed: " + ("; ".join(sorted(notes)) or "nothing") + ".")


def versions() -> str:
    import numba

    numba_cuda = importlib.import_module("numba_cuda")
    name = torch.cuda.get_device_name()
    return f"{name}; torch {torch.__version__}, numba {numba.__version__}, numba-cuda {numba_cuda.__version__}"


def main() -> int:
    if not torch.cuda.is_available() or not BACKENDS["numba_cuda"].is_available():
        print("needs an NVIDIA GPU and pip install 'lrprop[cuda]'", file=sys.stderr)
        return 2
    torch.manual_seed(0)
    print(versions() + "\n")
    wrong = check_everything()
    print("\n".join(f"WRONG {line}" for line in wrong) or "All checks against float64 passed.", end="\n\n", flush=True)
    print_tables()
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
