"""The slow, obvious code that judges every fast one: loops only, numpy float64, written from the definitions.

Speed and memory do not count here. Nothing in this file imports lrprop.
"""

from __future__ import annotations

import math

import numpy as np

# --- alignment -------------------------------------------------------------------------------------------------------


def all_paths(n: int, m: int, open_begin: bool = False, open_end: bool = False) -> list[list[tuple[int, int]]]:
    """Every monotone and connected path through an n x m matrix, by plain recursion: for tiny sizes only."""

    def continued(path: list[tuple[int, int]]) -> list[list[tuple[int, int]]]:
        i, j = path[-1]
        paths = []
        if i == n - 1 and (open_end or j == m - 1):
            paths.append(path)
        for following in ((i + 1, j + 1), (i + 1, j), (i, j + 1)):
            if following[0] < n and following[1] < m:
                paths.extend(continued([*path, following]))
        return paths

    paths = []
    for j in range(m if open_begin else 1):
        paths.extend(continued([(0, j)]))
    return paths


def dtw_oracle(
    cost: np.ndarray, open_begin: bool = False, open_end: bool = False
) -> tuple[float, list[tuple[int, int]]]:
    """The distance and the path of one (n, m) cost; ties diagonal, then up (i - 1), then left (j - 1)."""
    n, m = cost.shape
    total = np.full((n, m), np.inf)
    came_from: dict[tuple[int, int], tuple[int, int] | None] = {}
    for i in range(n):
        for j in range(m):
            best, source = np.inf, None
            if i == 0 and (j == 0 or open_begin):
                best = 0.0
            for previous in ((i - 1, j - 1), (i - 1, j), (i, j - 1)):
                if previous[0] >= 0 and previous[1] >= 0 and total[previous] < best:
                    best, source = total[previous], previous
            total[i, j] = float(cost[i, j]) + best
            came_from[i, j] = source
    end = m - 1
    if open_end:
        end = min(range(m), key=lambda j: total[n - 1, j])
    path = [(n - 1, end)]
    while came_from[path[0]] is not None:
        path.insert(0, came_from[path[0]])
    return float(total[n - 1, end]), path


def soft_dtw_oracle(
    cost: np.ndarray, gamma: float, open_begin: bool = False, open_end: bool = False
) -> tuple[float, np.ndarray]:
    """The SoftDTW value of one (n, m) cost and its soft alignment (n, m).

    The alignment comes from a forward and a backward recursion over log-weights: the weight of all paths through a cell,
    over the weight of all paths.
    """
    n, m = cost.shape
    weight = -np.asarray(cost, np.float64) / gamma
    into = np.full((n, m), -np.inf)
    for i in range(n):
        for j in range(m):
            terms = [0.0] if i == 0 and (j == 0 or open_begin) else []
            for a, b in ((i - 1, j - 1), (i - 1, j), (i, j - 1)):
                if a >= 0 and b >= 0:
                    terms.append(into[a, b])
            into[i, j] = weight[i, j] + _log_sum_exp(terms)
    out_of = np.full((n, m), -np.inf)
    for i in reversed(range(n)):
        for j in reversed(range(m)):
            terms = [0.0] if i == n - 1 and (j == m - 1 or open_end) else []
            for a, b in ((i + 1, j + 1), (i + 1, j), (i, j + 1)):
                if a < n and b < m:
                    terms.append(weight[a, b] + out_of[a, b])
            out_of[i, j] = _log_sum_exp(terms)
    everything = _log_sum_exp([into[n - 1, j] for j in range(m) if open_end or j == m - 1])
    return -gamma * everything, np.exp(into + out_of - everything)


def _log_sum_exp(terms: list[float]) -> float:
    largest = max(terms)
    return largest + math.log(sum(math.exp(term - largest) for term in terms))
