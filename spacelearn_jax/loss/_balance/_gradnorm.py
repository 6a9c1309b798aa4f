"""Balancing by gradient norms that follow the rate of progress."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from spacelearn_jax import _checks, _numerics
from spacelearn_jax.loss._balance._balancer import (
    Balancer,
    ByName,
    first_nonzero,
    float32,
    ones,
    progress,
    zero,
    zeros,
)


class GradNormState(NamedTuple):
    """State of ``gradnorm``: weights, first terms, their optimizer's state, steps."""

    weights: ByName
    first: ByName
    optimizer: Any
    step: jax.Array


def gradnorm(alpha: float = 1.5, optimizer: optax.GradientTransformation | None = None) -> Balancer:
    """Trains weights so that terms that lag behind have the larger gradients.

    With G_i = w_i ||grad L_i||, relative rates r_i = (L_i / L_i(0)) / mean_j(L_j / L_j(0))
    and the constant target ``mean_j(G_j) r_i^alpha``, the weights descend
    ``sum_i |G_i - target_i|`` and are then rescaled to sum to the number of terms. L_i(0)
    is the first value that is not 0. Terms must not change their sign: rates to a power
    are NaN then, and so are all weights. Leave terms out that have no gradient, such as
    stability against bases that a tracker holds: nothing pulls their weights back.

    Args:
        alpha: Strength of the restoring force, >= 0.
        optimizer: Optimizer of the weights, ``optax.sgd(0.025)`` by default. Its steps
            have the size of gradient norms: lower its rate where those are large.

    Returns:
        The balancer; it needs gradient norms.

    Raises:
        TypeError: If an argument is of the wrong kind.
        ValueError: If ``alpha`` is negative.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from spacelearn_jax.loss import balance, combine, gradient_norms
        >>> objective = combine({"a": lambda p: jnp.sum(p**2), "b": lambda p: jnp.sum(9 * p)})
        >>> balanced = balance(objective, gradnorm())
        >>> @jax.jit
        ... def step(p, state):
        ...     norms = gradient_norms(lambda p: objective(p=p)[1], p)
        ...     loss = lambda p: balanced(state, p=p, norms=norms)
        ...     (_, (terms, state)), gradient = jax.value_and_grad(loss, has_aux=True)(p)
        ...     return p - 0.01 * gradient, state
        >>> p, state = step(jnp.ones(2), balanced.init())
        >>> print(state.weights["a"] > state.weights["b"])  # "b" has the larger gradient
        True

    Reference:
        Chen, Badrinarayanan, Lee and Rabinovich, GradNorm: gradient normalization for
        adaptive loss balancing in deep multitask networks, ICML 2018, equations 1 and 2.
    """
    alpha = _checks.positive("gradnorm", "alpha", alpha, or_zero=True)
    optimizer = optax.sgd(0.025) if optimizer is None else optimizer
    if not isinstance(optimizer, optax.GradientTransformation):
        raise _checks.failure(
            TypeError,
            "gradnorm",
            "optimizer",
            "an Optax optimizer",
            f"a {type(optimizer).__name__}",
            "Pass for example optax.sgd(0.025).",
        )

    def init(names: Iterable[str]) -> GradNormState:
        names = tuple(names)
        inner = optimizer.init(ones(names))
        return GradNormState(ones(names), zeros(names), inner, jnp.zeros((), jnp.int32))

    def update(
        terms: Mapping[str, jax.Array], state: GradNormState, norms: Mapping[str, jax.Array]
    ) -> tuple[ByName, jax.Array, GradNormState]:
        now, norms = float32(terms), float32(norms)
        first = first_nonzero(state.first, now)
        rates = progress(now, first)
        mean_rate = sum(rates.values(), zero()) / len(rates)
        mean_norm = sum(state.weights[n] * norms[n] for n in now) / len(now)
        pace = {n: _numerics.safe_divide(rates[n], mean_rate) ** alpha for n in now}

        def distance(weights: ByName) -> jax.Array:
            gaps = (jnp.abs(weights[n] * norms[n] - mean_norm * pace[n]) for n in now)
            return sum(gaps, zero())

        slope = jax.grad(distance)(state.weights)
        steps, inner = optimizer.update(slope, state.optimizer, state.weights)
        # A weight that a step drove below zero would maximize its term.
        raw = jax.tree.map(lambda w, d: jnp.maximum(w + d, 1e-6), state.weights, steps)
        scale = len(now) / sum(raw.values())
        weights = {n: w * scale for n, w in raw.items()}
        return weights, zero(), GradNormState(weights, first, inner, state.step + 1)

    return Balancer(init, update, needs_norms=True)
