"""Moments, tracker, train step and stream over two and four processes on this machine."""

import contextlib
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

PROGRAM = Path(__file__).with_name("program.py")
ENVIRONMENT = {
    "JAX_PLATFORMS": "cpu",
    "JAX_ENABLE_X64": "1",
    # Programs that run a few times: compiling them is what takes long.
    "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
}
NEVER = -1
# A process that is gone is noticed within ten seconds or two; what is left is for starting.
PATIENCE = 200


def free_port():
    with socket.socket() as s:
        s.bind(("localhost", 0))
        return s.getsockname()[1]


@contextlib.contextmanager
def started(folder, count, dies_at=()):
    """Starts ``count`` processes, some of which die at a step: ``{index: step}``."""
    coordinator = f"localhost:{free_port()}"
    dies_at = dict(dies_at)
    processes = [
        subprocess.Popen(
            [sys.executable, str(PROGRAM)]
            + [str(folder), str(count), str(i), coordinator, str(dies_at.get(i, NEVER))],
            env=os.environ | ENVIRONMENT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for i in range(count)
    ]
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()


def run(folder, count, dies_at=()):
    """Returns exit codes and what was said, of processes that must end by themselves."""
    with started(folder, count, dies_at) as processes:
        said = [process.communicate(timeout=PATIENCE) for process in processes]
        return [p.returncode for p in processes], said


def results(folder, count):
    files = []
    for i in range(count):
        with np.load(folder / f"result.{i}.npz") as file:
            files.append(dict(file))
    return files


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    folder = tmp_path_factory.mktemp("single")
    codes, said = run(folder, 1)
    assert codes == [0], said
    return results(folder, 1)[0]


def check(folder, count, expected):
    for got in results(folder, count):
        assert got.keys() == expected.keys()
        for name, value in expected.items():
            scale = np.abs(value).max() + 1e-12
            np.testing.assert_allclose(got[name] / scale, value / scale, atol=1e-6, err_msg=name)


def test_four_processes_give_what_one_gives(expected, tmp_path):
    codes, said = run(tmp_path, 4)
    assert codes == [0] * 4, said
    check(tmp_path, 4, expected)


def check_end(dies, codes, said):
    assert codes[dies] == 9, said
    assert codes[1 - dies] not in (0, 9), said
    assert said[1 - dies][1], "no word of the reason"


def test_all_end_where_the_coordinator_dies(tmp_path):
    check_end(0, *run(tmp_path, 2, {0: 1}))


def test_all_end_where_one_dies_and_a_restart_gives_what_one_gives(expected, tmp_path):
    check_end(1, *run(tmp_path, 2, {1: 5}))
    codes, said = run(tmp_path, 2)
    assert codes == [0, 0], said
    assert all("resumed at 5" in out for out, _ in said), said
    check(tmp_path, 2, expected)
