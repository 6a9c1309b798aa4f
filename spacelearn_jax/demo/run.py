"""The whole demonstration: data, two trainings, a comparison, files."""

import dataclasses
import json
import math
import time
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from spacelearn_jax import Space
from spacelearn_jax._files import write_text
from spacelearn_jax.demo.config import Config
from spacelearn_jax.demo.dataset import Dataset, Sizes, simulated, size, split
from spacelearn_jax.demo.evaluate import Evaluation, evaluate
from spacelearn_jax.demo.report import GUIDED, UNGUIDED, draw_report
from spacelearn_jax.demo.train import (
    Scales,
    build,
    measure_scales,
    on_device,
    reference_samples,
    train,
)
from spacelearn_jax.io import save_space

NETWORKS = {GUIDED: "guided", UNGUIDED: "unguided"}
"""Names of the two networks in pictures, and in ``metrics.json``."""


class Event(NamedTuple):
    """How far a run is.

    Attributes:
        stage: What it does, as a phrase for people.
        done: Units done.
        total: Units in all.
        terms: Unweighted loss terms, in trainings.
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
    """

    def __init__(self, stage: str, files: list[Path]) -> None:
        super().__init__(f"interrupted while {stage}")
        self.stage = stage
        self.files = files


@dataclasses.dataclass
class Results:
    """What a run has found so far.

    Attributes:
        config: Its settings.
        source: Where the fields came from.
        samples: Counts of samples and groups on both sides of the split.
        sizes: Bins, subspace dimensions and latent dimension.
        histories: ``{network: loss terms by step}``.
        evaluations: ``{network: evaluation}``.
        seconds: ``{stage: wall and processor seconds}``.
        space: The latest subspaces of the guided network, in the targets' units.
        field: The held-out field that the report shows.
        interrupted: What the run was doing when it was interrupted.
    """

    config: Config
    source: str
    samples: dict[str, int] = dataclasses.field(default_factory=dict)
    sizes: Sizes | None = None
    histories: dict[str, list[dict[str, float]]] = dataclasses.field(default_factory=dict)
    evaluations: dict[str, Evaluation] = dataclasses.field(default_factory=dict)
    seconds: dict[str, dict[str, float]] = dataclasses.field(default_factory=dict)
    space: Space | None = None
    field: np.ndarray | None = None
    interrupted: str | None = None

    def comparison(self) -> dict[str, float]:
        """What SPACE gains and costs; empty until both networks are evaluated.

        Returns:
            ``own_to_ceiling``, the guided network's mean R^2 over that of its linear
            probe, and ``reconstruction_ratio``, its reconstruction error over that of
            the unguided network (relative L2 norms).
        """
        if set(self.evaluations) != set(NETWORKS):
            return {}
        guided, plain = (self.evaluations[name] for name in NETWORKS)
        summary = guided.summary()
        return {
            "own_to_ceiling": summary["mean_r2"] / summary["mean_ceiling"],
            "reconstruction_ratio": guided.reconstruction / plain.reconstruction,
        }

    def metrics(self) -> dict[str, Any]:
        """Everything measured, as JSON takes it; NaN becomes None."""
        networks = {
            key: {
                **(self.evaluations[name].summary() if name in self.evaluations else {}),
                "steps_done": int(self.histories[name][-1]["step"]),
                "history": self.histories[name],
            }
            for name, key in NETWORKS.items()
            if self.histories.get(name)
        }
        packages = ("spacelearn-jax", "jax", "flax", "optax")
        return _plain(
            {
                "complete": self.interrupted is None,
                "interrupted_while": self.interrupted,
                "source": self.source,
                "samples": self.samples,
                "sizes": self.sizes._asdict() if self.sizes else None,
                **networks,
                "comparison": self.comparison(),
                "seconds": self.seconds,
                "config": dataclasses.asdict(self.config),
                "versions": {name: metadata.version(name) for name in packages},
            }
        )

    def write(self, out: Path) -> list[Path]:
        """Writes ``metrics.json``, ``space.npz`` and ``report.png``, as far as they go.

        Args:
            out: Folder, made if missing.

        Returns:
            The files written. Those of an earlier run that this one has nothing for
            are removed, so that the folder never mixes two runs.
        """
        paths = {name: out / name for name in ("metrics.json", "space.npz", "report.png")}
        written = [paths["metrics.json"]]
        write_text(paths["metrics.json"], json.dumps(self.metrics(), indent=2) + "\n")
        if self.space is not None:
            save_space(paths["space.npz"], self.space)
            written.append(paths["space.npz"])
        if any(self.histories.values()):
            draw_report(
                paths["report.png"],
                self.histories,
                self.evaluations,
                self.field,
                note=self._note(),
            )
            written.append(paths["report.png"])
        for path in paths.values():
            if path not in written:
                path.unlink(missing_ok=True)
        return written

    def _note(self) -> str:
        if self.interrupted:
            return f"interrupted while {self.interrupted}"
        samples = self.samples
        note = (
            f"{samples['train']} samples to train on, {samples['test']} from "
            f"{samples['test_groups']} other groups to test on; {self.config.steps} steps, "
            f"seed {self.config.seed}"
        )
        ratio = self.comparison().get("reconstruction_ratio")
        return (
            note
            if ratio is None
            else f"{note}; reconstruction error {ratio:.2f} times that without"
        )


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
        out: Folder for ``report.png``, ``metrics.json`` and ``space.npz``.
        dataset: Fields and targets; simulated by default.
        source: What ``metrics.json`` says about the data.
        on_event: Called with the progress, often.
        on_note: Called with sentences that the user should read.

    Returns:
        The results.

    Raises:
        InterruptedRun: After a KeyboardInterrupt, when what there is has been written.
        ImportError: If the extra ``demo`` is not installed.
        OSError: If the files can't be written.
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
        raise InterruptedRun(stage[0], results.write(out)) from None
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
        with _Timed(results, "simulation"):
            dataset = simulated(
                config.simulation,
                on_progress=lambda done, total: follow(Event("simulating the flow", done, total)),
                on_note=on_note,
            )
    follow(Event("sizing the subspaces", 0, 1))
    train_set, test_set = split(dataset, config.held_out, config.seed)
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

    for name, key in NETWORKS.items():
        guided = name == GUIDED
        with _Timed(results, key):
            programs = build(config, sizes, dataset.grid, flow=dataset.flow, guided=guided)
            history = results.histories.setdefault(name, [])
            follow(Event(f"training {name}", 0, config.steps))
            for progress in train(programs, config, data, scales, reference if guided else None):
                history.append({"step": progress.step, **progress.terms})
                if progress.space is not None:
                    results.space = in_units(progress.space, scales)
                follow(Event(f"training {name}", progress.step, config.steps, progress.terms))
                params = progress.state.params
        follow(Event(f"evaluating {name}", 0, 1))
        with _Timed(results, f"{key}_evaluation"):
            evaluation = evaluate(programs, params, sizes, scales, reference, test)
        results.evaluations[name] = evaluation
        if guided:
            results.space = evaluation.space
        follow(Event(f"evaluating {name}", 1, 1))


def in_units(space: Space, scales: Scales) -> Space:
    """Turns a space solved from normalized targets into one in the targets' units.

    Args:
        space: From ``Programs.solve``.
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


class _Timed:
    """Notes the wall and processor time of a stage."""

    def __init__(self, results: Results, stage: str) -> None:
        self.results, self.stage = results, stage

    def __enter__(self) -> None:
        self.wall, self.processor = time.perf_counter(), time.process_time()

    def __exit__(self, *_: object) -> None:
        self.results.seconds[self.stage] = {
            "wall": round(time.perf_counter() - self.wall, 2),
            "processor": round(time.process_time() - self.processor, 2),
        }


def _plain(value: Any) -> Any:
    """Makes a value strict JSON."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
