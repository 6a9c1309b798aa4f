"""What a run finds, and the files that keep it."""

import dataclasses
import json
import math
import time
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from spacelearn_jax import Space
from spacelearn_jax._files import write_text
from spacelearn_jax.demo.config import Config
from spacelearn_jax.demo.dataset import Sizes
from spacelearn_jax.demo.evaluate import Evaluation
from spacelearn_jax.demo.report import GUIDED, UNGUIDED, draw_report
from spacelearn_jax.demo.weights import Network, save_network
from spacelearn_jax.io import save_space

NETWORKS = {GUIDED: "guided", UNGUIDED: "unguided"}
"""Names of the two networks in pictures, and in ``metrics.json``."""


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
        network: The guided network at that moment.
        field: The held-out field that the report shows.
        interrupted: What the run was doing when it was interrupted.

    Example:
        >>> results = Results(Config.fast(), source="simulation")
        >>> results.comparison(), results.metrics()["config"]["steps"]
        ({}, 60)
    """

    config: Config
    source: str
    samples: dict[str, int] = dataclasses.field(default_factory=dict)
    sizes: Sizes | None = None
    histories: dict[str, list[dict[str, float]]] = dataclasses.field(default_factory=dict)
    evaluations: dict[str, Evaluation] = dataclasses.field(default_factory=dict)
    seconds: dict[str, dict[str, float]] = dataclasses.field(default_factory=dict)
    space: Space | None = None
    network: Network | None = None
    field: np.ndarray | None = None
    interrupted: str | None = None

    def comparison(self) -> dict[str, float]:
        """What SPACE gains and costs; empty until both networks are evaluated.

        Returns:
            ``own_to_ceiling``, the guided network's mean R^2 over that of its linear
            probe, NaN where one of them is not positive, and ``reconstruction_ratio``, its
            reconstruction error over that of the unguided network (relative L2 norms).
        """
        if set(self.evaluations) != set(NETWORKS):
            return {}
        guided, plain = (self.evaluations[name] for name in NETWORKS)
        summary = guided.summary()
        own, ceiling = summary["mean_r2"], summary["mean_ceiling"]
        return {
            "own_to_ceiling": own / ceiling if min(own, ceiling) > 0 else math.nan,
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
        """Writes numbers, subspaces, weights and picture, as far as they go.

        Args:
            out: Folder, made if missing.

        Returns:
            The files written. Those of an earlier run that this one has nothing for
            are removed, so that the folder never mixes two runs.
        """
        names = ("metrics.json", "space.npz", "network.npz", "report.png")
        paths = {name: out / name for name in names}
        written = [paths["metrics.json"]]
        write_text(paths["metrics.json"], json.dumps(self.metrics(), indent=2) + "\n")
        if self.space is not None:
            save_space(paths["space.npz"], self.space)
            written.append(paths["space.npz"])
        if self.network is not None:
            save_network(paths["network.npz"], self.network)
            written.append(paths["network.npz"])
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


class Timed:
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
