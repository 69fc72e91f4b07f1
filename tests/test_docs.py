"""The examples of the documentation run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

DOCS = Path(__file__).parents[1] / "docs"


@pytest.mark.parametrize("page", ["alignment.md"])
def test_the_examples_of_a_page_run_as_one_program(page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    torch.manual_seed(0)
    names: dict[str, object] = {}
    blocks = list(re.finditer(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))
    assert blocks
    for block in blocks:
        lines_before = text[: block.start(1)].count("\n")  # so that a traceback shows the line of the page
        exec(compile("\n" * lines_before + block[1], page, "exec"), names)
