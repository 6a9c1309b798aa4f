"""Balancing by learned uncertainty."""

from collections.abc import Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from spacelearn_jax.loss._balance._balancer import Balancer, ByName, zero


def uncertainty() -> Balancer:
    """Weighs every term by a learned precision.

    ``total = sum_i exp(-s_i) L_i + s_i / 2`` over log-variances s_i. They are the state:
    put them among the parameters and let the optimizer train them, by differentiating
    the objective with respect to them too. At the optimum ``exp(-s_i) = 1 / (2 L_i)``, so
    terms must stay above 0: the weight of one that vanishes grows without bound.

    Returns:
        The balancer; its state is ``{term: s (scalar float32)}``, 0 at first.

    Example:
        >>> import jax.numpy as jnp
        >>> balancer = uncertainty()
        >>> weights, penalty, s = balancer.update({"a": jnp.array(2.0)}, {"a": jnp.log(4.0)}, None)
        >>> print(weights["a"], penalty.round(4))
        0.25 0.6931

    Reference:
        Kendall, Gal and Cipolla, Multi-task learning using uncertainty to weigh losses for
        scene geometry and semantics, CVPR 2018: the second term of equation 10 with
        s = log sigma^2; with terms halved, equation 7.
    """

    def init(names: Iterable[str]) -> ByName:
        return {name: zero() for name in sorted(names)}

    def update(
        terms: Mapping[str, jax.Array], state: ByName, norms: Any
    ) -> tuple[ByName, jax.Array, ByName]:
        del norms
        weights = {name: jnp.exp(-state[name]) for name in terms}
        return weights, sum((s / 2 for s in state.values()), zero()), state

    return Balancer(init, update)
