"""A progress bar, where asked for."""

import contextlib
import importlib
import operator
from collections.abc import Callable, Iterator
from typing import Any


@contextlib.contextmanager
def bar(batches: Any, *, show: bool) -> Iterator[Callable[[int, int], None]]:
    """Yields what is told of every piece: its batch and its rows."""
    if not show:
        yield lambda batch, rows: None
        return
    try:
        progress = importlib.import_module("rich.progress")
    except ModuleNotFoundError as error:
        message = (
            "fit_stream: progress=True needs the package 'rich', which is not installed. "
            "Install it with: pip install rich"
        )
        raise ImportError(message, name=error.name) from error
    # Some loaders have a length that only raises.
    total = operator.length_hint(batches) or None
    columns = (
        progress.TextColumn("batch {task.completed:,}"),
        progress.BarColumn(),
        progress.TextColumn("{task.fields[rows]:,} rows, {task.fields[speed]:,.0f} rows/s"),
        progress.TimeElapsedColumn(),
    )
    with progress.Progress(*columns) as shown:
        task = shown.add_task("", total=total, rows=0, speed=0.0)
        seen = 0

        def tell(batch: int, rows: int) -> None:
            nonlocal seen
            seen += rows
            elapsed = shown.tasks[0].elapsed or 0.0
            speed = seen / elapsed if elapsed else 0.0
            shown.update(task, completed=batch + 1, rows=seen, speed=speed)

        yield tell
