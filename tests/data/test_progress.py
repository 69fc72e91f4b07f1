from __future__ import annotations

import io

import pytest
from rich.console import Console

from lrprop.data import progress
from lrprop.data.progress import tracked


@pytest.mark.parametrize(("count", "few", "shown"), [(0, 0, False), (3, 3, False), (4, 3, True), (1, 0, True)])
def test_many_items_show_a_bar(monkeypatch: pytest.MonkeyPatch, count: int, few: int, shown: bool) -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True)
    monkeypatch.setattr(progress, "Console", lambda stderr: console)
    assert list(tracked(iter(range(count)), "Doing it", few)) == list(range(count))
    assert ("Doing it" in stream.getvalue()) == shown
