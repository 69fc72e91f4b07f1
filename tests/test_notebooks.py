"""The notebooks: each runs from its first cell to its last, and is stored as it was written, without output."""

from __future__ import annotations

import ast
import json
import shutil
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError
from notebooks.execute import NOTEBOOKS, execute

ROOT = Path(__file__).parents[1]
NAMES = sorted(file.name for file in NOTEBOOKS.glob("*.ipynb"))
# All that a notebook computes with is lrprop's; the rest shows pictures and names files.
ALLOWED = {"lrprop", "IPython", "itertools", "numpy", "pandas", "pathlib", "shutil", "torch", "warnings"}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the notebooks beside what they read, so that nothing is written into the repository."""
    root = tmp_path_factory.mktemp("house")
    shutil.copytree(NOTEBOOKS, root / "notebooks", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("experiments", "docs"):
        (root / name).symlink_to(ROOT / name)
    return root


@pytest.mark.parametrize("name", NAMES)
def test_runs_from_beginning_to_end(house: Path, name: str) -> None:
    executed = nbformat.read(execute(house / "notebooks" / name, house / "runs/notebooks"), as_version=4)
    cells = [cell for cell in executed.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in cells)
    pictures = [output for cell in cells for output in cell.outputs if "image/png" in output.get("data", {})]
    assert len(pictures) >= 3
    assert not (NOTEBOOKS / "runs").exists()


def test_there_are_five() -> None:
    assert [name[:2] for name in NAMES] == ["01", "02", "03", "04", "05"]


@pytest.mark.parametrize("name", NAMES)
def test_stored_without_output(name: str) -> None:
    text = (NOTEBOOKS / name).read_text()
    notebook = json.loads(text)
    for cell in notebook["cells"]:
        assert cell["metadata"] == {}
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None
        assert all(line.endswith("\n") for line in cell["source"][:-1]), "a line of the source is a line of the file"
    assert notebook["metadata"].keys() == {"kernelspec", "language_info"}
    assert text == json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


@pytest.mark.parametrize("name", NAMES)
def test_no_logic_of_its_own(name: str) -> None:
    cells = nbformat.read(NOTEBOOKS / name, as_version=4).cells
    code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    tree = ast.parse("\n".join(line for line in code.splitlines() if not line.startswith("%")))
    for node in ast.walk(tree):
        assert not isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Lambda | ast.If | ast.While), ast.unparse(node)
        if isinstance(node, ast.Import):
            assert {alias.name.split(".")[0] for alias in node.names} <= ALLOWED
        if isinstance(node, ast.ImportFrom):
            assert str(node.module).split(".")[0] in ALLOWED


def write_notebook(file: Path, code: str) -> Path:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    nbformat.write(notebook, file)
    return file


def test_the_kernel_is_this_interpreter(tmp_path: Path) -> None:
    source = write_notebook(tmp_path / "a.ipynb", "import os, sys\nprint(sys.executable, os.getcwd(), sep='\\n')")
    before = source.read_bytes()
    (cell,) = nbformat.read(execute(source, tmp_path / "out"), as_version=4).cells
    assert cell.outputs[0].text.splitlines() == [sys.executable, str(tmp_path)]
    assert source.read_bytes() == before


def test_an_exception_fails(tmp_path: Path) -> None:
    source = write_notebook(tmp_path / "a.ipynb", "raise RuntimeError('a cell is broken')")
    with pytest.raises(CellExecutionError, match="a cell is broken"):
        execute(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()
