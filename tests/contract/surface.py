"""Every public function, class and method, found by looking."""

import importlib
import inspect
import pkgutil
import types
from collections.abc import Iterator
from typing import Any

import spacelearn_jax as sl

#: Programs of their own: they need optional packages and are tested as programs.
APPLICATIONS = ("cli", "demo")


def public_modules() -> Iterator[types.ModuleType]:
    """Yields the package and its public modules, those of applications left out."""
    yield sl
    for found in pkgutil.iter_modules(sl.__path__):
        if not found.name.startswith("_") and found.name not in APPLICATIONS:
            yield importlib.import_module(f"{sl.__name__}.{found.name}")


def public() -> dict[str, Any]:
    """Returns every public function, class and method by its qualified name.

    Where modules have different things of one name, it stands behind the module's.
    """
    found: dict[str, dict[str, Any]] = {}
    for module in public_modules():
        own = [n for n, x in vars(module).items() if _defined_in(x, module) and n[0] != "_"]
        for name in getattr(module, "__all__", own):
            value = getattr(module, name)
            if not isinstance(value, types.ModuleType):
                # A union of types has a name of its own since Python 3.14.
                known_as = value.__qualname__ if callable(value) else name
                same = found.setdefault(known_as, {})
                if all(value is not known for known in same.values()):
                    same[module.__name__.rpartition(".")[2]] = value
    named: dict[str, Any] = {}
    for name, same in found.items():
        for home, value in same.items():
            key = f"{home}.{name}" if len(same) > 1 else name
            named[key] = value
            if inspect.isclass(value):
                named |= {
                    f"{key}.{n}": getattr(value, n)
                    for n, m in vars(value).items()
                    if n[0] != "_"
                    and isinstance(m, types.FunctionType | classmethod | staticmethod)
                }
    return named


def _defined_in(value: Any, module: types.ModuleType) -> bool:
    return getattr(value, "__module__", None) == module.__name__ and callable(value)
