"""Cases of moments, and of what is solved from them."""

from collections.abc import Callable
from typing import Any

import jax

import spacelearn_jax as sl
from spacelearn_jax import optim
from spacelearn_jax.moments import Moments

#: Public names that compute nothing on arrays of their own, and why.
HOST_ONLY = {
    "Moments": "a container; its methods that compute have cases",
    "fit_stream": "reads an iterable",
    "Moments.zeros": "takes no arrays; the case of update calls it",
}


def _gathered(Z: Any, Y: Any, *, where: Any = None, axis_name: Any = None) -> Any:
    return _kept(Moments.from_batch(Z, Y, where, axis_name=axis_name))


def _added(Z: Any, Y: Any, *, where: Any = None, axis_name: Any = None) -> Any:
    m = Moments.from_batch(Z, Y, where, axis_name=axis_name)
    return _kept(m.update(Z, Y, where, decay=0.5, axis_name=axis_name))


def _merged(Z: Any, Y: Any, *, where: Any = None, axis_name: Any = None) -> Any:
    m = Moments.from_batch(Z, Y, where, axis_name=axis_name)
    return _kept(m.merge(m))


def _summed(Z: Any, Y: Any, *, where: Any = None, axis_name: Any = None) -> Any:
    m = Moments.from_batch(Z, Y, where)
    return _kept(m if axis_name is None else m.psum(axis_name))


def _kept(m: Moments) -> Any:
    """Returns the numbers by quantity, but for low parts, and sums that nearly cancel."""
    sums, groups = m.sums, {q: m.sums.group(q) for q in m.Szy}
    latents = {q: (sums.n[g], sums.Szz[g], sums.fourth[g]) for q, g in groups.items()}
    return m.z_mean, m.y_mean, m.Szy, m.Syy, latents


def _directions(
    Z: Any, Y: Any, *, where: Any = None, axis_name: Any = None, solver: Any = "auto"
) -> Any:
    m = Moments.from_batch(Z, Y, where, axis_name=axis_name)
    return sl.principal_directions(m, solver=solver)


def _subspaces(
    Z: Any, Y: Any, *, where: Any = None, axis_name: Any = None, solver: Any = "auto"
) -> Any:
    m = Moments.from_batch(Z, Y, where, axis_name=axis_name)
    return sl.subspaces(m, k=2, solver=solver)


def _solved(
    Z: Any, Y: Any, *, where: Any = None, axis_name: Any = None, solver: Any = "auto"
) -> Any:
    m = Moments.from_batch(Z, Y, where, axis_name=axis_name)
    return sl.solve_subspaces(m, k=2, solver=solver)


def _decoders(
    W: Any, Z: Any, Y: Any, *, where: Any = None, axis_name: Any = None, solver: Any = "auto"
) -> Any:
    m = Moments.from_batch(Z, Y, where, axis_name=axis_name)
    return optim.fit_decoders(W, m, solver=solver)


def _explained(W: Any, Z: Any, Y: Any, *, where: Any = None, axis_name: Any = None) -> Any:
    m = Moments.from_batch(Z, Y, where, axis_name=axis_name)
    A = {q: jax.numpy.ones((len(w), m.Szy[q].shape[1]), m.count.dtype) for q, w in W.items()}
    return m.explained_variance(W, A)


def cases(Case: Callable[..., Any]) -> tuple[Any, ...]:  # noqa: N803 - a class
    """Returns the cases."""
    solve, fit = ("Z", "Y_two"), ("W_two", "Z", "Y_two")
    solved = {"kind": "solved", "batch": solve}
    of_moments = {"label": "moments", "calls": 2, **solved}
    return (
        Case("Moments.from_batch", _gathered, solve, **solved),
        Case("Moments.update", _added, solve, calls=None, **solved),
        Case("Moments.merge", _merged, solve, calls=2, **solved),
        Case("Moments.psum", _summed, solve, **solved),
        Case("Moments.explained_variance", _explained, fit, calls=None, **solved),
        Case("principal_directions", _directions, solve, **of_moments),
        Case("subspaces", _subspaces, solve, **of_moments),
        Case("solve_subspaces", _solved, solve, **of_moments),
        Case("fit_decoders", _decoders, fit, **of_moments),
        Case(
            "fit_decoders",
            optim.fit_decoders,
            fit,
            (("ridge", 0.1), ("shrinkage", "ledoit-wolf")),
            label="regularized",
            calls=None,
            **solved,
        ),
    )
