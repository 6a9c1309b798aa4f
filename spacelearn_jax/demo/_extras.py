"""Packages that only the demonstration needs."""

import importlib
from typing import Any


def require(module: str) -> Any:
    """Imports a package of the extra ``demo``.

    Args:
        module: Its import name, possibly dotted.

    Returns:
        The module.

    Raises:
        ImportError: If it isn't installed; the message says what to install.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != module.split(".")[0]:
            raise
        message = (
            f"the demonstration needs the package {error.name!r}, which is not installed. "
            f"Install it with: pip install {error.name} (the extra 'demo' has all of them)"
        )
        raise ImportError(message, name=error.name) from error
