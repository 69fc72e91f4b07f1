"""The one pass over all distances: exact, the same for equal frames, however it is cut into tiles and threads."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import DTypeLike
from scipy.spatial.distance import cdist

from lrprop.alignment import dtw, threads
from lrprop.metrics.functional import alignment_scores, average_precision_at_k, dtw_accuracy, kendalls_tau
from lrprop.metrics.functional import distances as distances_module
from lrprop.metrics.functional.distances import Tile, read_distances, video_bounds
from lrprop.metrics.functional.retrieval import NearestFrames
from tests.metrics.embedded_samples import Samples, random_samples
from tests.oracle import average_precision_oracle, kendalls_tau_oracle, path_scores_oracle

SEEDS = st.integers(0, 2**32 - 1)
EXAMPLES = settings(max_examples=30, deadline=None)


class Collector:
    """A reader that keeps every distance, (F, F), nan within a video."""

    def __init__(self, used: list[np.ndarray], precision: DTypeLike = np.float64) -> None:
        self.used = used
        self.precision = precision
        self.bounds = video_bounds(used)
        self.squares = np.full((self.bounds[-1], self.bounds[-1]), np.nan)

    def read(self, tile: Tile) -> None:
        rows = slice(self.bounds[tile.first], self.bounds[tile.first + 1])
        columns = slice(self.bounds[tile.start], self.bounds[tile.stop])
        assert np.isnan(self.squares[rows, columns]).all(), "a distance is read twice"
        self.squares[rows, columns] = tile.squares
        self.squares[columns, rows] = tile.squares.T

    def found(self) -> None:
        pass

    def join(self, found: None) -> None:
        pass


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def _tied(seed: int, videos: int, dtype: str, dimension: int = 5) -> Samples:
    """Videos that repeat a few frames, some of them but one rounding apart."""
    samples = random_samples(seed, videos)
    rng = np.random.default_rng(seed)
    few = rng.normal(size=(6, dimension)).astype(dtype)
    few[3:] = np.nextafter(few[:3], few[:3] + 1)
    samples.embeddings = [few[rng.integers(0, 6, size=len(video))] for video in samples.embeddings]
    return samples


@EXAMPLES
@given(SEEDS, st.integers(2, 6), st.sampled_from([1, 7, 8, 9, 20]), st.sampled_from(["float32", "float64"]))
def test_every_reader_gets_the_distances_of_its_frames(seed: int, count: int, dimension: int, dtype: str) -> None:
    rng = np.random.default_rng(seed)
    videos = [rng.normal(size=(n, dimension)).astype(dtype) for n in rng.integers(1, 12, size=count)]
    masks = [[rng.random(len(video)) < share for video in videos] for share in (0.5, 0.9)]
    readers = [Collector(masks[0]), Collector(masks[1], np.float32)]
    read_distances(videos, readers)
    for reader in readers:
        frames = np.concatenate([video[mask] for video, mask in zip(videos, reader.used, strict=True)])
        video_of = np.repeat(np.arange(count), np.diff(reader.bounds))
        expected = np.where(video_of[:, None] == video_of, np.nan, cdist(frames, frames, "sqeuclidean"))
        np.testing.assert_allclose(reader.squares, expected, rtol=1e-14)


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_distances_are_no_more_precise_than_frames_and_readers_ask(precision: str) -> None:
    videos = [np.random.default_rng(seed).normal(size=(40, 70)).astype("float32") for seed in range(2)]
    reader = Collector([np.ones(40, dtype=bool)] * 2, precision)
    read_distances(videos, [reader])
    error = np.abs(reader.squares[:40, 40:] / cdist(videos[0], videos[1], "sqeuclidean") - 1).max()
    assert (error < 1e-14) == (precision == "float64")
    assert error < 73 / 2**24


@pytest.mark.parametrize("dimension", [3, 128])
def test_equal_frames_are_equally_far_wherever_they_stand(dimension: int) -> None:
    rng = np.random.default_rng(0)
    query, repeated = rng.normal(size=(9, dimension)), np.repeat(rng.normal(size=(1, dimension)), 37, axis=0)
    videos = [np.repeat(query, 5, axis=0), repeated[:7], repeated]
    reader = Collector([np.ones(len(video), dtype=bool) for video in videos])
    read_distances(videos, [reader])
    squares = reader.squares[:45, 45:].reshape(9, 5, 44)
    assert (squares == squares[:, :1, :1]).all()
    assert (reader.squares[45:52, 52:] == 0).all()


@EXAMPLES
@given(SEEDS, st.integers(2, 5), st.sampled_from(["float32", "float64"]))
def test_ties_and_near_ties_are_those_of_the_oracle(seed: int, videos: int, dtype: str) -> None:
    samples = _tied(seed, videos, dtype, dimension=1)
    columns = samples.embeddings, samples.labels
    tau, undefined = kendalls_tau(samples.embeddings, return_undefined=True)
    expected, count = kendalls_tau_oracle(samples.embeddings)
    assert tau == pytest.approx(expected, abs=1e-12, nan_ok=True)
    assert undefined == count
    for k, value in average_precision_at_k(*columns, (1, 3, 9)).items():
        assert value == pytest.approx(average_precision_oracle(*columns, k), abs=1e-12, nan_ok=True)


@EXAMPLES
@given(SEEDS, st.integers(2, 5), st.booleans(), st.booleans())
def test_tied_paths_are_those_of_the_oracle(seed: int, videos: int, open_begin: bool, open_end: bool) -> None:
    """On a line of whole numbers many paths cost the same, to the last bit."""
    samples = random_samples(seed, videos)
    rng = np.random.default_rng(seed)
    samples.embeddings = [rng.integers(0, 3, size=(len(video), 1)).astype("float32") for video in samples.embeddings]
    columns = samples.embeddings, samples.labels, samples.truths
    expected = path_scores_oracle(*columns, (open_begin, open_end))
    assert alignment_scores(*columns, open_begin, open_end) == pytest.approx(expected, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("ends", [(False, False), (True, False), (False, True), (True, True)])
def test_dtw_accuracy_follows_the_paths_of_dtw(ends: tuple[bool, bool]) -> None:
    samples = _tied(3, 6, "float64")
    shares = []
    for a, phases_a in zip(samples.embeddings, samples.labels, strict=True):
        for b, phases_b in zip(samples.embeddings, samples.labels, strict=True):
            cost = torch.from_numpy(cdist(a, b))[None]
            rows, columns = dtw(cost, open_begin=ends[0], open_end=ends[1]).path(0).numpy().T
            known = (phases_a[rows] >= 0) & (phases_b[columns] >= 0)
            if a is not b and known.any():
                shares.append((phases_a[rows] == phases_b[columns])[known].mean())
    assert dtw_accuracy(samples.embeddings, samples.labels, *ends) == pytest.approx(np.mean(shares), abs=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("scale", [1.0, 2.0**-70, 2.0**70])
def test_the_nearest_frames_are_those_of_a_stable_sort(dtype: str, scale: float) -> None:
    """Among equals on a grid, a rounding apart, and where squares leave the range of float32."""
    rng = np.random.default_rng(0)
    sizes = [9, 30, 4, 60]
    videos = [(rng.integers(0, 3, size=(n, 2)) * scale).astype(dtype) for n in sizes]
    videos[1] = np.nextafter(videos[1], np.ones_like(videos[1]))
    frames = np.concatenate(videos).astype(float)
    squares = np.square(frames[:, None] - frames).sum(-1)
    video_of = np.repeat(np.arange(4), sizes)
    squares[video_of[:, None] == video_of] = np.inf
    expected = np.argsort(squares, axis=1, kind="stable")
    ks = (1, 3, 20)
    reader = NearestFrames(videos, [np.zeros(n, dtype=int) for n in sizes], ks)
    read_distances(videos, [reader])
    for k in ks:
        np.testing.assert_array_equal(np.sort(reader.nearest()[:, :k]), np.sort(expected[:, :k]))


@pytest.mark.parametrize("tile", [1, 400, 2**19])
@pytest.mark.usefixtures("two_threads")
def test_tiles_and_threads_change_nothing(tile: int, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = _tied(7, 9, "float32")
    columns = samples.embeddings, samples.labels
    whole = kendalls_tau(columns[0]), average_precision_at_k(*columns), dtw_accuracy(*columns)
    monkeypatch.setattr(distances_module, "_TILE", tile)
    monkeypatch.setattr(threads, "_WORTH_THREADS", 0)
    assert whole == (kendalls_tau(columns[0]), average_precision_at_k(*columns), dtw_accuracy(*columns))
