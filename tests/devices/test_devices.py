"""Runs its neighbours on eight forced host devices, which only a process of its own can have."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

FILES = [str(Path(__file__).with_name(name)) for name in ("cases.py", "wide.py")]
ROOT = Path(__file__).parents[2]
ENVIRONMENT = {
    "XLA_FLAGS": os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=8",
    "JAX_PLATFORMS": "cpu",
    "JAX_ENABLE_X64": "1",
    # Hundreds of programs, each run once.
    "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
}


def outcome(*arguments):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")}
    return subprocess.run(
        [*command, *FILES],
        cwd=ROOT,
        env=environment | ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
        timeout=1800,
    )


def test_eight_devices_give_what_one_gives():
    run = outcome("-n0")
    if run.returncode != 0:
        pytest.fail(run.stdout[-6000:] + run.stderr[-2000:])
    summary = run.stdout.strip().splitlines()[-1]
    passed = re.search(r"(\d+) passed", summary)
    assert passed, summary
    assert int(passed[1]) > 100, summary
    assert not re.search(r"skipped|xfailed|xpassed|deselected|failed|error", summary), summary
