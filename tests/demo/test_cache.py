"""Simulated fields, and the cache that keeps them."""

import os
import stat

import numpy as np
import pytest

from spacelearn_jax import _files
from spacelearn_jax.demo import cache
from spacelearn_jax.demo.cache import cache_folder, cache_path, cached_fields
from spacelearn_jax.demo.fields import Simulation, simulate

SMALL = Simulation(conditions=3, points=16, snapshots=(1, 3))


@pytest.fixture
def counted(monkeypatch):
    """Counts the simulations, and makes them up."""
    made = []

    def fake(simulation, on_progress=None):
        made.append(simulation)
        return np.random.default_rng(simulation.seed).normal(size=simulation.shape).astype("f4")

    monkeypatch.setattr(cache, "simulate", fake)
    return made


def test_simulated_fields_decay_and_keep_their_mean():
    steps = []
    fields = simulate(SMALL, lambda done, total: steps.append((done, total)))
    assert fields.shape == SMALL.shape
    assert fields.dtype == np.float32
    assert steps == [(3, 3)]
    np.testing.assert_allclose(fields.mean((2, 3)), 0, atol=1e-6)
    enstrophy = (fields**2).mean((2, 3))
    assert (enstrophy < 1).all()
    assert (enstrophy[:, 1] < enstrophy[:, 0]).all()
    np.testing.assert_array_equal(fields, simulate(SMALL))


def test_the_second_time_nothing_is_simulated(tmp_path, counted):
    first = cached_fields(SMALL, folder=tmp_path)
    second = cached_fields(SMALL, folder=tmp_path, on_note=pytest.fail)
    np.testing.assert_array_equal(first, second)
    assert len(counted) == 1


def test_every_setting_has_a_file_of_its_own(tmp_path):
    changed = [
        Simulation(conditions=5),
        Simulation(points=16),
        Simulation(cutoff=2),
        Simulation(viscosity=0.1),
        Simulation(dt=0.2),
        Simulation(snapshots=(1,)),
        Simulation(seed=1),
    ]
    assert len({cache_path(s, tmp_path) for s in [Simulation(), *changed]}) == 1 + len(changed)


def rewrite(path, **changes):
    with np.load(path) as file:
        arrays = dict(file)
    np.savez(path, **(arrays | changes))


def spoil_checksum(path):
    with np.load(path) as file:
        fields = file["fields"].copy()
    fields[0, 0, 0, 0] += 1
    rewrite(path, fields=fields)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (spoil_checksum, "checksum"),
        (lambda p: rewrite(p, settings=np.array("{}")), "another simulation"),
        (lambda p: rewrite(p, fields=np.zeros((2, 2), "f4")), "shape"),
        (lambda p: p.write_bytes(p.read_bytes()[:200]), "can't be used"),
        (lambda p: p.write_bytes(b""), "can't be used"),
        (lambda p: np.savez(p, other=np.zeros(3)), "can't be used"),
        (lambda p: p.write_bytes(b"\x00" * 4096), "can't be used"),
    ],
)
def test_a_spoilt_file_is_simulated_again(tmp_path, counted, spoil, reason):
    fields = cached_fields(SMALL, folder=tmp_path)
    spoil(cache_path(SMALL, tmp_path))
    notes = []
    np.testing.assert_array_equal(
        cached_fields(SMALL, folder=tmp_path, on_note=notes.append), fields
    )
    assert len(counted) == 2
    assert len(notes) == 1
    assert reason in notes[0]
    cached_fields(SMALL, folder=tmp_path, on_note=pytest.fail)
    assert len(counted) == 2


def test_a_folder_that_cannot_be_written_costs_only_time(tmp_path, counted):
    occupied = tmp_path / "file"
    occupied.write_text("not a folder")
    notes = []
    fields = cached_fields(SMALL, folder=occupied, on_note=notes.append)
    assert fields.shape == SMALL.shape
    assert "can't be cached" in notes[0]


def test_the_environment_names_the_folder(tmp_path, monkeypatch, counted):
    monkeypatch.setenv("SPACELEARN_JAX_CACHE", str(tmp_path / "here"))
    assert cache_folder() == tmp_path / "here"
    cached_fields(SMALL)
    assert cache_path(SMALL, tmp_path / "here").exists()
    monkeypatch.delenv("SPACELEARN_JAX_CACHE")
    assert cache_folder().name == "spacelearn-jax"


def test_an_interrupted_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    _files.write_text(path, "old")

    def write():
        with _files.replacing(path) as file:
            file.write(b"half of the n")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_written_file_has_the_usual_rights(tmp_path):
    _files.write_text(tmp_path / "ours", "x")
    (tmp_path / "plain").write_text("x")
    modes = {stat.S_IMODE(os.stat(tmp_path / name).st_mode) for name in ("ours", "plain")}
    assert len(modes) == 1
