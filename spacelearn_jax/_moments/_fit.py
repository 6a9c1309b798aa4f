"""What second moments determine: decoders, how well they fit, and how well bases do."""

from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
from jax import lax

from spacelearn_jax import _numerics, _stacks
from spacelearn_jax._moments import _products
from spacelearn_jax._moments._products import Pair
from spacelearn_jax._moments._sums import Sums
from spacelearn_jax.linalg import _factors, _lapack

#: The amount of shrinkage that is estimated, as users write it.
LEDOIT_WOLF = "ledoit-wolf"


def decoders(
    m: Sums,
    names: Sequence[str],
    W: jax.Array,
    *,
    ridge: jax.Array | None = None,
    shrinkage: jax.Array | str | None = None,
) -> jax.Array:
    """Returns minimum-norm least-squares decoders (s, k, p) of bases (s, k, D).

    ``ridge`` is added to the diagonal of the coordinates' Gram matrix; ``shrinkage`` draws
    the latents' one towards a multiple of the identity by this share.
    """

    def share(group: str) -> jax.Array | None:
        return ledoit_wolf(m, group) if isinstance(shrinkage, str) else shrinkage

    groups = names if m.missing else [""]
    own = [(_pair(m, "Szz", group), share(group)) for group in groups]
    C = _stacks.of([_pair(m, "Szy", q) for q in names])
    if not m.missing:
        return _stacks.each(lambda w, C: _decoder(w, own[0][0], C, own[0][1], ridge=ridge), W, C)
    return _stacks.each(
        lambda w, C, own: _decoder(w, own[0], C, own[1], ridge=ridge), W, C, _stacks.of(own)
    )


def _pair(m: Sums, field: str, key: str) -> Pair:
    return Pair(getattr(m, field)[key], getattr(m.low, field)[key] if m.low else None)


def _decoder(
    w: jax.Array, S: Pair, C: Pair, share: jax.Array | None, *, ridge: jax.Array | None
) -> jax.Array:
    G, C = _products.quadratic(w.T, S), _products.times(w.T, C)
    # Coordinates that are nothing but rounding are left out.
    rounding = jnp.diagonal(G.high) <= _rounding(w, S)
    G = jax.tree.map(lambda x: _without(rounding, x), G)
    C = jax.tree.map(lambda x: jnp.where(rounding[:, None], 0, x), C)
    if share is not None:
        even = jnp.trace(S.high) / len(S.high) * _numerics.matmul(w, w.T)
        G = _products.plus(_products.scaled(G, 1 - share), share * even)
    if ridge is not None:
        G = _products.plus(G, ridge * jnp.eye(w.shape[0], dtype=w.dtype))
    return _minimum_norm(G, C)


def _rounding(w: jax.Array, S: Pair) -> jax.Array:
    """Returns what rounding may make of the diagonal of w S w^T (k,).

    Roundings of D terms that don't know of one another, relative to root mean squares. A bound
    of the worst case, with sums of |w| |S| |w|, is larger by D, and takes all coordinates for
    rounding where latents share a strong direction.
    """
    scale = jnp.max(jnp.abs(S.high))
    squares = jnp.square(_numerics.safe_divide(S.high, scale))
    size = jnp.sum(_numerics.matmul(jnp.square(w), squares) * jnp.square(w), axis=1)
    return 4 * S.eps * len(S.high) ** 0.5 * scale * _numerics.safe_sqrt(size)


def _minimum_norm(G: Pair, C: Pair) -> jax.Array:
    """Solves G A = C for a Gram matrix, with the shortest A where there are several.

    A Gram matrix has the square of its data's condition number. What of that comes from
    coordinates of different size goes when they are scaled alike. The rest does where a
    pair has digits for it: in the basis that makes G diagonal but for rounding the pair's
    product shows what is left, and nothing but sizes differs there.
    """
    k = len(G.high)
    T, values = _diagonalized(G.high)
    if G.low is not None:
        near = _products.quadratic(T, G)
        d = jnp.diagonal(near.high)
        again, values = _diagonalized(_without(d <= G.eps * k * jnp.max(d), near.high))
        T = _numerics.matmul(T, again)
    negligible = values <= jnp.finfo(values.dtype).eps * k * values[-1]
    inverse = jnp.where(negligible, 0, 1 / jnp.where(negligible, 1, values))

    def solved(C: jax.Array) -> jax.Array:
        return _numerics.matmul(T, inverse[:, None] * _numerics.matmul(T.T, C))

    A = solved(C.high)
    if G.low is not None:
        # Small coordinates of C have few digits; what the solution leaves of C has more.
        A = lax.fori_loop(0, 2, lambda _, A: A + solved(_missing(G, C, A)), A)
    # Scaling changes which solution is the shortest: take away what is in the null space of G.
    unseen = jnp.where(negligible[None], T, 0)
    unseen = _numerics.safe_divide(
        unseen, _numerics.safe_sqrt(jnp.sum(jnp.square(unseen), axis=0))[None]
    )
    U, s, _ = _factors.factors(unseen, "svd")
    U = jnp.where((s > jnp.finfo(s.dtype).eps * k * s[0])[None], U, 0)
    return A - _numerics.matmul(U, _numerics.matmul(U.T, A))


def _missing(G: Pair, C: Pair, A: jax.Array) -> jax.Array:
    """Returns C - G A, which nearly cancel."""
    found = jax.tree.map(jnp.transpose, _products.times(A, G))
    return (C.high - found.high) + (C.low - found.low)


def _diagonalized(G: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Returns T (k, k) and ascending (k,) that T^T G T has on its diagonal, near to 1."""
    scale = _numerics.safe_sqrt(jnp.diagonal(G))
    scale = jnp.where(scale == 0, 1, scale)
    values, vectors = _lapack.eigh(_numerics.infinities_to_nan(G / scale[:, None] / scale[None]))
    return vectors / scale[:, None], values


def _without(rows: jax.Array, G: jax.Array) -> jax.Array:
    """Sets some rows (k,) of a matrix (k, k), and columns, to 0."""
    return jnp.where(rows[:, None] | rows[None], 0, G)


def ledoit_wolf(m: Sums, group: str) -> jax.Array:
    """Returns the share of shrinkage that is expected to serve the latent covariance best.

    Reference:
        Ledoit and Wolf, A well-conditioned estimator for large-dimensional covariance
        matrices, Journal of Multivariate Analysis 88, 2004.
    """
    assert m.fourth is not None  # the caller has seen to it
    n, D = m.n[group], m.Szz[group].shape[0]
    S = _numerics.safe_divide(m.Szz[group], n)
    square = jnp.sum(jnp.square(S))
    spread = square - jnp.square(jnp.trace(S)) / D
    error = _numerics.safe_divide(_numerics.safe_divide(m.fourth[group], n) - square, n)
    share = jnp.clip(_numerics.safe_divide(jnp.minimum(error, spread), spread), 0, 1)
    # Fourth powers leave the range of a dtype long before squares do.
    smallest = _numerics.safe_divide(_numerics.safe_divide(m.fourth[group], n), n)
    known = (smallest >= jnp.finfo(S.dtype).tiny) & (m.fourth[group] < jnp.inf)
    return jnp.where(known | (jnp.trace(S) == 0), share, jnp.nan)


def explained(m: Sums, q: str, w: jax.Array, a: jax.Array) -> jax.Array:
    """Returns the share of a target's variance that a decoder (k, p) explains."""
    assert m.Syy is not None  # the caller has seen to it
    whole = jnp.trace(m.Syy[q])
    # Large decoders of small coordinates cancel in G a, as in all that inverts G.
    G = _products.quadratic(w.T, _pair(m, "Szz", m.group(q)))
    C = _products.times(w.T, _pair(m, "Szy", q)).high
    found = jnp.sum(a * (2 * C - _products.times(a, G).high.T))
    # A target that is constant but for the rounding of its mean has no variance.
    rounding = m.n[m.group(q)] * jnp.square(jnp.finfo(a.dtype).eps * m.y_mean[q])
    constant = jnp.all(jnp.diagonal(m.Syy[q]) <= rounding)
    return jnp.where(constant, 0, _numerics.safe_divide(found, whole))


def procrustes(w: jax.Array, near: jax.Array) -> jax.Array:
    """Rotates a basis inside its span to be the nearest to another one.

    Reference:
        Schoenemann, A generalized solution of the orthogonal Procrustes problem,
        Psychometrika 31, 1966.
    """
    U, _, Vt = _factors.factors(_numerics.matmul(near, w.T), "svd")
    return _numerics.matmul(_numerics.matmul(U, Vt), w)


def misfit(m: Sums, W: Mapping[str, jax.Array]) -> jax.Array:
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
        inside = _numerics.matmul(w, C)
        image = _numerics.matmul(inside, C.T)
        leaving = image - _numerics.matmul(_numerics.matmul(image, w.T), w)
        sine = _numerics.safe_divide(_energy(leaving), _energy(image))
        captured = jnp.sum(jnp.square(inside), axis=1)
        gain = jnp.maximum(_outside(C - _numerics.matmul(w.T, inside)) - jnp.min(captured), 0)
        share = _numerics.safe_divide(gain, jnp.sum(captured) + gain)
        total += _numerics.safe_sqrt(jnp.maximum(sine, share))
    return total / len(W)


def _outside(R: jax.Array) -> jax.Array:
    """Returns nearly (and at most) the largest squared singular value of R.

    A step of power iteration from the column with most energy.
    """
    largest = jnp.argmax(jnp.sum(jnp.square(R), axis=0))
    x = _numerics.matmul(R, _numerics.matmul(R.T, jnp.take(R, largest, axis=1)))
    return _numerics.safe_divide(_energy(_numerics.matmul(R.T, x)), _energy(x))


def _energy(x: jax.Array) -> jax.Array:
    return jnp.sum(jnp.square(x))
