"""The command for real, in a process of its own."""

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from spacelearn_jax import demo
from spacelearn_jax.demo import Config, Dataset, InterruptedRun, load_network, run, simulated
from spacelearn_jax.demo.dataset import pooled, split
from spacelearn_jax.demo.evaluate import r_squared
from spacelearn_jax.io import load_space

COMMAND = [sys.executable, "-m", "spacelearn_jax", "demo", "--fast", "--out"]
QUANTITIES = ["energy", "pressure", "strain", "vorticity"]
TIMEOUT = 600


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    cache = tmp_path_factory.mktemp("cache")
    return {**os.environ, "SPACELEARN_JAX_CACHE": str(cache), "COLUMNS": "160", "NO_COLOR": "1"}


@pytest.mark.parametrize("name", demo.__all__)
def test_what_is_public_has_an_example(name):
    assert "Example:" in getattr(demo, name).__doc__


def test_fast_run(tmp_path, environment):
    """One run for all: workers of a parallel session would each start their own."""
    out = tmp_path / "results"
    process = subprocess.run(
        [*COMMAND, str(out)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT,
    )
    assert process.returncode == 0, process.stderr
    check_table(process.stdout)
    metrics = json.loads((out / "metrics.json").read_text())
    check_metrics(metrics)
    # Guidance shows even in seconds.
    assert metrics["guided"]["mean_r2"] > metrics["unguided"]["mean_r2"] + 0.1
    check_space(out, metrics)
    check_that_what_is_saved_reads_as_well_as_it_says(out, metrics, environment)
    check_report(out)


def check_table(text):
    for word in (
        *QUANTITIES,
        "mean",
        "own subspace",
        "report.png",
        "metrics.json",
        "space.npz",
        "network.npz",
    ):
        assert word in text


def check_metrics(metrics):
    assert metrics["complete"] is True
    assert metrics["config"]["seed"] == 0
    samples = metrics["samples"]
    assert samples["train_groups"] + samples["test_groups"] == 128
    assert samples["train"] == 3 * samples["train_groups"]
    for network in ("guided", "unguided"):
        found = metrics[network]
        assert list(found["r2"]) == list(found["ceiling"]) == QUANTITIES
        assert found["mean_r2"] == pytest.approx(np.mean(list(found["r2"].values())))
        assert np.shape(found["leakage"]) == (4, 4)
        np.testing.assert_allclose(np.diag(found["leakage"]), list(found["r2"].values()), atol=0.05)
        assert found["steps_done"] == metrics["config"]["steps"]
        assert found["history"][-1]["step"] == found["steps_done"]
    assert metrics["guided"]["history"][0].keys() == {
        "step",
        "reconstruction",
        "alignment",
        "disentanglement",
        "isotropy",
        "stability",
    }


def check_space(out, metrics):
    space = load_space(out / "space.npz")
    assert list(space) == QUANTITIES
    assert {q: w.shape for q, (w, _, _) in space.items()} == {
        q: (k, metrics["sizes"]["latent_dim"]) for q, k in metrics["sizes"]["k"].items()
    }
    assert space.decode(np.zeros(metrics["sizes"]["latent_dim"], "f4"))["energy"].shape == (4, 4)


def check_that_what_is_saved_reads_as_well_as_it_says(out, metrics, environment):
    config = Config.fast()
    cache = Path(environment["SPACELEARN_JAX_CACHE"])
    _, test = split(simulated(config.simulation, folder=cache), config.held_out, seed=0)
    network, space = load_network(out / "network.npz"), load_space(out / "space.npz")
    read = space.decode(network.encode(test.fields))
    truth = pooled(test.targets, metrics["sizes"]["bins"])
    for q, wanted in metrics["guided"]["r2"].items():
        assert r_squared(truth[q], read[q]) == pytest.approx(wanted, abs=1e-3)
    error = network.decode(network.encode(test.fields)) - test.fields
    wanted = metrics["guided"]["relative_reconstruction_error"]
    assert np.linalg.norm(error) / np.linalg.norm(test.fields) == pytest.approx(wanted, rel=1e-2)


def check_report(out):
    from matplotlib import image

    picture = image.imread(out / "report.png")
    assert picture.shape[0] > 900
    assert picture.shape[1] > 1400
    assert picture[..., :3].std() > 0.05


@pytest.fixture
def short(environment):
    """For runs that compile more than they train."""
    return environment | {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}


def test_own_data(tmp_path, short):
    """Scalars, vectors and fields together, for few steps."""
    rng = np.random.default_rng(0)
    fields = rng.normal(size=(40, 2, 16, 24)).astype(np.float32)
    np.savez(
        tmp_path / "mine.npz",
        fields=fields,
        image=np.abs(fields),
        mean=fields.mean((2, 3)),
        rows=fields[..., :3, 0],
    )
    process = subprocess.run(
        [*COMMAND, str(tmp_path / "out"), "--data", str(tmp_path / "mine.npz"), "--steps", "4"],
        env=short,
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT,
    )
    assert process.returncode == 0, process.stderr
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["source"] == "mine.npz"
    assert metrics["sizes"]["bins"] == {"image": 4}
    assert metrics["sizes"]["k"]["mean"] == 1
    assert metrics["guided"]["steps_done"] == 4
    assert (tmp_path / "out" / "report.png").exists()


@pytest.mark.parametrize(
    ("group", "message"),
    [
        (0, "the target 'rare' is the same in all .* training samples"),
        (1, "all .* held-out samples"),
    ],
)
def test_what_varies_on_one_side_alone_is_refused(tmp_path, group, message):
    """Its R^2 would be NaN."""
    fields = np.random.default_rng(0).normal(size=(64, 16, 16)).astype(np.float32)
    rare = np.zeros(64, np.float32)
    config, dataset = Config.fast(), Dataset(fields, {"rare": rare}, np.arange(64))
    other = split(dataset, config.held_out, config.seed)[1 - group]
    rare[other.groups[0]] = 1
    with pytest.raises(ValueError, match=message):
        run(config, tmp_path, dataset)
    assert not list(tmp_path.iterdir())


def test_an_early_end_leaves_what_an_earlier_run_found(tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    running = importlib.import_module("spacelearn_jax.demo.run")
    monkeypatch.setattr(running, "_work", interrupted)
    config = Config.fast()
    with pytest.raises(InterruptedRun) as first:
        running.run(config, tmp_path)
    assert [path.name for path in first.value.files] == ["metrics.json"]
    earlier = {"metrics.json": "all", "space.npz": "of", "report.png": "it"}
    for name, text in earlier.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(InterruptedRun) as second:
        running.run(config, tmp_path)
    assert not second.value.files
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == earlier


@pytest.fixture
def interruptible():
    """Who starts the tests in the background of a shell may have SIGINT ignored, for all below.

    What is caught here is at its default in a new process, without code between fork and exec.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_keeps_what_was_done(tmp_path, short):
    """Interrupted in training."""
    out = tmp_path / "results"
    process = subprocess.Popen(
        [*COMMAND, str(out), "--steps", "100000"],
        env={**short, "FORCE_COLOR": "1", "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    seen = ""
    deadline = time.monotonic() + TIMEOUT
    try:
        while "align" not in seen and time.monotonic() < deadline:
            seen += process.stdout.read(200)
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=TIMEOUT)
    finally:
        process.kill()
    assert process.returncode == 130, seen + rest
    assert "Interrupted" in rest
    assert "metrics.json, space.npz, network.npz, report.png" in rest
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["complete"] is False
    assert metrics["interrupted_while"] == "training with SPACE"
    assert metrics["guided"]["steps_done"] >= 5
    assert "unguided" not in metrics
    assert list(load_space(out / "space.npz")) == QUANTITIES
    assert (out / "report.png").stat().st_size > 1000
    assert not list(out.glob("*.part"))
