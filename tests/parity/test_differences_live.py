"""What spacelearn 0.1.0 itself does where the port differs; one test a difference.

Each has its counterpart of the same name in ``test_differences.py``. Should one of these
fail with a newer original, the difference is gone.
"""

import contextlib
import importlib.metadata
import io
import re
import sys
import types

import numpy as np
import pytest

torch = pytest.importorskip("torch")
spacelearn = pytest.importorskip("spacelearn")

from spacelearn import data, loss, optim, util  # noqa: E402
from spacelearn.data._compute_Q import compute_Q  # noqa: E402

from . import differences as inputs  # noqa: E402
from .generate import original, tensors  # noqa: E402

pytestmark = pytest.mark.parity


@pytest.fixture(autouse=True)
def _exact_and_silent():
    """Runs every test in the original's exact mode, without its prints."""
    with original():
        yield


def test_difference_01_auto_is_exact():
    Z, Y, W = map(tensors, inputs.large())
    with original("auto"):
        before = torch.get_rng_state()
        first, second = (spacelearn.subspaces(Z, Y, 32)["a"] for _ in range(2))
        assert not torch.equal(before, torch.get_rng_state())
        assert first.shape == second.shape == (6, Z.shape[1])
        assert not torch.allclose(first, second, atol=1e-3)
        approximate = (optim.k_per_q(Y), optim.optimal_bins(Y), loss.isotropy_loss(Z, W))
    with original("svd"):
        k, n, isotropy = optim.k_per_q(Y), optim.optimal_bins(Y), loss.isotropy_loss(Z, W)
    assert approximate[:2] == ({"a": 6}, 3)
    assert k["a"] > 100
    assert n > 10
    assert not torch.isclose(approximate[2], isotropy, rtol=0.1)


def test_difference_02_dtype_and_vmap():
    Z, W = map(tensors, inputs.pair())
    assert Z.dtype == torch.float64
    assert loss.disentanglement_loss(Z, W).dtype == torch.float32
    with pytest.raises(RuntimeError, match="broadcast"):
        torch.func.vmap(lambda z: loss.disentanglement_loss(z, W))(torch.stack([Z, 2 * Z]))


def test_difference_03_order_of_names():
    Z, W = map(tensors, inputs.uneven())
    forwards = loss.disentanglement_loss(Z, W)
    backwards = loss.disentanglement_loss(Z, dict(reversed(W.items())))
    assert float(backwards) == pytest.approx(float(forwards) * 7 / 3, rel=1e-6)


def test_difference_04_float16():
    Z, W = map(tensors, inputs.half())
    value = loss.disentanglement_loss(Z.requires_grad_(), W)
    value.backward()
    assert value.isnan()
    assert Z.grad.isnan().any()


def test_difference_05_stability_of_the_subspace():
    W, turned = tensors(inputs.turned()), tensors(inputs.turned(degrees=0.29))
    assert float(loss.stability_loss(turned, W)) == pytest.approx(12.0, abs=1e-3)
    # Between two solves both bases are constants, and so is the term.
    Z = torch.randn(8, 6, dtype=torch.float64, requires_grad=True)
    assert not loss.stability_loss(turned, W).requires_grad
    A, Y = {"a": torch.ones(3, 2, dtype=Z.dtype)}, {"a": torch.ones(8, 2, dtype=Z.dtype)}
    grads = []
    for previous in (None, W):
        (grad,) = torch.autograd.grad(spacelearn.combined_loss(Z, turned, A, Y, previous), Z)
        grads.append(grad)
    assert torch.equal(*grads)


def test_difference_06_change_by_principal_angles():
    W, mixed = map(tensors, inputs.same_subspace())
    assert float(optim.subspace_change(W, mixed)["mean_angle_deg"]) == pytest.approx(40)
    # A float32 cosine just below 1 reads as hundredths of a degree.
    itself = [
        float(optim.subspace_change(w, w)["mean_angle_deg"])
        for w in map(torch.from_numpy, inputs.single_precision())
    ]
    assert 1e-3 < max(itself) < 0.1
    axes = torch.eye(4)[:2].requires_grad_()
    optim.subspace_change(axes, axes.detach())["mean_angle_deg"].backward()
    assert axes.grad.isnan().all()


def test_difference_07_sizes_of_odd_targets():
    constant, noise = tensors(inputs.constant_target()), tensors(inputs.noise_target())
    assert optim.k_per_q(constant) == {"a": 8}
    assert optim.optimal_bins(constant) == 3
    assert optim.k_per_q(noise, 1.0) == {"a": 8}
    assert optim.k_per_q(noise, 95) == {"a": 8}
    decaying = tensors(inputs.decaying_target())
    k, k_small = optim.k_per_q(decaying)["a"], optim.k_per_q({"a": 1e-5 * decaying["a"]})["a"]
    assert (k, k_small) == (7, 16)


def test_difference_08_bins_of_sequences():
    Y = tensors(inputs.decaying_target())
    modes = optim.k_per_q(Y, 0.95)["a"]
    assert optim.optimal_bins(Y) == int(np.ceil(np.sqrt(modes))) < modes


def test_difference_09_exact_latent_dim():
    assert optim.minimal_latent_dim(21, Q=1, free_frac=0.3) == 31
    assert optim.minimal_latent_dim(-4, Q=2) == -11


def test_difference_10_eigen_mode():
    A = tensors(inputs.deficient())
    Z, W = map(tensors, inputs.pair())
    with original("eigen"):
        assert util.right(A)[1].isnan().any()
        assert util.right(A.T)[1].shape == (20,)
        value = loss.isotropy_loss(Z.requires_grad_(), W)
        value.backward()
    assert value.isfinite()
    assert Z.grad.isnan().any()


def test_difference_11_decoding_new_data():
    Z, Y, Z_new, Y_new = map(tensors, inputs.train_and_new())
    space = spacelearn.solve_subspaces(Z, Y, k=2)
    assert {name for name in vars(space) if not name.startswith("_")} == {"W", "A", "V"}
    assert not hasattr(space, "decode")
    decoded = Z_new @ space.W["a"].T @ space.A["a"]
    assert (decoded - Y_new["a"]).pow(2).mean().sqrt() > 5


def test_difference_12_calling_by_name():
    with pytest.raises(TypeError, match="mismatch"):
        compute_Q(*inputs.annotations())
    assert compute_Q(energy=lambda u, scale=2.0: u * scale)(u=3.0, scal=5.0) == {"energy": 6.0}
    assert compute_Q(lambda u: u, lambda u: 2 * u)(u=3.0) == {"<lambda>": 6.0}
    assert compute_Q(names=lambda **given: sorted(given))(u=1, v=2) == {"names": []}


def test_difference_13_targets_of_decorators():
    def ranks(a, b):
        return a.dim(), b.dim()

    x = torch.ones(3)
    some = data.ensure_dim(ranks, dims=3, targets=["a"])
    assert some(a=x, b=x) == (3, 1)
    assert some(x, x) == (3, 3)
    assert data.ensure_dim(ranks, dims=3, targets=[])(a=x, b=x) == (3, 3)

    def devices(a, b):
        return a.device.type, b.device.type

    some = data.to_device(devices, device="meta", targets=["a"])
    assert some(a=x, b=x) == ("meta", "cpu")
    assert some(x, x) == ("meta", "meta")
    # The other decorator takes an empty list for everything.
    assert data.to_device(devices, device="meta", targets=[])(a=x, b=x) == ("cpu", "cpu")


def test_difference_14_pooling():
    x = torch.arange(8).reshape(2, 4)
    with pytest.raises(ValueError, match="Invalid mode: mean"):
        data.pool(x.float(), 2, "mean")
    assert '"mean"' in data.input_to_quantity.__doc__
    for mode in ("avg", "max"):
        with pytest.raises(NotImplementedError, match="Long"):
            data.pool(x, 2, mode)
    assert data.pool(x.float(), 0).shape == (2, 0)
    for shape in ((2, 4, 4), (1, 1, 4, 4, 4)):
        with pytest.raises(ValueError, match="Expected 2"):
            data.pool(torch.ones(shape), 2)


def test_difference_15_documented_shapes(monkeypatch):
    # The names that the example imports and leaves to the reader.
    class DataLoader:
        def __getitem__(self, i):
            return torch.randn(1, 8, 8, generator=torch.Generator().manual_seed(i))

    class Model(torch.nn.Module):
        def __init__(self, latent):
            super().__init__()
            self.layer = torch.nn.Linear(64, latent)

        def forward(self, x):
            return self.layer(x.flatten(1))

    helpers = {
        "DataLoader": DataLoader,
        "quantity_helper_a": lambda samples: samples**2,
        "quantity_helper_b": lambda samples: samples**3,
    }
    for name, contents in {"my_model": {"Model": Model}, "my_data": helpers}.items():
        module = types.ModuleType(name)
        vars(module).update(contents)
        monkeypatch.setitem(sys.modules, name, module)
    text = importlib.metadata.metadata("spacelearn").get_payload()
    example = re.search(r"```python\n(.*?)```", text, re.DOTALL).group(1)
    with pytest.raises(NameError, match="'k' is not defined"):
        exec(example, {})  # noqa: S102

    W, A, V = spacelearn.solve_subspaces(torch.randn(9, 5), {"a": torch.randn(9, 3)}, k=2)["a"]
    assert (W.shape, A.shape, V.shape) == ((2, 5), (2, 3), (3,))
    assert "(D, k)" in loss.disentanglement_loss.__doc__


def test_difference_16_silent_pytrees():
    Z, Y, *_ = map(tensors, inputs.train_and_new())
    calls = {
        "subspaces": lambda: spacelearn.solve_subspaces(Z, Y, k=2),
        "bins": lambda: optim.optimal_bins(Y),
        "latent": lambda: optim.minimal_latent_dim(4, Q=2),
    }
    for call in calls.values():
        with contextlib.redirect_stdout(io.StringIO()) as said:
            call()
        assert said.getvalue()
    space = calls["subspaces"]()
    assert torch.utils._pytree.tree_leaves(space) == [space]


def test_difference_17_solved_things_are_detached():
    Z, Y, *_ = map(tensors, inputs.train_and_new())
    constant = {"a": torch.ones(len(Z), 3, dtype=Z.dtype)}
    Z.requires_grad_()
    (grad,) = torch.autograd.grad(spacelearn.subspaces(Z, Y, 2)["a"].sum(), Z)
    assert grad.abs().max() > 1e-6
    (grad,) = torch.autograd.grad(spacelearn.subspaces(Z, constant, 2)["a"].sum(), Z)
    assert grad.isnan().all()
    assert not spacelearn.principal_directions(Z, Y)["a"][0].requires_grad
    space = spacelearn.solve_subspaces(Z, Y, k=2)
    assert space.W["a"].requires_grad
    assert not space.A["a"].requires_grad


def test_difference_18_isotropy_of_an_even_rest():
    Z, r = inputs.even_rest()
    axes = torch.eye(Z.shape[1], dtype=torch.float64)
    value = loss.isotropy_loss(torch.from_numpy(Z), {"a": axes[:2]})
    m = min(32, *Z.shape)
    assert float(value) == pytest.approx(m / r - 1, rel=1e-6)
    shared = {"a": axes[2:3], "b": axes[2:3]}
    assert float(loss.isotropy_loss(torch.from_numpy(Z), shared)) == pytest.approx(0, abs=1e-12)


@contextlib.contextmanager
def filled_memory():
    """Fills what torch leaves uninitialized, with no zeros.

    It hands LAPACK's gelsy an uninitialized array of pivots: with zeros in it the columns are
    pivoted, with anything else they stay where they are, and the first zero column ends the
    factorization.
    """
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


def test_difference_19_decoder_with_a_dead_coordinate():
    W, Z, Y = inputs.dead_coordinate()
    with filled_memory():
        first, last = (
            optim.fit_decoders({"a": torch.tensor(w.copy())}, tensors(Z), tensors(Y))["a"]
            for w in (W["a"], W["a"][::-1])
        )
    assert not first.any()
    # Put last, the same coordinate does no harm.
    assert last[:2].abs().min() > 0.01


def test_difference_20_decoder_of_many_rows():
    A = optim.fit_decoders(*map(tensors, inputs.many_rows()))["a"]
    assert abs(A[1]) < 1


def test_difference_21_decoder_of_few_rows_far_from_0():
    W, Z, Y = inputs.few_rows_far_from_0()
    expected = inputs.shortest_decoder(W, Z, Y)
    with filled_memory():
        A = optim.fit_decoders(*map(tensors, (W, Z, Y)))["a"].numpy()
    assert np.linalg.norm(A - expected) > 0.1 * np.linalg.norm(expected)


def test_difference_22_disentanglement_of_directions_without_variance():
    Z, W = inputs.empty_directions()
    z = torch.tensor(Z, requires_grad=True)
    loss.disentanglement_loss(z, tensors(W)).backward()
    assert z.grad.abs().max() > 1e3
