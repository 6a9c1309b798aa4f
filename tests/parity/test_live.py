"""The port against spacelearn 0.1.0 itself: on random draws, and on the stored numbers."""

import contextlib
import json
from functools import partial

import hypothesis
import hypothesis.strategies as st
import jax
import numpy as np
import pytest
from hypothesis import given

torch = pytest.importorskip("torch")
pytest.importorskip("spacelearn")

from . import generate, port  # noqa: E402
from .cases import CASES, DTYPES, Case, checksum  # noqa: E402
from .compare import assert_close, promised  # noqa: E402
from .ingredients import orthonormal, problem, smooth_fields, smooth_sequences  # noqa: E402
from .well_defined import fixed_signs, joint_sign, row_signs  # noqa: E402

pytestmark = pytest.mark.parity

# Rounding of another BLAS or another CPU, and none of another input or another formula.
SAME_FORMULA = {"float64": 1e-12, "float32": 1e-5}

LOSSES = ("alignment", "disentanglement", "disentanglement_original", "isotropy", "combined")

draws = partial(
    hypothesis.settings,
    deadline=None,
    database=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)
seeds = st.integers(0, 2**32 - 1)
dtypes = st.sampled_from(DTYPES)


def compare(case, dtype):
    """Runs the original and the port on the same inputs, and compares."""
    expected = generate.run(case, dtype)
    with jax.enable_x64(True) if dtype == "float64" else contextlib.nullcontext():
        outputs = port.run(case, dtype, jit=case.function in port.TRACEABLE)
    assert set(outputs) == set(expected)
    for output, reference in expected.items():
        assert_close(
            outputs[output],
            reference,
            promised(case.function, dtype),
            floor=case.floor(output, dtype),
            what=f"{case.name} {output} in {dtype}",
        )


def seeded(function, seed, make, **fields):
    """A case whose inputs come from a drawn seed."""
    return Case(f"{function}/live", lambda _: make(np.random.default_rng(seed)), **fields)


@st.composite
def problems(draw):
    """Options of ``problem``: rows, latents, bases, and targets of one to four axes.

    Eight rows at least: with fewer, standardized coordinates hardly depend on the
    latents, and what a gradient then has in float32 is rounding. The stored cases have
    fewer in float64.
    """
    d = draw(st.integers(4, 20))
    names = sorted(draw(st.sets(st.sampled_from("abcde"), min_size=1, max_size=3)))
    shape = st.lists(st.integers(1, 4), max_size=3).map(tuple)
    return {
        "b": draw(st.integers(8, 40)),
        "d": d,
        "shapes": {name: draw(shape) for name in names},
        "ks": {name: draw(st.integers(1, d // 4)) for name in names},
        "extra": draw(st.booleans()),
        "prev": draw(st.booleans()),
    }


@pytest.mark.parametrize("function", LOSSES)
@draws(max_examples=8)
@given(options=problems(), seed=seeds, n_dir=st.integers(1, 32), dtype=dtypes)
def test_losses(function, options, seed, n_dir, dtype):
    takes_n_dir = function in ("isotropy", "combined")
    case = seeded(
        function,
        seed,
        lambda rng: problem(rng, **options),
        options={"n_dir": n_dir} if takes_n_dir else {},
        # One pair of directions, or few singular values, can make a loss vanish.
        floors={"value": 1e-2, "grad_Z": 1e-2},
    )
    compare(case, dtype)


@draws(max_examples=8)
@given(options=problems(), seed=seeds, dtype=dtypes)
def test_stability(options, seed, dtype):
    compare(seeded("stability", seed, lambda rng: problem(rng, **options)), dtype)


def separated(rng, *, b, d, shapes):
    """Latents and targets whose cross-covariances have the singular values 1, 1/2, 1/3, ...

    Vectors are only as well determined as neighbouring values are apart.
    """
    noise = rng.standard_normal((b, d))
    Zc = np.linalg.qr(noise - noise.mean(0))[0]
    Y = {}
    for name, shape in shapes.items():
        p = int(np.prod(shape))
        r = min(p, d)
        C = orthonormal(rng, r, d).T / np.arange(1, r + 1) @ orthonormal(rng, r, p)
        Y[name] = (Zc @ C + rng.standard_normal(p)).reshape(b, *shape)
    return {"Z": Zc + rng.standard_normal(d), "Y": Y}


@st.composite
def solvable(draw):
    """Options of ``separated``, with more rows than latents so that nothing is degenerate."""
    d = draw(st.integers(2, 12))
    names = sorted(draw(st.sets(st.sampled_from("abcde"), min_size=1, max_size=3)))
    shape = st.lists(st.integers(1, 3), max_size=3).map(tuple)
    return {
        "b": draw(st.integers(d + 4, 40)),
        "d": d,
        "shapes": {name: draw(shape) for name in names},
    }


@draws(max_examples=6)
@given(options=solvable(), seed=seeds, dtype=dtypes)
def test_principal_directions(options, seed, dtype):
    make = partial(separated, **options)
    compare(seeded("principal_directions", seed, make, finish=joint_sign), dtype)


@draws(max_examples=8)
@given(options=solvable(), seed=seeds, k=st.integers(1, 16), dtype=dtypes)
def test_subspaces(options, seed, k, dtype):
    make = partial(separated, **options)
    compare(seeded("subspaces", seed, make, options={"k": k}, finish=row_signs), dtype)


@draws(max_examples=6)
@given(options=solvable(), seed=seeds, k=st.integers(1, 16), dtype=dtypes)
def test_solve_subspaces(options, seed, k, dtype):
    def finish(inputs, outputs):
        # A row of W may change its sign, and then the same row of A does.
        del inputs
        names = [name.partition(".")[2] for name in outputs if name.startswith("W.")]
        return {name: outputs[f"W.{name}"].T @ outputs[f"A.{name}"] for name in names}

    make = partial(separated, **options)
    compare(seeded("solve_subspaces", seed, make, options={"k": k}, finish=finish), dtype)


@draws(max_examples=8)
@given(options=problems(), seed=seeds, dtype=dtypes)
def test_fit_decoders(options, seed, dtype):
    names = options["ks"]
    # A decoder of a target that hardly depends on its coordinates is nearly zero.
    case = seeded(
        "fit_decoders",
        seed,
        lambda rng: problem(rng, **options),
        floors=dict.fromkeys(names, 0.1),
    )
    compare(case, dtype)


@draws(max_examples=8)
@given(
    d=st.integers(2, 20), k_old=st.integers(1, 6), k_new=st.integers(1, 6), seed=seeds, dtype=dtypes
)
def test_subspace_change(d, k_old, k_new, seed, dtype):
    def make(rng):
        return {
            "W_old": orthonormal(rng, min(k_old, d), d),
            "W_new": orthonormal(rng, min(k_new, d), d),
        }

    compare(seeded("subspace_change", seed, make), dtype)


@st.composite
def fields(draw):
    """Smooth fields and sequences of a size each, with a decay."""
    b = draw(st.integers(4, 24))
    size, length = draw(st.integers(3, 10)), draw(st.integers(4, 40))
    decay = draw(st.floats(0.5, 3))
    return lambda rng: {
        "Y": {
            "a": smooth_fields(rng, b, size, decay),
            "b": smooth_sequences(rng, b, length, decay),
        }
    }


# The sums of both sides differ by rounding, so a threshold must not be a ratio that data
# reach exactly; three decimals of a random spectrum never are.
thresholds = st.integers(50, 989).map(lambda n: n / 1000)


@draws(max_examples=8)
@given(make=fields(), eta=thresholds, most=st.integers(2, 12), seed=seeds, dtype=dtypes)
def test_optimal_bins(make, eta, most, seed, dtype):
    options = {"max_bins": most, "variance_threshold": eta, "per_quantity": True}
    compare(seeded("optimal_bins", seed, make, options=options), dtype)


@draws(max_examples=8)
@given(make=fields(), eta=thresholds, per_quantity=st.booleans(), seed=seeds, dtype=dtypes)
def test_k_per_q(make, eta, per_quantity, seed, dtype):
    options = {"threshold": eta, "per_quantity": per_quantity}
    compare(seeded("k_per_q", seed, make, options=options), dtype)


@draws(max_examples=8)
@given(
    make=fields(),
    etas=st.tuples(thresholds, thresholds),
    flags=st.tuples(st.booleans(), st.booleans()),
    mode=st.sampled_from(["avg", "max"]),
    seed=seeds,
)
def test_solve_dims(make, etas, flags, mode, seed):
    options = {
        "max_bins": 5,
        "bin_thresholds": {"a": etas[0]},
        "k_thresholds": etas[1],
        "pooling_mode": mode,
        "pool_per_quantity": flags[0],
        "k_per_quantity": flags[1],
    }
    compare(seeded("solve_dims", seed, make, options=options), "float64")


@draws(max_examples=100)
@given(
    k=st.integers(1, 50),
    Q=st.integers(1, 30),
    free=st.integers(0, 63).map(lambda n: n / 64),
    heads=st.none() | st.integers(1, 16),
)
def test_minimal_latent_dim(k, Q, free, heads):
    calls = [{"k": k, "Q": Q, "free_frac": free, "num_heads": heads}]
    compare(seeded("minimal_latent_dim", 0, lambda rng: {"calls": calls}), "float64")


@draws(max_examples=25)
@given(
    leading=st.lists(st.integers(1, 3), min_size=1, max_size=2),
    spatial=st.tuples(st.integers(1, 13), st.integers(1, 13)),
    n=st.integers(1, 9),
    mode=st.sampled_from(["avg", "max"]),
    ties=st.booleans(),
    seed=seeds,
    dtype=dtypes,
)
def test_pool(leading, spatial, n, mode, ties, seed, dtype):
    shape = (*leading, *spatial[: len(leading)])

    def make(rng):
        x = rng.integers(0, 3, shape).astype(float) if ties else rng.standard_normal(shape)
        return {"x": x}

    case = seeded(
        "pool",
        seed,
        make,
        options={"n_bins": n, "mode": mode},
        floors={"value": 1.0, "grad_x": 1.0},
    )
    compare(case, dtype)


@pytest.mark.parametrize("function", ["left", "right", "full", "singular_values"])
@draws(max_examples=8)
@given(
    m=st.integers(1, 9),
    n=st.integers(1, 9),
    solver=st.sampled_from(["svd", "eigen"]),
    seed=seeds,
    dtype=dtypes,
)
def test_factorizations(function, m, n, solver, seed, dtype):
    # The original's eigen mode is right where its Gram matrix is the smaller one.
    if solver == "eigen" and (m > n) == (function in ("left", "full")):
        m, n = n, m

    def make(rng):
        r = min(m, n)
        A = orthonormal(rng, r, m).T * np.linspace(3, 1, r) @ orthonormal(rng, r, n)
        return {"A": A}

    case = seeded(function, seed, make, options={"solver": solver}, finish=fixed_signs)
    compare(case, dtype)


@pytest.fixture(scope="module")
def made():
    return generate.make_numbers()


def test_stored_numbers_are_what_the_generator_makes(made):
    with np.load(generate.NUMBERS) as stored:
        assert set(stored.files) == set(made)
        for key, now in made.items():
            name, dtype, output = key.split("|")
            was = stored[key]
            assert was.dtype == now.dtype, key
            floor = CASES[name].floor(output, dtype)
            assert_close(now, was, SAME_FORMULA[dtype], floor=floor, what=key)


def test_stored_record_is_what_the_generator_makes():
    stored = json.loads(generate.RECORD.read_text())
    now = json.loads(json.dumps(generate.make_record()))
    assert now["versions"]["spacelearn"] == stored["versions"]["spacelearn"]
    assert set(now["cases"]) == set(stored["cases"])
    for name, case in now["cases"].items():
        was = stored["cases"][name]
        assert {**case, "inputs": None} == {**was, "inputs": None}
        scale = max(was["inputs"][1], 1)
        assert case["inputs"] == pytest.approx(was["inputs"], rel=0, abs=1e-11 * scale)


def test_generator_leaves_the_solver_mode_as_it_was():
    before = generate.settings.config.solver_mode
    generate.run(CASES["full/wide_eigen"], "float64")
    assert generate.settings.config.solver_mode == before
    assert checksum(CASES["full/wide_eigen"])[1] > 0
