"""Decayed second moments of latents and targets, and the subspaces they determine."""

from collections.abc import Hashable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from spacelearn_jax import _numerics
from spacelearn_jax._subspaces import intercept, leading_basis, leading_pair
from spacelearn_jax.linalg import _factors
from spacelearn_jax.linalg._solvers import Solver
from spacelearn_jax.space import Space


class Moments(NamedTuple):
    """Weight, means and centred sums of products of everything seen so far.

    Rows with the same mask share their latent moments as a group: all quantities are one
    group, named "", unless samples may lack some, when each is one of its own and ""
    keeps the weight and mean of the rows that have any. All zeros is the neutral element
    of ``merge``.
    """

    n: dict[str, jax.Array]  # {group: ()}
    z_mean: dict[str, jax.Array]  # {group: (D,)}
    Szz: dict[str, jax.Array]  # {group that a quantity is in: (D, D)}
    y_mean: dict[str, jax.Array]  # {q: (p_q,)}
    Szy: dict[str, jax.Array]  # {q: (D, p_q)}

    def group(self, q: str) -> str:
        """Returns the group of a quantity."""
        return q if q in self.Szz else ""

    @property
    def missing(self) -> bool:
        """Whether every quantity has rows of its own."""
        return "" not in self.Szz


def of_batch(
    Z: jax.Array,
    Y: Mapping[str, jax.Array],
    where: _numerics.Where,
    axis_name: Hashable | None,
    dtype: jnp.dtype,
    *,
    missing: bool,
) -> Moments:
    """Returns the moments of one batch, detached."""
    Z = lax.stop_gradient(Z).astype(dtype)
    n, z_mean, Szz, y_mean, Szy = {}, {}, {}, {}, {}
    Zc: dict[str, jax.Array] = {}
    for group in ["", *Y] if missing else [""]:
        rows = _numerics.rows_of(where, group) if group else _numerics.any_rows(where)
        x, z_mean[group] = _numerics.row_mean(Z, rows, axis_name)
        if group or not missing:
            Zc[group] = _numerics.keep(x - z_mean[group][None], rows)
            Szz[group] = _numerics.gram(Zc[group], Zc[group], axis_name)
        n[group] = jnp.asarray(Z.shape[0] * _numerics.axis_size(axis_name), dtype)
        if rows is not None:
            # Unlike a divisor, the weight of a batch without valid rows is 0.
            n[group] = _numerics.total(jnp.sum(rows, dtype=dtype), axis_name)
    for q, y in Y.items():
        rows = _numerics.rows_of(where, q)
        flat = _numerics.flatten(lax.stop_gradient(y), dtype)
        flat, y_mean[q] = _numerics.row_mean(flat, rows, axis_name)
        # What is left of masked rows here meets zeros in Zc.
        Szy[q] = _numerics.gram(Zc[q if missing else ""], flat - y_mean[q][None], axis_name)
    return Moments(n, z_mean, Szz, y_mean, Szy)


def merge(a: Moments, b: Moments) -> Moments:
    """Returns the moments of both together.

    Reference:
        Chan, Golub and LeVeque, Updating formulae and a pairwise algorithm for computing
        sample variances, 1979.
    """
    n = {g: a.n[g] + b.n[g] for g in a.n}
    share = {g: _numerics.safe_divide(b.n[g], n[g]) for g in n}
    dz = {g: b.z_mean[g] - a.z_mean[g] for g in n}
    dy = {q: b.y_mean[q] - a.y_mean[q] for q in a.Szy}
    of = {q: a.group(q) for q in a.Szy}

    def across(g: str, x: jax.Array, y: jax.Array) -> jax.Array:
        return a.n[g] * share[g] * jnp.outer(x, y)

    return Moments(
        n=n,
        z_mean={g: a.z_mean[g] + share[g] * dz[g] for g in n},
        Szz={g: a.Szz[g] + b.Szz[g] + across(g, dz[g], dz[g]) for g in a.Szz},
        y_mean={q: a.y_mean[q] + share[g] * dy[q] for q, g in of.items()},
        Szy={q: a.Szy[q] + b.Szy[q] + across(g, dz[g], dy[q]) for q, g in of.items()},
    )


def decayed(m: Moments, decay: float, batch: Moments) -> Moments:
    """Returns moments in which every sample counts ``decay`` times as much.

    A batch without rows of a group leaves it as it is: what nothing replaces must not
    fade away, at once with a decay of 0 and by underflow with any other.
    """
    factor = {g: jnp.where(batch.n[g] > 0, decay, 1).astype(x.dtype) for g, x in m.n.items()}
    return m._replace(
        n={g: factor[g] * x for g, x in m.n.items()},
        Szz={g: factor[g] * x for g, x in m.Szz.items()},
        Szy={q: factor[m.group(q)] * x for q, x in m.Szy.items()},
    )


def decoder(m: Moments, q: str, w: jax.Array) -> jax.Array:
    """Returns the minimum-norm least-squares decoder (k, p) of a basis."""
    G = _product(_product(w, m.Szz[m.group(q)]), w.T)
    values, vectors = jnp.linalg.eigh(G)
    negligible = values <= jnp.finfo(values.dtype).eps * w.shape[0] * values[-1]
    inverse = jnp.where(negligible, 0, 1 / jnp.where(negligible, 1, values))
    onto = _product(vectors.T, _product(w, m.Szy[q]))
    return _product(vectors, inverse[:, None] * onto)


def solve(
    m: Moments,
    k: Mapping[str, int],
    shapes: Mapping[str, tuple[int, ...]],
    solver: Solver,
    near: Mapping[str, jax.Array] | None,
) -> Space:
    """Solves the subspaces of these moments, with bases nearest to ``near`` if given."""
    z_mean = m.z_mean[""]
    W, A, V, y_mean = {}, {}, {}, {}
    for q, C in m.Szy.items():
        factors = _factors.factors(C, solver)
        V[q] = leading_pair(factors)[1]
        w = leading_basis(factors, k[q])
        W[q] = w if near is None else aligned(w, near[q])
        a = decoder(m, q, W[q])
        A[q] = a if shapes[q] else a[:, 0]
        y_mean[q] = intercept(z_mean - m.z_mean[m.group(q)], W[q], a, m.y_mean[q])
    return Space(W, A, V, z_mean, y_mean, shapes)


def aligned(w: jax.Array, near: jax.Array) -> jax.Array:
    """Rotates a basis inside its span to be the nearest to another one.

    Reference:
        Schoenemann, A generalized solution of the orthogonal Procrustes problem,
        Psychometrika 31, 1966.
    """
    U, _, Vt = _factors.factors(_product(near, w.T), "svd")
    return _product(_product(U, Vt), w)


def misfit(m: Moments, W: Mapping[str, jax.Array]) -> jax.Array:
    """Tells how far the bases are from spanning leading singular subspaces of the moments.

    It needs products alone, so that it can be asked for on every step. For a singular
    subspace C C^T W^T lies in the span of W; the sine of the angle by which it leaves is
    0 there. That holds for trailing singular vectors as well, so it also counts what
    |W C|^2 would gain, relative to the result, from exchanging the weakest direction in W
    for a strong one outside. Either is at most 1; the mean over quantities of the larger
    is returned.
    """
    total = jnp.zeros((), next(iter(m.Szy.values())).dtype)
    for q, C in m.Szy.items():
        w = W[q]
        C = _numerics.safe_divide(C, jnp.max(jnp.abs(C)))  # fourth powers follow
        inside = _product(w, C)
        image = _product(inside, C.T)
        leaving = image - _product(_product(image, w.T), w)
        sine = _numerics.safe_divide(_energy(leaving), _energy(image))
        captured = jnp.sum(jnp.square(inside), axis=1)
        gain = jnp.maximum(_outside(C - _product(w.T, inside)) - jnp.min(captured), 0)
        share = _numerics.safe_divide(gain, jnp.sum(captured) + gain)
        total += _numerics.safe_sqrt(jnp.maximum(sine, share))
    return total / len(W)


def _outside(R: jax.Array) -> jax.Array:
    """Returns nearly (and at most) the largest squared singular value of R.

    A step of power iteration from the column with most energy.
    """
    largest = jnp.argmax(jnp.sum(jnp.square(R), axis=0))
    x = _product(R, _product(R.T, jnp.take(R, largest, axis=1)))
    return _numerics.safe_divide(_energy(_product(R.T, x)), _energy(x))


def _energy(x: jax.Array) -> jax.Array:
    return jnp.sum(jnp.square(x))


def _product(x: jax.Array, y: jax.Array) -> jax.Array:
    return jnp.matmul(x, y, precision=_numerics.EXACT)
