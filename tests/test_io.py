"""Spaces on disk."""

import contextlib
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from spacelearn_jax import Space, solve_subspaces
from spacelearn_jax.io import load_space, save_space


def solved(dtype=jnp.float32):
    Z = jax.random.normal(jax.random.key(0), (40, 12), dtype)
    Y = {
        "u / v.0": jax.random.normal(jax.random.key(1), (40, 2, 3), dtype),
        "scalar": Z[:, 0] ** 2,
        "größe": Z[:, :3],
    }
    return Z, solve_subspaces(Z, Y, k=3)


def assert_same(a, b):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        assert x.dtype == y.dtype
        np.testing.assert_array_equal(x, y)


def test_round_trip(tmp_path):
    Z, space = solved()
    save_space(tmp_path / "deep" / "space.npz", space)
    loaded = load_space(str(tmp_path / "deep" / "space.npz"))
    assert_same(space, loaded)
    assert loaded.target_shapes == {"u / v.0": (2, 3), "scalar": (), "größe": (3,)}
    for q, y in space.decode(Z).items():
        np.testing.assert_array_equal(y, loaded.decode(Z)[q])


def test_float64(tmp_path, x64):
    _, space = solved(jnp.float64)
    save_space(tmp_path / "space.npz", space)
    assert_same(space, load_space(tmp_path / "space.npz"))


def test_float64_without_x64_becomes_float32(tmp_path):
    with jax.enable_x64(True):
        _, space = solved(jnp.float64)
        save_space(tmp_path / "space.npz", space)
    assert load_space(tmp_path / "space.npz").z_mean.dtype == jnp.float32


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_short_floats(tmp_path, dtype):
    _, space = solved()
    short = jax.tree.map(lambda x: x.astype(dtype), space)
    save_space(tmp_path / "space.npz", short)
    assert_same(short, load_space(tmp_path / "space.npz"))


def test_without_means(tmp_path):
    _, space = solved()
    bare = Space(W=space.W, A=space.A, V=space.V)
    save_space(tmp_path / "space.npz", bare)
    loaded = load_space(tmp_path / "space.npz")
    assert loaded.z_mean is None
    assert loaded.y_mean is None
    assert_same(bare, loaded)


def test_numpy_alone_can_read_it(tmp_path):
    _, space = solved()
    save_space(tmp_path / "space.npz", space)
    with np.load(tmp_path / "space.npz", allow_pickle=False) as file:
        names = json.loads(str(file["header"]))["names"]
        assert names == space.keys()
        for i, q in enumerate(names):
            np.testing.assert_array_equal(file[f"W.{i}"], space.W[q])


def test_overwriting_is_all_or_nothing(tmp_path, monkeypatch):
    _, space = solved()
    path = tmp_path / "space.npz"
    save_space(path, space)
    before = path.read_bytes()

    def half(file, **arrays):
        file.write(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(np, "savez", half)
        with pytest.raises(KeyboardInterrupt):
            save_space(path, space)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["space.npz"]


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="load_space: there is no file .*save_space"):
        load_space(tmp_path / "nothing.npz")


def header(**changes):
    base = {
        "format": "spacelearn-jax space",
        "version": 1,
        "names": [],
        "target_shapes": [],
        "dtypes": {},
    }
    return np.array(json.dumps(base | changes))


@pytest.mark.parametrize(
    ("write", "got"),
    [
        (lambda p: p.write_bytes(b""), "NumPy can't read"),
        (lambda p: p.write_text("text"), r"NumPy can't read \(it doesn't start like one\)"),
        (lambda p: np.savez(p, a=np.zeros(3)), "without its header"),
        (lambda p: np.savez(p, header=np.array("not json")), "without its header"),
        (lambda p: np.savez(p, header=header(format="other")), "without its header"),
        (lambda p: np.savez(p, header=header(version=99)), "version 99"),
        (
            lambda p: np.savez(p, header=header(names=["a"], target_shapes=[[1]])),
            r"without 'W\.0'",
        ),
        (
            lambda p: np.savez(
                p, header=header(names=["a"], target_shapes=[[1]]), **{"W.0": np.ones((1, 2))}
            ),
            r"without 'W\.0'",
        ),
        (lambda p: np.savez(p, header=header(version="1")), "without its header"),
        (lambda p: np.savez(p, header=header(dtypes=["float32"])), "without its header"),
        (lambda p: np.savez(p, header=header(target_shapes=5)), "without its header"),
        (lambda p: np.savez(p, header=header(dtypes={"z_mean": 5})), "without its header"),
        (lambda p: np.savez(p, header=header(dtypes={"z_mean": "none"})), "without its header"),
        (lambda p: np.savez(p, header=header(dtypes={"z_mean": "finfo"})), "without its header"),
        (
            lambda p: np.savez(p, header=header(names="ab", target_shapes=[[1], [1]])),
            "without its header",
        ),
        (
            lambda p: np.savez(p, header=header(names=["a", "a"], target_shapes=[[1], [1]])),
            "without its header",
        ),
        (
            lambda p: np.savez(
                p, header=header(dtypes={"z_mean": "float64"}), z_mean=np.ones(2, np.float32)
            ),
            "'z_mean' of float32 for float64",
        ),
        (lambda p: np.savez(p, header=header(target_shapes=[[1]])), "without its header"),
    ],
)
def test_foreign_files(tmp_path, write, got):
    path = tmp_path / "space.npz"
    write(path)
    with pytest.raises(ValueError, match=rf"load_space: the file .* must be a saved space.*{got}"):
        load_space(path)


def test_a_space_without_values_is_not_saved(tmp_path):
    shapes = jax.eval_shape(lambda: solved()[1])
    with pytest.raises(TypeError, match="save_space: space must be one of arrays, got"):
        save_space(tmp_path / "space.npz", shapes)
    assert not list(tmp_path.iterdir())


def test_traced_values_are_not_saved(tmp_path):
    _, space = solved()
    with pytest.raises(TypeError, match="one of arrays, got traced values. Save outside of jit"):
        jax.jit(lambda space: save_space(tmp_path / "space.npz", space))(space)
    assert not list(tmp_path.iterdir())


def test_a_damaged_file(tmp_path):
    _, space = solved()
    path = tmp_path / "space.npz"
    save_space(path, space)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(ValueError, match="must be a saved space"):
        load_space(path)


def test_any_flipped_bit_of_a_files_directory(tmp_path):
    """It may name versions, methods of compression and passwords that there are none of."""
    _, space = solved()
    path = tmp_path / "space.npz"
    save_space(path, space)
    content = path.read_bytes()
    start = content.index(b"PK\x01\x02")
    for i in range(start, min(start + 46, len(content))):
        for bit in range(8):
            damaged = bytearray(content)
            damaged[i] ^= 1 << bit
            path.write_bytes(damaged)
            with contextlib.suppress(ValueError):
                load_space(path)


def test_swapped_arguments(tmp_path):
    _, space = solved()
    with pytest.raises(TypeError, match=r"save_space: space must be a Space, got a PosixPath"):
        save_space(space, tmp_path / "space.npz")
    with pytest.raises(TypeError, match=r"path must be .*, got a Space.*load_space\(path"):
        load_space(space)


def test_what_begins_almost_like_an_archive(tmp_path):
    path = tmp_path / "space.npz"
    path.write_bytes(b"PKjunk")
    with pytest.raises(ValueError, match="it doesn't start like one") as error:
        load_space(path)
    assert "pickle" not in str(error.value)


def test_a_folder_is_no_file(tmp_path):
    _, space = solved()
    with pytest.raises(IsADirectoryError, match=r"is a folder. Name a file in it"):
        save_space(tmp_path, space)
    assert not list(tmp_path.iterdir())
