"""The whole demonstration: data, two trainings, a comparison, files."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from flax import nnx

from spacelearn_jax import Space
from spacelearn_jax.demo.batches import Scales, measure_scales, on_device, reference_samples
from spacelearn_jax.demo.config import Config
from spacelearn_jax.demo.dataset import (
    Dataset,
    require_variation,
    simulated,
    size,
    split,
)
from spacelearn_jax.demo.evaluate import evaluate
from spacelearn_jax.demo.report import GUIDED
from spacelearn_jax.demo.results import NETWORKS, Results, Timed
from spacelearn_jax.demo.train import Programs, build, train
from spacelearn_jax.demo.weights import Network


class Event(NamedTuple):
    """How far a run is.

    Attributes:
        stage: What it does, as a phrase for people.
        done: Units done.
        total: Units in all.
        terms: Unweighted loss terms, in trainings.

    Example:
        >>> event = Event("training with SPACE", 30, 400)
        >>> print(f"{event.stage}: {event.done / event.total:.1%}")
        training with SPACE: 7.5%
    """

    stage: str
    done: int
    total: int
    terms: Mapping[str, float] = {}


class InterruptedRun(Exception):
    """A run that Ctrl-C ended; what it had so far is on disk.

    Attributes:
        stage: What it was doing.
        files: Files that were written.

    Example:
        >>> print(InterruptedRun("sizing the subspaces", []))
        interrupted while sizing the subspaces
    """

    def __init__(self, stage: str, files: list[Path]) -> None:
        super().__init__(f"interrupted while {stage}")
        self.stage = stage
        self.files = files


def run(
    config: Config,
    out: Path,
    dataset: Dataset | None = None,
    *,
    source: str = "simulation",
    on_event: Callable[[Event], None] | None = None,
    on_note: Callable[[str], None] | None = None,
) -> Results:
    """Runs the demonstration and writes its files.

    Args:
        config: Settings.
        out: Folder for ``report.png``, ``metrics.json``, ``space.npz`` and ``network.npz``.
        dataset: Fields and targets; simulated by default.
        source: What ``metrics.json`` says about the data.
        on_event: Called with the progress, often.
        on_note: Called with sentences that the user should read.

    Returns:
        The results.

    Raises:
        InterruptedRun: After a KeyboardInterrupt, when what there is has been written;
            nothing, if that has no subspaces and an earlier run has left some there.
        ImportError: If the extra ``demo`` is not installed.
        ValueError: If the fields or a target are the same in all training samples, or in all
            that are held out.
        OSError: If the files can't be written.

    Example:
        >>> import tempfile
        >>> fields = np.random.default_rng(0).normal(size=(240, 16, 16)).astype("float32")
        >>> dataset = Dataset(fields, {"mean": fields.mean((1, 2))}, np.arange(240) // 10)
        >>> config = dataclasses.replace(Config.fast(), steps=2, width=4)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     results = run(config, Path(folder), dataset, source="noise")
        ...     sorted(path.name for path in Path(folder).iterdir())
        ['metrics.json', 'network.npz', 'report.png', 'space.npz']
        >>> list(results.space)
        ['mean']
    """
    results = Results(config, source)
    stage = ["starting"]

    def follow(event: Event) -> None:
        stage[0] = event.stage
        if on_event is not None:
            on_event(event)

    try:
        _work(results, dataset, follow, on_note)
        follow(Event("writing the report", 0, 1))
        results.write(out)
        follow(Event("writing the report", 1, 1))
    except KeyboardInterrupt:
        results.interrupted = stage[0]
        # What an earlier run has found is worth more than that this one began.
        found_more = results.space is None and (out / "space.npz").exists()
        raise InterruptedRun(stage[0], [] if found_more else results.write(out)) from None
    return results


def _work(
    results: Results,
    dataset: Dataset | None,
    follow: Callable[[Event], None],
    on_note: Callable[[str], None] | None,
) -> None:
    """Fills in the results, stage by stage."""
    config = results.config
    if dataset is None:
        with Timed(results, "simulation"):
            dataset = simulated(
                config.simulation,
                on_progress=lambda done, total: follow(Event("simulating the flow", done, total)),
                on_note=on_note,
            )
    follow(Event("sizing the subspaces", 0, 1))
    train_set, test_set = split(dataset, config.held_out, config.seed)
    require_variation(train_set, "training")
    require_variation(test_set, "held-out")
    results.samples = {
        "train": len(train_set.fields),
        "test": len(test_set.fields),
        "train_groups": len(np.unique(train_set.groups)),
        "test_groups": len(np.unique(test_set.groups)),
    }
    results.sizes = sizes = size(train_set, config)
    scales = measure_scales(train_set, sizes)
    data, test = on_device(train_set), on_device(test_set)
    reference = reference_samples(data, config, flow=dataset.flow)
    results.field = test_set.fields[0]
    follow(Event("sizing the subspaces", 1, 1))

    programs = build(config, sizes, dataset.grid, flow=dataset.flow)
    for name, key in NETWORKS.items():
        guided = name == GUIDED
        with Timed(results, key):
            history = results.histories.setdefault(name, [])
            follow(Event(f"training {name}", 0, config.steps))
            for progress in train(programs, config, data, scales, guided=guided):
                history.append({"step": progress.step, **progress.terms})
                params = progress.state.params
                if progress.space is not None:
                    found = in_units(progress.space, scales), _network(programs, params, scales)
                    results.space, results.network = found  # at once, as they go together
                follow(Event(f"training {name}", progress.step, config.steps, progress.terms))
        follow(Event(f"evaluating {name}", 0, 1))
        with Timed(results, f"{key}_evaluation"):
            # Those that the guided network was trained with are its own; new ones would
            # differ by the noise of their samples.
            space = results.space if guided else None
            results.evaluations[name] = evaluate(
                programs, params, sizes, scales, reference, test, space=space
            )
        follow(Event(f"evaluating {name}", 1, 1))


def in_units(space: Space, scales: Scales) -> Space:
    """Turns a space solved from normalized targets into one in the targets' units.

    Args:
        space: From a training.
        scales: What its targets were normalized by.

    Returns:
        The same subspaces, with rescaled decoders and target means.

    Example:
        >>> import jax.numpy as jnp
        >>> from spacelearn_jax import solve_subspaces
        >>> Z = jnp.array([[0.0, 1.0], [1.0, 1.0], [2.0, 1.0]])
        >>> space = solve_subspaces(Z, {"x": Z[:, 0] - 1.0}, k=1)
        >>> scale = jnp.float32(1.0), jnp.float32(10.0)
        >>> read = in_units(space, Scales(scale, {"x": scale})).decode(Z)["x"]
        >>> [round(float(y), 2) for y in read]
        [-9.0, 1.0, 11.0]
    """
    assert space.y_mean is not None
    return dataclasses.replace(
        space,
        A={q: a * scales.targets[q][1] for q, a in space.A.items()},
        y_mean={
            q: m * scales.targets[q][1] + scales.targets[q][0] for q, m in space.y_mean.items()
        },
    )


def _network(programs: Programs, params: Any, scales: Scales) -> Network:
    """Copies the weights, as the next step reuses their memory."""
    model = nnx.merge(programs.graph, jax.tree.map(np.array, params))
    return Network(model, *map(float, scales.field))
