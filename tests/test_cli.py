"""The command line, as far as nothing is trained."""

import contextlib
import io
import os
import re
import signal
import subprocess
import sys

import numpy as np
import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from spacelearn_jax import __version__, cli
from spacelearn_jax.cli import _app, _demo
from spacelearn_jax.cli._app import app
from spacelearn_jax.demo import Config, Event, InterruptedRun, Results
from spacelearn_jax.demo.evaluate import Evaluation
from spacelearn_jax.demo.report import GUIDED, UNGUIDED

WIDE = {"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"}


def invoke(*args):
    return CliRunner().invoke(app, list(args), env=WIDE)


def test_without_arguments_there_is_help():
    result = invoke()
    assert "Usage" in result.output
    assert "demo" in result.output


def test_help_of_the_demo_names_every_option():
    result = invoke("demo", "--help")
    assert result.exit_code == 0
    for option in ("--steps", "--seed", "--out", "--fast", "--data"):
        assert option in result.output


def test_version():
    result = invoke("--version")
    assert (result.exit_code, result.output) == (0, f"spacelearn-jax {__version__}\n")


@pytest.mark.parametrize(
    "args", [("demo", "--steps", "0"), ("demo", "--seed", "-1"), ("demo", "--fsat"), ("dmeo",)]
)
def test_wrong_arguments(args):
    assert invoke(*args).exit_code == 2


def test_data_that_is_not_there(tmp_path):
    result = invoke("demo", "--data", str(tmp_path / "none.npz"), "--out", str(tmp_path / "out"))
    assert result.exit_code == 1
    assert "there is no file" in result.output
    assert not (tmp_path / "out").exists()


def test_data_that_is_wrong(tmp_path):
    np.savez(tmp_path / "mine.npz", fields=np.random.default_rng(0).normal(size=(64, 16, 16)))
    result = invoke("demo", "--data", str(tmp_path / "mine.npz"), "--out", str(tmp_path / "out"))
    assert result.exit_code == 1
    assert "no quantity beside 'fields'" in " ".join(result.output.split())
    assert "Traceback" not in result.output


def test_an_output_folder_that_is_a_file(tmp_path):
    (tmp_path / "out").write_text("")
    assert invoke("demo", "--out", str(tmp_path / "out")).exit_code == 2


def test_an_output_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("x")
    result = invoke("demo", "--out", str(tmp_path / "file" / "folder"))
    assert result.exit_code == 1
    assert re.search(r"the folder .* can't be written to .* Pass another as --out", result.output)


def test_an_output_folder_that_cannot_be_written_to(tmp_path, monkeypatch):
    def refuse(dir):
        raise PermissionError(13, "Permission denied", str(dir))

    monkeypatch.setattr(_demo.tempfile, "TemporaryFile", refuse)
    result = invoke("demo", "--out", str(tmp_path))
    assert result.exit_code == 1
    assert "can't be written to (Permission denied). Pass another as --out" in result.output


def test_after_ctrl_c_the_process_ends_at_once(monkeypatch):
    ended = []
    monkeypatch.setattr(os, "_exit", ended.append)

    def interrupted(**_):
        raise SystemExit(cli.INTERRUPTED)

    monkeypatch.setattr(_app, "app", interrupted)
    cli.main([])
    assert ended == [130]


def test_what_ctrl_c_interrupted_is_kept_until_the_process_ends(tmp_path, monkeypatch):
    """A program that is still being compiled crashes the process when its frame goes."""
    chain = []

    def end(code):
        error = sys.exc_info()[1]
        while error is not None:
            chain.append(error)
            error = error.__context__

    def interrupted(*_, **__):
        raise InterruptedRun("training", [])

    monkeypatch.setattr(os, "_exit", end)
    monkeypatch.setattr(_demo, "run", interrupted)
    cli.main(["demo", "--out", str(tmp_path)])
    assert any(isinstance(error, InterruptedRun) for error in chain)


def test_a_ctrl_c_that_python_drops_is_raised_at_the_next_event(tmp_path, monkeypatch):
    """As in a callback of the garbage collector."""

    def dropped(*_, on_event, **__):
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            on_event(Event("training", 1, 2))
        raise InterruptedRun("training", [])

    monkeypatch.setattr(_demo, "run", dropped)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(typer.Exit) as ended:
            _demo.show(Config.fast(), tmp_path, None, None, Console(file=io.StringIO()))
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert ended.value.exit_code == cli.INTERRUPTED


def evaluation(r2):
    some = np.ones(2)
    return Evaluation(
        r2=r2, ceiling=r2, leakage=np.eye(len(r2)), reconstruction=0.1, disentanglement=0.0,
        isotropy=0.0, space=None, decoded=dict.fromkeys(r2, some), truth=dict.fromkeys(r2, some),
    )  # fmt: skip


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_a_narrow_table_keeps_its_names(width):
    names = ("mean", "temperature_lower_layer", "temperature_upper_layer", "vorticity")
    made = evaluation(dict.fromkeys(names, 0.5))
    results = Results(Config.fast(), "test", evaluations={GUIDED: made, UNGUIDED: made})
    console = Console(width=width, file=io.StringIO(), record=True)
    console.print(_demo.table(results))
    rows = [line.split("│")[1:3] for line in console.export_text().splitlines() if "│" in line]
    assert "…" not in console.file.getvalue()
    written = "".join(first.strip() for first, _ in rows)
    assert written.replace(" ", "") == "".join(names) + "meanofall"


@pytest.mark.parametrize(("own", "ceiling"), [(-0.7, -0.2), (0.5, -0.2), (-0.1, 0.3), (0.4, 0.5)])
def test_a_share_is_given_of_positive_scores_alone(own, ceiling):
    made = evaluation({"q": own})._replace(ceiling={"q": ceiling})
    results = Results(Config.fast(), "test", evaluations={GUIDED: made, UNGUIDED: made})
    positive = own > 0 and ceiling > 0
    assert ("the subspaces read" in _demo.summary(results)) == positive
    assert (results.metrics()["comparison"]["own_to_ceiling"] is not None) == positive


def test_as_many_terms_as_there_is_room_for():
    terms = {"reconstruction": 0.269, "alignment": 0.45249, "stability": -1e-5}
    assert _demo._terms(terms, 56) == "rec 0.269  align 0.452  stab 0.000"
    assert _demo._terms(terms, 22) == "rec 0.269  align 0.452"
    assert _demo._terms(terms, 21) == "rec 0.269"
    assert _demo._terms(terms, 8) == ""


@pytest.mark.parametrize("package", ["typer", "rich"])
def test_without_the_extra_it_says_what_to_install(monkeypatch, capsys, package):
    for module in [m for m in sys.modules if m.startswith("spacelearn_jax.cli._")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(SystemExit) as exit_:
        cli.main([])
    assert exit_.value.code == 1
    assert f"pip install {package} " in capsys.readouterr().err


@pytest.mark.parametrize("package", ["exponax", "platformdirs"])
def test_without_the_simulator_it_says_what_to_install(monkeypatch, tmp_path, package):
    monkeypatch.delenv("SPACELEARN_JAX_CACHE", raising=False)
    if package == "exponax":
        monkeypatch.setenv("SPACELEARN_JAX_CACHE", str(tmp_path))
    monkeypatch.setitem(sys.modules, package, None)
    result = invoke("demo", "--fast", "--out", str(tmp_path / "out"))
    assert result.exit_code == 1
    assert f"pip install {package} " in " ".join(result.output.split())


def test_as_a_module():
    result = subprocess.run(
        [sys.executable, "-m", "spacelearn_jax", "--version"],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert (result.returncode, result.stdout) == (0, f"spacelearn-jax {__version__}\n")
