"""Files that are either complete or not there."""

import contextlib
import os
import re
import secrets
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Opens a file for writing that takes the place of ``path`` once it is complete.

    Whoever reads ``path`` meanwhile, and whatever interrupts the writing, the file there
    is the old one or the new one in full.

    Args:
        path: File to write; missing folders are made.

    Yields:
        A binary file open for writing.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not by tempfile, whose files only their owner may read.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def remove_unfinished(path: Path) -> None:
    """Removes what a killed process left of writing ``path``; no other may be at it now."""
    left = re.compile(rf"\.{re.escape(path.name)}\.[^.]+\.part")
    for file in path.parent.glob(".*.part"):
        if left.fullmatch(file.name):
            file.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Writes a text file in one go."""
    with replacing(path) as file:
        file.write(text.encode())


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Reads all arrays of an ``.npz`` file, without unpickling anything.

    Args:
        path: The file.

    Returns:
        ``{name: array}``.

    Raises:
        ValueError: If it can't be read, for whatever reason.
    """
    try:
        # NumPy leaves a file open that it opened itself and couldn't make sense of.
        with path.open("rb") as handle:
            # NumPy takes any other start for a pickle, and advises to load it all the same.
            if not handle.peek(4).startswith((b"PK\x03\x04", b"PK\x05\x06", b"\x93NUMPY")):
                message = "it doesn't start like one"
                raise ValueError(message)
            loaded = np.load(handle, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                message = "it holds one bare array"
                raise ValueError(message)
            with loaded as file:
                return {name: file[name] for name in file.files}
    except (
        OSError,
        EOFError,
        AttributeError,
        # A damaged directory may name methods, versions or passwords that there are none of.
        NotImplementedError,
        RuntimeError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise ValueError(str(error)) from error
