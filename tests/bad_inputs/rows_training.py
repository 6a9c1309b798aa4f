"""Bad trackers, states and feature maps."""

import jax
import numpy as np

from .calls import B, Y, Z, space
from .calls_training import Later, tracked
from .row import Bad

MASK = np.ones(B, bool)

ROWS = [
    Bad(
        "no directions",
        "track_subspaces",
        dict(k=0),
        ValueError,
        ("k must be at least 1, got 0. Pass 1 or more."),
    ),
    Bad(
        "half a direction",
        "track_subspaces",
        dict(k=1.5),
        TypeError,
        ("k must be an int, got the float 1.5. Convert it with int(...) if that is what you mean."),
    ),
    Bad(
        "no sizes",
        "track_subspaces",
        dict(k={}),
        ValueError,
        ("k must be a mapping with at least one quantity, got an empty one. Pass {'name': ...}."),
    ),
    Bad(
        "no updates",
        "track_subspaces",
        dict(every=0),
        ValueError,
        ("every must be at least 1, got 0. Pass 1 or more."),
    ),
    Bad(
        "half an update",
        "track_subspaces",
        dict(every=0.5),
        TypeError,
        (
            "every must be an int, got the float 0.5. Convert it with int(...) if that is "
            "what you mean."
        ),
    ),
    Bad(
        "a decay above 1",
        "track_subspaces",
        dict(decay=1.01),
        ValueError,
        ("decay must be in [0, 1], got 1.01. It is a fraction."),
    ),
    Bad(
        "a decay that is no number",
        "track_subspaces",
        dict(decay=None),
        TypeError,
        ("decay must be a number, got None. Pass a float."),
    ),
    Bad(
        "a word for a flag",
        "track_subspaces",
        dict(align="yes"),
        TypeError,
        ("align must be True or False, got the str 'yes'. Pass a Python bool."),
    ),
    Bad(
        "a solver that doesn't exist",
        "track_subspaces",
        dict(solver="qr"),
        ValueError,
        (
            "solver must be one of 'auto', 'svd', 'eigen' or a linalg.LowRank, got 'qr'. "
            "Pass one of these."
        ),
    ),
    Bad(
        "latents of a single axis",
        "SubspaceTracker.init",
        dict(Z=Z[0]),
        ValueError,
        ("Z must be of shape (B, D), got shape (5,). Stack the latents of a batch with jnp.stack."),
    ),
    Bad(
        "targets of another batch",
        "SubspaceTracker.init",
        dict(Y={"pressure": np.ones((3, 2), np.float32)}),
        ValueError,
        (
            "Y['pressure'] must be of 8 rows like the rest of the batch, got shape (3, 2). "
            "Pass targets and latents of the same samples."
        ),
    ),
    Bad(
        "more directions than values",
        "SubspaceTracker.init",
        dict(k={"pressure": 4, "vorticity": 1}),
        ValueError,
        (
            "k['pressure'] must be at most min(D, p) = 3, got 4. Lower it to 3; fields "
            "that are pooled less have room for more."
        ),
    ),
    Bad(
        "a mask that lacks a quantity",
        "SubspaceTracker.init",
        dict(where={"pressure": MASK}),
        ValueError,
        (
            "where must be a mapping that holds 'vorticity', got only 'pressure'. Add "
            "'vorticity' to it."
        ),
    ),
    Bad(
        "an axis that isn't there",
        "SubspaceTracker.init",
        dict(axis_name="batch"),
        ValueError,
        (
            "axis_name must be an axis that jax.shard_map (or vmap, pmap) maps over here, "
            "got 'batch'. Call inside shard_map over that axis, or leave axis_name out: "
            "under plain jit batch-sharded inputs are exact already."
        ),
    ),
    Bad(
        "a space for a state",
        "SubspaceTracker.update",
        dict(state=space()),
        TypeError,
        ("state must be a TrackerState, got a Space. The order is update(Z, Y, state)."),
    ),
    Bad(
        "the state for the latents",
        "SubspaceTracker.update",
        dict(Z=None, state=Z),
        TypeError,
        (
            "state must be a TrackerState, got an array of shape (8, 5) and dtype float32. The "
            "order is update(Z, Y, state)."
        ),
    ),
    Bad(
        "a state cast to 16 bits",
        "SubspaceTracker.update",
        dict(state=Later(lambda: jax.tree.map(lambda x: x.astype("bfloat16"), tracked(Z, Y)))),
        TypeError,
        (
            "state must be of float32 or float64, got one of bfloat16. Leave it out of what is "
            "cast to fewer bits."
        ),
    ),
    Bad(
        "latents of another width",
        "SubspaceTracker.update",
        dict(Z=np.ones((B, 4), np.float32)),
        ValueError,
        (
            "Z must be of shape (B, D) with D = 5 as in init, got shape (8, 4). Pass "
            "latents of one width, or start a new state."
        ),
    ),
    Bad(
        "a target of another shape",
        "SubspaceTracker.update",
        dict(Y={**Y, "pressure": np.ones((B, 2), np.float32)}),
        ValueError,
        (
            "Y['pressure'] must be of shape (B, ...) with trailing axes (3,) as in init, "
            "got shape (8, 2). Pass targets of one shape, or start a new state."
        ),
    ),
    Bad(
        "a target that isn't tracked",
        "SubspaceTracker.update",
        dict(Y={**Y, "mass": Y["vorticity"]}),
        ValueError,
        (
            "Y must be keyed by the quantities that are tracked, got the unknown name "
            "'mass'. Known names: 'pressure', 'vorticity'."
        ),
    ),
    Bad(
        "a missing target",
        "SubspaceTracker.update",
        dict(Y={"pressure": Y["pressure"]}),
        ValueError,
        ("Y must be a mapping that holds 'vorticity', got only 'pressure'. Add 'vorticity' to it."),
    ),
    Bad(
        "masks by quantity for shared moments",
        "SubspaceTracker.update",
        dict(where={"pressure": MASK, "vorticity": MASK}),
        ValueError,
        (
            "where must be of shape (B,), as in init, got a mapping by quantity. Start the "
            "state with where={q: mask} too (a Flax NNX module: missing=True), so that each "
            "has its own moments."
        ),
    ),
    Bad(
        "a mask of integers",
        "SubspaceTracker.update",
        dict(where=np.ones(B, np.int32)),
        TypeError,
        ("where must be of dtype bool, got int32. Compare first, for example where=weights > 0."),
    ),
    Bad(
        "an axis that isn't there",
        "SubspaceTracker.update",
        dict(axis_name="batch"),
        ValueError,
        (
            "axis_name must be an axis that jax.shard_map (or vmap, pmap) maps over here, "
            "got 'batch'. Call inside shard_map over that axis, or leave axis_name out: "
            "under plain jit batch-sharded inputs are exact already."
        ),
    ),
    Bad(
        "a percentage",
        "WhenDrifted",
        dict(threshold=10),
        ValueError,
        (
            "threshold must be in (0, 1], got 10. The misfit is 0 for the best subspaces "
            "and at most 1."
        ),
    ),
    Bad(
        "no threshold",
        "WhenDrifted",
        dict(threshold=0.0),
        ValueError,
        (
            "threshold must be in (0, 1], got 0.0. The misfit is 0 for the best subspaces "
            "and at most 1."
        ),
    ),
    Bad(
        "a word",
        "WhenDrifted",
        dict(threshold="small"),
        TypeError,
        ("threshold must be a number, got the str 'small'. Pass a float."),
    ),
    Bad(
        "integers",
        "as_latents",
        dict(features=np.ones((4, 3), np.int32)),
        TypeError,
        (
            "features must be of a floating dtype, got int32. Convert it with "
            "features.astype(jnp.float32)."
        ),
    ),
    Bad(
        "a list",
        "as_latents",
        dict(features=[[1.0]]),
        TypeError,
        ("features must be a JAX or NumPy array, got a list. Convert it with jnp.asarray(...)."),
    ),
    Bad(
        "a single axis",
        "as_latents",
        dict(features=np.ones(4, np.float32)),
        ValueError,
        (
            "batch_axes must be distinct axes of features with shape (4,), at least one and "
            "not all, got 0. Add an axis that holds the latents with features[:, None]."
        ),
    ),
    Bad(
        "an axis out of range",
        "as_latents",
        dict(batch_axes=3),
        ValueError,
        (
            "batch_axes must be distinct axes of features with shape (4, 3, 2), at least "
            "one and not all, got 3. Name the axes that count samples, for example 0."
        ),
    ),
    Bad(
        "an axis twice",
        "as_latents",
        dict(batch_axes=(0, -3)),
        ValueError,
        (
            "batch_axes must be distinct axes of features with shape (4, 3, 2), at least "
            "one and not all, got (0, -3). Name the axes that count samples, for example 0."
        ),
    ),
    Bad(
        "every axis",
        "as_latents",
        dict(batch_axes=(0, 1, 2)),
        ValueError,
        (
            "batch_axes must be distinct axes of features with shape (4, 3, 2), at least "
            "one and not all, got (0, 1, 2). Name the axes that count samples, for example "
            "0."
        ),
    ),
    Bad(
        "no axis",
        "as_latents",
        dict(batch_axes=()),
        ValueError,
        (
            "batch_axes must be distinct axes of features with shape (4, 3, 2), at least "
            "one and not all, got (). Name the axes that count samples, for example 0."
        ),
    ),
    Bad(
        "an axis by name",
        "as_latents",
        dict(batch_axes="batch"),
        TypeError,
        ("batch_axes must be an int, got the str 'batch'. Pass a whole number."),
    ),
]
