"""One row of the table of bad inputs."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Bad(NamedTuple):
    """Arguments that are wrong, and what the user is told about them.

    ``text`` is the whole message but for the name of the function in front.
    ``eager_only`` says why the row means nothing under jit.
    """

    id: str
    function: str
    changes: Mapping[str, Any]
    kind: type[Exception]
    text: str
    eager_only: str = ""
