"""Spaces on disk."""

import json
import os
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np

from spacelearn_jax import _checks
from spacelearn_jax._files import read_arrays, replacing
from spacelearn_jax.space import Space

__all__ = ["load_space", "save_space"]

FORMAT = "spacelearn-jax space"
VERSION = 1
_MAPPINGS = ("W", "A", "V", "y_mean")


def save_space(path: str | os.PathLike[str], space: Space) -> None:
    """Saves a ``Space`` as one ``.npz`` file, with means and target shapes.

    Names may be any text, dtypes any that JAX has. The file takes the place of an older
    one only when it is complete. NumPy reads it too: ``header`` is JSON and lists the
    quantities in order; ``W.0`` is the basis of the first.

    Args:
        path: File to write; missing folders are made. The name is used as it is.
        space: What to save.

    Raises:
        TypeError: If ``space`` is not a ``Space``, or ``path`` not a path.
        OSError: If the file can't be written.

    Example:
        >>> import pathlib, tempfile
        >>> import jax.numpy as jnp
        >>> from spacelearn_jax import solve_subspaces
        >>> from spacelearn_jax.io import load_space
        >>> Z = jnp.array([[0.0, 1.0], [1.0, 1.0], [2.0, 1.0]])
        >>> space = solve_subspaces(Z, {"x": 2.0 * Z[:, 0]}, k=1)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_space(pathlib.Path(folder, "space.npz"), space)
        ...     print(load_space(pathlib.Path(folder, "space.npz")).decode(Z)["x"].round(4))
        [0. 2. 4.]
    """
    if not isinstance(space, Space):
        fix = "Get one from solve_subspaces."
        kind = type(space).__name__
        raise _checks.failure(TypeError, "save_space", "space", "a Space", f"a {kind}", fix)
    target = _path("save_space", path)
    if target.is_dir():
        message = f"save_space: {target} is a folder. Name a file in it, such as space.npz."
        raise IsADirectoryError(message)
    names = space.keys()
    dtypes: dict[str, str] = {}
    header = {
        "format": FORMAT,
        "version": VERSION,
        "names": names,
        "target_shapes": [(space.target_shapes or {})[q] for q in names],
        "dtypes": dtypes,
    }
    arrays: dict[str, Any] = {}

    def put(key: str, value: jax.Array) -> None:
        if isinstance(value, jax.ShapeDtypeStruct):
            got, fix = _checks.described(value), "Save a space that has values."
            raise _checks.failure(TypeError, "save_space", "space", "one of arrays", got, fix)
        if isinstance(value, jax.core.Tracer):
            got, fix = "traced values", "Save outside of jit what the jitted function returns."
            raise _checks.failure(TypeError, "save_space", "space", "one of arrays", got, fix)
        array = np.asarray(jax.device_get(value))
        dtypes[key] = array.dtype.name
        # NumPy's format doesn't know JAX's own dtypes; their bits are kept as integers.
        native = array.dtype.kind in "fiub" and hasattr(np, array.dtype.name)
        arrays[key] = array if native else array.view(f"u{array.dtype.itemsize}")

    for part in _MAPPINGS:
        values = getattr(space, part)
        if values is not None:
            for i, q in enumerate(names):
                put(f"{part}.{i}", values[q])
    if space.z_mean is not None:
        put("z_mean", space.z_mean)
    with replacing(target) as file:
        np.savez(file, header=np.array(json.dumps(header)), **arrays)


def load_space(path: str | os.PathLike[str]) -> Space:
    """Loads a ``Space`` that ``save_space`` wrote.

    Args:
        path: The file.

    Returns:
        The space: same names, shapes and values. Float64 becomes float32 unless
        ``jax_enable_x64`` is on.

    Raises:
        TypeError: If ``path`` is not a path.
        FileNotFoundError: If there is no such file.
        ValueError: If the file is damaged, incomplete, or not a saved space.

    Example:
        >>> import pathlib, tempfile
        >>> import jax.numpy as jnp
        >>> from spacelearn_jax import solve_subspaces
        >>> from spacelearn_jax.io import save_space
        >>> Z = jnp.array([[0.0, 1.0], [1.0, 1.0], [2.0, 1.0]])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "space.npz")
        ...     save_space(path, solve_subspaces(Z, {"x": 2.0 * Z[:, 0]}, k=1))
        ...     list(load_space(path))
        ['x']
    """
    source = _path("load_space", path)
    if not source.exists():
        message = f"load_space: there is no file {source}. Write one with save_space."
        raise FileNotFoundError(message)
    try:
        arrays = read_arrays(source)
    except ValueError as error:
        raise _foreign(source, f"a file that NumPy can't read ({error})") from error
    try:
        header = json.loads(str(arrays["header"]))
        if header["format"] != FORMAT:
            raise KeyError(header["format"])
        version, names = header["version"], header["names"]
        shapes = [tuple(shape) for shape in header["target_shapes"]]
        if type(version) is not int or not isinstance(names, list) or len(names) != len(shapes):
            raise TypeError(version)
        if len(set(names)) < len(names) or not all(isinstance(q, str) for q in names):
            raise ValueError(names)
        dtypes = {key: _dtype(name) for key, name in header["dtypes"].items()}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _foreign(source, "a file without its header") from error
    if version > VERSION:
        raise _foreign(source, f"version {version}, this release reads up to {VERSION}")

    def get(key: str) -> jax.Array:
        if key not in arrays or key not in dtypes:
            raise _foreign(source, f"a file without {key!r}")
        dtype, array = dtypes[key], arrays[key]
        if array.dtype != dtype:
            if array.dtype.kind != "u" or array.dtype.itemsize != dtype.itemsize:
                raise _foreign(source, f"a file with {key!r} of {array.dtype} for {dtype}")
            array = array.view(dtype)
        return jnp.asarray(array, jax.dtypes.canonicalize_dtype(dtype))

    def mapping(part: str) -> dict[str, jax.Array]:
        return {q: get(f"{part}.{i}") for i, q in enumerate(names)}

    return Space(
        W=mapping("W"),
        A=mapping("A"),
        V=mapping("V"),
        z_mean=get("z_mean") if "z_mean" in dtypes else None,
        y_mean=mapping("y_mean") if "y_mean.0" in dtypes else None,
        target_shapes=dict(zip(names, shapes, strict=True)),
    )


def _dtype(name: str) -> np.dtype:
    dtype = np.dtype(getattr(ml_dtypes, name, name))
    if dtype.kind == "O":
        raise TypeError(name)
    return dtype


def _path(function: str, path: object) -> Path:
    if not isinstance(path, str | os.PathLike):
        got = f"a {type(path).__name__}"
        arguments = {"save_space": "path, space", "load_space": "path"}[function]
        fix = f"The path comes first, as in {function}({arguments})."
        raise _checks.failure(TypeError, function, "path", "a str or a path", got, fix)
    return Path(os.fsdecode(path))


def _foreign(path: Path, got: str) -> Exception:
    fix = "Save the space again with save_space."
    return _checks.failure(ValueError, "load_space", f"the file {path}", "a saved space", got, fix)
