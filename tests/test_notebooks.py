"""Every notebook runs from top to bottom, and is committed with the outputs of a run."""

import pathlib

import nbclient
import nbformat
import pytest

ROOT = pathlib.Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)


def read(path):
    return nbformat.read(path, as_version=4)


def test_there_are_notebooks():
    assert NOTEBOOKS


@every_notebook
def test_notebook_runs(path, monkeypatch, tmp_path):
    # The kernel is a process of its own: it gets the package from the checkout, and a
    # folder to write to.
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    monkeypatch.setenv("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")  # most programs run but once
    client = nbclient.NotebookClient(
        read(path),
        timeout=300,
        kernel_name="python3",
        resources={"metadata": {"path": str(tmp_path)}},
    )
    client.execute()  # raises CellExecutionError with the cell's traceback


@every_notebook
def test_notebook_is_committed_after_one_clean_run(path):
    cells = [c for c in read(path).cells if c.cell_type == "code"]
    assert [c.execution_count for c in cells] == list(range(1, len(cells) + 1))
    outputs = [o for c in cells for o in c.outputs]
    assert outputs
    assert all(o.output_type != "error" for o in outputs)
    # A warning or a log line would tell of the machine it ran on.
    assert all(o.get("name") != "stderr" for o in outputs)


@every_notebook
def test_notebook_is_small(path):
    assert path.stat().st_size < 500_000
