"""The command line: ``spacelearn-jax`` and ``python -m spacelearn_jax``."""

import contextlib
import os
import sys

__all__ = ["main"]

INTERRUPTED = 130  # as shells say it of Ctrl-C


def main(args: list[str] | None = None) -> None:
    """Runs the command line and exits.

    Args:
        args: Arguments, those of the process by default.

    Raises:
        SystemExit: 0 when all went well, 1 after an error that a message explains, 2 for
            wrong arguments. After Ctrl-C the process ends at once, with 130.

    Example:
        >>> main(["--version"])  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        SystemExit: 0
    """
    # The factorizations are small: more threads gain nothing, and on a busy machine the
    # threads wait for each other a hundred times as long as they work. JAX's are SciPy's,
    # which is not loaded yet; NumPy's own library is, and keeps its threads.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        import rich  # noqa: F401
        import typer  # noqa: F401

        from spacelearn_jax.cli._app import app
    except ModuleNotFoundError as error:
        if error.name not in ("typer", "rich"):
            raise
        sys.stderr.write(
            f"The command line needs the package {error.name!r}, which is not installed.\n"
            f"Install it with: pip install {error.name} (the extra 'demo' has all of them)\n"
        )
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    try:
        app(args=args, prog_name="spacelearn-jax")
    except SystemExit as end:
        if end.code != INTERRUPTED:
            raise
        # A program that is still being compiled crashes a process that takes its leave.
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(INTERRUPTED)
