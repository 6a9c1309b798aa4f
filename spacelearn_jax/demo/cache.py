"""Simulated fields, kept in the user's cache folder and checked when read."""

import dataclasses
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from spacelearn_jax._files import read_arrays, replacing
from spacelearn_jax.demo._extras import require
from spacelearn_jax.demo.fields import Simulation, simulate

VARIABLE = "SPACELEARN_JAX_CACHE"
"""Environment variable that names another cache folder."""


def cache_folder() -> Path:
    """Folder of the cache: ``$SPACELEARN_JAX_CACHE``, or the user's cache folder.

    Returns:
        The folder, which may not exist yet.

    Raises:
        ImportError: If the extra ``demo`` is not installed and the variable is not set.

    Example:
        >>> import os
        >>> os.environ["SPACELEARN_JAX_CACHE"] = "/tmp/fields"
        >>> print(cache_folder())
        /tmp/fields
        >>> del os.environ["SPACELEARN_JAX_CACHE"]
    """
    chosen = os.environ.get(VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    return Path(require("platformdirs").user_cache_dir("spacelearn-jax"))


def cache_path(simulation: Simulation, folder: Path) -> Path:
    """File in the cache that holds a simulation.

    Args:
        simulation: What was simulated.
        folder: The cache folder.

    Returns:
        A path whose name changes with every setting of the simulation.

    Example:
        >>> from pathlib import Path
        >>> a, b = (cache_path(Simulation(seed=s), Path("cache")) for s in (0, 1))
        >>> a == b
        False
    """
    name = hashlib.sha256(_settings(simulation).encode()).hexdigest()[:12]
    return folder / f"navier-stokes-{name}.npz"


def cached_fields(
    simulation: Simulation,
    *,
    folder: Path | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    on_note: Callable[[str], None] | None = None,
) -> np.ndarray:
    """Reads simulated fields from the cache, or simulates and stores them.

    A file that is damaged, was made by another simulation, or fails its checksum is not
    used: the fields are simulated again and take its place. A folder that can't be
    written to only costs the next run its time.

    Args:
        simulation: What to simulate.
        folder: Cache folder, ``cache_folder()`` by default.
        on_progress: Called with the conditions done and their total.
        on_note: Called with a sentence when the cache can't be used.

    Returns:
        Vorticity (conditions, snapshots, n, n), float32.

    Raises:
        ImportError: If the extra ``demo`` is not installed.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> small = Simulation(conditions=2, points=16, snapshots=(1,))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     first = cached_fields(small, folder=Path(folder))
        ...     again = cached_fields(small, folder=Path(folder))
        >>> bool((first == again).all())
        True
    """
    note = on_note or (lambda sentence: None)
    path = cache_path(simulation, cache_folder() if folder is None else folder)
    if path.exists():
        try:
            return _read(path, simulation)
        except ValueError as error:
            note(f"The cached fields in {path} can't be used ({error}); simulating again.")
    fields = simulate(simulation, on_progress)
    try:
        with replacing(path) as file:
            np.savez(
                file,
                fields=fields,
                settings=np.array(_settings(simulation)),
                checksum=np.array(_checksum(fields)),
            )
    except OSError as error:
        note(f"The fields can't be cached in {path} ({error}); the next run simulates again.")
    return fields


def _settings(simulation: Simulation) -> str:
    return json.dumps(dataclasses.asdict(simulation), sort_keys=True)


def _checksum(fields: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(fields).tobytes()).hexdigest()


def _read(path: Path, simulation: Simulation) -> np.ndarray:
    """Reads a cache file; whatever is wrong with it is a ValueError."""
    arrays = read_arrays(path)
    if set(arrays) != {"fields", "settings", "checksum"}:
        message = "it is no cache of fields"
        raise ValueError(message)
    fields, settings, checksum = arrays["fields"], str(arrays["settings"]), str(arrays["checksum"])
    if settings != _settings(simulation):
        message = "it holds another simulation"
        raise ValueError(message)
    if fields.shape != simulation.shape or fields.dtype != np.float32:
        message = f"it holds {fields.dtype} of shape {fields.shape}"
        raise ValueError(message)
    if checksum != _checksum(fields):
        message = "its checksum doesn't match"
        raise ValueError(message)
    return fields
