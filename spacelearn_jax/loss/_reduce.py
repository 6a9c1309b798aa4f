"""From the losses of quantities, or of their pairs, to one number."""

from collections.abc import Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from spacelearn_jax import _checks, _numerics

REDUCTIONS = ("mean", "sum", "none")


def check_reduction(function: str, reduction: Any, weights: Any) -> None:
    """Requires a reduction, and one at all if there are weights."""
    _checks.choice(function, "reduction", reduction, REDUCTIONS)
    if reduction == "none" and weights is not None:
        raise _checks.failure(
            ValueError,
            function,
            "weights",
            "None for reduction='none', which returns unweighted values",
            "a mapping",
            "Multiply the values yourself, or reduce.",
        )


def check_weights(
    function: str, weights: Any, known: Iterable[str], what: str
) -> dict[str, jax.Array]:
    """Converts scalar weights by name; they may be traced."""
    if weights is None:
        return {}
    given = _checks.mapping(function, "weights", weights, may_be_empty=True, of="names to scalars")
    _checks.known_names(function, "weights", given, known, what)
    for name, x in given.items():
        if callable(x):
            raise _checks.failure(
                TypeError,
                function,
                _checks.entry("weights", name),
                "a number",
                _checks.described(x),
                "Call a schedule with the step, or use loss.combine, which does.",
            )
    return {
        name: _checks.scalar(function, _checks.entry("weights", name), x)
        for name, x in given.items()
    }


def reduce(
    losses: Mapping[Any, jax.Array],
    weights: Mapping[Any, jax.Array],
    reduction: str,
    dtype: jnp.dtype,
) -> jax.Array | dict[Any, jax.Array]:
    """Returns the (weighted) mean or sum of losses, or the losses themselves."""
    if reduction == "none":
        return dict(losses)
    if not losses:
        return jnp.zeros((), dtype)
    weighted = {
        name: weights[name].astype(loss.dtype) * loss if name in weights else loss
        for name, loss in losses.items()
    }
    return mean(weighted) if reduction == "mean" else jnp.sum(jnp.stack(list(weighted.values())))


def mean(losses: Mapping[Any, jax.Array]) -> jax.Array:
    """Returns the unweighted mean."""
    return jnp.sum(jnp.stack(list(losses.values()))) / len(losses)


def weighted_sum(terms: Mapping[str, jax.Array], weights: Mapping[str, ArrayLike]) -> jax.Array:
    """Returns ``sum_t w_t * term_t``, with weight 1 for a name that ``weights`` lacks."""
    dtype = _numerics.compute_dtype(*terms.values())
    total = jnp.zeros((), dtype)
    for name, term in terms.items():
        weight = jnp.asarray(weights.get(name, 1)).astype(dtype)
        total += weight * term.astype(dtype)
    return total
