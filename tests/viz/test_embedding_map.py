"""Maps of embeddings: near frames stay near, phases differ by colour and mark, times by lightness."""

from __future__ import annotations

import numpy as np
import pytest

from lrprop.batch import EmbeddedVideo
from lrprop.viz import draw_embedding_map
from lrprop.viz.embedding_map import embedding_map
from tests.viz.readable import trouble, written


def video(name: str, n: int = 12, truth: bool = True, labels: bool = True) -> EmbeddedVideo:
    """Two far groups of frames."""
    rng = np.random.default_rng(len(name))
    group = np.arange(n) * 2 // n
    embeddings = rng.normal(size=(n, 3)) * 0.01 + np.array([[0, 0, 0], [9, 9, 9]])[group]
    phases = np.where(np.arange(n) == 0, -1, group)
    return EmbeddedVideo(name, embeddings, phases if labels else None, np.linspace(0, 1, n) ** 2 if truth else None)


def test_groups_stay_apart_and_the_seed_decides() -> None:
    videos = [video("a"), video("bb", 10)]
    places = embedding_map(videos)
    assert places.shape == (22, 2)
    group = np.concatenate([np.arange(12) * 2 // 12, np.arange(10) * 2 // 10])
    centres = [places[group == k].mean(0) for k in (0, 1)]
    assert ((np.linalg.norm(places - centres[0], axis=1) > np.linalg.norm(places - centres[1], axis=1)) == group).all()
    np.testing.assert_array_equal(places, embedding_map(videos))


def test_phases_and_times_of_each_method() -> None:
    figure = draw_embedding_map({"LRProp": [video("a"), video("bb")], "SCL": [video("a"), video("bb")]})
    panels = [axes for axes in figure.axes if axes.get_xlabel()]
    titles = [axes.get_title("left") for axes in panels]
    assert titles == ["LRProp: phases", "LRProp: time", "SCL: phases", "SCL: time"]
    dots = [line for line in panels[0].lines if line.get_linestyle() == "None"]
    assert [(line.get_label(), len(line.get_xydata())) for line in dots] == [  # type: ignore[arg-type]
        ("no phase", 2),
        ("phase 0", 10),
        ("phase 1", 12),
    ]
    assert len({line.get_marker() for line in dots}) == 3
    expected = np.concatenate([100 * np.linspace(0, 1, 12) ** 2] * 2)
    np.testing.assert_allclose(np.asarray(panels[1].collections[0].get_array()), expected)
    assert "canonical time, %" in written(figure)
    assert trouble(figure) == []


def test_without_labels_and_truth() -> None:
    figure = draw_embedding_map({"x": [video("a", truth=False, labels=False), video("bb")]})
    assert {"no phase", "share of the video, %"} <= set(written(figure))
    share = np.asarray(figure.axes[1].collections[0].get_array())
    np.testing.assert_allclose(share[:12], 100 * np.linspace(0, 1, 12))


def test_too_little_to_draw() -> None:
    with pytest.raises(ValueError, match="methods is empty"):
        draw_embedding_map({})
    with pytest.raises(ValueError, match="videos have 4 frames in all: t-SNE needs at least 5"):
        draw_embedding_map({"x": [video("a", 4)]})
    with pytest.raises(ValueError, match="videos have 0 frames"):
        draw_embedding_map({"x": []})
