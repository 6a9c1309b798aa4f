"""Names, order and defaults of every public parameter, so that scripts keep working."""

import collections.abc
import inspect
import typing

import pytest
from jax.typing import ArrayLike

import spacelearn_jax as sl
from spacelearn_jax import (
    data,
    flax_linen,
    flax_nnx,
    linalg,
    loss,
    moments,
    optim,
    streams,
    training,
)

BATCH = "where=None, axis_name=None"
REDUCED = "weights=None, reduction='mean'"
TRACKED = "every=100, decay=0.99, align=True, solver='auto'"

# The added keywords stand after those of the original.
SIGNATURES = {
    sl.principal_directions: f"Z, Y=None, *, {BATCH}, solver='auto'",
    sl.subspaces: f"Z, Y=None, k=None, *, {BATCH}, solver='auto'",
    sl.solve_subspaces: f"Z, Y=None, *, k=32, {BATCH}, solver='auto'",
    sl.solve_dims: "Y, max_bins, bin_thresholds, k_thresholds, *, bin_default_threshold=None, "
    "k_default_threshold=None, pooling_mode='avg', pool_per_quantity=False, "
    f"k_per_quantity=False, spatial_ndim=2, {BATCH}, solver='auto'",
    sl.combined_loss: "Z, W, A, Y, W_prev, *, n_dir=32, weights=None, return_terms=False, "
    f"{BATCH}, solver='auto', pair_norm='first', metric='basis'",
    sl.Space: "W, A, V, z_mean=None, y_mean=None, target_shapes=None",
    sl.Space.coordinates: "self, Z",
    sl.Space.decode: "self, Z, names=None",
    sl.Space.items: "self",
    sl.Space.keys: "self",
    sl.Space.values: "self",
    loss.alignment_loss: f"Z, W, A, Y, *, {BATCH}, {REDUCED}",
    loss.disentanglement_loss: f"Z, W, *, {BATCH}, pair_norm='first', {REDUCED}",
    loss.disentanglement_loss_original: f"Z, W, *, {BATCH}",
    loss.isotropy_loss: f"Z, W, n_dir=32, *, {BATCH}, solver='auto'",
    loss.stability_loss: f"W, W_prev, *, metric='basis', {REDUCED}",
    optim.optimal_bins: "Y, max_bins=16, variance_threshold=0.95, *, default_threshold=None, "
    f"per_quantity=False, spatial_ndim=2, {BATCH}, solver='auto'",
    optim.minimal_latent_dim: "k, *, Q=None, free_frac=0.3, num_heads=None",
    optim.fit_decoders: f"W, Z, Y=None, *, {BATCH}, solver='auto', ridge=0.0, shrinkage=None",
    optim.subspace_change: "W_old, W_new",
    optim.k_per_q: "Y, threshold=0.9, *, default_threshold=None, per_quantity=True, "
    f"{BATCH}, solver='auto'",
    data.pool: "chunks, n_bins, mode='avg'",
    data.input_to_quantity: "n_bins, mode, *arg_functions, **kwarg_functions",
    data.compute_Q: "*arg_functions, **kwarg_functions",
    data.ensure_dim: "func=None, *, dims, targets=None",
    data.to_device: "func=None, *, device='cpu', targets=None",
    linalg.full: "A, *, solver='auto'",
    linalg.left: "A, *, solver='auto'",
    linalg.right: "A, *, solver='auto'",
    linalg.singular_values: "A, *, solver='auto'",
    linalg.principal_angles: "W_a, W_b",
    linalg.residual_bound: "A, U, *, probes=10, seed=0",
    loss.combine: "terms, weights=None",
    loss.Objective: "functions, weights",
    loss.Objective.terms: "self, /, *, step=0, **inputs",
    loss.balance: "objective, balancer",
    loss.Balanced: "objective, balancer",
    loss.Balanced.init: "self",
    loss.Balancer: "init, update, needs_norms=False",
    loss.gradient_norm_balance: "decay=0.9",
    loss.gradient_norms: "function, params",
    loss.gradnorm: "alpha=1.5, optimizer=None",
    loss.relobralo: "alpha=0.999, rho=0.999, temperature=1.0, seed=0",
    loss.uncertainty: "",
    streams.fit_stream: "batches, *, k=None, k_thresholds=None, checkpoint=None, progress=False, "
    "encode=None, quantities=None, batch_size=None, checkpoint_every=30.0, ridge=0.0, "
    "shrinkage=None, solver='auto', across_processes=False",
    training.track_subspaces: f"k, *, {TRACKED}",
    training.SubspaceTracker: "init, update",
    training.TrackerState: "space, W_prev, step, refreshes, drift, since, moments",
    training.WhenDrifted: "threshold",
    training.as_latents: "features, batch_axes=0",
    flax_nnx.SubspaceTracker.__init__: f"self, num_features, targets, *, k, {TRACKED}, "
    "use_running_average=False, missing=False, dtype=<class 'jax.numpy.float32'>, rngs=None",
    moments.Moments: "sums, shapes",
    moments.Moments.zeros: "D, p, dtype=<class 'jax.numpy.float32'>, *, targets=True, "
    "missing=False",
    moments.Moments.from_batch: "Z, Y, where=None, *, sample_weight=None, targets=True, "
    "axis_name=None",
    moments.Moments.update: "self, Z, Y, where=None, decay=None, *, sample_weight=None, "
    "axis_name=None",
    moments.Moments.merge: "self, other",
    moments.Moments.psum: "self, axis_name",
    moments.Moments.explained_variance: "self, W, A",
    linalg.LowRank: "rank, oversample=10, n_iter=2, seed=0",
}

#: What the original had, in its order; whatever else there is has been added.
ORIGINAL = {
    sl.principal_directions: 2,
    sl.subspaces: 3,
    sl.solve_subspaces: 3,
    sl.solve_dims: 9,
    sl.combined_loss: 6,
    loss.alignment_loss: 4,
    loss.disentanglement_loss: 2,
    loss.disentanglement_loss_original: 2,
    loss.isotropy_loss: 3,
    loss.stability_loss: 2,
    optim.optimal_bins: 5,
    optim.minimal_latent_dim: 4,
    optim.fit_decoders: 3,
    optim.subspace_change: 2,
    optim.k_per_q: 4,
    data.pool: 3,
    data.input_to_quantity: 4,
    data.compute_Q: 2,
    data.ensure_dim: 3,
    data.to_device: 3,
    linalg.full: 1,
    linalg.left: 1,
    linalg.right: 1,
    linalg.singular_values: 1,
}

# What the original takes by position beside arrays.
POSITIONAL = {
    "k": (sl.subspaces, optim.minimal_latent_dim),
    "n_dir": (loss.isotropy_loss,),
    "n_bins": (data.pool, data.input_to_quantity),
    "mode": (data.pool, data.input_to_quantity),
    "max_bins": (sl.solve_dims, optim.optimal_bins),
    "bin_thresholds": (sl.solve_dims,),
    "k_thresholds": (sl.solve_dims,),
    "variance_threshold": (optim.optimal_bins,),
    "threshold": (optim.k_per_q,),
    "func": (data.ensure_dim, data.to_device),
    "names": (sl.Space.decode,),
    "terms": (loss.combine,),
    "objective": (loss.balance,),
    "balancer": (loss.balance,),
    "decay": (loss.gradient_norm_balance,),
    "function": (loss.gradient_norms,),
    "params": (loss.gradient_norms,),
    "alpha": (loss.gradnorm, loss.relobralo),
    "optimizer": (loss.gradnorm,),
    "rho": (loss.relobralo,),
    "temperature": (loss.relobralo,),
    "seed": (loss.relobralo,),
    "batch_axes": (training.as_latents,),
    "num_features": (flax_nnx.SubspaceTracker.__init__,),
    "targets": (flax_nnx.SubspaceTracker.__init__,),
}
POSITIONAL["k"] += (training.track_subspaces,)
POSITIONAL["D"] = POSITIONAL["p"] = POSITIONAL["dtype"] = (moments.Moments.zeros,)
POSITIONAL["batches"] = (streams.fit_stream,)
POSITIONAL["other"] = (moments.Moments.merge,)
POSITIONAL["axis_name"] = (moments.Moments.psum,)
CONTAINERS = (
    sl.Space,
    moments.Moments,
    linalg.LowRank,
    loss.Objective,
    loss.Balanced,
    loss.Balancer,
    training.SubspaceTracker,
    training.TrackerState,
    training.WhenDrifted,
)


def name(function):
    return function.__qualname__


def is_array(annotation):
    """Tells whether an annotation allows an array, or a mapping to arrays."""
    if typing.get_origin(annotation) is collections.abc.Callable:
        return False
    kinds = set(typing.get_args(annotation))
    return set(typing.get_args(ArrayLike)) <= kinds or any(map(is_array, kinds))


def bare(function):
    """Writes a signature without annotations."""
    signature = inspect.signature(function)
    parameters = [p.replace(annotation=p.empty) for p in signature.parameters.values()]
    text = str(inspect.Signature(parameters))
    return text[1:-1]


@pytest.mark.parametrize("function", SIGNATURES, ids=name)
def test_signature(function):
    assert bare(function) == SIGNATURES[function]


@pytest.mark.parametrize("function", ORIGINAL, ids=name)
def test_added_parameters_are_keywords_with_defaults(function):
    parameters = list(inspect.signature(function).parameters.values())
    for added in parameters[ORIGINAL[function] :]:
        assert added.kind is added.KEYWORD_ONLY
        assert added.default is not added.empty


@pytest.mark.parametrize("function", [f for f in SIGNATURES if f not in CONTAINERS], ids=name)
def test_what_is_no_array_is_a_keyword(function):
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD and parameter.name != "self":
            known = POSITIONAL.get(parameter.name, ())
            assert is_array(parameter.annotation) or function in known, parameter.name


def test_every_name_of_the_original_is_where_it_was():
    named = {
        sl: "principal_directions subspaces solve_subspaces solve_dims combined_loss Space",
        loss: "alignment_loss disentanglement_loss disentanglement_loss_original isotropy_loss "
        "stability_loss combined_loss",
        optim: "optimal_bins minimal_latent_dim fit_decoders subspace_change k_per_q",
        data: "pool input_to_quantity compute_Q ensure_dim to_device",
        linalg: "left right full singular_values",
    }
    for module, names in named.items():
        assert set(names.split()) <= set(module.__all__)


@pytest.mark.parametrize(
    "module", [sl, loss, optim, data, linalg, moments, streams, training], ids=lambda m: m.__name__
)
def test_exports_are_sorted_and_there(module):
    assert module.__all__ == sorted(module.__all__)
    for exported in module.__all__:
        assert hasattr(module, exported)


def test_every_exported_function_is_in_the_table():
    for module in (sl, loss, optim, data, linalg, moments, streams, training):
        for exported in module.__all__:
            value = getattr(module, exported)
            if inspect.isfunction(value) or inspect.isclass(value):
                assert value in SIGNATURES, exported


def test_linen_tracker_takes_what_the_tracker_takes():
    # Flax appends its own.
    ours, _, flax = bare(flax_linen.SubspaceTracker).partition(", parent=")
    assert ours == f"k, {TRACKED}, use_running_average=False"
    assert flax.endswith("name=None")
