"""The commands."""

import dataclasses
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from spacelearn_jax.cli import INTERRUPTED

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Every quantity in its own linear subspace of the latent space.",
)
console = Console()
errors = Console(stderr=True)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib import metadata

        console.print(f"spacelearn-jax {metadata.version('spacelearn-jax')}", highlight=False)
        raise typer.Exit


@app.callback()
def start(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Every quantity in its own linear subspace of the latent space."""


# Paragraphs without line breaks of their own, which typer would keep.
DEMO = "\n\n".join(
    (
        "Trains two autoencoders on a turbulent flow, with SPACE and without, and compares.",
        "It simulates 2-D Navier-Stokes vorticity fields (kept in the user's cache folder, or in "
        "$SPACELEARN_JAX_CACHE), trains both networks on them alike, and reads energy, pressure, "
        "strain rate and vorticity from the latents of initial conditions that neither saw.",
        "Written: report.png (the picture), metrics.json (all numbers), space.npz (the "
        "subspaces, for spacelearn_jax.io.load_space), network.npz (the weights, for "
        "spacelearn_jax.demo.load_network). Ctrl-C ends the run and keeps what there is.",
    )
)


@app.command(help=DEMO)
def demo(
    steps: Annotated[
        int | None,
        typer.Option(min=1, help="Training steps of each network; 400 by default, 60 with --fast."),
    ] = None,
    seed: Annotated[
        int,
        typer.Option(min=0, max=2**63 - 1, help="Seed of the split, the weights and the batches."),
    ] = 0,
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder for the results.")] = Path(
        "spacelearn-demo"
    ),
    data: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False,
            help="Your own .npz file of at least 64 samples: an array [bold]fields[/] (N, H, W) "
            "or (N, T, H, W) with sides that are multiples of 8, one array a quantity with the "
            "same leading axes (classes as one-hot columns: labels are taken for a number), and "
            "optionally [bold]group[/], what is held out together.",
        ),
    ] = None,
    fast: Annotated[
        bool,
        typer.Option(
            "--fast",
            help="A smaller network, fewer steps: a third of the time, and far less accurate.",
        ),
    ] = False,
) -> None:
    """Trains two autoencoders on a turbulent flow, with SPACE and without, and compares."""
    from spacelearn_jax.cli._demo import show

    try:
        from spacelearn_jax.demo import Config, load_data

        config = Config.fast() if fast else Config()
        config = dataclasses.replace(
            config, seed=seed, steps=config.steps if steps is None else steps
        )
        dataset = None if data is None else load_data(data)
        show(config, out, dataset, None if data is None else data.name, console)
    except KeyboardInterrupt:
        errors.print("[yellow]Interrupted.[/] Nothing was written.")
        raise typer.Exit(INTERRUPTED) from None
    except (ImportError, OSError, ValueError) as error:
        errors.print("[red]Error:[/]", escape(str(error)), highlight=False, soft_wrap=True)
        raise typer.Exit(1) from error
