"""A space from a stream of batches."""

import dataclasses
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from spacelearn_jax import _checks
from spacelearn_jax._solve import solve_subspaces
from spacelearn_jax._subspaces import moment_limits
from spacelearn_jax.linalg._solvers import Solver, check_solver
from spacelearn_jax.moments import Moments
from spacelearn_jax.optim import _modes
from spacelearn_jax.optim._decoders import fit_decoders, share_of
from spacelearn_jax.optim._k import DEFAULT_THRESHOLD
from spacelearn_jax.space import Space
from spacelearn_jax.streams import _processes
from spacelearn_jax.streams._gather import gathered
from spacelearn_jax.streams._source import Source

NAME = "fit_stream"


def fit_stream(
    batches: Iterable[Any],
    *,
    k: int | Mapping[str, int] | None = None,
    k_thresholds: float | Mapping[str, float] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: bool = False,
    encode: Callable[..., Any] | None = None,
    quantities: Callable[..., Mapping[str, Any]] | None = None,
    batch_size: int | None = None,
    checkpoint_every: float = 30.0,
    ridge: float = 0.0,
    shrinkage: float | str | None = None,
    solver: Solver = "auto",
    across_processes: bool = False,
) -> Space:
    """Solves subspaces from a stream of batches, of which at most two are in memory.

    It is ``solve_subspaces`` of the ``Moments`` of all rows, in the dtype of the first batch. A
    NaN makes NaN of all that its row belongs to: leave such rows out. Batches are cut and padded
    to pieces of one size, so that a last one of other size compiles nothing new, and the
    next is read and moved to the device while the present one is worked on. From 32,768
    rows on, and eight a latent, float32 sums are about principal axes of the latents where
    those are correlated, and then plain products of matrices have the digits that solving needs.

    Args:
        batches: Iterable of ``(Z, Y)``: latents (B, D) and targets ``{q: (B, ...)}``, NumPy
            or JAX arrays; memory-mapped ones are read piece by piece. With ``encode`` and
            ``quantities``, of their inputs: ``{name: (B, ...)}``, of which each gets
            those that it names, or one array (B, ...). With ``encode`` alone, of
            ``(inputs, Y)``. Every sample has every quantity; where some lack one, loop
            over ``Moments.zeros(..., missing=True)`` with ``where=`` instead.
        k: Dimensions of the subspaces: one for all, capped at min(D, p), or ``{q: k_q}``.
            32 if neither ``k`` nor ``k_thresholds`` is given.
        k_thresholds: Fraction of variance in (0, 1] that sets k as in ``k_per_q``, for all
            or ``{q: fraction}``, .90 for a name that lacks one. k is at most D.
        checkpoint: File to keep the state in. If it exists, the run goes on from it and
            ends with the same numbers; ``batches`` must then start at the beginning
            again. It stays when the run is done. It is an error if the first rows are
            not those of the file, or if ``encode`` or ``quantities`` gives results for them
            that differ by over 2% of their spread: delete the file once the encoder has been
            trained further. Later rows are not looked at.
        progress: Whether to show batches and rows per second; needs ``rich``.
        encode: Gives latents (B, D) of inputs, row by row: jit it yourself.
        quantities: Gives targets of inputs, such as ``data.compute_Q`` returns.
        batch_size: Rows of a piece. By default those of the first batch, which is cut
            evenly if it has more than 8192 rows, or 1024 and 24 MiB, of NumPy arrays.
        checkpoint_every: Seconds between checkpoints.
        ridge: See ``fit_decoders``.
        shrinkage: See ``fit_decoders``.
        solver: ``"auto"``, ``"svd"``, ``"eigen"`` or a ``linalg.LowRank`` of rank at
            least k.
        across_processes: Whether every process of ``jax.distributed`` reads a part of the
            data and all get the space of the whole. They talk once, at the end, whatever
            the number of rows. Each needs a checkpoint file of its own.

    Returns:
        The ``Space``.

    Raises:
        TypeError: If dtypes or kinds are wrong.
        ValueError: If there are fewer than 2 rows, shapes or names don't fit, an option is
            out of range, the checkpoint is damaged or of another stream, or a process has
            no rows or others' quantities.
        OSError: If the checkpoint can't be written.
        ImportError: If ``progress=True`` and ``rich`` is not installed.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> Z = rng.normal(size=(1000, 8)).astype(np.float32)
        >>> batches = ((Z[i : i + 64], {"p": Z[i : i + 64, :3]}) for i in range(0, 1000, 64))
        >>> space = fit_stream(batches, k=2)
        >>> space.W["p"].shape
        (2, 8)
    """
    options = _options(k, k_thresholds, checkpoint, batch_size, checkpoint_every)
    check_solver(NAME, solver)
    penalty = _checks.positive(NAME, "ridge", ridge, or_zero=True)
    _, estimated = share_of(NAME, shrinkage)
    progress = _checks.flag(NAME, "progress", progress)
    across_processes = _checks.flag(NAME, "across_processes", across_processes)
    source = Source(NAME, encode, quantities)

    def check(m: Moments) -> None:
        _sized(m, k, k_thresholds, solver, data=False)

    # What an estimated shrinkage takes; with a checkpoint another run may ask for one.
    fourth = estimated or checkpoint is not None or across_processes
    m = gathered(batches, source, check, show=progress, fourth=fourth, **options)
    if across_processes:
        m = _processes.merged(NAME, m)
    if m is None or float(m.count) < 2:
        raise _checks.failure(
            ValueError,
            NAME,
            "batches",
            "of at least 2 rows together (a variance needs them)",
            f"{0 if m is None else int(m.count)}",
            "Is it a generator that has been read already?",
        )
    space = solve_subspaces(m, k=_sized(m, k, k_thresholds, solver), solver=solver)
    if penalty or shrinkage is not None:
        A = fit_decoders(space.W, m, ridge=penalty, shrinkage=shrinkage)
        space = dataclasses.replace(space, A=A)
    return space


def _sized(
    m: Moments,
    k: int | Mapping[str, int] | None,
    k_thresholds: float | Mapping[str, float] | None,
    solver: Solver,
    *,
    data: bool = True,
) -> dict[str, int]:
    """Returns k of every quantity; without ``data`` just checks what needs none."""
    if k_thresholds is not None:
        products = _modes.target_products(NAME, m, None, None)
        etas = _modes.resolve_thresholds(
            NAME, "k_thresholds", k_thresholds, None, "", products, DEFAULT_THRESHOLD
        )
        if not data:
            return {}
        counts = _modes.moment_counts(NAME, products, etas)
        k = {q: min(int(count), *m.sums.Szy[q].shape) for q, count in counts.items()}
    sizes = _checks.sizes(NAME, 32 if k is None else k, moment_limits(m.sums))
    check_solver(NAME, solver, needs=max(sizes))
    return dict(zip(m.sums.Szy, sizes, strict=True))


def _options(
    k: Any, k_thresholds: Any, checkpoint: Any, batch_size: Any, checkpoint_every: Any
) -> dict[str, Any]:
    """Checks what can be checked before the first batch."""
    if k is not None and k_thresholds is not None:
        raise _checks.failure(
            ValueError, NAME, "k", "left out beside k_thresholds", "both", "Pass one of them."
        )
    if isinstance(k, Mapping):
        _checks.mapping(NAME, "k", k)
    elif k is not None:
        _checks.integer(NAME, "k", k, kind="an int or a mapping from names to ints")
    if isinstance(k_thresholds, Mapping):
        for q, eta in _checks.mapping(NAME, "k_thresholds", k_thresholds).items():
            _checks.threshold(NAME, _checks.entry("k_thresholds", q), eta)
    elif k_thresholds is not None:
        kind = "a number or a mapping from names to numbers"
        _checks.threshold(NAME, "k_thresholds", k_thresholds, kind=kind)
    if checkpoint is not None and not isinstance(checkpoint, str | os.PathLike):
        got = _checks.described(checkpoint)
        fix = "Pass the file to keep the state in."
        raise _checks.failure(TypeError, NAME, "checkpoint", "a str or a path", got, fix)
    path = None if checkpoint is None else Path(os.fsdecode(checkpoint))
    if path is not None and path.is_dir():
        fix = f"Name a file in it: {path / 'state'}."
        raise _checks.failure(ValueError, NAME, "checkpoint", "a file", f"the folder {path}", fix)
    if batch_size is not None:
        batch_size = _checks.integer(NAME, "batch_size", batch_size)
    every = _checks.positive(NAME, "checkpoint_every", checkpoint_every, or_zero=True)
    return {"path": path, "size": batch_size, "every": every}
