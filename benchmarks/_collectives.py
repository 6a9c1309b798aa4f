"""What devices tell each other, read from a compiled program."""

import math
import re
from typing import NamedTuple

import jax.numpy as jnp

_NAMES = {"f": "float", "bf": "bfloat", "s": "int", "u": "uint", "c": "complex"}
_OPERATION = re.compile(
    r"= (?P<result>.*?) (?P<kind>all-reduce|all-gather|all-to-all|reduce-scatter"
    r"|collective-permute|collective-broadcast)(?:-start)?\("
)
_SHAPE = re.compile(r"(\w+?)(\d*)\[([\d,]*)\]")


class Collective(NamedTuple):
    """One exchange, as long as its result on one device is."""

    kind: str
    elements: int
    bytes: int


def collectives(program: str) -> list[Collective]:
    """Lists the collectives of a compiled program's text, as ``compiled.as_text()`` gives it.

    Both branches of a conditional count, though one runs.
    """
    found = []
    for line in program.splitlines():
        match = _OPERATION.search(line)
        if match is None:
            continue
        elements = size = 0
        for kind, bits, dimensions in _SHAPE.findall(match["result"]):
            count = math.prod(int(d) for d in dimensions.split(",") if d)
            elements += count
            size += count * _bytes(kind, bits)
        found.append(Collective(match["kind"], elements, size))
    return found


def _bytes(kind: str, bits: str) -> int:
    return 1 if kind == "pred" else jnp.dtype(_NAMES[kind] + bits).itemsize


def by_kind(found: list[Collective]) -> dict[str, dict[str, int]]:
    """Sums collectives by kind."""
    kinds = sorted({c.kind for c in found})
    return {
        kind: {
            "count": sum(c.kind == kind for c in found),
            "bytes": sum(c.bytes for c in found if c.kind == kind),
        }
        for kind in kinds
    }
