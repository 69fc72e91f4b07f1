"""The slow, obvious code that judges every fast one: loops only, numpy float64, written from the definitions.

Speed and memory do not count here. Nothing in this file imports lrprop.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
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


# --- objectives: GTA -------------------------------------------------------------------------------------------------


def smooth_minimum_dtw_oracle(cost: np.ndarray, gamma: float) -> np.ndarray:
    """The costs accumulated with a minimum that is the softmax-weighted mean of the predecessors, cell by cell."""
    rows, columns = cost.shape
    total = np.zeros((rows, columns))
    for i in range(rows):
        for j in range(columns):
            before = [(i, j - 1), (i - 1, j - 1), (i - 1, j)]
            values = np.array([total[cell] for cell in before if min(cell) >= 0])
            if len(values):
                weights = np.exp(-(values - values.min()) / gamma)
                total[i, j] = (weights * values).sum() / weights.sum()
            total[i, j] += cost[i, j]
    return total


def gta_oracle(
    z: np.ndarray,
    mask: np.ndarray,
    video: np.ndarray,
    *,
    weight: float = 0.1,
    temperature: float = 0.1,
    gamma: float = 0.1,
    label_smoothing: float = 0.1,
    cycle_as_logits: bool = False,
) -> dict[str, float]:
    """The loss of GTA and its terms, pair by pair on the real frames alone."""
    costs, cycles = [], []
    for a in range(len(z)):
        for b in range(a + 1, len(z)):
            if video[a] == video[b]:
                continue
            x, y = z[a][mask[a]], z[b][mask[b]]
            totals = []
            for first, second in ((x, y), (y, x)):
                chances = np.exp(first @ second.T / temperature)
                totals.append(smooth_minimum_dtw_oracle(-np.log(chances / chances.sum(0)), gamma))
            costs.append(totals[0][-1, -1] + totals[1][-1, -1])
            to_x, to_y = (np.exp(-(total - total.min(0))) for total in totals)
            cycle = ((to_x / to_x.sum(0)) @ (to_y / to_y.sum(0))).T  # row i: where the cycle from frame i ends
            n = len(x)
            chances = np.exp(cycle) if cycle_as_logits else cycle
            logs = np.log(chances / chances.sum(1, keepdims=True))
            target = (1 - label_smoothing) * np.eye(n) + label_smoothing / n
            cycles.append(-(target * logs).sum() / n)
    alignment, cycle_loss = _mean(costs), _mean(cycles)
    return {"loss": cycle_loss + weight * alignment, "smooth_dtw": alignment, "cycle": cycle_loss}


# --- objectives: LAC -------------------------------------------------------------------------------------------------


def local_alignments(similarity: np.ndarray, opening: np.ndarray, extending: np.ndarray) -> dict[tuple[int, int], Any]:
    """The scores of every local alignment, by the cell of its last match: for tiny sizes only.

    An alignment is a sequence of matches and gaps that begins and ends with a match; a gap that advances in the columns
    may be followed by one that advances in the rows, not the other way round.
    """
    n, m = similarity.shape
    scores: dict[tuple[int, int], Any] = {(i, j): [] for i in range(n) for j in range(m)}

    def go_on(i: int, j: int, state: str, score: float) -> None:
        if state == "match":
            scores[i, j].append(score)
        if i + 1 < n and j + 1 < m:
            go_on(i + 1, j + 1, "match", score + similarity[i + 1, j + 1])
        if j + 1 < m and state != "rows":
            penalty = extending if state == "columns" else opening
            go_on(i, j + 1, "columns", score - penalty[i, j + 1])
        if i + 1 < n:
            penalty = extending if state == "rows" else opening
            go_on(i + 1, j, "rows", score - penalty[i + 1, j])

    for i in range(n):
        for j in range(m):
            go_on(i, j, "match", similarity[i, j])
    return scores


def lac_oracle(
    z: np.ndarray,
    steps: np.ndarray,
    mask: np.ndarray,
    video: np.ndarray,
    opening: np.ndarray,
    extending: np.ndarray,
    *,
    weight: float = 0.01,
    temperature: float = 0.8,
    variance: float = 10.0,
) -> dict[str, float]:
    """The loss of LAC and its terms, pair by pair on the real frames alone, alignment by alignment."""
    contrasts, scores = [], []
    for a in range(len(z)):
        for b in range(a + 1, len(z)):
            if video[a] != video[b]:
                continue
            x, y = z[a][mask[a]], z[b][mask[b]]
            distances = np.array([[_squared_distance(p, q) for q in y] for p in x])
            every = [score for ends in local_alignments(distances, opening, extending).values() for score in ends]
            total = temperature * math.log(sum(math.exp(score / temperature) for score in every))
            scores.append(total / (len(x) * len(y)))
            divergence = _prior_kl(x, y, steps[a][mask[a]], steps[b][mask[b]], temperature, variance)
            contrasts.append(divergence / len(y))
    contrast, alignment = _mean(contrasts), _mean(scores)
    return {"loss": contrast + weight * alignment, "contrast": contrast, "local_alignment": alignment}


# --- objectives: LAV and VAVA ----------------------------------------------------------------------------------------


def lav_oracle(
    z: np.ndarray,
    steps: np.ndarray,
    lengths: np.ndarray,
    mask: np.ndarray,
    video: np.ndarray,
    *,
    alpha: float = 0.5,
    sigma: float = 10.0,
    margin: float = 2.0,
    gamma: float = 0.1,
) -> tuple[dict[str, float], np.ndarray]:
    """The loss of LAV and its terms, and the gradient of the loss in z (V, T, D), frame pair by frame pair."""
    pairs = [(a, b) for a in range(len(z)) for b in range(a + 1, len(z)) if video[a] != video[b]]
    gradient, soft_terms, idm_terms = np.zeros_like(z), [], []
    for a, b in pairs:
        real = [np.flatnonzero(mask[v]) for v in (a, b)]
        frames = (len(real[0]) + len(real[1])) / 2
        cost = np.array([[_squared_distance(z[a, i], z[b, j]) for j in real[1]] for i in real[0]])
        value, alignment = soft_dtw_oracle(cost, gamma)
        soft_terms.append(value / frames)
        for row, i in enumerate(real[0]):
            for column, j in enumerate(real[1]):
                pull = 2 * alignment[row, column] * (z[a, i] - z[b, j]) / frames / len(pairs)
                gradient[a, i] += pull
                gradient[b, j] -= pull
        idm = 0.0
        for v, own in zip((a, b), real, strict=True):
            for i in own:
                for j in own:
                    gap = abs(steps[v, i] / lengths[v] - steps[v, j] / lengths[v])
                    squared = _squared_distance(z[v, i], z[v, j])
                    slope = 1.0
                    if gap > sigma / lengths[v]:
                        idm += (1 + gap**2) * max(0.0, margin - squared)
                        slope = -(1 + gap**2) if squared < margin else 0.0
                    else:
                        idm += squared
                    pull = 2 * alpha * slope * (z[v, i] - z[v, j]) / frames / len(pairs)
                    gradient[v, i] += pull
                    gradient[v, j] -= pull
        idm_terms.append(idm / frames)
    soft, spread = _mean(soft_terms), _mean(idm_terms)
    return {"loss": soft + alpha * spread, "soft_dtw": soft, "contrastive_idm": spread}, gradient


def sinkhorn_oracle(kernel: np.ndarray, iterations: int) -> np.ndarray:
    """A positive kernel (n, m) whose columns and then rows are scaled to uniform marginals, in the plain domain."""
    n, m = kernel.shape
    plan = [[float(value) for value in row] for row in kernel]
    for _ in range(iterations):
        for j in range(m):
            total = sum(plan[i][j] for i in range(n))
            for i in range(n):
                plan[i][j] *= 1 / m / total
        for i in range(n):
            total = sum(plan[i])
            plan[i] = [value * (1 / n / total) for value in plan[i]]
    return np.array(plan)


def vava_oracle(
    z: np.ndarray,
    mask: np.ndarray,
    video: np.ndarray,
    *,
    phi: float = 0.999,
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
    iterations: int = 20,
) -> dict[str, float]:
    """The loss of VAVA and all it reports, cell by cell; frame 0 of either side is the virtual one."""
    names = ("transport", "intra", "inter", "structure", "divergence")
    rows: list[list[float]] = []
    for a in range(len(z)):
        for b in range(a + 1, len(z)):
            if video[a] == video[b]:
                continue
            x, y = z[a][mask[a]], z[b][mask[b]]
            n, m = len(x), len(y)
            cost = np.full((n + 1, m + 1), zeta)
            for i in range(n):
                for j in range(m):
                    cost[i + 1, j + 1] = _squared_distance(x[i], y[j])
            prior, structure = _vava_priors(cost, phi, virtual_distance, prior_width)
            scale = lambda_prior * n * m / 4
            kernel = prior * np.exp((lambda_structure * (n + m) * structure - cost) / scale)
            plan = sinkhorn_oracle(kernel, iterations)
            inner, real = plan[1:, 1:], cost[1:, 1:]
            best = _mean([real[i, inner[i].argmax()] for i in range(n)])
            best += _mean([real[inner[:, j].argmax(), j] for j in range(m)])
            worst = _mean([real[i, inner[i].argmin()] for i in range(n)])
            worst += _mean([real[inner[:, j].argmin(), j] for j in range(m)])
            intra = (_vava_intra(x, margin, window) + _vava_intra(y, margin, window)) / 2
            inter = math.log(1 + math.exp((best - worst) / temperature))
            divergence = float((plan * np.log(plan / (prior / prior.sum()))).sum())
            rows.append([float((plan * cost).sum()), intra, inter, float((plan * structure).sum()), divergence])
    terms = {name: _mean(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}
    return {"loss": terms["transport"] + lambda_intra * terms["intra"] + lambda_inter * terms["inter"], **terms}


def _vava_priors(
    cost: np.ndarray, phi: float, virtual_distance: float, prior_width: float
) -> tuple[np.ndarray, np.ndarray]:
    n, m = cost.shape
    frame = math.sqrt(1 / n**2 + 1 / m**2)
    prior, structure = np.zeros((n, m)), np.zeros((n, m))
    for i in range(n):
        for j in range(m):
            if i > 0 and j > 0:
                diagonal = abs((i + 1) / n - (j + 1) / m)
                nearest, other_nearest = cost[i, 1:].argmin() + 1, cost[1:, j].argmin() + 1
                across, along = abs(j - nearest) / m, abs(i - other_nearest) / n
            else:
                diagonal = across = along = 0.0 if i == j else 1.5 * 2 * virtual_distance / (n + m)
            consistency = math.exp(-((diagonal / frame) ** 2) / (2 * prior_width**2))
            optimality = math.exp(-(((across + along) / 2 / frame) ** 2) / (2 * prior_width**2))
            prior[i, j] = phi * consistency + (1 - phi) * optimality
            structure[i, j] = phi / (1 + diagonal**2) + (1 - phi) / (1 + (across**2 + along**2) / 2)
    return prior, structure


def _vava_intra(x: np.ndarray, margin: float, window: int) -> float:
    total = 0.0
    for i in range(len(x)):
        for j in range(len(x)):
            squared = _squared_distance(x[i], x[j])
            total += max(0.0, margin - squared) if abs(i - j) > window else squared / (1 + (i - j) ** 2)
    return total / len(x) ** 2


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


# --- scl, tcc, tcn ---------------------------------------------------------------------------------------------------


def scl_oracle(
    z: np.ndarray,
    steps: np.ndarray,
    mask: np.ndarray,
    video: np.ndarray,
    *,
    temperature: float = 0.1,
    variance: float = 10.0,
    carl_epsilon: bool = False,
) -> float:
    """The loss of SCL, one frame at a time: z (V, T, D), steps and mask (V, T), video (V,)."""
    per_direction, frames = [], []
    for a, b in _ordered_pairs(list(range(len(z)))):
        if video[a] != video[b]:
            continue
        x, y = z[a][mask[a]], z[b][mask[b]]
        s, t = steps[a][mask[a]].astype(float), steps[b][mask[b]].astype(float)
        frames.append(len(x))
        if not carl_epsilon:
            per_direction.append(_prior_kl(x, y, s, t, temperature, variance))
            continue
        divergences = []
        for i in range(len(x)):
            total = sum(math.exp(x[i] @ other / temperature) for other in y)
            total += sum(1e-6 * math.exp(x[i] @ padded / temperature) for padded in z[~mask])
            q = [math.exp(-((s[i] - step) ** 2) / (2 * variance)) for step in t]
            q = [weight / sum(q) for weight in q]
            p = [math.exp(x[i] @ other / temperature) / total + 1e-6 for other in y]
            divergences.append(sum(q[j] * math.log(q[j] / p[j]) for j in range(len(y)) if q[j] > 0))
        per_direction.append(_mean(divergences))
    if not carl_epsilon:
        return _mean(per_direction)
    return sum(value * count for value, count in zip(per_direction, frames, strict=True)) / sum(frames)


def tcc_oracle(
    z: np.ndarray,
    steps: np.ndarray,
    mask: np.ndarray,
    lengths: np.ndarray,
    video: np.ndarray,
    *,
    loss_type: str = "regression_mse_var",
    temperature: float = 0.1,
    divide_by_dimension: bool = True,
    variance_lambda: float = 0.001,
    huber_delta: float = 0.1,
    label_smoothing: float = 0.1,
) -> float:
    """The loss of TCC, one cycle at a time."""
    scale = temperature * (z.shape[2] if divide_by_dimension else 1)
    per_pair = []
    for a, b in _ordered_pairs(list(range(len(z)))):
        if video[a] == video[b]:
            continue
        x, y, times = z[a][mask[a]], z[b][mask[b]], steps[a][mask[a]] / lengths[a]
        losses = []
        for i in range(len(x)):
            alpha = _nearness(x[i], y, scale)
            neighbour = sum(alpha[j] * y[j] for j in range(len(y)))
            beta = _nearness(neighbour, x, scale)
            arrival = sum(beta[k] * times[k] for k in range(len(x)))
            variance = sum(beta[k] * (times[k] - arrival) ** 2 for k in range(len(x)))
            error = abs(times[i] - arrival)
            if loss_type == "regression_mse":
                losses.append(error**2)
            elif loss_type == "regression_mse_var":
                losses.append(error**2 / variance + variance_lambda * math.log(variance))
            elif loss_type == "regression_huber":
                is_near = error <= huber_delta
                losses.append(error**2 / 2 if is_near else huber_delta * (error - huber_delta / 2))
            else:
                target = [label_smoothing / len(x) + (1 - label_smoothing) * (k == i) for k in range(len(x))]
                losses.append(-sum(target[k] * math.log(beta[k]) for k in range(len(x))))
        per_pair.append(_mean(losses))
    return _mean(per_pair)


def _nearness(query: np.ndarray, frames: np.ndarray, scale: float) -> list[float]:
    weights = [math.exp(-_squared_distance(query, frame) / scale) for frame in frames]
    return [weight / sum(weights) for weight in weights]


def tcn_oracle(
    z: np.ndarray,
    steps: np.ndarray,
    positives: list[dict[int, int]],
    *,
    window: int = 5,
    reg_lambda: float = 0.002,
    temperature: float = 1.0,
) -> float:
    """The loss of TCN for given positives: one dictionary a view, from an anchor's index to that of its positive."""
    per_view = []
    for v in range(len(z)):
        losses = []
        for anchor, positive in positives[v].items():
            choices = [positive]
            for other_anchor, other in positives[v].items():
                if other_anchor != anchor and abs(steps[v][anchor] - steps[v][other]) > window:
                    choices.append(other)
            weights = [math.exp(z[v][anchor] @ z[v][choice] / temperature) for choice in choices]
            squares = z[v][anchor] @ z[v][anchor] + z[v][positive] @ z[v][positive]
            losses.append(-math.log(weights[0] / sum(weights)) + 0.25 * reg_lambda * squares)
        if losses:
            per_view.append(_mean(losses))
    return _mean(per_view)


# --- files -----------------------------------------------------------------------------------------------------------


def crc32c_oracle(data: bytes) -> int:
    """CRC-32C by its definition: division by the polynomial, one bit at a time."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0x82F63B78 if crc & 1 else crc >> 1
    return crc ^ 0xFFFFFFFF


# --- long videos -----------------------------------------------------------------------------------------------------


def windowed_oracle(
    frames: np.ndarray, starts: Sequence[int], length: int, encode: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Each frame (D,) as encoded in the window where it lies farthest from an edge, in the earlier of two that tie."""
    rows = []
    for i in range(len(frames)):
        best = max(starts, key=lambda start: min(i - start, start + length - 1 - i))
        rows.append(encode(frames[best : best + length])[i - best])
    return np.stack(rows)
