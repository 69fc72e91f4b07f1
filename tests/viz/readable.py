"""Whether a figure can be read: every text inside the picture, none upon another."""

from __future__ import annotations

from itertools import combinations

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox


def texts_of(figure: Figure) -> list[Text]:
    """What is written, as it is laid out: titles, labels, legends, and the ticks that are within their axes."""
    FigureCanvasAgg(figure).draw()
    found = [text for text in figure.findobj(Text) if isinstance(text, Text) and text.get_visible() and text.get_text()]
    axes = [one for one in figure.findobj(Axes) if isinstance(one, Axes)]
    hidden = {label for one in axes for label in _tick_labels(one)} - {label for one in axes for label in _drawn(one)}
    return [text for text in found if text not in hidden]


def written(figure: Figure) -> list[str]:
    """The words of it all."""
    return [text.get_text() for text in texts_of(figure)]


def trouble(figure: Figure) -> list[tuple[str, str]]:
    """Texts that leave the picture, and pairs of texts of which one covers the other."""
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts_of(figure)]
    inside = Bbox.from_bounds(-0.5, -0.5, figure.bbox.width + 1, figure.bbox.height + 1)
    outside = [(text, "the border") for text, box in boxes if not _holds(inside, box)]
    return outside + [(a, b) for (a, box), (b, other) in combinations(boxes, 2) if _overlap(box, other)]


def _tick_labels(axes: Axes) -> list[Text]:
    ticks = [tick for axis in (axes.xaxis, axes.yaxis) for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks())]
    return [label for tick in ticks for label in (tick.label1, tick.label2)]


def _drawn(axes: Axes) -> list[Text]:
    """The labels of the ticks that matplotlib draws: it keeps some beyond the ends of an axis."""
    if not axes.axison:
        return []
    ticks = [tick for axis in (axes.xaxis, axes.yaxis) for tick in axis._update_ticks()]  # type: ignore[union-attr]
    return [label for tick in ticks for label in (tick.label1, tick.label2)]


def _holds(outer: Bbox, inner: Bbox) -> bool:
    return bool(outer.x0 <= inner.x0 and outer.y0 <= inner.y0 and inner.x1 <= outer.x1 and inner.y1 <= outer.y1)


def _overlap(box: Bbox, other: Bbox) -> bool:
    """By more than a pixel."""
    both = Bbox.intersection(box, other)
    return both is not None and both.width > 1 and both.height > 1
