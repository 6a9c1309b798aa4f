"""What spacelearn 0.1.0 gets wrong or surprising, right here; one test a difference.

The numbers are those of the README's table. ``test_differences_live.py`` has a test of
the same name for each, which shows the original's behaviour on the same inputs.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import spacelearn_jax as sl
from spacelearn_jax import data, linalg, loss, optim

from . import differences as inputs

pytestmark = pytest.mark.usefixtures("x64")


def axis_bases(d, **rows):
    """Bases made of latent axes."""
    return {name: jnp.eye(d)[jnp.asarray(axes)] for name, axes in rows.items()}


def test_difference_01_auto_is_exact():
    Z, Y, W = inputs.large()
    C = (Z - Z.mean(0)).T @ (Y["a"] - Y["a"].mean(0))
    assert C.size > 100_000
    found = sl.subspaces(Z, Y, 32)["a"]
    assert found.shape == (32, Z.shape[1])
    exact = np.linalg.svd(C)[0][:, :32]
    np.testing.assert_allclose(found.T @ found, exact @ exact.T, atol=1e-9)
    np.testing.assert_array_equal(found, sl.subspaces(Z, Y, 32)["a"])

    spectrum = np.linalg.svd(Y["a"] - Y["a"].mean(0), compute_uv=False) ** 2
    modes = [int(np.sum(np.cumsum(spectrum) / spectrum.sum() < eta)) + 1 for eta in (0.9, 0.95)]
    assert optim.k_per_q(Y) == {"a": modes[0]}
    assert optim.optimal_bins(Y) == int(np.ceil(np.sqrt(modes[1])))
    assert modes[0] > 6

    R = (Z - Z.mean(0)) @ (np.eye(Z.shape[1]) - W["a"].T @ W["a"])
    s = np.linalg.svd(R, compute_uv=False)[:32]
    expected = np.mean((s / s.mean() - 1) ** 2)
    np.testing.assert_allclose(loss.isotropy_loss(Z, W), expected, rtol=1e-7)

    # Low rank is there for whoever asks, and the same on every call.
    low = [sl.subspaces(Z, Y, 6, solver=linalg.LowRank(6))["a"] for _ in range(2)]
    np.testing.assert_array_equal(*low)


def test_difference_02_dtype_and_vmap():
    Z, W = inputs.pair()
    assert loss.disentanglement_loss(Z, W).dtype == np.float64
    assert loss.disentanglement_loss(Z.astype("f4"), W32(W)).dtype == np.float32
    many = jnp.stack([Z, 2 * Z[::-1], Z**3])
    mapped = jax.vmap(lambda z: loss.disentanglement_loss(z, W))(many)
    np.testing.assert_allclose(mapped, [loss.disentanglement_loss(z, W) for z in many], rtol=1e-12)


def W32(W):  # noqa: N802
    return {name: w.astype("f4") for name, w in W.items()}


def test_difference_03_order_of_names():
    Z, W = inputs.uneven()
    backwards = dict(reversed(W.items()))
    assert list(backwards) != list(W)
    assert loss.disentanglement_loss(Z, W) == loss.disentanglement_loss(Z, backwards)
    # Sorted order still asks for the names; the smaller k does not.
    renamed = {"a": W["b"], "b": W["a"]}
    first = [float(loss.disentanglement_loss(Z, w)) for w in (W, renamed)]
    smaller = [float(loss.disentanglement_loss(Z, w, pair_norm="min")) for w in (W, renamed)]
    assert first[1] == pytest.approx(first[0] * 7 / 3)
    assert smaller[0] == pytest.approx(smaller[1])
    assert smaller[0] == pytest.approx(max(first))


def test_difference_04_float16():
    Z, W = inputs.half()
    assert Z.dtype == np.float16
    value, grad = jax.value_and_grad(loss.disentanglement_loss)(Z, W)
    wide = loss.disentanglement_loss(Z.astype("f4"), W32(W))
    assert value.dtype == np.float32
    assert value == pytest.approx(float(wide), rel=1e-3)
    assert value > 0
    assert np.isfinite(grad).all()


def test_difference_05_stability_of_the_subspace():
    W, turned = inputs.turned(), inputs.turned(degrees=0.29)
    assert loss.stability_loss(turned, W) == pytest.approx(12.0, abs=1e-3)
    moved = loss.stability_loss(turned, W, metric="projector")
    assert moved == pytest.approx(np.sin(np.deg2rad(0.29)) ** 2, rel=1e-9)
    # Within the subspace nothing counts: signs, rotations, any other basis.
    mixed = {"a": inputs.rotation(3) @ W["a"]}
    assert loss.stability_loss(mixed, W, metric="projector") == pytest.approx(0, abs=1e-15)


def test_difference_06_change_by_principal_angles():
    W, W_mixed = inputs.same_subspace()
    mixed = optim.subspace_change(W, W_mixed)
    assert mixed["mean_angle_deg"] > 30
    np.testing.assert_allclose(mixed["principal_angles_deg"], 0, atol=1e-6)

    for single in inputs.single_precision():
        itself = optim.subspace_change(single, single)
        assert itself["mean_angle_deg"] == 0
        np.testing.assert_allclose(itself["principal_angles_deg"], 0, atol=1e-3)
    for key in ("mean_angle_deg", "principal_angles_deg"):
        for basis in (W, np.eye(4)[:2]):

            def change(w, key=key, basis=basis):
                return jnp.sum(optim.subspace_change(w, basis)[key])

            assert np.isfinite(jax.grad(change)(jnp.asarray(basis))).all(), key


def test_difference_07_sizes_of_odd_targets():
    constant, noise = inputs.constant_target(), inputs.noise_target()
    assert optim.k_per_q(constant) == {"a": 1}
    assert optim.optimal_bins(constant) == 2
    # The rank of centred data is at most min(B - 1, p).
    assert optim.k_per_q(noise, 1.0) == {"a": 7}
    assert optim.k_per_q({"a": noise["a"][:5]}, 1.0) == {"a": 4}
    for threshold in (95, 0, -0.5, 1.5, float("nan")):
        with pytest.raises(ValueError, match=r"0.*1"):
            optim.k_per_q(noise, threshold)
        with pytest.raises(ValueError, match=r"0.*1"):
            optim.optimal_bins(noise, 16, threshold)
    decaying = inputs.decaying_target()
    sizes = [optim.k_per_q({"a": scale * decaying["a"]})["a"] for scale in (1, 1e-5, 1e-30, 1e30)]
    assert len(set(sizes)) == 1


def test_difference_08_bins_of_sequences():
    Y = inputs.decaying_target()
    modes = optim.k_per_q(Y, 0.95)["a"]
    assert modes > 4
    # The original's number, the square root for a sequence too, is the default.
    assert optim.optimal_bins(Y) == int(np.ceil(np.sqrt(modes)))
    assert optim.optimal_bins(Y, spatial_ndim=1) == modes
    assert optim.optimal_bins(Y, spatial_ndim="auto") == modes
    assert "sequence" in optim.optimal_bins.__doc__


def test_difference_09_exact_latent_dim():
    assert optim.minimal_latent_dim(21, Q=1, free_frac=0.3) == 30
    for hundredths in range(0, 100, 5):
        for taken in (1, 7, 21, 63, 84):
            exact = -(-taken * 100 // (100 - hundredths))
            assert optim.minimal_latent_dim(taken, Q=1, free_frac=hundredths / 100) == exact
    for wrong in ({"k": -4, "Q": 2}, {"k": 4, "Q": -2}, {"k": {"a": -1}}, {"k": 0, "Q": 1}):
        with pytest.raises(ValueError, match="minimal_latent_dim"):
            optim.minimal_latent_dim(**wrong)


def test_difference_10_eigen_mode():
    A = inputs.deficient()
    for matrix in (A, A.T):
        exact = np.linalg.svd(matrix, compute_uv=False)
        for function in (linalg.left, linalg.right):
            vectors, s = function(matrix, solver="eigen")
            assert s.shape == (min(matrix.shape),)
            assert min(vectors.shape) == min(matrix.shape)
            np.testing.assert_allclose(s, exact, atol=1e-6 * exact[0])
            assert np.isfinite(vectors).all()
    Z, W = inputs.pair()
    grad = jax.grad(lambda z: loss.isotropy_loss(z, W, solver="eigen"))(Z)
    exact = jax.grad(lambda z: loss.isotropy_loss(z, W))(Z)
    np.testing.assert_allclose(grad, exact, atol=1e-6)


def test_difference_11_decoding_new_data():
    Z, Y, Z_new, Y_new = inputs.train_and_new()
    space = sl.solve_subspaces(Z, Y, k=2)

    def rmse(decoded):
        return float(np.sqrt(np.mean((decoded - Y_new["a"]) ** 2)))

    assert rmse(space.decode(Z_new)["a"]) < 0.5
    # What is left to do without the stored means.
    assert rmse(Z_new @ space.W["a"].T @ space.A["a"]) > 5
    np.testing.assert_allclose(space.decode(Z_new[0])["a"], space.decode(Z_new)["a"][0])


def test_difference_12_calling_by_name():
    unannotated, annotated = inputs.annotations()
    both = data.compute_Q(unannotated, annotated)
    assert both(u=3.0) == {"annotated": 3.0, "unannotated": 3.0}
    scaled = data.compute_Q(energy=lambda u, scale=2.0: u * scale)
    assert scaled(u=3.0) == {"energy": 6.0}
    with pytest.raises(ValueError, match="scale"):
        scaled(u=3.0, scal=5.0)
    with pytest.raises(ValueError, match="name"):
        data.compute_Q(lambda u: u, lambda u: 2 * u)
    everything = data.compute_Q(names=lambda **given: sorted(given))
    assert everything(u=1, v=2) == {"names": ["u", "v"]}


def test_difference_13_targets_of_decorators():
    def ranks(a, b):
        return a.ndim, b.ndim

    x = jnp.ones(3)
    some = data.ensure_dim(ranks, dims=3, targets=["a"])
    assert some(x, x) == some(a=x, b=x) == some(x, b=x) == (3, 1)
    assert data.ensure_dim(ranks, dims=3)(x, b=x) == (3, 3)
    assert data.ensure_dim(ranks, dims=3, targets=[])(x, b=x) == (1, 1)

    def kinds(a, b):
        return isinstance(a, jax.Array), isinstance(b, jax.Array)

    host = np.ones(3)
    some = data.to_device(kinds, device="cpu", targets=["a"])
    assert some(host, host) == some(a=host, b=host) == (True, False)
    assert data.to_device(kinds, device="cpu")(host, b=host) == (True, True)
    assert data.to_device(kinds, device="cpu", targets=[])(host, b=host) == (False, False)


def test_difference_14_pooling():
    x = np.arange(8).reshape(2, 4)
    np.testing.assert_array_equal(data.pool(x, 2, "mean"), [[0.5, 2.5], [4.5, 6.5]])
    np.testing.assert_array_equal(data.pool(x, 2, "mean"), data.pool(x * 1.0, 2, "avg"))
    np.testing.assert_array_equal(data.pool(x, 2, "max"), [[1, 3], [5, 7]])
    for n in (0, -1):
        with pytest.raises(ValueError, match="n_bins"):
            data.pool(x, n)
    with pytest.raises(ValueError, match=r"\[:, None\]"):
        data.pool(jnp.ones((2, 4, 4)), 2)
    volume = jnp.arange(64.0).reshape(1, 1, 4, 4, 4)
    blocks = np.asarray(volume).reshape(2, 2, 2, 2, 2, 2).mean((1, 3, 5))
    np.testing.assert_allclose(data.pool(volume, 2)[0, 0], blocks)


def test_difference_15_documented_shapes():
    Z, Y, *_ = inputs.train_and_new()
    W, A, V = sl.solve_subspaces(Z, Y, k=2)["a"]
    D, p = Z.shape[1], Y["a"].shape[1]
    assert (W.shape, A.shape, V.shape) == ((2, D), (2, p), (p,))
    # n_dir counts leading singular values: directions are not drawn.
    W64 = np.asarray(W, np.float64)
    Zc = np.asarray(Z, np.float64) - np.mean(Z, 0, dtype=np.float64)
    s = np.linalg.svd(Zc - Zc @ W64.T @ W64, compute_uv=False)[:3]
    expected = np.mean((s / s.mean() - 1) ** 2)
    np.testing.assert_allclose(loss.isotropy_loss(Z, {"a": W}, 3), expected, rtol=1e-4)
    for function in (loss.alignment_loss, loss.disentanglement_loss, loss.isotropy_loss):
        assert "(k_q, D)" in function.__doc__
    assert "singular values" in loss.isotropy_loss.__doc__


def test_difference_16_silent_pytrees(capsys):
    Z, Y, *_ = inputs.train_and_new()
    space = sl.solve_subspaces(Z, Y, k=2)
    sl.solve_dims(Y, 8, 0.9, 0.9)
    optim.minimal_latent_dim(4, Q=2)
    loss.disentanglement_loss_original(Z, space.W)
    # What Python writes; XLA's log, of a program read from a cache, say, goes past it.
    assert capsys.readouterr() == ("", "")
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(space))
    doubled = jax.jit(lambda s: jax.tree.map(lambda x: 2 * x, s))(space)
    np.testing.assert_array_equal(doubled["a"][0], 2 * space["a"][0])


def test_difference_17_solved_things_are_detached():
    Z, Y, *_ = inputs.train_and_new()
    constant = {"a": jnp.ones((len(Z), 3))}
    for targets in (Y, constant):
        for solve in (
            lambda z, y: sl.subspaces(z, y, 2)["a"],
            lambda z, y: sl.principal_directions(z, y)["a"][0],
            lambda z, y: jax.tree.leaves(sl.solve_subspaces(z, y, k=2))[0],
        ):
            grad = jax.grad(lambda z, solve=solve, y=targets: jnp.sum(solve(z, y)))(Z)
            np.testing.assert_array_equal(grad, 0)


def test_difference_18_isotropy_of_an_even_rest():
    Z, r = inputs.even_rest()
    W = axis_bases(Z.shape[1], a=[0, 1])
    m = min(32, *Z.shape)
    assert loss.isotropy_loss(Z, W) == pytest.approx(m / r - 1, rel=1e-6)
    assert loss.isotropy_loss(Z, W, r) == pytest.approx(0, abs=1e-12)
    # Two subspaces that share a direction take it out twice: it comes back, negated.
    shared, once = axis_bases(Z.shape[1], a=[2], b=[2]), axis_bases(Z.shape[1], a=[2])
    assert loss.isotropy_loss(Z, shared) == pytest.approx(0, abs=1e-12)
    assert loss.isotropy_loss(Z, once) == pytest.approx(m / (m - 1) - 1, rel=1e-6)
    assert "rank" in loss.isotropy_loss.__doc__


def test_difference_19_decoder_with_a_dead_coordinate():
    W, Z, Y = inputs.dead_coordinate()
    S, y = (Z - Z.mean(0)) @ W["a"].T, Y["a"] - Y["a"].mean(0)
    A = optim.fit_decoders(W, Z, Y)["a"]
    np.testing.assert_allclose(A, np.linalg.pinv(S) @ y, atol=1e-12)
    assert np.linalg.norm(y - S @ A) < 1e-9 * np.linalg.norm(y)


def test_difference_20_decoder_of_many_rows():
    W, Z, Y = inputs.many_rows()
    np.testing.assert_allclose(optim.fit_decoders(W, Z, Y)["a"], [1, 200], rtol=1e-4)


def test_difference_21_decoder_of_few_rows_far_from_0():
    W, Z, Y = inputs.few_rows_far_from_0()
    expected = inputs.shortest_decoder(W, Z, Y)
    A = np.asarray(optim.fit_decoders(W, Z, Y)["a"])
    assert np.linalg.norm(A - expected) < 3e-6 * np.linalg.norm(expected)


@pytest.mark.parametrize("fewer", [0, 2])
def test_difference_22_disentanglement_of_directions_without_variance(fewer):
    Z, W = inputs.empty_directions()
    W["b"] = W["b"][fewer:]
    some = {"a": W["a"][:8], "b": W["b"][: 8 - fewer]}
    # A mean over 12 directions in place of 8, or over pairs of them.
    first, second = 8 / 12, (8 - fewer) / (12 - fewer)
    for function, share in (
        (loss.disentanglement_loss, first),
        (loss.disentanglement_loss_original, first * second),
    ):
        value, gradient = jax.value_and_grad(function)(Z, W)
        expected, slope = jax.value_and_grad(function)(Z, some)
        np.testing.assert_allclose(value, share * expected, rtol=1e-5)
        np.testing.assert_allclose(gradient, share * slope, atol=1e-5 * np.abs(slope).max())
