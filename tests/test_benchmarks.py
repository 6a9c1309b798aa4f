"""Every benchmark runs at tiny sizes, and writes what its table is made of."""

import importlib
import json
import math
import os
import pathlib
import subprocess
import sys
import types

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).parents[1]

# Keys by the way to them; "*" stands for the first entry of a list. What digits does is in
# test_digits, what streaming does in tests/moments; overhead takes long to compile.
KEYS = {
    "eager": [("functions", "alignment_loss", "ratio", "median"), ("claims",), ("size", "B")],
    "growth": [
        ("compilation", "combined", "ratio", "median"),
        ("compilation", "solve_subspaces", "trace"),
        ("memory", "*", "over_allowed"),
        ("steps", "grown_MiB"),
    ],
    "solving": [
        ("sizes", "*", "milliseconds", "ours", "quartiles"),
        ("sizes", "*", "milliseconds", "eigenproblems", "median"),
        ("sizes", "*", "floor"),
        ("peak_gflops",),
    ],
    "scaling": [
        ("exchanged", "*", "programs", "tracker", "kinds", "all-reduce", "count"),
        ("exchanged", "*", "programs", "train step", "ratio"),
        ("weak scaling", "efficiency", "1", "median"),
    ],
    "losses": [
        ("sizes", "*", "milliseconds", "ours", "median"),
        ("sizes", "*", "milliseconds", "eigenproblem", "median"),
        ("sizes", "*", "in_floors", "median"),
        ("sizes", "*", "left_out"),
        ("growth", "Q", "*", "speed_up"),
        ("peak_gflops",),
    ],
}


def run(
    *arguments: str, script: str = "benchmarks", **environment: str
) -> subprocess.CompletedProcess:
    # Code that runs once is not worth optimizing; a third of the time goes into it.
    flags = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
    flags = f"{os.environ.get('XLA_FLAGS', '')} {flags}"
    environ = os.environ | {"XLA_FLAGS": flags, "OPENBLAS_NUM_THREADS": "1"} | environment
    command = [sys.executable, "-m", script, *arguments]
    return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True)


def quick(folder: pathlib.Path, name: str, **environment: str) -> dict:
    done = run(name, "--quick", "--rounds", "1", "--out", str(folder), **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads((folder / f"{name}.json").read_text())


def at(results, path):
    for key in path:
        results = results[0 if key == "*" else key]
    return results


@pytest.mark.parametrize("name", KEYS)
def test_a_quick_run_writes_its_results(name, tmp_path):
    results = quick(tmp_path, name)
    for path in KEYS[name]:
        value = at(results, path)
        assert not isinstance(value, float) or math.isfinite(value), path
    setting = results["setting"]
    assert setting["processor"] is not None
    assert setting["threads"]["xla"] >= 1
    assert setting["threads"]["torch"] in (None, setting["threads"]["xla"])
    assert (tmp_path / "losses.png").exists() == (name == "losses")


def test_without_the_original_ours_is_measured_alone(tmp_path):
    # A package of that name that cannot be imported hides the installed one.
    (tmp_path / "spacelearn.py").write_text("raise ImportError('hidden')\n")
    results = quick(tmp_path, "solving", PYTHONPATH=str(tmp_path))
    assert "hidden" in results["no_peers"]
    assert not any("spacelearn" in peer for peer in results["sizes"][0]["milliseconds"])
    assert results["setting"]["threads"]["torch"] is None
    table = run("--table", "--out", str(tmp_path)).stdout
    assert "losses: not measured." in table
    label = results["sizes"][0]["label"]
    assert f"| {label} |" in table


@pytest.mark.parametrize("folder", ["results", "results/h200"])
def test_the_readme_has_the_tables_of_the_results(folder):
    readme = (ROOT / "benchmarks" / "README.md").read_text()
    parts = run("--table", "--out", str(ROOT / "benchmarks" / folder)).stdout.strip().split("\n\n")
    measured = [part for part in parts if not part.endswith("not measured.")]
    assert len(measured) >= 6
    for part in measured:
        assert part in readme


def test_another_dtype_has_results_of_its_own(tmp_path):
    options = ["--quick", "--rounds", "1", "--out", str(tmp_path)]
    done = run("--dtype", "bfloat16", "--no-growth", *options, script="benchmarks.losses")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["losses-bfloat16.json"]
    results = json.loads((tmp_path / "losses-bfloat16.json").read_text())
    assert results["setting"]["dtype"] == "bfloat16"
    assert not any(results["growth"].values())
    table = run("--table", "--out", str(tmp_path)).stdout
    assert ", bfloat16:" in table
    assert "losses: not measured." not in table


def test_the_longer_of_products_and_bytes_is_the_floor():
    from benchmarks._floor import Peaks

    peaks = Peaks(operations=1e6, bytes=1e3)
    assert peaks.floor(1000, 2) == {"floor": 2.0, "products": 1.0, "memory": 2.0}
    assert peaks.floor(3000, 2)["floor"] == 3.0


def test_an_unknown_name_is_refused():
    done = run("speed")
    assert done.returncode == 2
    assert "no benchmark speed" in done.stderr
    done = run("streaming")
    assert done.returncode == 2
    assert "streaming runs as python -m benchmarks.streaming" in done.stderr
    assert "streaming" in run("--list").stdout


def test_short_calls_are_warm_when_they_are_timed_and_long_ones_are_made_once(monkeypatch):
    from benchmarks import _timing

    now, made = [0.0], {"short": 0, "long": 0}
    monkeypatch.setattr(_timing, "time", types.SimpleNamespace(perf_counter=lambda: now[0]))

    def call(name, seconds):
        made[name] += 1
        now[0] += seconds

    calls = {"short": lambda: call("short", 0.004), "long": lambda: call("long", 0.25)}
    times, _ = _timing.alternate(calls, 3)
    np.testing.assert_allclose(times["short"], [0.004] * 3)
    np.testing.assert_allclose(times["long"], [0.25] * 3)
    # Twice to begin with; then 20 ms of untimed calls before each one that is timed.
    assert made["short"] in (2 + 3 * 6, 2 + 3 * 7)  # as the clock is rounded
    assert made["long"] == 2 + 3


@pytest.mark.parametrize(
    ("name", "row", "more"),
    [("losses", "alignment", {"compile_limit": 0}), ("solving", "subspaces", {})],
)
def test_a_budget_is_kept_for_a_row(name, row, more, monkeypatch):
    from benchmarks import _timing
    from benchmarks._inputs import Size

    def alternate(calls, rounds, *, budget, **_):
        raise TimeoutError(budget)

    monkeypatch.setattr(_timing, "alternate", alternate)
    options = types.SimpleNamespace(dtype="float32", rounds=1, budget=0.5)
    measure = importlib.import_module(f"benchmarks.{name}").measure
    with pytest.raises(TimeoutError, match="0.5"):
        measure(row, Size(32, 8, k=(1, 3), p=(2, 4)), options, None, peers=False, **more)


def test_a_claim_that_fails_names_row_and_figure():
    from benchmarks._timing import Claim, check

    check([Claim("small", "speed-up", 3.0, "least", 2.0), Claim("small", "ratio", 1.0, "most", 2)])
    with pytest.raises(AssertionError, match=r"small: speed-up is 1\.5, claimed at least 2"):
        check([Claim("small", "speed-up", 1.5, "least", 2.0)])
    with pytest.raises(AssertionError, match=r"large: ratio is nan, claimed at most 2"):
        check([Claim("large", "ratio", math.nan, "most", 2.0)])


def test_operations_and_bytes_are_counted():
    from benchmarks._floor import loss_bytes, loss_operations, solve_bytes, solve_operations
    from benchmarks._inputs import Size

    size = Size(10, 6, k=(1, 2), p=(4, 5))
    coordinates = 2 * 10 * 6 * 3
    alignment = 4 * 10 * (1 * 4 + 2 * 5)
    assert loss_operations("alignment", size) == 2 * coordinates + alignment
    assert loss_operations("disentanglement", size) == 2 * coordinates + 2 * 10 * 9
    isotropy = 2 * coordinates + 2 * 10 * 6 * 6
    assert loss_operations("isotropy", size) == isotropy
    # Projected once for all: its own coordinates are the others'.
    total = 3 * coordinates + alignment + 4 * 10 * 9 + 2 * 10 * 6 * 6
    assert loss_operations("combined", size) == total
    assert solve_operations(size, decoders=False) == 2 * 10 * 6 * 9
    normal = 2 * 10 * (1 * 5 + 2 * 7)
    assert solve_operations(size, decoders=True) == 2 * 10 * 6 * (9 + 3) + normal
    # Latents and their gradient, three rows of bases, targets and decoders.
    assert loss_bytes("isotropy", size, 4) == 4 * (2 * 60 + 18)
    assert loss_bytes("alignment", size, 2) == 2 * (2 * 60 + 18 + 90 + 14)
    assert loss_bytes("combined", size, 4) == 4 * (2 * 60 + 2 * 18 + 90 + 14)
    # Latents and targets in; bases, directions and decoders out.
    assert solve_bytes(size, 4, decoders=False) == 4 * (60 + 90 + 18 + 14)
    assert solve_bytes(size, 4, decoders=True) == 4 * (60 + 90 + 18 + 14 + 14)
