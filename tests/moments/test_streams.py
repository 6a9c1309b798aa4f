"""A stream gives what all of its rows give at once."""

import io
import json
import sys
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from spacelearn_jax import fit_stream, solve_subspaces
from spacelearn_jax.data import compute_Q, input_to_quantity
from spacelearn_jax.linalg import LowRank
from spacelearn_jax.moments import Moments
from spacelearn_jax.optim import fit_decoders, k_per_q
from spacelearn_jax.streams import _pieces

from ..jaxprs import compilations
from .batches import part, rows

K = {"p": 2, "s": 1}


def cut(batch, *sizes):
    """Yields consecutive rows."""
    start = 0
    for size in sizes:
        yield part(batch, slice(start, start + size))
        start += size


def assert_same(got, expected, tol=1e-5):
    assert jax.tree.structure(got) == jax.tree.structure(expected)
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=0, atol=tol * np.abs(b).max())


def assert_equal(got, expected):
    assert jax.tree.structure(got) == jax.tree.structure(expected)
    jax.tree.map(np.testing.assert_array_equal, got, expected)


@pytest.fixture(scope="module")
def batch():
    return rows(0, 200, "float32")


@pytest.fixture(scope="module")
def expected(batch):
    return solve_subspaces(*batch, k=K)


@pytest.mark.parametrize("sizes", [(64, 64, 64, 8), (8, 150, 42), (200,), (63, 0, 137)])
def test_any_batches_are_the_whole(sizes, batch, expected):
    assert_same(fit_stream(cut(batch, *sizes), k=K), expected)
    on_device = (jax.tree.map(jnp.asarray, each) for each in cut(batch, *sizes))
    assert_same(fit_stream(on_device, k=K), expected)


def test_float64(x64):
    batch = rows(0, 200)
    assert_same(fit_stream(cut(batch, 90, 90, 20), k=K), solve_subspaces(*batch, k=K), 1e-10)


def test_a_ragged_last_batch_compiles_nothing():
    batch = rows(0, 200, "float32")
    fit_stream(cut(batch, 64, 64), k=K)
    with compilations() as events:
        fit_stream(cut(batch, 64, 64, 64, 8), k=K)
        fit_stream(cut(batch, 64, 136), k=K)
    assert not events


def test_memory_mapped_arrays_are_read_in_pieces(tmp_path, batch, expected):
    Z, Y = batch
    files = {"Z": Z, **Y}
    for name, x in files.items():
        np.save(tmp_path / f"{name}.npy", x)
    mapped = {name: np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in files}
    Z = mapped.pop("Z")
    assert isinstance(Z, np.memmap)
    assert_same(fit_stream([(Z, mapped)], k=K, batch_size=48), expected)


@pytest.mark.parametrize(
    ("rows", "width", "wanted"),
    [
        (60, 3, [60]),
        (8192, 100, [8192]),
        (10_000, 100, [5000, 5000]),
        (16_385, 100, [5462, 5462, 5461]),
        (8192, 1280, [4096, 4096]),
        (1024, 100_000, [1024]),
        (1500, 100_000, [750, 750]),
    ],
)
def test_pieces_are_even_and_small(rows, width, wanted):
    Z = np.broadcast_to(np.float32(0), (rows, width - 1))
    batch = Z, {"q": np.broadcast_to(np.float32(0), (rows,))}
    cut = list(_pieces.pieces("fit_stream", [batch], None, "Z"))
    assert [piece.rows for piece in cut] == wanted
    assert [piece.start for piece in cut] == [i * wanted[0] for i in range(len(wanted))]
    on_device = [jax.device_put((Z[:, :1], {"q": Z[:, 0]}))]
    assert [piece.rows for piece in _pieces.pieces("fit_stream", on_device, None, "Z")] == [rows]


def test_loaders_may_reuse_their_buffers(batch, expected):
    def reusing():
        buffer = jax.tree.map(lambda x: np.empty_like(x[:40]), batch)
        for each in cut(batch, 40, 40, 40, 40, 40):
            jax.tree.map(np.copyto, buffer, each)
            yield buffer
            jax.tree.map(lambda x: x.fill(np.nan), buffer)

    assert_same(fit_stream(reusing(), k=K), expected)


def test_inputs_are_encoded(batch):
    rng = np.random.default_rng(0)
    M = rng.normal(size=(5, 4)).astype(np.float32)
    u, v = rng.normal(size=(2, 100, 5)).astype(np.float32)
    quantities = compute_Q(energy=lambda u, v: 0.5 * (u**2 + v**2).sum(1), first=lambda u: u[:, :2])
    Y = quantities(u=u, v=v)
    expected = solve_subspaces(np.tanh(u @ M), Y, k=1)

    def encode(u):
        return jnp.tanh(jnp.asarray(u) @ M)

    inputs = [{"u": u[:64], "v": v[:64]}, {"u": u[64:], "v": v[64:]}]
    assert_same(fit_stream(inputs, k=1, encode=encode, quantities=quantities), expected)
    pairs = [(u[:64], part(Y, slice(64))), (u[64:], part(Y, slice(64, 100)))]
    assert_same(fit_stream(pairs, k=1, encode=encode), expected)
    pooled = input_to_quantity(1, "avg", second=lambda v: v[:, :4])
    assert_same(
        fit_stream(inputs, k=1, encode=encode, quantities=pooled),
        solve_subspaces(np.tanh(u @ M), pooled(v=v), k=1),
    )
    of_u = compute_Q(first=lambda u: u[:, :2])
    assert_same(
        fit_stream([u[:64], u[64:]], k=1, encode=encode, quantities=of_u),
        solve_subspaces(np.tanh(u @ M), {"first": u[:, :2]}, k=1),
    )
    with pytest.raises(ValueError, match="fit_stream: the inputs must be a set that holds 'w'"):
        fit_stream(inputs, k=1, encode=lambda w: w, quantities=quantities)


def test_sizes_from_thresholds(batch):
    for eta in (0.5, 0.999, {"p": 0.9}):
        k = k_per_q(batch[1], eta)
        assert_same(
            fit_stream(cut(batch, 100, 100), k_thresholds=eta), solve_subspaces(*batch, k=k)
        )
    whole = fit_stream(cut(batch, 100, 100))
    assert {q: len(w) for q, w in whole.W.items()} == {"p": 4, "s": 1}
    with pytest.raises(ValueError, match=r"fit_stream: k_thresholds must .*'w'"):
        fit_stream(cut(batch, 100), k_thresholds={"w": 0.5})


def test_regularized_decoders(batch, expected):
    m = Moments.from_batch(*batch)
    for options in ({"ridge": 2.0}, {"shrinkage": "ledoit-wolf"}):
        space = fit_stream(cut(batch, 100, 100), k=K, **options)
        assert_same(space.A, fit_decoders(expected.W, m, **options))


class Killed(Exception):
    pass


def until(stop, *args):
    for i, each in enumerate(cut(*args)):
        if i == stop:
            raise Killed
        yield each


@pytest.mark.parametrize("stop", [0, 1, 3, 5])
def test_an_interrupted_stream_goes_on(tmp_path, batch, stop):
    sizes = (30, 45, 30, 60, 30, 5)
    options = {"k": K, "batch_size": 16, "checkpoint_every": 0}
    whole = fit_stream(cut(batch, *sizes), **options)
    path = tmp_path / "state"
    with pytest.raises(Killed):
        fit_stream(until(stop, batch, *sizes), checkpoint=path, **options)
    seen = []

    def watched():
        for i, each in enumerate(cut(batch, *sizes)):
            seen.append(i)
            yield each

    assert_equal(fit_stream(watched(), checkpoint=path, **options), whole)
    # A run that has ended gives its result again, and goes on where there is more.
    assert_equal(fit_stream(cut(batch, *sizes), checkpoint=path, **options), whole)
    assert [p.name for p in tmp_path.iterdir()] == ["state"]


def test_an_encoder_may_round_otherwise_when_resumed(tmp_path, batch):
    def encoded(by):
        inputs = (({"x": Z}, Y) for Z, Y in until(3, batch, 100, 100, 100, 100))
        options = dict(k=K, checkpoint=tmp_path / "state", checkpoint_every=0)
        return fit_stream(inputs, encode=lambda x: x * by, **options)

    with pytest.raises(Killed):
        encoded(1.0)
    with pytest.raises(Killed):  # and not because of the checkpoint
        encoded(1.0 + 1e-6)


def test_a_path_that_can_not_be_written_shows_at_once(tmp_path, batch):
    seen = []

    def watched():
        for each in cut(batch, 20, 20, 20, 20):
            seen.append(each)
            yield each

    with pytest.raises(ValueError, match="checkpoint must be a file, got the folder .*in it"):
        fit_stream(watched(), k=K, checkpoint=tmp_path)
    assert not seen
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        fit_stream(watched(), k=K, checkpoint=tmp_path / "file" / "state")
    assert len(seen) <= 2


@pytest.mark.parametrize("offset", [0.0, 200.0])
def test_another_encoder_is_told_by_what_varies(tmp_path, batch, offset):
    def encoded(sign):
        inputs = (({"x": Z}, Y) for Z, Y in until(3, batch, 100, 100, 100, 100))
        options = dict(k=K, checkpoint=tmp_path / "state", checkpoint_every=0)
        return fit_stream(inputs, encode=lambda x: sign * (x - x.mean()) + offset, **options)

    with pytest.raises(Killed):
        encoded(1)
    with pytest.raises(ValueError, match="one of another encoder"):
        encoded(-1)


def test_damaged_and_foreign_checkpoints(tmp_path, batch):
    path = tmp_path / "state"
    options = {"k": K, "checkpoint": path}
    fit_stream(cut(batch, 60, 60), **options)
    good = path.read_bytes()

    def refused(match, data=None, **others):
        with pytest.raises(ValueError, match=r"fit_stream: checkpoint .*state must be .*" + match):
            fit_stream(cut(data or batch, 60, 60), **{**options, **others})

    for length in (0, 1, 100, len(good) // 2, len(good) - 1):
        path.write_bytes(good[:length])
        refused("Delete it to start over")
    for other in (b"\x00" * 1000, b"text"):
        path.write_bytes(other)
        refused("Delete it to start over")
    np.savez(path.with_suffix(".npz"), x=np.ones(3))
    path.write_bytes(path.with_suffix(".npz").read_bytes())
    refused("a file of another kind")
    with np.load(io.BytesIO(good)) as saved:
        arrays = dict(saved)
    header = json.loads(str(arrays.pop("header")))
    without_shapes = {name: x for name, x in header.items() if name != "shapes"}
    for wrong in (without_shapes, header | {"size": 0}, header | {"position": [-1, 0]}):
        with path.open("wb") as file:
            np.savez(file, header=np.array(json.dumps(wrong)), **arrays)
        refused("a file of another kind")
    for version in (header["version"] - 1, header["version"] + 1):
        with path.open("wb") as file:
            changed = json.dumps(header | {"version": version})
            np.savez(file, header=np.array(changed), **arrays)
        refused(f"version {version}, this release reads")
    path.write_bytes(good)
    refused("starts with other rows", rows(1, 200, "float32"))
    refused("other quantities", (batch[0], {"p": batch[1]["p"]}))
    refused("other quantities", (batch[0][:, :4], batch[1]))
    refused("batch_size=60", batch_size=50)
    with pytest.raises(ValueError, match="one that has read more"):
        fit_stream(cut(batch, 60), **options)
    assert path.read_bytes() == good


def test_progress(batch, capsys, monkeypatch):
    fit_stream(list(cut(batch, 100, 100)), k=K, progress=True)
    assert "200 rows" in capsys.readouterr().out
    monkeypatch.setitem(sys.modules, "rich", None)
    monkeypatch.setitem(sys.modules, "rich.progress", None)
    with pytest.raises(ImportError, match="progress=True needs .*pip install rich"):
        fit_stream(cut(batch, 100), k=K, progress=True)


def test_progress_of_a_loader_whose_length_only_raises(batch, capsys):
    class Endless(list):
        def __len__(self):
            raise TypeError("an iterable dataset has no length")

    fit_stream(Endless(cut(batch, 100, 100)), k=K, progress=True)
    assert "200 rows" in capsys.readouterr().out


def test_any_mapping_of_targets_will_do(batch, expected):
    Z, Y = batch
    assert_same(fit_stream([(Z, types.MappingProxyType(Y))], k=K), expected)


def test_what_a_kill_left_half_written_goes(tmp_path, batch):
    half, others = tmp_path / ".state.abc_12.part", tmp_path / ".state.0.abc_12.part"
    for file in (half, others):
        file.write_bytes(b"half")
    fit_stream(cut(batch, 100, 100), k=K, checkpoint=tmp_path / "state")
    assert sorted(tmp_path.iterdir()) == [others, tmp_path / "state"]


def in_batches(batch, *sizes):
    """Cuts all rows into batches of these sizes, the last for as long as there are rows."""
    start = 0
    while start < len(batch[0]):
        size, sizes = sizes[0], sizes[1:] or sizes
        yield part(batch, slice(start, start + size))
        start += size


def broken_off(batches, after):
    """Yields some batches and fails like a loader that has lost its disk."""
    for i, each in enumerate(batches):
        if i == after:
            raise OSError
        yield each


def test_resuming_takes_batches_that_are_cut_as_before(tmp_path):
    batch = rows(0, 200, "float32")
    options = dict(k=K, checkpoint=tmp_path / "state", checkpoint_every=0)
    with pytest.raises(OSError):  # noqa: PT011
        fit_stream(broken_off(in_batches(batch, 20), 4), **options)
    foreign = r"a checkpoint of this stream, got one that has read 80 rows of batches that now have"
    for sizes in ((20, 40), (20, 10, 40)):
        with pytest.raises(ValueError, match=foreign):
            fit_stream(in_batches(batch, *sizes), **options)
    assert_same(fit_stream(in_batches(batch, 20), **options), solve_subspaces(*batch, k=K))


@pytest.mark.parametrize("finished", [True, False])
def test_resuming_with_another_encoder_is_refused(tmp_path, finished):
    """As after more training: the moments are of latents that there are no longer."""
    x, _ = rows(0, 200, "float32")
    batches = [{"x": each[0]} for each in in_batches((x, {}), 20)]
    options = dict(k=2, checkpoint=tmp_path / "state", checkpoint_every=0)

    def fitted(scale, power=2, batches=batches):
        return fit_stream(
            batches,
            encode=lambda x: jnp.tanh(scale * x),
            quantities=lambda x: {"y": x[:, :3] ** power},
            **options,
        )

    if finished:
        fitted(1.0)
    else:
        with pytest.raises(OSError):  # noqa: PT011
            fitted(1.0, batches=broken_off(batches, 4))
    for scale, power in ((1.1, 2), (1.0, 3)):
        with pytest.raises(ValueError, match="got one of another encoder, or other quantities"):
            fitted(scale, power)
    again = fitted(1.0 + 1e-4)  # what rounds otherwise
    Z, Y = jnp.tanh(x), {"y": x[:, :3] ** 2}
    assert_same(again, solve_subspaces(Z, Y, k=2), 1e-3)


@pytest.mark.parametrize("first", [True, False])
def test_resuming_with_an_encoder_more_or_less_is_refused(tmp_path, first):
    x, y = rows(0, 200, "float32")
    options = dict(k=2, checkpoint=tmp_path / "state")
    encode = lambda z: z[:, ::-1]  # noqa: E731
    fit_stream(in_batches((x, y), 20), encode=encode if first else None, **options)
    with pytest.raises(ValueError, match="got one of another encoder, or other quantities"):
        fit_stream(in_batches((x, y), 20), encode=None if first else encode, **options)


def test_an_encoder_can_not_creep_away_over_resumptions(tmp_path):
    x, _ = rows(0, 200, "float32")
    x -= x.mean(axis=0)
    options = dict(k=2, checkpoint=tmp_path / "state", checkpoint_every=0)

    def resumed(scale, after):
        batches = [(each[0], {"y": each[0][:, :3]}) for each in in_batches((x, {}), 20)]
        return fit_stream(broken_off(batches, after), encode=lambda x: scale * x, **options)

    for scale, after in ((1.0, 2), (1.015, 4)):
        with pytest.raises(OSError):  # noqa: PT011
            resumed(scale, after)
    with pytest.raises(ValueError, match="one of another encoder"):
        resumed(1.03, 6)


def test_resuming_does_not_lose_rows_that_were_added(tmp_path):
    batch = rows(0, 200, "float32")
    options = dict(k=K, checkpoint=tmp_path / "state")
    fit_stream(in_batches(part(batch, slice(90)), 20), **options)
    with pytest.raises(ValueError, match="has read 90 rows of batches that now have 100"):
        fit_stream(in_batches(batch, 20), **options)
    more = [*in_batches(part(batch, slice(90)), 20), part(batch, slice(90, 200))]
    assert_same(fit_stream(more, **options), solve_subspaces(*batch, k=K))


@pytest.mark.parametrize(
    ("convert", "error", "message"),
    [
        (lambda x: np.ma.masked_array(x, x > 1), TypeError, "must be a plain array, got a masked"),
        (lambda x: x.astype(object), TypeError, "must be a numeric array, got dtype object"),
        (lambda x: x.astype(np.longdouble), TypeError, r"JAX has at most 64 bits"),
        (lambda x: np.ones(x.shape, int), TypeError, "Z must be of a floating dtype, got int32"),
        (lambda x: np.full(x.shape, 2**40), ValueError, "of integers from -2147483648 to"),
    ],
)
def test_arrays_that_are_no_latents(batch, convert, error, message):
    with pytest.raises(error, match=f"fit_stream: .*{message}"):
        fit_stream([(convert(batch[0]), batch[1])], k=K)


def test_arrays_of_another_byte_order(batch, expected):
    swapped = jax.tree.map(lambda x: x.astype(x.dtype.newbyteorder()), batch)
    assert_same(fit_stream([swapped], k=K), expected)


def test_inputs_keep_their_integers():
    rng = np.random.default_rng(0)
    table = rng.normal(size=(50, 4)).astype(np.float32)
    tokens = rng.integers(0, 50, size=(100, 3))
    Y = {"y": table[tokens].sum((1, 2))}

    def encode(tokens):
        assert tokens.dtype == jnp.int32
        return jnp.asarray(table)[tokens].sum(1)

    got = fit_stream([(tokens, Y)], k=1, encode=encode)
    assert_same(got, solve_subspaces(table[tokens].sum(1), Y, k=1))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(k={"typo": 1}), "typo"),
        (dict(k=dict.fromkeys(K, 100)), "100"),
        (dict(k=K, solver=LowRank(1)), "rank"),
        (dict(k_thresholds={"typo": 0.9}), "typo"),
    ],
)
def test_options_are_checked_with_the_first_batch(batch, options, message):
    def batches():
        yield from cut(batch, 100)
        pytest.fail("it read on")

    with pytest.raises(ValueError, match=f"fit_stream: .*{message}"):
        fit_stream(batches(), **options)
