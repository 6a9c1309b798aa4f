"""The options that all benchmarks share."""

import argparse
import pathlib

from benchmarks import _record


def parser(description: str | None, *, rounds: int | None) -> argparse.ArgumentParser:
    """Makes the parser of one script; it may add options of its own."""
    out = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    out.add_argument("--rounds", type=int, default=rounds, help="timed calls of each peer")
    out.add_argument(
        "--quick", action="store_true", help="tiny sizes, to see that it runs: asserts nothing"
    )
    out.add_argument("--out", type=pathlib.Path, default=_record.RESULTS, help="folder of results")
    return out


def add_dtype(parser: argparse.ArgumentParser) -> None:
    """Adds the dtype of all arrays, in which the name of a result ends if it is another."""
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")


def add_budget(parser: argparse.ArgumentParser) -> None:
    """Adds the seconds that all timed calls of a row may take, at least 3 of each peer."""
    parser.add_argument("--budget", type=float, default=40.0, help="seconds of timed calls a row")
