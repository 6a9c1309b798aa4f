"""What a person sees of the demonstration."""

import contextlib
import math
import signal
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from spacelearn_jax.cli import INTERRUPTED
from spacelearn_jax.demo import Config, Dataset, Event, InterruptedRun, Results, run
from spacelearn_jax.demo.report import GUIDED, UNGUIDED

REST_OF_LINE = 64  # the longest description, the bar, the counts and the time
SHORT = {
    "reconstruction": "rec",
    "alignment": "align",
    "disentanglement": "dis",
    "isotropy": "iso",
    "stability": "stab",
}


def show(
    config: Config, out: Path, dataset: Dataset | None, source: str | None, console: Console
) -> None:
    """Runs the demonstration with a progress bar and a table at the end.

    Args:
        config: Settings.
        out: Folder of the results.
        dataset: The user's own data, or None to simulate.
        source: Name of the user's file.
        console: Where to write.

    Raises:
        typer.Exit: With 130, after Ctrl-C.
    """
    _require_writable(out)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("[dim]{task.fields[terms]}"),
    )
    with _remembered() as interrupts, Progress(*columns, console=console) as bar:
        tasks: dict[str, int] = {}

        def on_event(event: Event) -> None:
            if interrupts:
                raise KeyboardInterrupt
            if event.stage not in tasks:
                tasks[event.stage] = bar.add_task(event.stage, total=event.total, terms="")
                if not console.is_terminal:  # a bar is drawn there when all is done
                    console.print(f"{event.stage} ...", highlight=False)
            bar.update(
                tasks[event.stage],  # type: ignore[arg-type]
                completed=event.done,
                terms=_terms(event.terms, console.width - REST_OF_LINE),
            )

        def on_note(sentence: str) -> None:
            bar.console.print(f"[yellow]Note:[/] {escape(sentence)}", highlight=False)

        try:
            results = run(
                config,
                out,
                dataset,
                source=source or "simulation",
                on_event=on_event,
                on_note=on_note,
            )
        except InterruptedRun as interrupted:
            bar.stop()
            names = ", ".join(path.name for path in interrupted.files)
            folder = escape(str(out))
            kept = f"What was done so far is in {folder}: {names}"
            if not names:
                kept = f"Nothing was written: {folder} has what an earlier run has left there."
            console.print(
                f"[yellow]Interrupted[/] while {interrupted.stage}. {kept}",
                highlight=False,
                soft_wrap=True,
            )
            # Keeps the frames that were interrupted: a program that one of them still compiles
            # crashes the process when it goes.
            raise typer.Exit(INTERRUPTED) from interrupted
    console.print(table(results))
    console.print(summary(results), highlight=False)
    console.print(
        f"Picture: {escape(str(out / 'report.png'))}\nNumbers: {escape(str(out / 'metrics.json'))}"
        f"\nSpace:   {escape(str(out / 'space.npz'))}"
        f"\nNetwork: {escape(str(out / 'network.npz'))}",
        highlight=False,
        soft_wrap=True,
    )


@contextlib.contextmanager
def _remembered() -> Iterator[list[int]]:
    """Collects what Ctrl-C interrupts, for whoever has to raise it again.

    Python drops a KeyboardInterrupt that is raised inside of a callback of the garbage
    collector. JAX has one, and it is what runs first after a long compilation.
    """
    seen: list[int] = []

    def remember(number: int, frame: FrameType | None) -> None:
        seen.append(number)
        signal.default_int_handler(number, frame)

    usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if not usual or threading.current_thread() is not threading.main_thread():
        yield seen
        return
    signal.signal(signal.SIGINT, remember)
    try:
        yield seen
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _require_writable(out: Path) -> None:
    """Finds out before the work whether its results can be written."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        message = f"the folder {out} can't be written to ({error.strerror}). Pass another as --out."
        raise OSError(message) from error


def _terms(terms: Mapping[str, float], room: int) -> str:
    """Shows as many terms as there is room for, so that the bar keeps its own."""
    shown = ""
    for name, value in terms.items():
        longer = f"{shown}  {SHORT[name]} {round(value, 3) + 0.0:.3f}".lstrip()  # no -0.000
        if len(longer) > room:
            break
        shown = longer
    return shown


def table(results: Results) -> Table:
    """Tabulates the comparison, a quantity a row.

    Args:
        results: Of a complete run.

    Returns:
        A table for a rich console.
    """
    guided, plain = results.evaluations[GUIDED], results.evaluations[UNGUIDED]
    k = results.sizes.k if results.sizes else {}
    made = Table(title="R² on held-out samples")
    # Folded, for a name that is cut off may be another's.
    made.add_column("quantity", overflow="fold")
    made.add_column("dims", justify="right", overflow="fold")
    for network in (GUIDED, UNGUIDED):
        for name in ("own subspace", "whole latent"):
            made.add_column(f"{network}\n{name}", justify="right", overflow="fold")
    for q in guided.r2:
        values = (guided.r2[q], guided.ceiling[q], plain.r2[q], plain.ceiling[q])
        made.add_row(escape(q), str(k.get(q, "")), *(f"{v:.3f}" for v in values))
    made.add_section()
    means = [e.summary()[key] for e in (guided, plain) for key in ("mean_r2", "mean_ceiling")]
    made.add_row("mean of all", str(sum(k.values())), *(f"{v:.3f}" for v in means), style="bold")
    return made


def summary(results: Results) -> str:
    """Says in lines what SPACE gains and costs.

    Args:
        results: Of a complete run.

    Returns:
        Text with rich markup.
    """
    guided, plain = results.evaluations[GUIDED], results.evaluations[UNGUIDED]
    ratios = results.comparison()
    D = results.sizes.latent_dim if results.sizes else 0
    used = sum(results.sizes.k.values()) if results.sizes else 0
    share = ""
    if math.isfinite(ratios["own_to_ceiling"]):
        share = (
            f"With {used} of the {D} latent dimensions, the subspaces read [bold]"
            f"{ratios['own_to_ceiling']:.0%}[/] of what a linear probe on all of them reads.\n"
        )
    return (
        f"{share}Relative reconstruction error: {guided.reconstruction:.3f} {GUIDED}, "
        f"{plain.reconstruction:.3f} {UNGUIDED} ([bold]{ratios['reconstruction_ratio']:.2f}[/] "
        f"times).\nDisentanglement loss: {guided.disentanglement:.3f} and "
        f"{plain.disentanglement:.3f}; isotropy loss: {guided.isotropy:.3f} and "
        f"{plain.isotropy:.3f}."
    )
