"""Latents and targets out of what a stream yields."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import jax
import numpy as np

from spacelearn_jax import _checks
from spacelearn_jax.data._compute_q import Joined


class Source:
    """Turns batches into latents and targets."""

    def __init__(self, function: str, encode: Any, quantities: Any) -> None:
        self.function = function
        for argument, given in (("encode", encode), ("quantities", quantities)):
            if given is not None and not callable(given):
                got, fix = _checks.described(given), "Pass a function of the inputs."
                raise _checks.failure(TypeError, function, argument, "callable", got, fix)
        if quantities is not None and encode is None:
            raise _checks.failure(
                TypeError,
                function,
                "encode",
                "given beside quantities",
                "None",
                "Pass what gives latents of the same inputs.",
            )
        self.encode = encode
        self.quantities = quantities

    def checked(self, batches: Any) -> Any:
        """Returns batches that are seen to be of the right form one by one."""
        kinds = str | bytes | np.ndarray | jax.Array | Mapping | type
        if isinstance(batches, kinds) or not isinstance(batches, Iterable):
            raise _checks.failure(
                TypeError,
                self.function,
                "batches",
                "an iterable of batches",
                _checks.described(batches),
                "Pass [(Z, Y)], or a generator of such pairs.",
            )
        return self._each(batches)

    def _each(self, batches: Iterable[Any]) -> Iterator[Any]:
        for batch in batches:
            pair = isinstance(batch, tuple | list) and len(batch) == 2
            if self.quantities is None and not (pair and isinstance(batch[1], Mapping)):
                what = "(Z, Y)" if self.encode is None else "(inputs, Y)"
                got = _checks.described(batch)
                if isinstance(batch, tuple | list):
                    got = f"a {type(batch).__name__} of length {len(batch)}"
                    if pair:
                        got = f"a pair with {_checks.described(batch[1])} for Y"
                raise _checks.failure(
                    TypeError,
                    self.function,
                    "batches",
                    f"of pairs {what} with Y a mapping from quantity names to arrays",
                    got,
                    "Yield one such pair a batch.",
                )
            if self.quantities is None:
                inputs, Y = batch
                inputs = dict(inputs) if isinstance(inputs, Mapping) else inputs
                yield inputs, _checks.mapping(self.function, "Y", Y)
            else:
                yield dict(batch) if isinstance(batch, Mapping) else batch

    def batch(self, arrays: Any) -> tuple[Any, Any]:
        """Returns latents and targets of the arrays of a batch."""
        if self.encode is None:
            return arrays
        inputs, Y = (arrays, None) if self.quantities is not None else arrays
        Z = self._call("encode", self.encode, inputs)
        if self.quantities is not None:
            Y = self._call("quantities", self.quantities, inputs)
        return Z, Y

    def _call(self, argument: str, function: Callable[..., Any], inputs: Any) -> Any:
        joined = function if isinstance(function, Joined) else None
        if not isinstance(inputs, Mapping):
            takes = joined.takes() if joined else []
            return joined(**{takes[0]: inputs}) if joined and len(takes) == 1 else function(inputs)
        one = joined or Joined(self.function, {argument: function})
        wanted = {name: x for name, x in inputs.items() if one.takes_all or name in one.takes()}
        found = one(**wanted)
        return found if joined else found[argument]
