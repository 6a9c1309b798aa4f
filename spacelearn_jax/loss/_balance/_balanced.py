"""Switching an objective to weights that follow training."""

import functools
import inspect
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from spacelearn_jax import _checks
from spacelearn_jax.loss._balance._balancer import Balancer
from spacelearn_jax.loss._combine import Objective, Terms, resolve
from spacelearn_jax.loss._reduce import weighted_sum


class Balanced:
    """An objective whose weights follow a balancer, made by ``balance``.

    ``balanced(state, *, step=0, norms=None, **inputs)`` returns ``(total, (terms, state))``
    with the unweighted terms and the next state, ready for
    ``value_and_grad(has_aux=True)``. Static weights and schedules of the objective
    multiply the balancer's.

    Attributes:
        objective: The objective that is balanced.
        balancer: The balancer.

    Example:
        >>> import jax.numpy as jnp
        >>> from spacelearn_jax.loss import balance, combine, uncertainty
        >>> objective = combine({"a": lambda x: x**2, "b": lambda x: jnp.abs(x)})
        >>> balanced = balance(objective, uncertainty())
        >>> total, (terms, state) = balanced(balanced.init(), x=jnp.array(2.0))
        >>> print(total)
        6.0
    """

    def __init__(self, objective: Objective, balancer: Balancer) -> None:
        self.objective = objective
        self.balancer = balancer

    def init(self) -> Any:
        """Returns the balancer's first state.

        Returns:
            The state for the terms of this objective.

        Example:
            >>> from spacelearn_jax.loss import balance, combine, uncertainty
            >>> print(balance(combine({"a": lambda x: x}), uncertainty()).init()["a"])
            0.0
        """
        return self.balancer.init(self.objective.functions)

    def __call__(
        self,
        state: Any,
        /,
        *,
        step: ArrayLike = 0,
        norms: Mapping[str, jax.Array] | None = None,
        **inputs: Any,
    ) -> tuple[jax.Array, tuple[Terms, Any]]:
        """Returns the balanced sum, the unweighted terms and the next state."""
        if self.balancer.needs_norms:
            if norms is None:
                raise _checks.failure(
                    ValueError,
                    "balance",
                    "norms",
                    "the gradient norms of the terms",
                    "None",
                    "Compute them with gradient_norms(lambda params: terms, params).",
                )
            norms = _checks.mapping("balance", "norms", norms)
            _checks.has_names("balance", "norms", norms, self.objective.functions)
        state = self._checked(state)
        own, nested = self.objective.terms(step=step, **inputs)
        weights, penalty, state = self.balancer.update(own, state, norms)
        fixed = resolve(self.objective.weights, step)
        scaled = {
            name: fixed[name].astype(w.dtype) * w if name in fixed else w
            for name, w in weights.items()
        }
        total = weighted_sum(own, scaled)
        return total + penalty.astype(total.dtype), (own | nested, state)

    def __repr__(self) -> str:
        """Shows the objective and the balancer."""
        update = self.balancer.update
        name = getattr(update, "__qualname__", repr(update)).split(".")[0]
        return f"balance({self.objective!r}, {name})"

    @functools.cached_property
    def _first_state(self) -> Any:
        return jax.eval_shape(self.init)

    def _checked(self, state: Any) -> Any:
        """Requires a state as ``init`` makes it, which modules may hold in variables."""
        first = self._first_state
        if isinstance(state, Mapping):
            state = {name: _value(x) for name, x in state.items()}
        same = type(state) is type(first)
        if same and isinstance(state, dict):
            same = all(isinstance(name, str) for name in state)
        got: Any = jax.tree.structure(state) if same else _checks.described(state)
        if not same or got != jax.tree.structure(first):
            raise _checks.failure(
                ValueError,
                "balance",
                "state",
                f"what balanced.init() gives for the terms "
                f"{', '.join(map(repr, sorted(self.objective.functions)))}",
                str(got),
                "Start from balanced.init(), and pass on what every call returns.",
            )
        return state


def _value(x: Any) -> Any:
    return jnp.asarray(x) if hasattr(x, "__jax_array__") else x


def balance(objective: Objective, balancer: Balancer) -> Balanced:
    """Switches an objective of ``combine`` to weights that follow training.

    Args:
        objective: An objective made by ``combine``.
        balancer: ``uncertainty()``, ``relobralo()``, ``gradnorm()``,
            ``gradient_norm_balance()`` or any pair of such functions.

    Returns:
        ``balanced`` with ``init() -> state`` and
        ``balanced(state, *, step=0, norms=None, **inputs) -> (total, (terms, state))``.

    Raises:
        TypeError: If an argument is of another kind.
        ValueError: If a term of the objective names an input ``norms``.

    Example:
        >>> import jax.numpy as jnp
        >>> from spacelearn_jax.loss import combine, relobralo
        >>> balanced = balance(combine({"a": lambda x: x**2}), relobralo())
        >>> total, (terms, state) = balanced(balanced.init(), x=jnp.array(3.0))
        >>> print(total, terms["a"])
        9.0 9.0
    """
    for argument, value, kind in (
        ("objective", objective, Objective),
        ("balancer", balancer, Balancer),
    ):
        if not isinstance(value, kind):
            raise _checks.failure(
                TypeError,
                "balance",
                argument,
                f"{'an' if kind is Objective else 'a'} {kind.__name__}",
                _checks.described(value),
                "Make it with combine(...)."
                if argument == "objective"
                else "Make it with "
                "uncertainty(), relobralo(), gradnorm() or another balancer's function.",
            )
    if "norms" in inspect.signature(objective).parameters:
        raise _checks.failure(
            ValueError,
            "balance",
            "objective",
            "of terms that take no 'norms', which are the balancer's",
            "one with such an input",
            "Rename it.",
        )
    return Balanced(objective, balancer)
