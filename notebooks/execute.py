"""Executes notebooks, and writes copies of them with their pictures: `make notebooks`."""

from __future__ import annotations

import os
import time
from pathlib import Path

import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parent
TIMEOUT = 600  # seconds a cell


def execute(notebook: Path, out: Path) -> Path:
    """Executes a notebook in its own folder, in the interpreter that runs this.

    Args:
        notebook: the file, stored without output.
        out: the folder of the executed copy.

    Returns:
        The executed copy.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell failed; its traceback is in the message.
    """
    content = nbformat.read(notebook, as_version=4)
    # Without folders to look in there is but the kernel of this interpreter, whatever else is installed.
    specs = KernelSpecManager(kernel_dirs=[])
    kernel = AsyncKernelManager(kernel_name="python3", kernel_spec_manager=specs)
    place = {"metadata": {"path": str(notebook.parent)}}
    quiet = ["--log-level=ERROR"]
    client = NotebookClient(content, km=kernel, timeout=TIMEOUT, resources=place, extra_arguments=quiet)
    client.execute(env=os.environ | {"OMP_NUM_THREADS": "1"})  # models this small are slower on more threads
    out.mkdir(parents=True, exist_ok=True)
    nbformat.write(content, out / notebook.name)
    return out / notebook.name


def main() -> None:
    """Executes all notebooks into `runs/notebooks`, with a line for each."""
    notebooks = sorted(NOTEBOOKS.glob("*.ipynb"))
    for number, notebook in enumerate(notebooks, start=1):
        print(f"{number} of {len(notebooks)}: {notebook.name} ... ", end="", flush=True)
        start = time.monotonic()
        executed = execute(notebook, NOTEBOOKS.parent / "runs" / "notebooks")
        print(f"{time.monotonic() - start:.0f} s, in {executed.relative_to(NOTEBOOKS.parent)}")


if __name__ == "__main__":
    main()
