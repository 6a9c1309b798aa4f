"""Handwritten digits: subspaces tracked inside the step against solves between epochs.

An encoder with a classification head is trained on scikit-learn's digits so that class,
ink, centroid and second moments each live in a subspace of their own. Both ways share all
code but one thing: where the subspaces come from.

- recipe: every 5 epochs training stops, a reference set is encoded, the subspaces are
  solved from it, and training goes on with constants. A second line does so every epoch.
- tracker: the subspaces are tracked inside the jitted step, refreshed every 10.

Every quantity is then read from its own subspace on held-out images: from the subspaces
that are in use when training ends, and from ones solved again on the whole training set.

Run it with ``python -m benchmarks digits``.
"""

import functools
import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from sklearn.datasets import load_digits

from spacelearn_jax import Space, solve_subspaces
from spacelearn_jax.loss import alignment_loss, combine, disentanglement_loss, isotropy_loss
from spacelearn_jax.training import track_subspaces

D = 32
K = {"centroid": 2, "digit": 9, "ink": 1, "moments": 3}
BATCH = 128
REFERENCE = 512  # images that the recipe encodes
# Epochs between two solves, where training stops for them.
METHODS = {"recipe": 5, "recipe, each epoch": 1, "tracker": None}
WHEN = ("in use", "solved again")

OBJECTIVE = combine(
    {
        "task": lambda logits, labels: optax.softmax_cross_entropy_with_integer_labels(
            logits, labels
        ).mean(),
        "alignment": alignment_loss,
        "disentanglement": disentanglement_loss,
        "isotropy": functools.partial(isotropy_loss, n_dir=8),
    },
    weights={"alignment": 1.0, "disentanglement": 0.1, "isotropy": 0.01},
)


class Encoder(nnx.Module):
    """Two hidden layers to the latents, and a linear head for the task."""

    def __init__(self, rngs: nnx.Rngs):
        self.first = nnx.Linear(64, 64, rngs=rngs)
        self.second = nnx.Linear(64, 64, rngs=rngs)
        self.latent = nnx.Linear(64, D, rngs=rngs)
        self.head = nnx.Linear(D, 10, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Encodes images (B, 64) to latents (B, D)."""
        return self.latent(nnx.relu(self.second(nnx.relu(self.first(x)))))


def quantities(images: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    """Measures what the latents are to hold, in standard deviations."""
    x, y = np.meshgrid(np.linspace(-1, 1, 8), np.linspace(-1, 1, 8))
    ink = images.sum(axis=(1, 2))

    def mean(weight: np.ndarray) -> np.ndarray:
        return (images * weight).sum(axis=(1, 2)) / ink

    cx, cy = mean(x), mean(y)
    raw = {
        "centroid": np.stack([cx, cy], axis=1),
        "digit": np.eye(10)[labels],
        "ink": ink,
        "moments": np.stack(
            [mean(x * x) - cx**2, mean(y * y) - cy**2, mean(x * y) - cx * cy], axis=1
        ),
    }
    return {q: ((v - v.mean(0)) / v.std(0)).astype(np.float32) for q, v in raw.items()}


def load(seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns 1400 images to train on and 397 held out."""
    data = load_digits()
    Y = quantities(data.images, data.target)
    order = np.random.default_rng(seed).permutation(len(data.target))
    images = (data.images.reshape(-1, 64) / 16).astype(np.float32)
    parts = []
    for rows in (order[:1400], order[1400:]):
        part = {"x": images[rows], "labels": data.target[rows].astype(np.int32)}
        parts.append(part | {"Y": {q: y[rows] for q, y in Y.items()}})
    return parts[0], parts[1]


def batches(train: dict[str, Any], steps: int, seed: int) -> dict[str, Any]:
    """Stacks whole batches of as many epochs as needed, (steps, B, ...)."""
    rng = np.random.default_rng(seed)
    n = len(train["x"])
    rows: list[np.ndarray] = []
    while len(rows) < steps:
        order = rng.permutation(n)
        rows += [order[i : i + BATCH] for i in range(0, n - BATCH + 1, BATCH)]
    return jax.tree.map(lambda x: jnp.asarray(x[np.stack(rows[:steps])]), train)


def encode(graph: Any, params: Any, x: jax.Array) -> jax.Array:
    """Encodes with split parameters."""
    return nnx.merge(graph, params)(x)


@functools.cache
def epoch(graph: Any, optimizer: Any, tracker: Any) -> Callable[..., Any]:
    """Compiles the steps of one epoch; without a tracker the space is constant."""

    def step(carry: Any, batch: Any) -> tuple[Any, None]:
        params, inner, source = carry
        space = source
        if tracker is not None:
            source = tracker.update(encode(graph, params, batch["x"]), batch["Y"], source)
            space = source.space

        def loss(params: Any) -> jax.Array:
            network = nnx.merge(graph, params)
            Z = network(batch["x"])
            given = {"Z": Z, "W": space.W, "A": space.A, "Y": batch["Y"]}
            return OBJECTIVE(logits=network.head(Z), labels=batch["labels"], **given)[0]

        updates, inner = optimizer.update(jax.grad(loss)(params), inner, params)
        return (optax.apply_updates(params, updates), inner, source), None

    return jax.jit(lambda carry, data: jax.lax.scan(step, carry, data)[0])


OPTIMIZER = optax.adamw(3e-3)
TRACKER = track_subspaces(K, every=10, decay=0.8)


def train_encoder(method: str, seed: int, marks: Sequence[int]) -> Iterator[tuple[int, Any, Space]]:
    """Trains an encoder; yields it and the subspaces in use after ``marks`` epochs."""
    train, _ = load(seed)
    graph, params = nnx.split(Encoder(nnx.Rngs(seed)))
    between = METHODS[method]
    tracker = TRACKER if between is None else None
    run = epoch(graph, OPTIMIZER, tracker)
    per_epoch = len(train["x"]) // BATCH
    data = batches(train, per_epoch * max(marks), seed)
    source: Any = None
    if tracker is not None:
        Y = {q: y[0] for q, y in data["Y"].items()}
        source = tracker.init(encode(graph, params, data["x"][0]), Y)
    inner = OPTIMIZER.init(params)
    reference = jax.tree.map(lambda x: jnp.asarray(x[:REFERENCE]), train)
    for i in range(max(marks)):
        if between is not None and i % between == 0:
            Z = encode(graph, params, reference["x"])
            source = solve_subspaces(Z, reference["Y"], k=K)
        part = jax.tree.map(operator.itemgetter(slice(i * per_epoch, (i + 1) * per_epoch)), data)
        params, inner, source = run((params, inner, source), part)
        if i + 1 in marks:
            space = source if tracker is None else source.space
            yield (i + 1) * per_epoch, nnx.merge(graph, params), space


def scores(encoder: Any, space: Space, data: dict[str, Any]) -> dict[str, float]:
    """Reads every quantity from its own subspace: accuracy of the digit, R^2 of the rest."""
    decoded = space.decode(encoder(data["x"]))
    right = jnp.argmax(decoded.pop("digit"), axis=1) == data["labels"]
    out = {"digit": float(jnp.mean(right, dtype=jnp.float32))}
    for q, y in decoded.items():
        residual = np.sum(np.square(y - data["Y"][q]))
        out[q] = float(1 - residual / np.sum(np.square(data["Y"][q] - data["Y"][q].mean(0))))
    return dict(sorted(out.items()))


def measure(method: str, seed: int, marks: Sequence[int]) -> dict[int, dict[str, Any]]:
    """Trains once, and scores both the subspaces in use and a last solve."""
    train, held_out = load(seed)
    out = {}
    for step, encoder, space in train_encoder(method, seed, marks):
        last = solve_subspaces(encoder(train["x"]), train["Y"], k=K)
        out[step] = {
            "in use": scores(encoder, space, held_out),
            "solved again": scores(encoder, last, held_out),
        }
    return out


def compare(
    seeds: int, marks: Sequence[int], methods: Iterable[str] = METHODS
) -> dict[int, dict[str, list[Any]]]:
    """Measures all ways on the same data, initial weights and batches, by steps."""
    runs = {m: [measure(m, seed, marks) for seed in range(seeds)] for m in methods}
    return {
        step: {m: [run[step] for run in results] for m, results in runs.items()}
        for step in runs["tracker"][0]
    }


def summarize(runs: dict[str, Any], when: str) -> dict[str, dict[str, tuple[float, float]]]:
    """Returns mean and standard error over seeds by method and quantity."""
    out: dict[str, dict[str, tuple[float, float]]] = {}
    for method, results in runs.items():
        table = {q: np.array([r[when][q] for r in results]) for q in K}
        table["mean"] = np.mean(list(table.values()), axis=0)
        out[method] = {
            q: (float(v.mean()), float(v.std() / max(len(v) - 1, 1) ** 0.5))
            for q, v in table.items()
        }
    return out


def check(runs: dict[str, Any], slack: float) -> None:
    """Asserts that the tracker is at least as good as the recipe, mean over quantities."""
    for when in WHEN:
        table = summarize(runs, when)
        worse = table["recipe"]["mean"][0] - table["tracker"]["mean"][0]
        assert worse <= slack, f"the tracker is worse by {worse}, subspaces {when}"


def main() -> None:
    """Prints a table, saves it, and asserts that the tracker is at least as good."""
    # Here, for a test loads this file alone.
    from benchmarks import _options, _record

    parser = _options.parser(__doc__, rounds=None)  # it has seeds in place of rounds
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, nargs="+", default=[10, 30, 90])
    options = parser.parse_args()
    methods = list(METHODS)
    if options.quick:
        options.seeds, options.epochs, methods = 1, [1], ["tracker"]

    results = compare(options.seeds, options.epochs, methods)
    for steps, runs in results.items():
        for when in WHEN:
            print(f"\n{steps} steps, {options.seeds} seeds, subspaces {when}")
            print(f"{'':20}" + "".join(f"{q:>18}" for q in (*K, "mean")))
            for method, row in summarize(runs, when).items():
                cells = (f"{mean:.4f} +- {error:.4f}" for mean, error in row.values())
                print(f"{method:20}" + "".join(f"{cell:>18}" for cell in cells))
    tables = {
        steps: {when: summarize(runs, when) for when in WHEN} for steps, runs in results.items()
    }
    measured = {"seeds": options.seeds, "mean and standard error": tables}
    _record.save("digits", measured, options.out)
    if options.quick:
        return
    for runs in results.values():
        check(runs, slack=0.005)


if __name__ == "__main__":
    main()
