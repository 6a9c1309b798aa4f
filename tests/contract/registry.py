"""One table of cases that covers every public function."""

import dataclasses
import functools
import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import spacelearn_jax as sl
from spacelearn_jax import data, linalg, loss, optim

from . import moment_cases, training_cases

Inputs = dict[str, Any]

#: Public names that compute nothing on arrays, and why; their docs are checked all the same.
HOST_ONLY = {
    "LowRank": "a static option",
    "Solver": "a type for annotations",
    "Space": "a container; its methods that compute have cases",
    "Space.items": "reads a container",
    "Space.keys": "reads a container",
    "Space.values": "reads a container",
    "Space.tree_flatten_with_keys": "pytree protocol",
    "Space.tree_unflatten": "pytree protocol",
    "load_space": "reads a file",
    "save_space": "writes a file",
    "minimal_latent_dim": "exact arithmetic on Python ints, which fix shapes",
    "to_device": "places arrays, which a traced function leaves to its caller",
    **moment_cases.HOST_ONLY,
    **training_cases.HOST_ONLY,
}

B, D = 16, 8
_TARGETS = {"drag": ((), 1), "pressure": ((3,), 2), "vorticity": ((2, 3), 2)}

#: How the outputs depend on the inputs.
DIFFERENTIABLE = "differentiable"
SOLVED = "solved"  # floating, without gradient
COUNT = "count"  # integers


def _orthonormal(rng: np.random.Generator, k: int) -> np.ndarray:
    return np.linalg.qr(rng.standard_normal((D, k)))[0].T


def _near(rng: np.random.Generator, W: np.ndarray) -> np.ndarray:
    tilted = W + 0.2 * rng.standard_normal(W.shape)
    return np.linalg.qr(tilted.T)[0].T


def _field(rng: np.random.Generator, B: int, shape: tuple[int, ...]) -> np.ndarray:
    """Draws a field of two strong modes and weak noise, so that no count is borderline."""
    modes = rng.standard_normal((B, 2)) @ rng.standard_normal((2, int(np.prod(shape))))
    return (modes + 0.01 * rng.standard_normal(modes.shape)).reshape(B, *shape)


def two(tree: dict[str, Any]) -> dict[str, Any]:
    """Leaves out one of the quantities."""
    return {q: tree[q] for q in ("drag", "vorticity")}


def ingredients(seed: int = 0, B: int = B) -> Inputs:
    """Draws everything that the cases take, in float64."""
    rng = np.random.default_rng(seed)
    Z = rng.standard_normal((B, D)) * np.linspace(1.0, 2.0, D) + rng.standard_normal(D)
    Y, W, A, V = {}, {}, {}, {}
    for q, (shape, k) in _TARGETS.items():
        p = int(np.prod(shape))
        y = Z @ rng.standard_normal((D, p)) + 0.3 * rng.standard_normal((B, p)) + 1.0
        Y[q] = y.reshape(B, *shape)
        W[q] = _orthonormal(rng, k)
        A[q] = rng.standard_normal((k, p)).reshape((k, p) if shape else (k,))
        V[q] = rng.standard_normal(p)
    space = sl.Space(
        W=W,
        A=A,
        V=V,
        z_mean=Z.mean(0),
        y_mean={q: y.reshape(B, -1).mean(0) for q, y in Y.items()},
        target_shapes={q: shape for q, (shape, _) in _TARGETS.items()},
    )
    W_old = _orthonormal(rng, 3)
    return {
        "Z": Z,
        "Y": Y,
        "W": W,
        "Y_two": two(Y),
        "W_two": two(W),
        "A": A,
        "W_prev": {q: _near(rng, w) for q, w in W.items()},
        "W_old": W_old,
        "W_new": _near(rng, W_old)[:2],
        "space": space,
        "fields": {"image": _field(rng, B, (2, 6, 6)), "sequence": _field(rng, B, (10,))},
        "x": rng.standard_normal((B, 2, 5, 6)),
        "M": rng.standard_normal((9, 6)),
        "U": np.linalg.qr(rng.standard_normal((9, 2)))[0],
    }


def cast(inputs: Any, dtype: Any = None) -> Any:
    """Converts to JAX arrays, floating ones to ``dtype`` (default: float64 if enabled)."""

    def convert(x: Any) -> jax.Array:
        floats = jnp.issubdtype(np.asarray(x).dtype, jnp.floating)
        return jnp.asarray(x, dtype or float) if floats else jnp.asarray(x)

    return jax.tree.map(convert, inputs)


@dataclasses.dataclass(frozen=True, eq=False)
class Case:
    """One way to call one public function.

    Args:
        covers: Qualified name of the function.
        run: The function itself, or a call of what it returns.
        args: Which ingredients it takes, in order.
        options: Static keywords of the call.
        kind: How the outputs depend on the inputs.
        batch: Which of ``args`` hold a row a sample.
        by_row: Whether rows are treated one by one, so that there is nothing to mask.
        order: Up to which order it is differentiable.
        observe: Picks the outputs that carry a gradient.
        calls: How many compiled functions a call makes; None where it is not counted.
        exact: Whether every product is one that feeds a factorization, a fit or a measure
            of subspaces (True), none is (False), or there are both (None).
        label: Tells cases of one function apart.
    """

    covers: str
    run: Callable[..., Any]
    args: tuple[str, ...]
    options: tuple[tuple[str, Any], ...] = ()
    kind: str = DIFFERENTIABLE
    batch: tuple[str, ...] = ()
    by_row: bool = False
    order: int = 2
    observe: Callable[[Any], Any] = lambda out: out
    calls: int | None = 1
    exact: bool | None = True
    label: str = ""

    def __str__(self) -> str:
        """Names the case in test ids."""
        return f"{self.covers}[{self.label}]" if self.label else self.covers

    @property
    def keywords(self) -> frozenset[str]:
        """Names of the function's parameters."""
        return frozenset(inspect.signature(self.run).parameters)

    def inputs(
        self,
        dtype: Any = None,
        *,
        seed: int = 0,
        B: int = B,
        change: Callable[[Inputs], Inputs] = lambda drawn: {},
    ) -> Inputs:
        """Draws the case's arguments, with some ingredients replaced by ``change``."""
        drawn = ingredients(seed, B)
        drawn |= change(drawn)
        return cast({name: drawn[name] for name in self.args}, dtype)

    def __call__(self, inputs: Inputs, **options: Any) -> Any:
        """Calls the function."""
        arrays = (inputs[name] for name in self.args)
        return self.run(*arrays, **{**dict(self.options), **options})

    def but(self, label: str, **changes: Any) -> "Case":
        """Returns a variant of the case; ``options`` are added to its own."""
        options = dict(self.options) | changes.pop("options", {})
        return dataclasses.replace(self, label=label, options=tuple(options.items()), **changes)


def _opts(**options: Any) -> tuple[tuple[str, Any], ...]:
    return tuple(options.items())


def _energy(x: jax.Array) -> jax.Array:
    return 0.5 * x**2


def _joined(x: jax.Array) -> dict[str, jax.Array]:
    return data.compute_Q(_energy, half=lambda x: 0.5 * x)(x=x)


def _piped(x: jax.Array) -> dict[str, jax.Array]:
    return data.input_to_quantity(2, "avg", energy=_energy)(x=x)


def _expanded(x: jax.Array) -> jax.Array:
    return data.ensure_dim(_energy, dims=5)(x)


_BATCH = ("Z", "Y")
# What is solved quantity by quantity needs but two of them.
_SOLVE = ("Z", "Y_two")
ALIGNMENT = Case(
    "alignment_loss", loss.alignment_loss, ("Z", "W", "A", "Y"), batch=_BATCH, exact=False
)
DISENTANGLEMENT = Case(
    "disentanglement_loss", loss.disentanglement_loss, ("Z", "W"), batch=("Z",), exact=None
)
LEGACY = Case(
    "disentanglement_loss_original",
    loss.disentanglement_loss_original,
    ("Z", "W"),
    batch=("Z",),
    exact=None,
)
ISOTROPY = Case("isotropy_loss", loss.isotropy_loss, ("Z", "W"), batch=("Z",))
STABILITY = Case("stability_loss", loss.stability_loss, ("W", "W_prev"))
COMBINED = Case(
    "combined_loss",
    sl.combined_loss,
    ("Z", "W", "A", "Y", "W_prev"),
    _opts(n_dir=4),
    batch=_BATCH,
    exact=None,
)
POOL = Case("pool", data.pool, ("x",), _opts(n_bins=4), batch=("x",), by_row=True, exact=None)

CASES = (
    ALIGNMENT,
    DISENTANGLEMENT,
    DISENTANGLEMENT.but("min", options={"pair_norm": "min"}),
    LEGACY,
    ISOTROPY,
    ISOTROPY.but("leading", options={"n_dir": 4}),
    STABILITY,
    STABILITY.but("projector", options={"metric": "projector"}),
    COMBINED,
    COMBINED.but(
        "weighted",
        options={
            "weights": {"isotropy": 0.1, "stability": 2},
            "return_terms": True,
            "pair_norm": "min",
            "metric": "projector",
        },
    ),
    Case("principal_directions", sl.principal_directions, _SOLVE, kind=SOLVED, batch=_SOLVE),
    Case("subspaces", sl.subspaces, _SOLVE, _opts(k=2), kind=SOLVED, batch=_SOLVE),
    Case("solve_subspaces", sl.solve_subspaces, _SOLVE, _opts(k=2), kind=SOLVED, batch=_SOLVE),
    Case("fit_decoders", optim.fit_decoders, ("W_two", *_SOLVE), kind=SOLVED, batch=_SOLVE),
    Case(
        "solve_dims",
        sl.solve_dims,
        ("fields",),
        _opts(max_bins=3, bin_thresholds=0.9, k_thresholds=0.9),
        kind=COUNT,
        batch=("fields",),
        calls=None,
        exact=None,
    ),
    Case("optimal_bins", optim.optimal_bins, ("fields",), kind=COUNT, batch=("fields",), calls=2),
    Case("k_per_q", optim.k_per_q, ("fields",), kind=COUNT, batch=("fields",), calls=2),
    Case("subspace_change", optim.subspace_change, ("W_old", "W_new")),
    POOL,
    POOL.but("max", options={"mode": "max"}),
    POOL.but("more bins than points", options={"n_bins": 8}),
    Case(
        "Space.coordinates",
        sl.Space.coordinates,
        ("space", "Z"),
        batch=("Z",),
        by_row=True,
        exact=False,
    ),
    Case("Space.decode", sl.Space.decode, ("space", "Z"), batch=("Z",), by_row=True, exact=False),
    Case("full", linalg.full, ("M",), order=1, observe=lambda out: out[1]),
    Case("left", linalg.left, ("M",), order=1, observe=lambda out: out[1]),
    Case("right", linalg.right, ("M",), order=1, observe=lambda out: out[1]),
    Case("singular_values", linalg.singular_values, ("M",)),
    Case("residual_bound", linalg.residual_bound, ("M", "U"), kind=SOLVED),
    Case("principal_angles", linalg.principal_angles, ("W_old", "W_new")),
    Case("compute_Q", _joined, ("x",), batch=("x",), by_row=True, calls=None, exact=None),
    Case("input_to_quantity", _piped, ("x",), batch=("x",), by_row=True, calls=None, exact=None),
    Case("ensure_dim", _expanded, ("x",), calls=None, exact=None),
    *moment_cases.cases(Case),
    *training_cases.cases(Case, ALIGNMENT, DISENTANGLEMENT, STABILITY),
)

#: Solvers beside the default; the low rank keeps everything here.
SOLVERS = {"svd": "svd", "eigen": "eigen", "LowRank": linalg.LowRank(rank=64, n_iter=1)}

# Those that between them reach every use of a factorization.
_FACTORIZING = ("isotropy_loss", "subspaces", "fit_decoders", "k_per_q", "singular_values")

#: Every case, and once more by the routes other than plain SVD where there is a choice.
ROUTES = CASES + tuple(
    case.but(name, options={"solver": SOLVERS[name]}, order=1)
    for case in CASES
    if case.covers in _FACTORIZING and not case.label
    for name in ("eigen", "LowRank")
)

# Variants that share their program with another case, but for a number.
_ALIKE = (
    "disentanglement_loss[min]",
    "isotropy_loss[leading]",
    "combined_loss",
    "pool[more bins than points]",
    "left",
    "right",
    "track_subspaces[drift]",
    "track_subspaces[not due]",
    *(
        f"{name}[{label}]"
        for name in ("alignment_loss", "disentanglement_loss", "stability_loss")
        for label in ("unreduced", "weighted sum")
    ),
)

#: One case for each program, where compiling it takes long.
DISTINCT = tuple(case for case in CASES if str(case) not in _ALIKE)

REDUCING = tuple(case for case in ROUTES if case.batch and not case.by_row)


def ids(case: Any) -> str:
    """Names a case or a callable in test ids."""
    return getattr(case, "__name__", str(case))


def rows(case: Case, inputs: Inputs, change: Callable[[jax.Array], jax.Array]) -> Inputs:
    """Applies ``change`` to every array that holds a row a sample."""
    return {
        name: jax.tree.map(change, value) if name in case.batch else value
        for name, value in inputs.items()
    }


def objective(out: Any) -> jax.Array:
    """Joins all floating outputs to a scalar: a square, and a weight of its own, for each."""
    total = jnp.zeros((), jnp.float32)
    for leaf in jax.tree.leaves(out):
        if not isinstance(leaf, jax.Array) or not jnp.issubdtype(leaf.dtype, jnp.floating):
            continue
        weights = jnp.cos(jnp.arange(leaf.size, dtype=leaf.dtype)).reshape(leaf.shape)
        term = jnp.sum(leaf * (weights + 0.5 * leaf))
        wide = np.promote_types(total.dtype, term.dtype)
        total = total.astype(wide) + term.astype(wide)
    return total


@functools.cache
def jitted(case: Case) -> Callable[..., Any]:
    """Returns the case under jit, the same function each time."""
    return jax.jit(lambda inputs: case(inputs))


@functools.cache
def evaluate(case: Case) -> Callable[..., tuple[Any, Inputs]]:
    """Returns the jitted function that gives the outputs and the gradients of ``objective``."""

    def scalar(inputs: Inputs, options: Any) -> tuple[jax.Array, Any]:
        out = case(inputs, **options)
        return objective(out), out

    @jax.jit
    def run(inputs: Inputs, **options: Any) -> tuple[Any, Inputs]:
        gradient, out = jax.grad(scalar, has_aux=True)(inputs, options)
        return out, gradient

    return run


def direction(inputs: Inputs) -> Inputs:
    """Returns a fixed direction to differentiate along."""
    return jax.tree.map(
        lambda x: jnp.sin(jnp.arange(x.size, dtype=x.dtype) + 1).reshape(x.shape), inputs
    )
