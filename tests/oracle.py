"""The slow, obvious code that judges every fast one: loops only, numpy float64, written from the definitions.

Speed and memory do not count here. Nothing in this file imports lrprop.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from scipy.stats import kendalltau

# --- alignment -------------------------------------------------------------------------------------------------------


def allowed_cells(n: int, m: int, band: int | float | None) -> np.ndarray:
    """(n, m) bool: the cells whose relative positions i / (n - 1) and j / (m - 1) differ by the band or less.

    An int is a number of frames of the longer sequence, a float a share of it, taken for the decimal that it prints.
    """
    allowed = np.ones((n, m), bool)
    if band is None or n == 1 or m == 1:
        return allowed
    share = Fraction(band, max(n, m) - 1) if isinstance(band, int) else Fraction(str(band))
    for i in range(n):
        for j in range(m):
            allowed[i, j] = abs(Fraction(i, n - 1) - Fraction(j, m - 1)) <= share
    return allowed


def all_paths(
    n: int, m: int, open_begin: bool = False, open_end: bool = False, band: int | float | None = None
) -> list[list[tuple[int, int]]]:
    """Every monotone and connected path through an n x m matrix, by plain recursion: for tiny sizes only."""
    allowed = allowed_cells(n, m, band)

    def continued(path: list[tuple[int, int]]) -> list[list[tuple[int, int]]]:
        i, j = path[-1]
        paths = []
        if i == n - 1 and (open_end or j == m - 1):
            paths.append(path)
        for following in ((i + 1, j + 1), (i + 1, j), (i, j + 1)):
            if following[0] < n and following[1] < m and allowed[following]:
                paths.extend(continued([*path, following]))
        return paths

    paths = []
    for j in range(m if open_begin else 1):
        if allowed[0, j]:
            paths.extend(continued([(0, j)]))
    return paths


def dtw_oracle(
    cost: np.ndarray, open_begin: bool = False, open_end: bool = False, band: int | float | None = None
) -> tuple[float, list[tuple[int, int]]]:
    """The distance and the path of one (n, m) cost; ties diagonal, then up (i - 1), then left (j - 1).

    Infinity and no path where the band allows none.
    """
    n, m = cost.shape
    allowed = allowed_cells(n, m, band)
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
            if allowed[i, j]:
                total[i, j] = float(cost[i, j]) + best
            came_from[i, j] = source
    end = m - 1
    if open_end:
        end = min(range(m), key=lambda j: total[n - 1, j])
    if math.isinf(total[n - 1, end]):
        return math.inf, []
    path = [(n - 1, end)]
    while (source := came_from[path[0]]) is not None:
        path.insert(0, source)
    return float(total[n - 1, end]), path


def soft_dtw_oracle(
    cost: np.ndarray,
    gamma: float,
    open_begin: bool = False,
    open_end: bool = False,
    band: int | float | None = None,
) -> tuple[float, np.ndarray]:
    """The SoftDTW value of one (n, m) cost and its soft alignment (n, m).

    The alignment comes from a forward and a backward recursion over log-weights: the weight of all paths through a
    cell, over the weight of all paths.
    """
    n, m = cost.shape
    weight = np.where(allowed_cells(n, m, band), -np.asarray(cost, np.float64) / gamma, -np.inf)
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
    if largest == -math.inf:
        return largest
    return largest + math.log(sum(math.exp(term - largest) for term in terms))


def lrprop_oracle(
    z: np.ndarray,
    steps: np.ndarray,
    mask: np.ndarray,
    video: np.ndarray,
    *,
    lambda_same: float = 1.0,
    lambda_ppp: float = 0.8,
    lambda_soft_dtw: float = 0.001,
    temperature: float = 0.1,
    variance: float = 10.0,
    gamma: float = 0.1,
    pairs: str = "mean",
    cost: str = "l2",
    training_ends: str = "fixed",
) -> dict[str, float]:
    """The loss of LRProp and its terms, one frame at a time: z (V, T, D), steps and mask (V, T), video (V,)."""
    views = [(z[v][mask[v]], steps[v][mask[v]].astype(float)) for v in range(len(z))]
    is_open = training_ends == "open"
    same, ppp, soft = [], [], []
    for a in range(len(views)):
        for b in range(a + 1, len(views)):
            (x, s), (y, t) = views[a], views[b]
            if video[a] == video[b]:
                same.append(
                    (_prior_kl(x, y, s, t, temperature, variance) + _prior_kl(y, x, t, s, temperature, variance)) / 2
                )
                continue
            d = np.array([[np.linalg.norm(p - q) ** (2 if cost == "sqeuclidean" else 1) for q in y] for p in x])
            path = dtw_oracle(d, is_open, is_open)[1]
            back = [(j, i) for i, j in path] if not is_open else dtw_oracle(d.T, True, True)[1]
            expected = np.array([t[min(j for i, j in path if i == k)] for k in range(len(x))])
            returned = np.array([s[min(i for j, i in back if j == k)] for k in range(len(y))])
            forth = _prior_kl(x, y, expected, t, temperature, variance)
            ppp.append((forth + _prior_kl(y, x, returned, s, temperature, variance)) / 2)
            values = [soft_dtw_oracle(c, gamma, is_open, is_open)[0] for c in ((d, d.T) if is_open else (d,))]
            soft.append(sum(values) / len(values))
    reduce = np.mean if pairs == "mean" else np.sum
    weighted = {"same": (lambda_same, same), "ppp": (lambda_ppp, ppp), "soft_dtw": (lambda_soft_dtw, soft)}
    terms = {name: float(reduce(values)) for name, (weight, values) in weighted.items() if weight}
    return {"loss": sum(weighted[name][0] * value for name, value in terms.items()), **terms}


def _prior_kl(
    x: np.ndarray, y: np.ndarray, expected: np.ndarray, steps: np.ndarray, temperature: float, variance: float
) -> float:
    """The mean over the frames of x of KL(Q || P): Q a Gaussian around the expected step, P the softmax of cosines."""
    total = 0.0
    for i in range(len(x)):
        p = np.array([math.exp(x[i] @ q / temperature) for q in y])
        # The largest exponent is taken out, as Q may otherwise be 0 / 0 far from every step.
        exponents = [-((expected[i] - step) ** 2) / (2 * variance) for step in steps]
        q = np.array([math.exp(exponent - max(exponents)) for exponent in exponents])
        p, q = p / p.sum(), q / q.sum()
        total += sum(q[j] * math.log(q[j] / p[j]) for j in range(len(y)) if q[j] > 0)
    return total / len(x)


# --- metrics ---------------------------------------------------------------------------------------------------------


def kendalls_tau_oracle(embeddings: list[np.ndarray], stride: int = 1, ties: str = "tau_b") -> tuple[float, int]:
    """The mean tau over the ordered pairs that have one, and how many have none."""
    taus = []
    for a, b in _ordered_pairs(embeddings):
        nearest = []
        for query in a[::stride]:
            distances = [_squared_distance(query, frame) for frame in b[::stride]]
            nearest.append(distances.index(min(distances)))
        taus.append(_tau(nearest, ties))
    undefined = sum(math.isnan(tau) for tau in taus)
    return _mean([tau for tau in taus if not math.isnan(tau)]), undefined


def _tau(nearest: list[int], ties: str) -> float:
    if ties == "tau_b":
        return float(kendalltau(range(len(nearest)), nearest).statistic) if len(nearest) > 1 else math.nan
    signs = [1 if nearest[t] > nearest[s] else -1 for t in range(len(nearest)) for s in range(t)]
    return _mean(signs)


def average_precision_oracle(embeddings: list[np.ndarray], labels: list[np.ndarray], k: int, stride: int = 1) -> float:
    """AP@K by sorting the whole pool for every frame; nan as soon as one video finds fewer than K frames."""
    values = []
    for i, (video, track) in enumerate(zip(embeddings, labels, strict=True)):
        shares = []
        for query, phase in zip(video[::stride], track[::stride], strict=True):
            pool: list[tuple[float, int, int]] = []
            for j in range(len(embeddings)):
                for frame, other in zip(embeddings[j][::stride], labels[j][::stride], strict=True):
                    if j != i and other >= 0:
                        pool.append((_squared_distance(query, frame), len(pool), other))
            if phase >= 0 and len(pool) < k:
                return math.nan
            if phase >= 0:
                shares.append(_mean([float(other == phase) for _, _, other in sorted(pool)[:k]]))
        if shares:
            values.append(_mean(shares))
    return _mean(values)


def phase_progression_oracle(
    train: list[np.ndarray], train_labels: list[np.ndarray], val: list[np.ndarray], val_labels: list[np.ndarray]
) -> float:
    """The mean R^2 over phases; least squares with an intercept, R^2 from its definition."""
    scores = []
    for phase in range(max(int(track.max()) for track in train_labels + val_labels)):
        x, y = _progress_table(train, train_labels, phase)
        u, v = _progress_table(val, val_labels, phase)
        if len(x) and len(u) > 1 and max(v) > min(v):
            # Centred first, so that of many solutions the one with the smallest slopes counts, whatever its intercept.
            centre, middle = np.mean(x, axis=0), _mean(y)
            weights = np.linalg.lstsq(np.array(x) - centre, np.array(y) - middle, rcond=None)[0]
            predicted = [float((row - centre) @ weights) + middle for row in np.array(u)]
            residual = sum((value - target) ** 2 for value, target in zip(predicted, v, strict=True))
            scores.append(1 - residual / sum((target - _mean(v)) ** 2 for target in v))
    return _mean(scores)


def _progress_table(
    videos: list[np.ndarray], labels: list[np.ndarray], phase: int
) -> tuple[list[list[float]], list[float]]:
    rows, targets = [], []
    for video, track in zip(videos, labels, strict=True):
        last = max((t for t in range(len(track)) if track[t] == phase), default=None)
        for t in range(len(track)):
            if last is not None and track[t] >= 0:
                rows.append([1.0, *(float(x) for x in video[t])])
                targets.append((t - last) / len(track))
    return rows, targets


def path_scores_oracle(
    embeddings: list[np.ndarray], labels: list[np.ndarray], truths: list[np.ndarray], ends: tuple[bool, bool]
) -> tuple[float, float]:
    """DTW accuracy and canonical error over all ordered pairs."""
    videos = list(zip(embeddings, labels, truths, strict=True))
    accuracies, errors = [], []
    for (a, phases_a, times_a), (b, phases_b, times_b) in _ordered_pairs(videos):
        cost = np.array([[math.sqrt(_squared_distance(x, y)) for y in b] for x in a])
        path = dtw_oracle(cost, *ends)[1]
        agree = [float(phases_a[i] == phases_b[j]) for i, j in path if phases_a[i] >= 0 and phases_b[j] >= 0]
        gaps = [abs(times_a[i] - times_b[j]) for i, j in path]
        accuracies.append(_mean(agree))
        errors.append(_mean([gap for gap in gaps if not math.isnan(gap)]))
    defined = [[value for value in values if not math.isnan(value)] for values in (accuracies, errors)]
    return _mean(defined[0]), _mean(defined[1])


def _ordered_pairs(items: list[Any]) -> list[tuple[Any, Any]]:
    return [(items[i], items[j]) for i in range(len(items)) for j in range(len(items)) if i != j]


def _squared_distance(x: np.ndarray, y: np.ndarray) -> float:
    return sum((float(a) - float(b)) ** 2 for a, b in zip(x, y, strict=True))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan
