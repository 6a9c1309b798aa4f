"""The user's own fields: what is read, and what each mistake is answered with."""

import numpy as np
import pytest

from spacelearn_jax.demo.userdata import load_data

RNG = np.random.default_rng(0)


def good(**changes):
    fields = RNG.normal(size=(64, 16, 24))
    arrays = {"fields": fields, "energy": fields**2, "mean": fields.mean((1, 2))} | changes
    return {name: array for name, array in arrays.items() if array is not None}


def load(tmp_path, arrays):
    path = tmp_path / "mine.npz"
    np.savez(path, **arrays)
    return load_data(path)


def test_samples(tmp_path):
    arrays = good(spectrum=RNG.normal(size=(64, 5)))
    data = load(tmp_path, arrays)
    assert data.grid == (16, 24)
    assert not data.flow
    assert {q: y.shape for q, y in data.targets.items()} == {
        "energy": (64, 16, 24),
        "mean": (64,),
        "spectrum": (64, 5),
    }
    np.testing.assert_array_equal(data.fields, arrays["fields"].astype(np.float32))
    np.testing.assert_array_equal(data.groups, np.arange(64))


def test_runs_of_snapshots_are_groups(tmp_path):
    fields = RNG.normal(size=(16, 4, 16, 16)).astype(np.float32)
    data = load(
        tmp_path,
        {"fields": fields, "mean": fields.mean((2, 3)), "time": np.ones((16, 4)) * np.arange(4)},
    )
    np.testing.assert_array_equal(data.groups, np.repeat(np.arange(16), 4))
    np.testing.assert_array_equal(data.fields[5], fields[1, 1])
    assert data.targets["time"][5] == 1


def test_groups_by_label(tmp_path):
    data = load(tmp_path, good(group=np.array(["a", "b"] * 32)))
    np.testing.assert_array_equal(data.groups, np.arange(64) % 2)


def test_integers_and_bools_are_numbers(tmp_path):
    data = load(tmp_path, good(count=np.arange(64), flag=np.arange(64) % 2 == 0))
    assert data.targets["count"].dtype == data.targets["flag"].dtype == np.float32


CONSTANT = np.ones(64)
NAN = np.full(64, np.nan)
SMALL = np.zeros((64, 8, 8))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fields": None}, r"has no array 'fields', only 'energy', 'mean'"),
        ({"fields": np.zeros((64, 16))}, r"'fields' must be \(N, H, W\) or \(N, T, H, W\)"),
        ({"fields": np.zeros((64, 17, 16))}, "multiples of 8, at least 16, got 17 x 16"),
        ({"fields": SMALL}, "multiples of 8, at least 16, got 8 x 8"),
        ({"fields": np.zeros((63, 16, 16))}, "holds 63 samples; at least 64 are needed"),
        ({"fields": np.full((64, 16, 16), "a")}, "'fields' must hold real numbers, got dtype <U1"),
        ({"fields": np.zeros((64, 16, 16), complex)}, "real numbers, got dtype complex128"),
        ({"fields": np.full((64, 16, 16), np.inf)}, "'fields' has 16384 values that are not fin"),
        ({"energy": None, "mean": None}, "no quantity beside 'fields'"),
        ({"mean": np.zeros(63)}, r"'mean' must begin with the axes \(64,\) of 'fields'"),
        ({"mean": np.zeros((64, 2, 2, 2))}, "'mean' must be a scalar, a vector or a 2-D field"),
        ({"mean": np.zeros((64, 0))}, "'mean' must be a scalar, a vector or a 2-D field"),
        ({"mean": NAN}, "'mean' has 64 values that are not finite"),
        ({"mean": np.full(64, 1e300)}, "not finite in float32"),
        ({"mean": np.full(64, 1.5e30) * np.arange(64)}, r"'mean' has values up to 9e\+31; rescale"),
        ({"fields": 1e16 * RNG.normal(size=(64, 16, 24))}, "'fields' has values up to .*; rescale"),
        ({"mean": CONSTANT}, "'mean' is the same in every sample"),
        ({"fields": np.ones((64, 16, 24))}, "'fields' is the same in every sample"),
        ({"group": np.arange(3)}, r"'group' must have shape \(64,\), got \(3,\)"),
        ({"group": np.zeros(64)}, "a single group of samples; at least 2"),
    ],
)
def test_mistakes_are_explained(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        load(tmp_path, good(**changes))


def test_objects_are_not_unpickled(tmp_path):
    path = tmp_path / "mine.npz"
    np.savez(path, fields=np.array([{}], object))
    with pytest.raises(ValueError, match=r"can't be read as an \.npz file of plain arrays"):
        load_data(path)


@pytest.mark.parametrize("content", [b"", b"text, not arrays", b"PK\x03\x04 broken"])
def test_foreign_files(tmp_path, content):
    path = tmp_path / "mine.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"mine\.npz: can't be read"):
        load_data(path)


def test_a_bare_array_is_no_npz(tmp_path):
    path = tmp_path / "mine.npy"
    np.save(path, np.zeros(3))
    with pytest.raises(ValueError, match="can't be read"):
        load_data(path)


def test_missing_files(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no file .*; --data takes an \.npz"):
        load_data(tmp_path / "nothing.npz")
