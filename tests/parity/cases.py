"""The inputs and comparisons of the parity suite, in NumPy alone.

A case names a function of spacelearn 0.1.0, makes its inputs from a seed, and says what
of the result is well defined. The generator feeds these inputs to the original and
stores what comes out; the tests feed them to the port. Inputs are never stored.

Quantity names are chosen so that sorted order is insertion order: the original iterates
as inserted, and where quantities differ in k its disentanglement depends on that.
"""

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from .ingredients import (
    SHAPES,
    B,
    D,
    orthonormal,
    problem,
    smooth_fields,
    smooth_sequences,
)
from .well_defined import (
    Inputs,
    Outputs,
    fixed_signs,
    free_sign,
    isotropy_gradient,
    joint_sign,
    leading_rows,
    row_signs,
    value_only,
    without,
)

DTYPES = ("float64", "float32")


@dataclass(frozen=True)
class Case:
    """One call of one function.

    Attributes:
        name: ``function/variant``.
        make: Builds the inputs from a random generator, in float64.
        options: Static keywords, the same in torch and in JAX.
        dtypes: Dtypes in which the original's result is worth having.
        finish: Keeps what is well defined of the outputs, given the inputs; the same
            code sees the original's outputs and the port's.
        floors: Least scale of an output, by ``name`` or ``name|dtype``, where its own
            size says nothing: a gradient that is zero but for rounding.
    """

    name: str
    make: Callable[[np.random.Generator], Inputs]
    options: Mapping[str, Any] = field(default_factory=dict)
    dtypes: tuple[str, ...] = DTYPES
    finish: Callable[[Inputs, Outputs], Outputs] | None = None
    floors: Mapping[str, float] = field(default_factory=dict)

    @property
    def function(self) -> str:
        """Name of the function under comparison."""
        return self.name.partition("/")[0]

    @property
    def seed(self) -> int:
        """Seed of this case, from its name."""
        return zlib.crc32(self.name.encode())

    def inputs(self, dtype: str) -> Inputs:
        """Makes the inputs anew, their floating arrays in the given dtype."""
        return cast(self.make(np.random.default_rng(self.seed)), dtype)

    def floor(self, output: str, dtype: str) -> float:
        """Least scale of an output."""
        return self.floors.get(f"{output}|{dtype}", self.floors.get(output, 0.0))

    def finished(self, inputs: Inputs, outputs: Outputs) -> Outputs:
        """Applies ``finish``."""
        return outputs if self.finish is None else self.finish(inputs, outputs)


def cast(tree: Any, dtype: str) -> Any:
    """Casts the floating arrays of nested mappings."""
    if isinstance(tree, Mapping):
        return {name: cast(value, dtype) for name, value in tree.items()}
    if isinstance(tree, np.ndarray) and tree.dtype.kind == "f":
        return tree.astype(dtype)
    return tree


def leaves(tree: Any, prefix: str = "") -> dict[str, np.ndarray]:
    """Flattens nested mappings to ``{"outer.inner": array}``, leaving out what is None."""
    if isinstance(tree, Mapping):
        flat = {}
        for name, value in tree.items():
            flat.update(leaves(value, f"{prefix}.{name}" if prefix else name))
        return flat
    return {} if tree is None else {prefix: np.asarray(tree)}


# Two quantities are enough where the point is another one, and compile faster.
PAIR: dict[str, Any] = {
    "ks": {"energy": 4, "pressure": 3},
    "shapes": {"energy": (12,), "pressure": (3, 4)},
}

# Shapes and degeneracies that every loss meets.
VARIANTS: dict[str, dict[str, Any]] = {
    "odd": {},
    "one_quantity": {"ks": {"energy": 5}, "shapes": {"energy": (12,)}},
    "two_quantities": PAIR,
    "wide": PAIR | {"b": 7},
    "fewer_rows_than_k": PAIR | {"b": 4, "ks": {"energy": 6, "pressure": 5}},
    "rank_deficient": PAIR | {"rank": 3},
    "constant_column": PAIR | {"constant": True},
    "two_rows": PAIR | {"b": 2},
    "overlapping": {"ks": {"energy": 9, "pressure": 8, "strain": 7, "vorticity": 1}},
    "extra_names": {"extra": True},
    "no_previous": {"prev": False},
}


# The sum of four losses needs no more than one case of each kind.
COMBINED = (
    "odd",
    "two_quantities",
    "wide",
    "rank_deficient",
    "constant_column",
    "extra_names",
    "no_previous",
)


def _losses() -> list[Case]:
    cases = []
    for variant, options in VARIANTS.items():
        make = partial(problem, **options)
        cases.append(Case(f"alignment/{variant}", make))
        if variant in COMBINED:
            # Isotropy's part of the gradient is arbitrary where its residual vanishes.
            finish = isotropy_gradient if variant == "rank_deficient" else None
            cases.append(Case(f"combined/{variant}", make, finish=finish))
        if variant in ("extra_names", "no_previous"):
            # Neither Y, A nor W_prev reaches the other losses.
            continue
        for function in ("disentanglement", "disentanglement_original"):
            cases.append(
                Case(
                    f"{function}/{variant}",
                    make,
                    # Two rows standardize to +-1/sqrt(2) whatever they are, so the true
                    # gradient is about 1e-8 of a normal one and what is left in
                    # float32 is cancellation noise.
                    dtypes=("float64",) if variant == "two_rows" else DTYPES,
                    floors={"grad_Z": 1e-2} if variant == "two_rows" else {},
                )
            )
        # The one singular value of two rows is twice the mean, however large: terms of about
        # .2 cancel, and builds of torch differ by an eps of them.
        floors = {"grad_Z": 1e-3, "grad_Z|float32": 1.0} if variant == "two_rows" else {}
        cases.append(Case(f"isotropy/{variant}", make, finish=isotropy_gradient, floors=floors))
    cases += [
        Case("isotropy/few_directions", partial(problem), {"n_dir": 4}),
        # One value over its own mean is 1 and the loss is only the guard's 1e-16.
        Case(
            "isotropy/one_direction",
            partial(problem),
            {"n_dir": 1},
            floors={"value": 1.0, "grad_Z": 1.0},
        ),
        # Every singular value is zero: each gradient is a choice of null vectors.
        Case("isotropy/dead_latents", _dead, finish=value_only),
        # Through the Gram matrix the original's gradient is NaN, and its smallest singular
        # values have half of the digits: hence the largest four.
        Case(
            "isotropy/eigen", partial(problem), {"n_dir": 4, "solver": "eigen"}, finish=value_only
        ),
        Case("combined/few_directions", partial(problem), {"n_dir": 4}),
        Case("stability/odd", partial(problem)),
        Case("stability/one_quantity", partial(problem, **VARIANTS["one_quantity"])),
        Case("stability/extra_names", partial(problem, extra=True)),
        Case("stability/no_previous", partial(problem, prev=False)),
        Case("stability/unchanged", _unchanged),
        # Inserted against sorted order with different k. The generator hands the
        # quantities to the original sorted; test_differences has the other order.
        Case("disentanglement/inserted_backwards", _backwards),
        Case("disentanglement_original/inserted_backwards", _backwards),
    ]
    return cases


def _dead(rng: np.random.Generator) -> Inputs:
    inputs = problem(rng)
    inputs["Z"] = np.tile(np.round(inputs["Z"][:1] * 8) / 8, (B, 1))
    return inputs


def _unchanged(rng: np.random.Generator) -> Inputs:
    inputs = problem(rng)
    inputs["W_prev"] = {name: w.copy() for name, w in inputs["W"].items()}
    return inputs


def _backwards(rng: np.random.Generator) -> Inputs:
    inputs = problem(rng, ks={"vorticity": 7, "strain": 2, "energy": 3}, shapes=SHAPES)
    return {"Z": inputs["Z"], "W": dict(sorted(inputs["W"].items()))}


def _solves() -> list[Case]:
    def data(rng: np.random.Generator, **options: Any) -> Inputs:
        inputs = problem(rng, **options)
        return {"Z": inputs["Z"], "Y": inputs["Y"]}

    def fit(rng: np.random.Generator, **options: Any) -> Inputs:
        inputs = problem(rng, **options)
        return {"W": inputs["W"], "Z": inputs["Z"], "Y": inputs["Y"]}

    def dead_fit(rng: np.random.Generator) -> Inputs:
        inputs = _dead(rng)
        shapes = {name: y.shape[1:] for name, y in inputs["Y"].items()}
        Y = {name: rng.standard_normal((B, *shape)) for name, shape in shapes.items()}
        return {"W": inputs["W"], "Z": inputs["Z"], "Y": Y}

    ks = {"energy": 3, "pressure": 5, "strain": 2, "vorticity": 1}
    return [
        Case("principal_directions/odd", data, finish=joint_sign),
        Case("principal_directions/wide", partial(data, **VARIANTS["wide"]), finish=joint_sign),
        Case(
            "principal_directions/rank_deficient",
            partial(data, **VARIANTS["rank_deficient"]),
            finish=joint_sign,
        ),
        Case(
            "principal_directions/two_rows",
            partial(data, **VARIANTS["two_rows"]),
            finish=joint_sign,
        ),
        Case(
            "principal_directions/eigen",
            partial(data, d=6, ks={"energy": 2}, shapes={"energy": (9,)}),
            {"solver": "eigen"},
            finish=joint_sign,
        ),
        Case("subspaces/odd", data, {"k": ks}),
        Case("subspaces/one_k", data, {"k": 4}),
        # A scalar k is capped at min(D, p): 12, 12, 6 and 1 rows.
        Case("subspaces/capped", data, {"k": 32}),
        Case(
            "subspaces/wide",
            partial(data, **VARIANTS["wide"]),
            {"k": 5},
            finish=partial(leading_rows, rank=5),
        ),
        Case(
            "subspaces/wide_beyond_rank",
            partial(data, **VARIANTS["wide"]),
            {"k": 9},
            finish=partial(leading_rows, rank=6),
        ),
        Case(
            "subspaces/rank_deficient",
            partial(data, **VARIANTS["rank_deficient"]),
            {"k": 5},
            finish=partial(leading_rows, rank=3),
        ),
        Case(
            "subspaces/two_rows",
            partial(data, **VARIANTS["two_rows"]),
            {"k": 2},
            finish=partial(leading_rows, rank=1),
        ),
        # QR fixes the sign of a row by its first entry, and a constant latent makes that
        # entry zero but for rounding.
        Case(
            "subspaces/constant_column", partial(data, constant=True), {"k": ks}, finish=row_signs
        ),
        Case(
            "subspaces/eigen",
            partial(data, d=6, ks={"energy": 2}, shapes={"energy": (9,)}),
            {"k": 3, "solver": "eigen"},
        ),
        Case("solve_subspaces/odd", data, {"k": ks}, finish=free_sign),
        Case("solve_subspaces/one_k", data, {"k": 2}, finish=free_sign),
        Case("solve_subspaces/extra_k", data, {"k": ks | {"zonal": 3}}, finish=free_sign),
        Case("fit_decoders/odd", fit),
        Case("fit_decoders/wide", partial(fit, **VARIANTS["wide"])),
        Case("fit_decoders/fewer_rows_than_k", partial(fit, **VARIANTS["fewer_rows_than_k"])),
        Case("fit_decoders/rank_deficient", partial(fit, **VARIANTS["rank_deficient"])),
        Case(
            "fit_decoders/constant_column",
            partial(fit, **VARIANTS["constant_column"]),
            # Where a first coordinate is constant the original gives a zero decoder and
            # not the least-squares one (difference 19).
            finish=partial(without, names=("energy",)),
        ),
        Case("fit_decoders/two_rows", partial(fit, **VARIANTS["two_rows"])),
        Case(
            "fit_decoders/extra_names",
            partial(fit, extra=True),
            # A scalar that is all but uncorrelated with its coordinate: 1e-4, of sums that
            # are a hundred times as large before they cancel.
            floors={"vorticity": 1e-2},
        ),
        Case("fit_decoders/dead_latents", dead_fit),
        Case("subspace_change/near", partial(_bases_pair, k_old=5, k_new=5, distance=0.2)),
        Case("subspace_change/far", partial(_bases_pair, k_old=5, k_new=5, distance=10.0)),
        Case("subspace_change/more", partial(_bases_pair, k_old=3, k_new=6, distance=0.5)),
        Case("subspace_change/fewer", partial(_bases_pair, k_old=6, k_new=2, distance=0.5)),
        Case("subspace_change/orthogonal", _orthogonal_pair, floors={"mean_cos_sim": 1.0}),
        # In float32 the original reads .0079 degrees here: difference 6.
        Case("subspace_change/identical", _identical_pair, dtypes=("float64",)),
    ]


def _bases_pair(rng: np.random.Generator, *, k_old: int, k_new: int, distance: float) -> Inputs:
    shared = rng.standard_normal((D, max(k_old, k_new)))
    moved = shared + distance * rng.standard_normal(shared.shape)
    return {
        "W_old": np.linalg.qr(shared[:, :k_old])[0].T.copy(),
        "W_new": np.linalg.qr(moved[:, :k_new])[0].T.copy(),
    }


def _orthogonal_pair(rng: np.random.Generator) -> Inputs:
    del rng
    return {"W_old": np.eye(D)[:4], "W_new": np.eye(D)[4:7]}


def _identical_pair(rng: np.random.Generator) -> Inputs:
    del rng
    return {"W_old": np.eye(D)[:4], "W_new": np.eye(D)[:4]}


def _sizing() -> list[Case]:
    def fields(rng: np.random.Generator) -> Inputs:
        Y = {
            "energy": smooth_sequences(rng),
            "pressure": smooth_fields(rng, decay=2.5),
            "strain": smooth_fields(rng, size=12, decay=2.0)[:, 0],
            "vorticity": smooth_fields(rng, decay=1.0),
        }
        return {"Y": Y}

    def scalars(rng: np.random.Generator) -> Inputs:
        return {"Y": {"energy": rng.standard_normal(B), "pressure": smooth_sequences(rng)}}

    def poolable(rng: np.random.Generator) -> Inputs:
        Y = {
            "energy": smooth_sequences(rng),
            "pressure": smooth_fields(rng, decay=2.5),
            "vorticity": smooth_fields(rng, decay=1.0),
        }
        return {"Y": Y}

    some = {"pressure": 0.5, "vorticity": 0.99}
    cases = [
        Case("optimal_bins/default", fields),
        Case("optimal_bins/per_quantity", fields, {"per_quantity": True}),
        Case(
            "optimal_bins/capped",
            fields,
            {"max_bins": 3, "variance_threshold": 0.999, "per_quantity": True},
        ),
        Case("optimal_bins/low", fields, {"variance_threshold": 0.1, "per_quantity": True}),
        Case(
            "optimal_bins/some_thresholds",
            fields,
            {"variance_threshold": some, "per_quantity": True},
        ),
        Case(
            "optimal_bins/default_threshold",
            fields,
            {"variance_threshold": some, "default_threshold": 0.6, "per_quantity": True},
        ),
        Case("k_per_q/default", fields),
        Case("k_per_q/shared", fields, {"per_quantity": False}),
        Case("k_per_q/high", fields, {"threshold": 0.999}),
        Case("k_per_q/some_thresholds", fields, {"threshold": some}),
        Case("k_per_q/default_threshold", fields, {"threshold": some, "default_threshold": 0.6}),
        Case("k_per_q/scalar_target", scalars, {"threshold": 0.8}),
        Case("k_per_q/scalar_default", scalars, {"threshold": 0.8, "default_threshold": 0.5}),
        Case(
            "solve_dims/mixed",
            poolable,
            {
                "max_bins": 8,
                "bin_thresholds": some,
                "k_thresholds": {"energy": 0.7},
                "bin_default_threshold": 0.9,
                "k_default_threshold": 0.6,
                "pooling_mode": "max",
                "pool_per_quantity": True,
                "k_per_quantity": True,
            },
        ),
        Case("minimal_latent_dim/table", _latent_sizes),
    ]
    for pool_per_quantity in (False, True):
        for k_per_quantity in (False, True):
            cases.append(
                Case(
                    f"solve_dims/{pool_per_quantity}_{k_per_quantity}".lower(),
                    poolable,
                    {
                        "max_bins": 6,
                        "bin_thresholds": 0.9,
                        "k_thresholds": 0.8,
                        "pool_per_quantity": pool_per_quantity,
                        "k_per_quantity": k_per_quantity,
                    },
                )
            )
    return cases


def _latent_sizes(rng: np.random.Generator) -> Inputs:
    """Keyword arguments of minimal_latent_dim.

    Fractions are sums of powers of two: with others the original's floating-point
    ceiling is off by one for every ninth combination (difference 9).
    """
    del rng
    calls: list[dict[str, Any]] = [
        {"k": k, "Q": Q, "free_frac": free, "num_heads": heads}
        for k in (1, 4, 7)
        for Q in (1, 6)
        for free in (0.0, 0.25, 0.375, 0.5)
        for heads in (None, 1, 8)
    ]
    calls += [{"k": {"a": 3, "b": 5, "c": 2}, "free_frac": free} for free in (0.0, 0.5, 0.75)]
    calls += [{"k": {"a": 3}, "num_heads": 4, "Q": 1, "free_frac": 0.25}, {"k": 4, "Q": 6}]
    return {"calls": calls}


def _pooling() -> list[Case]:
    def array(rng: np.random.Generator, *, shape: tuple[int, ...], ties: bool) -> Inputs:
        x = rng.integers(0, 3, shape).astype(np.float64) if ties else rng.standard_normal(shape)
        return {"x": x}

    sizes = {
        "divides": ((2, 3, 12, 12), 4),
        "overlaps": ((2, 2, 7, 11), 5),
        "repeats": ((2, 1, 3, 5), 7),
        "one_bin": ((3, 1, 6, 4), 1),
        "sequence_divides": ((5, 12), 4),
        "sequence_overlaps": ((5, 13), 5),
        "sequence_repeats": ((5, 3), 8),
        "sequence_one_bin": ((5, 7), 1),
    }
    cases = []
    for name, (shape, n) in sizes.items():
        for mode in ("avg", "max"):
            make = partial(array, shape=shape, ties=False)
            cases.append(Case(f"pool/{name}_{mode}", make, {"n_bins": n, "mode": mode}))
        # Equal maxima: torch gives the whole gradient to the first in row-major order.
        make = partial(array, shape=shape, ties=True)
        cases.append(Case(f"pool/{name}_ties", make, {"n_bins": n, "mode": "max"}))
    return cases


# The quantities below need nothing but operators, so they work on both kinds of array.


def energy(u: Any, scale: Any) -> Any:
    """A quantity of two inputs."""
    return 0.5 * scale * u * u


def gradient(u: Any) -> Any:
    """A quantity of one input."""
    return u[..., 1:] - u[..., :-1]


def shifted(u: Any, scale: Any = 2.0) -> Any:
    """A quantity with a default."""
    return u + scale


def _pipelines() -> list[Case]:
    def given(rng: np.random.Generator) -> Inputs:
        return {"u": rng.standard_normal((3, 1, 8, 8)), "scale": np.asarray(1.5)}

    def without_scale(rng: np.random.Generator) -> Inputs:
        return {"u": rng.standard_normal((3, 8))}

    both = {"positional": (energy, gradient), "named": {"offset": shifted}}
    plain = {"positional": (gradient,), "named": {"offset": shifted}}
    return [
        Case("compute_Q/inputs_shared", given, both),
        Case("compute_Q/default_used", without_scale, plain),
        Case("input_to_quantity/avg", given, both | {"n_bins": 3, "mode": "avg"}),
        Case("input_to_quantity/max", given, both | {"n_bins": 3, "mode": "max"}),
        Case("input_to_quantity/sequence", without_scale, plain | {"n_bins": 3, "mode": "avg"}),
        Case("ensure_dim/all", given, {"dims": 5}),
        Case("ensure_dim/some", given, {"dims": 5, "targets": ["scale"]}),
        Case("ensure_dim/enough", given, {"dims": 4}),
        Case("to_device/all", given),
        Case("to_device/some", given, {"targets": ["u"]}),
    ]


def _factorizations() -> list[Case]:
    def matrix(rng: np.random.Generator, *, m: int, n: int) -> Inputs:
        # A prescribed spectrum with clear gaps: the vectors are as well determined as
        # the dtype allows, in the Gram matrix as well.
        r = min(m, n)
        U, Vt = orthonormal(rng, r, m).T, orthonormal(rng, r, n)
        return {"A": U * np.linspace(3, 1, r) @ Vt}

    def deficient(rng: np.random.Generator) -> Inputs:
        U, Vt = orthonormal(rng, 3, 9).T, orthonormal(rng, 3, 6)
        return {"A": U * np.array([3.0, 2.0, 1.0]) @ Vt}

    sizes = {"tall": (11, 5), "wide": (5, 11), "square": (7, 7)}
    cases = []
    for solver in ("svd", "eigen"):
        for size, (m, n) in sizes.items():
            for function in ("left", "right", "full", "singular_values"):
                # The original's eigen mode returns vectors of the other side's length,
                # padded with zeros or NaN, where its Gram matrix is the larger one.
                if solver == "eigen" and size == "tall" and function in ("left", "full"):
                    continue
                if solver == "eigen" and size == "wide" and function not in ("left", "full"):
                    continue
                make = partial(matrix, m=m, n=n)
                name = f"{function}/{size}_{solver}"
                cases.append(Case(name, make, {"solver": solver}, finish=fixed_signs))
    cases.append(
        Case("singular_values/rank_deficient", deficient, {"solver": "svd"}, finish=value_only)
    )
    return cases


def all_cases() -> dict[str, Case]:
    """Every case by name."""
    cases = [*_losses(), *_solves(), *_sizing(), *_pooling(), *_pipelines(), *_factorizations()]
    by_name = {case.name: case for case in cases}
    if len(by_name) != len(cases):
        message = "two cases share a name"
        raise AssertionError(message)
    return by_name


CASES = all_cases()


def checksum(case: Case) -> list[float]:
    """Two sums over the inputs, to notice a NumPy that draws other numbers.

    The first depends on every entry and its place, the second is the scale of the first.
    """
    flat = [x.ravel() for x in leaves(case.inputs("float64")).values() if x.dtype.kind == "f"]
    numbers = np.concatenate([np.zeros(1), *flat])
    return [
        float(numbers @ np.cos(np.arange(numbers.size))),
        float(np.abs(numbers).sum()),
    ]
