"""Objectives made of named terms: weighted, scheduled, nested, reported."""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from spacelearn_jax import _checks
from spacelearn_jax.data._compute_q import Joined
from spacelearn_jax.loss._reduce import weighted_sum

Weight = ArrayLike | Callable[[ArrayLike], ArrayLike]
Terms = dict[str, jax.Array]


class Objective:
    """A weighted sum of named terms, made by ``combine``.

    It is called with the inputs of all its terms by name and returns
    ``(total, terms)``, the unweighted terms, ready for ``value_and_grad(has_aux=True)``.

    Attributes:
        functions: The terms' functions by name.
        weights: The weights by name, 1 for a name it lacks.

    Example:
        >>> import jax.numpy as jnp
        >>> from spacelearn_jax.loss import combine
        >>> objective = combine({"fit": lambda x: jnp.mean(x**2)}, {"fit": 0.5})
        >>> total, terms = objective(x=jnp.array([2.0]))
        >>> print(total, terms["fit"])
        2.0 4.0
    """

    def __init__(
        self, functions: Mapping[str, Callable[..., Any]], weights: Mapping[str, Weight]
    ) -> None:
        self._joined = Joined("combine", functions)
        self.functions = dict(functions)
        self.weights = dict(weights)
        # On the instance: inspect.signature reads it where an objective is a term of another.
        self.__signature__ = self._signature()

    def _signature(self) -> inspect.Signature:
        """Returns the inputs by name."""
        keyword = inspect.Parameter.KEYWORD_ONLY
        needs = set(self._joined.needs()) - {"step"}
        parameters = [
            inspect.Parameter(name, keyword)
            if name in needs
            else inspect.Parameter(name, keyword, default=None)
            for name in self._joined.takes()
            if name != "step"
        ]
        parameters.append(inspect.Parameter("step", keyword, default=0))
        if self._joined.takes_all:
            name = "inputs"
            while name in self._joined.takes():
                name += "_"
            parameters.append(inspect.Parameter(name, inspect.Parameter.VAR_KEYWORD))
        return inspect.Signature(parameters)

    def terms(self, /, *, step: ArrayLike = 0, **inputs: Any) -> tuple[Terms, Terms]:
        """Evaluates the terms.

        Args:
            step: Training step (scalar), handed to the terms that name it.
            **inputs: What the terms take, by name.

        Returns:
            The scalars of this objective's own terms, and those of nested objectives
            under ``"term/inner"``.

        Raises:
            TypeError: If a term is not a floating scalar.
            ValueError: If an input is missing or unknown, or a term is not a scalar.

        Example:
            >>> import jax.numpy as jnp
            >>> from spacelearn_jax.loss import combine
            >>> own, nested = combine({"fit": lambda x: jnp.mean(x**2)}).terms(x=jnp.ones(3))
            >>> print(own["fit"], nested)
            1.0 {}
        """
        if self._joined.takes_all or "step" in self._joined.takes():
            inputs["step"] = step
        own: Terms = {}
        nested: Terms = {}
        for name, value in self._joined(**inputs).items():
            if isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], Mapping):
                value, inner = value
                nested |= {f"{name}/{key}": x for key, x in inner.items()}
            what = f"the term {name!r}"
            if isinstance(value, int | float) and not isinstance(value, bool):
                value = jnp.asarray(value, jnp.float32)  # an empty sum, a term switched off
            if isinstance(value, Mapping):
                raise _checks.failure(
                    TypeError,
                    "combine",
                    what,
                    "a scalar",
                    _checks.described(value),
                    "Reduce it, as reduction='mean' does, or return (scalar, {name: part}).",
                )
            x = _checks.floating("combine", what, value)
            if x.ndim != 0:
                raise _checks.failure(
                    ValueError,
                    "combine",
                    what,
                    "a scalar",
                    f"shape {x.shape}",
                    "Reduce it, for example with .mean().",
                )
            own[name] = x
        return own, nested

    def __call__(self, /, *, step: ArrayLike = 0, **inputs: Any) -> tuple[jax.Array, Terms]:
        """Returns the weighted sum and the unweighted terms."""
        own, nested = self.terms(step=step, **inputs)
        return weighted_sum(own, resolve(self.weights, step)), own | nested

    def __repr__(self) -> str:
        """Shows a line a term: name, weight, function."""
        lines = [
            f"  {name}: {_describe(self.weights.get(name, 1))} * {_describe(function)},"
            for name, function in self.functions.items()
        ]
        return "\n".join(["combine(", *lines, ")"])


def _describe(value: Any) -> str:
    if isinstance(value, Objective):
        return repr(value).replace("\n", "\n  ")
    if isinstance(value, functools.partial):
        bound = [*map(repr, value.args), *(f"{k}={v!r}" for k, v in value.keywords.items())]
        return f"{_describe(value.func)}({', '.join(bound)})"
    if callable(value):
        return getattr(value, "__qualname__", repr(value)).replace("<locals>.", "")
    return str(value)


def resolve(weights: Mapping[str, Weight], step: ArrayLike) -> dict[str, jax.Array]:
    """Evaluates the schedules among weights, and checks what they return."""
    return {
        name: _checks.scalar(
            "combine", _checks.entry("weights", name), w(step) if callable(w) else w
        )
        for name, w in weights.items()
    }


def combine(
    terms: Mapping[str, Callable[..., Any]], weights: Mapping[str, Weight] | None = None
) -> Objective:
    """Combines loss functions to one objective, ``sum_t w_t(step) * term_t``.

    Every function is called with the inputs that its signature names, so that the losses
    of this package, of Optax and your own stand side by side. A function may be an
    objective itself (or return ``(value, {name: value})``); its terms are reported as
    ``"term/inner"``.

    Args:
        terms: Functions by name, each returning a floating scalar or a Python number.
        weights: A number, a traced scalar or a schedule of the step by name; 1 by
            default. Schedules need ``step=`` in every call: without it they stay at 0.

    Returns:
        ``objective(*, step=0, **inputs) -> (total, {term: unweighted value})``.

    Raises:
        TypeError: If a term is not callable or a weight not a number or schedule.
        ValueError: If there is no term, two would report under one name, or a weight
            names no term or is no scalar. When called: if an input is missing or no term
            takes it.

    Example:
        >>> import jax.numpy as jnp
        >>> import optax
        >>> objective = combine(
        ...     {
        ...         "task": lambda x, y: optax.l2_loss(x, y).mean(),
        ...         "size": lambda x: jnp.mean(jnp.abs(x)),
        ...     },
        ...     weights={"size": optax.linear_schedule(0.0, 1.0, 100)},
        ... )
        >>> total, terms = objective(x=jnp.ones(3), y=jnp.zeros(3), step=50)
        >>> print(total, terms["task"], terms["size"])
        1.0 0.5 1.0
    """
    functions = _checks.mapping("combine", "terms", terms, of="names to functions")
    for name, function in functions.items():
        if not callable(function) or isinstance(function, type):
            raise _checks.failure(
                TypeError,
                "combine",
                _checks.entry("terms", name),
                "a function",
                _checks.described(function),
                "Pass the loss function itself, not its value.",
            )
        outer = next((other for other in functions if name.startswith(f"{other}/")), None)
        if outer is not None:
            raise _checks.failure(
                ValueError,
                "combine",
                _checks.entry("terms", name),
                f"named apart from {outer!r}, whose inner terms are reported as '{outer}/...'",
                repr(name),
                "Rename one of them.",
            )
    return Objective(functions, _check_weights(weights, functions))


def _check_weights(weights: object, names: Mapping[str, Any]) -> dict[str, Weight]:
    """Checks weights by name: scalars or schedules."""
    if weights is None:
        return {}
    of = "names to scalars or schedules"
    given = _checks.mapping("combine", "weights", weights, may_be_empty=True, of=of)
    _checks.known_names("combine", "weights", given, names, "the terms of the loss")
    for name, weight in given.items():
        if not callable(weight) or isinstance(weight, type):
            _checks.scalar("combine", _checks.entry("weights", name), weight)
    return given
