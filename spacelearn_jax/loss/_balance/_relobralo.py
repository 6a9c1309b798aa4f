"""Balancing by relative progress with a random look back."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from spacelearn_jax import _checks
from spacelearn_jax.loss._balance._balancer import (
    Balancer,
    ByName,
    first_nonzero,
    float32,
    ones,
    pick,
    progress,
    zero,
    zeros,
)


class RelobraloState(NamedTuple):
    """State of ``relobralo``: weights, first and last terms, a key's data, steps.

    The data and not the key, which ``flax.serialization`` can't store.
    """

    weights: ByName
    first: ByName
    last: ByName
    key: jax.Array
    step: jax.Array


def relobralo(
    alpha: float = 0.999, rho: float = 0.999, temperature: float = 1.0, seed: int = 0
) -> Balancer:
    """Weighs terms by how little they have fallen, with a random look back at the start.

    With ``b_i(t, t') = m softmax_i(L_i(t) / (T L_i(t')))`` over m terms and r ~ Bernoulli
    (rho), ``w(t) = alpha (r w(t-1) + (1 - r) b(t, 0)) + (1 - alpha) b(t, t-1)``. For L_i(0)
    stands the first value that is not 0, and a term that was 0 last counts as unchanged.

    Args:
        alpha: Weight of the past, in [0, 1].
        rho: Probability of keeping the last weights instead of looking back, in [0, 1].
        temperature: T > 0; the larger, the more even the weights.
        seed: Seed of the random look back.

    Returns:
        The balancer; all weights are 1 on its first update.

    Raises:
        TypeError: If an argument is not a number.
        ValueError: If it is out of range.

    Example:
        >>> relobralo().needs_norms
        False

    Reference:
        Bischof and Kraus, Multi-objective loss balancing for physics-informed deep
        learning, 2021, arXiv:2110.09813, equations 9 to 12.
    """
    alpha = _checks.fraction("relobralo", "alpha", alpha)
    rho = _checks.fraction("relobralo", "rho", rho)
    temperature = _checks.positive("relobralo", "temperature", temperature)
    seed = _checks.integer("relobralo", "seed", seed, minimum=0)

    def balanced(now: ByName, then: ByName) -> ByName:
        ratios = jnp.stack(list(progress(now, then).values()))
        shares = len(now) * jax.nn.softmax(ratios / temperature)
        return dict(zip(now, shares, strict=True))

    def init(names: Iterable[str]) -> RelobraloState:
        names, step = tuple(names), jnp.zeros((), jnp.int32)
        key = jax.random.key_data(jax.random.key(seed))
        return RelobraloState(ones(names), zeros(names), zeros(names), key, step)

    def update(
        terms: Mapping[str, jax.Array], state: RelobraloState, norms: Any
    ) -> tuple[ByName, jax.Array, RelobraloState]:
        del norms
        now = float32(terms)
        starts = state.step == 0
        first = first_nonzero(state.first, now)
        key, draw = jax.random.split(jax.random.wrap_key_data(state.key))
        kept = jax.random.bernoulli(draw, rho)
        history = pick(kept, state.weights, balanced(now, first))
        recent = balanced(now, state.last)
        mixed = {n: alpha * history[n] + (1 - alpha) * recent[n] for n in now}
        weights = pick(starts, ones(now), mixed)
        return (
            weights,
            zero(),
            RelobraloState(weights, first, now, jax.random.key_data(key), state.step + 1),
        )

    return Balancer(init, update)
