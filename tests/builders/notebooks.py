"""Notebooks of the examples, read and run as a reader would run them."""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
import pytest
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbformat import NotebookNode

EXAMPLES = Path(__file__).parents[2] / "examples"


def read_notebook(name: str) -> NotebookNode:
    read: NotebookNode = nbformat.read(EXAMPLES / name, as_version=4)  # type: ignore[no-untyped-call]
    return read


async def executed(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> NotebookNode:
    """A notebook after a run from its first cell to its last, with nobody's own settings.

    Without folders to look for kernels in, the native one is left: this interpreter.
    """
    for variable in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(variable, str(folder))
    monkeypatch.delenv("MPLBACKEND", raising=False)
    notebook = read_notebook(name)
    kernel = AsyncKernelManager(kernel_name="python3", kernel_spec_manager=KernelSpecManager(kernel_dirs=[]))
    assert kernel.kernel_spec is not None
    assert kernel.kernel_spec.argv[0] == sys.executable
    client = NotebookClient(notebook, km=kernel, timeout=120, resources={"metadata": {"path": str(folder)}})
    await client.async_execute(cleanup_kc=True)
    return notebook


def printed(notebook: NotebookNode) -> str:
    """What its cells wrote to stdout."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    return "".join(output.text for output in outputs if output.output_type == "stream" and output.name == "stdout")
