"""Real tensors, where torch is there."""

import pytest

from .calls import CALLS, W, Y
from .test_fuzz import PLACES

pytestmark = pytest.mark.parity
FIX = "Convert it with jnp.asarray(tensor.detach().cpu().numpy())."


@pytest.mark.parametrize(
    ("name", "argument"),
    [place for place in PLACES if place[1] in ("Z", "chunks", "where", "W_old", "W_new")],
)
def test_tensor_for_an_array(name, argument):
    torch = pytest.importorskip("torch")
    for tensor, kind in ((torch.ones(8, 5), "Tensor"), (torch.nn.Parameter(torch.ones(1)), None)):
        with pytest.raises(TypeError) as caught:
            CALLS[name].function(**{**CALLS[name].good, argument: tensor})
        got = f"torch.{kind or 'Parameter'}"
        assert str(caught.value) == (
            f"{name}: {argument} must be a JAX or NumPy array, got a {got}. {FIX}"
        )


@pytest.mark.parametrize("name", ["alignment_loss", "subspaces", "k_per_q", "isotropy_loss"])
def test_tensor_under_a_name(name):
    torch = pytest.importorskip("torch")
    good = CALLS[name].good
    argument = "Y" if "Y" in good else "W"
    spoilt = {q: torch.from_numpy(x) for q, x in (Y if argument == "Y" else W).items()}
    with pytest.raises(TypeError) as caught:
        CALLS[name].function(**{**good, argument: spoilt})
    assert str(caught.value) == (
        f"{name}: {argument}['pressure'] must be a JAX or NumPy array, got a torch.Tensor. {FIX}"
    )


def test_options_from_torch():
    """A solver, a size and a threshold that are tensors."""
    torch = pytest.importorskip("torch")
    for name, argument in (("subspaces", "k"), ("k_per_q", "threshold"), ("full", "solver")):
        with pytest.raises((TypeError, ValueError)) as caught:
            CALLS[name].function(**{**CALLS[name].good, argument: torch.ones(2)})
        assert str(caught.value).startswith(f"{name}: {argument} must be ")
