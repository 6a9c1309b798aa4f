"""Moments and streams with arguments that are right."""

import functools
import os
import tempfile
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from spacelearn_jax.moments import Moments
from spacelearn_jax.streams import fit_stream


class Gathered(NamedTuple):
    """Stands for moments, which are made in the call: an import must start no device."""

    Z: Any
    Y: Any
    options: Mapping[str, Any] = {}

    def make(self) -> Moments:
        """Returns them."""
        return Moments.from_batch(self.Z, self.Y, **self.options)


def made(value: Any) -> Any:
    """Returns an argument itself, or what it stands for."""
    return value.make() if isinstance(value, Gathered) else value


@functools.cache
def _folder() -> str:
    return tempfile.mkdtemp()


def _fit_stream(checkpoint: Any, batches: Any, **options: Any) -> Any:
    if isinstance(checkpoint, str):  # whatever the name, the file is out of the way
        checkpoint = os.path.join(_folder(), checkpoint)
    return fit_stream(batches, checkpoint=checkpoint, **options)


def calls(W: Any, A: Any, Z: Any, Y: Any) -> Mapping[str, tuple[Callable[..., Any], Any]]:
    """Returns functions by the name that their errors give, and their arguments."""

    def update(**options: Any) -> Any:
        return Gathered(Z, Y).make().update(**options)

    def merge(other: Any) -> Any:
        return Gathered(Z, Y).make().merge(made(other))

    def psum(axis_name: Any) -> Any:
        def each(z: Any) -> Any:
            return Moments.from_batch(z, {"x": z[:, 0]}).psum(axis_name).count

        return jax.vmap(each, axis_name="i")(Z[None])

    def explained(**options: Any) -> Any:
        return Gathered(Z, Y).make().explained_variance(**options)

    batch = {"Z": Z, "Y": Y, "where": None, "sample_weight": None}
    return {
        "Moments.zeros": (
            Moments.zeros,
            {"D": 5, "p": {"x": 1}, "dtype": np.float32, "targets": True, "missing": False},
        ),
        "Moments.from_batch": (Moments.from_batch, {**batch, "targets": True, "axis_name": None}),
        "Moments.update": (update, {**batch, "decay": 0.5, "axis_name": None}),
        "Moments.merge": (merge, {"other": Gathered(Z, Y)}),
        "Moments.psum": (psum, {"axis_name": "i"}),
        "Moments.explained_variance": (explained, {"W": W, "A": A}),
        "fit_stream": (
            _fit_stream,
            {
                "batches": [(Z, Y)],
                "k": 2,
                "k_thresholds": None,
                "checkpoint": None,
                "progress": False,
                "encode": None,
                "quantities": None,
                "batch_size": 4,
                "checkpoint_every": 30.0,
                "ridge": 0.0,
                "shrinkage": None,
                "solver": "auto",
                "across_processes": False,
            },
        ),
    }
