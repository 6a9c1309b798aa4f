"""Runs all benchmarks, or those that are named, each in a process of its own.

``python -m benchmarks --list`` lists them. Options of a single script, such as
``--seeds``, are given to it directly: ``python -m benchmarks.digits --seeds 2``.
"""

import importlib.util
import os
import subprocess
import sys

from benchmarks import _options

# The longest last.
NAMES = ("eager", "growth", "solving", "losses", "scaling", "overhead", "digits")
# With options of its own: it takes long, and has no peers.
ALONE = "streaming"


def summary(name: str) -> str:
    """Returns the first line of a script's docstring, without importing its peers."""
    spec = importlib.util.find_spec(f"benchmarks.{name}")
    with open(spec.origin, encoding="utf-8") as file:
        return file.readline().strip().removeprefix('"""')


def main() -> None:
    """Reads the command line and runs the scripts; fails if one of them does."""
    parser = _options.parser(__doc__, rounds=None)
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--list", action="store_true", help="list the benchmarks")
    parser.add_argument("--table", action="store_true", help="print the results as markdown")
    options = parser.parse_args()
    unknown = set(options.names) - set(NAMES)
    if unknown:
        there_are = f"there are {', '.join(NAMES)}; {ALONE} runs as python -m benchmarks.{ALONE}"
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; {there_are}")
    if options.list:
        for name in NAMES:
            print(f"{name:10} {summary(name)}")
        print(f"{ALONE:10} {summary(ALONE)} (python -m benchmarks.{ALONE})")
        return
    if options.table:
        from benchmarks import _table  # it knows the peers, and to import torch takes seconds

        print(_table.markdown(options.out))
        return

    given = ["--out", str(options.out)]
    given += ["--quick"] if options.quick else []
    given += [] if options.rounds is None else ["--rounds", str(options.rounds)]
    # XLA calls LAPACK from threads of its own. With those of OpenBLAS on top they wait for one
    # another, and a solve takes 1.4 to 1.8 times as long.
    environment = {"OPENBLAS_NUM_THREADS": "1"} | os.environ
    failed = []
    for name in options.names or NAMES:
        print(f"== {name}", flush=True)
        command = [sys.executable, "-m", f"benchmarks.{name}", *given]
        # A claim that fails must not keep the rest from being measured.
        if subprocess.run(command, env=environment).returncode:
            failed.append(name)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
