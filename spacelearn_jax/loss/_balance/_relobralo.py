"""Balancing by relative progress with a random look back."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from spacelearn_jax import _checks, _numerics
from spacelearn_jax.loss._balance._balancer import Balancer, ByName, float32, ones, pick, zero


class RelobraloState(NamedTuple):
    """State of ``relobralo``: weights, first and last terms, random key, steps."""

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
    (rho), ``w(t) = alpha (r w(t-1) + (1 - r) b(t, 0)) + (1 - alpha) b(t, t-1)``.

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
        ratios = [_numerics.safe_divide(now[name], temperature * then[name]) for name in now]
        shares = len(now) * jax.nn.softmax(jnp.stack(ratios))
        return dict(zip(now, shares, strict=True))

    def init(names: Iterable[str]) -> RelobraloState:
        even = ones(names)
        return RelobraloState(even, even, even, jax.random.key(seed), jnp.zeros((), jnp.int32))

    def update(
        terms: Mapping[str, jax.Array], state: RelobraloState, norms: Any
    ) -> tuple[ByName, jax.Array, RelobraloState]:
        del norms
        now = float32(terms)
        starts = state.step == 0
        first = pick(starts, now, state.first)
        key, draw = jax.random.split(state.key)
        kept = jax.random.bernoulli(draw, rho)
        history = pick(kept, state.weights, balanced(now, first))
        recent = balanced(now, pick(starts, now, state.last))
        mixed = {n: alpha * history[n] + (1 - alpha) * recent[n] for n in now}
        weights = pick(starts, ones(now), mixed)
        return weights, zero(), RelobraloState(weights, first, now, key, state.step + 1)

    return Balancer(init, update)
