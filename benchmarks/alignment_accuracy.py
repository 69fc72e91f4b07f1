"""How exact SoftDTW and its soft alignment are, beside the public packages that do the same.

    python benchmarks/alignment_accuracy.py [--quick] [--all] [--output result.json]

Every contender gets the same cost, uniform in [0, scale], and is held against a float64 judge that is written here from
the definition. Two errors a contender: of the value, in units of max(|value|, gamma (N + M)); of the soft alignment,
whose entries lie in [0, 1], absolute. A line of the table is the worst over scales and lengths (`--all`: every case).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from alignment_cpu import OURS, having, log, machine, value_and_gradients
from numba import njit
from torch import Tensor

GAMMAS = (1.0, 0.1, 0.01, 0.001, 0.0001)
SCALES = (1, 16, 256)
LENGTHS = (80, 500, 2000)
DTYPES = (torch.float32, torch.float64)


@njit(cache=True)
def judge(cost: np.ndarray, gamma: float) -> tuple[float, np.ndarray]:
    """The value of one (N, M) cost and its soft alignment (N, M), all in float64.

    Cuturi & Blondel (2017), Algorithms 1 and 2; the weights of the three predecessors of each cell are kept as numbers
    that sum to 1, so that the backward pass takes no differences of large numbers.
    """
    n, m = cost.shape
    total = np.full((n + 1, m + 1), np.inf)
    total[0, 0] = 0.0
    weights = np.zeros((n + 2, m + 2, 3))
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            before = (total[i - 1, j - 1], total[i - 1, j], total[i, j - 1])
            least = min(before)
            shares = np.exp(-(np.array(before) - least) / gamma)
            total[i, j] = cost[i - 1, j - 1] + least - gamma * np.log(shares.sum())
            weights[i, j] = shares / shares.sum()
    alignment = np.zeros((n + 2, m + 2))
    alignment[n, m] = 1.0
    for i in range(n, 0, -1):
        for j in range(m, 0, -1):
            alignment[i, j] += weights[i + 1, j + 1, 0] * alignment[i + 1, j + 1]
            alignment[i, j] += weights[i + 1, j, 1] * alignment[i + 1, j] + weights[i, j + 1, 2] * alignment[i, j + 1]
    return float(total[n, m]), alignment[1:-1, 1:-1].copy()


@dataclass(frozen=True)
class Case:
    """One cost, and what a contender made of it."""

    contender: str
    dtype: str
    gamma: float
    scale: int
    length: int
    value_error: float
    alignment_error: float


def measure(lengths: tuple[int, ...]) -> Iterator[Case]:
    """Every contender on every cost; odd shapes: M is a little shorter than N."""
    for length in lengths:
        uniform = torch.rand(1, length, length - length // 7, generator=torch.Generator().manual_seed(length)).double()
        for scale in SCALES:
            for gamma in GAMMAS:
                log(f"length {length}, scale {scale}, gamma {gamma:g}")
                for dtype in DTYPES:
                    cost = (uniform * scale).to(dtype)
                    value, alignment = judge(cost[0].double().numpy(), gamma)
                    unit = max(abs(value), gamma * sum(cost.shape))
                    for name, errors in errors_of_all(cost, gamma, value, torch.from_numpy(alignment)):
                        case = (name, str(dtype)[6:], gamma, scale, length, errors[0] / unit, errors[1])
                        yield Case(*case)


def errors_of_all(
    cost: Tensor, gamma: float, value: float, alignment: Tensor
) -> Iterator[tuple[str, tuple[float, float]]]:
    """(name, (error of the value, error of the soft alignment)); NaN counts as infinite."""
    for name, function in having("soft_dtw", gamma).items():
        found, gradient = value_and_gradients(function, [cost.clone().requires_grad_()])
        errors = (found.double() - value).abs().max(), (gradient[0].double() - alignment).abs().max()
        off, astray = (float(error.nan_to_num(torch.inf)) for error in errors)
        yield name, (off, astray)


def table(cases: list[Case], every: bool) -> str:
    """Markdown: a line a gamma and dtype (or a case), a column a contender, "value / soft alignment" in each."""
    names = sorted({case.contender for case in cases}, key=lambda name: (name != OURS.name, name))
    lines: dict[str, dict[str, tuple[float, float]]] = {}
    for case in cases:
        label = f"{case.dtype} | {case.gamma:g}" + (f" | {case.scale} | {case.length}" if every else "")
        worst = lines.setdefault(label, {}).get(case.contender, (0.0, 0.0))
        lines[label][case.contender] = max(worst[0], case.value_error), max(worst[1], case.alignment_error)
    head = ["dtype", "gamma", *(["scale", "length"] if every else []), *names]
    text = ["| " + " | ".join(head) + " |", "| --- " * len(head) + "|"]
    for label, errors in lines.items():
        cells = [f"{errors[name][0]:.0e} / {errors[name][1]:.0e}" for name in names]
        text.append(f"| {label} | " + " | ".join(cells) + " |")
    return "\n".join(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="the shortest length only")
    parser.add_argument("--all", action="store_true", help="a line a case")
    parser.add_argument("--output", type=Path, help="also write every case here, as JSON")
    arguments = parser.parse_args()
    about = machine()
    cases = list(measure(LENGTHS[:1] if arguments.quick else LENGTHS))
    print(", ".join(f"{package} {number}" for package, number in about["versions"].items()), end="\n\n")
    print(table(sorted(cases, key=lambda case: (case.dtype, -case.gamma)), arguments.all))
    if arguments.output:
        arguments.output.write_text(json.dumps({"machine": about, "cases": [asdict(case) for case in cases]}, indent=1))


if __name__ == "__main__":
    main()
