"""Balancing by equal gradient norms, and the norms themselves."""

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from spacelearn_jax import _checks, _numerics
from spacelearn_jax.loss._balance._balancer import Balancer, ByName, float32, ones, zero


class GradientNormState(NamedTuple):
    """State of ``gradient_norm_balance``: weights and steps."""

    weights: ByName
    step: jax.Array


def gradient_norm_balance(decay: float = 0.9) -> Balancer:
    """Weighs terms so that their gradients have equal norms.

    ``w_i = decay w_i + (1 - decay) sum_j ||grad L_j|| / ||grad L_i||``, the rule of
    physics-informed networks. A term without gradient keeps its weight.

    Args:
        decay: Weight of the past, in [0, 1].

    Returns:
        The balancer; it needs gradient norms.

    Raises:
        TypeError: If ``decay`` is not a number.
        ValueError: If it is outside [0, 1].

    Example:
        >>> import jax.numpy as jnp
        >>> balancer = gradient_norm_balance(decay=0.0)
        >>> terms = {"a": jnp.array(1.0), "b": jnp.array(1.0)}
        >>> norms = {"a": jnp.array(3.0), "b": jnp.array(1.0)}
        >>> weights, _, _ = balancer.update(terms, balancer.init(terms), norms)
        >>> print((3.0 * weights["a"]).round(4), weights["b"])
        4.0 4.0

    Reference:
        Wang, Sankaran, Wang and Perdikaris, An expert's guide to training physics-informed
        neural networks, 2023, arXiv:2308.08468, section 5.2.
    """
    decay = _checks.fraction("gradient_norm_balance", "decay", decay)

    def init(names: Iterable[str]) -> GradientNormState:
        return GradientNormState(ones(names), jnp.zeros((), jnp.int32))

    def update(
        terms: Mapping[str, jax.Array], state: GradientNormState, norms: Mapping[str, jax.Array]
    ) -> tuple[ByName, jax.Array, GradientNormState]:
        norms = float32(norms)
        total = sum((norms[n] for n in terms), zero())
        weights = {}
        for n in terms:
            old = state.weights[n]
            goal = jnp.where(norms[n] == 0, old, _numerics.safe_divide(total, norms[n]))
            weights[n] = decay * old + (1 - decay) * goal
        return weights, zero(), GradientNormState(weights, state.step + 1)

    return Balancer(init, update, needs_norms=True)


def gradient_norms(function: Callable[[Any], Mapping[str, jax.Array]], params: Any) -> ByName:
    """Norms of the gradients of several terms, from one forward pass.

    Args:
        function: ``function(params) -> {term: scalar}``.
        params: The parameters to differentiate with respect to, a pytree; for GradNorm
            those of the last shared layer. Integers and PRNG keys among them count as
            constants.

    Returns:
        ``{term: ||d term / d params||_2}``, in float32 as all weights, whatever the dtype of
        the parameters.

    Raises:
        TypeError: If ``function`` does not return a mapping of floating scalars.
        ValueError: If it is empty or a term is not a scalar.

    Example:
        >>> import jax.numpy as jnp
        >>> norms = gradient_norms(lambda p: {"a": 3.0 * p[0], "b": p @ p}, jnp.array([1.0, 0.0]))
        >>> print(norms["a"], norms["b"])
        3.0 2.0
    """
    if not callable(function) or isinstance(function, type):
        raise _checks.failure(
            TypeError,
            "gradient_norms",
            "function",
            "a function",
            _checks.described(function),
            "Pass the function that computes the terms, not its value.",
        )

    def evaluate(p: Any) -> dict[str, jax.Array]:
        terms = _checks.mapping(
            "gradient_norms", "function(params)", function(p), of="names to scalars"
        )
        return {
            n: _checks.floating("gradient_norms", f"the term {n!r}", x) for n, x in terms.items()
        }

    terms, pullback = jax.vjp(evaluate, params)
    zeros = jax.tree.map(jnp.zeros_like, terms)
    norms = {}
    for name, term in terms.items():
        if term.ndim != 0:
            raise _checks.failure(
                ValueError,
                "gradient_norms",
                f"the term {name!r}",
                "a scalar",
                f"shape {term.shape}",
                "Reduce it, for example with .mean().",
            )
        (gradient,) = pullback(zeros | {name: jnp.ones_like(term)})
        # Integers and keys among the parameters have no gradient.
        leaves = [g for g in jax.tree.leaves(gradient) if g.dtype != jax.dtypes.float0]
        norms[name] = _norm([jnp.abs(g).astype(jnp.float32) for g in leaves])
    return norms


def _norm(sizes: list[jax.Array]) -> jax.Array:
    """Returns the root of the sum of squares, none of which under- or overflows."""
    largest = [jnp.max(x, initial=0) for x in sizes]
    scale = _numerics.power_of_two(functools.reduce(jnp.maximum, largest, zero()))
    squares = [jnp.sum(jnp.square(x / scale)) for x in sizes]
    return scale * _numerics.safe_sqrt(sum(squares, zero()))
