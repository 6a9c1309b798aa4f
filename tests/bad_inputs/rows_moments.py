"""Bad moments, streams and regularizations."""

import numpy as np

from .calls import A, B, W, Y, Z
from .calls_moments import Gathered
from .row import Bad

MASK = np.ones(B, bool)

ROWS = [
    Bad(
        "a width of zero",
        "Moments.zeros",
        dict(D=0),
        ValueError,
        ("D must be at least 1, got 0. Pass 1 or more."),
    ),
    Bad(
        "half a latent",
        "Moments.zeros",
        dict(D=1.5),
        TypeError,
        ("D must be an int, got the float 1.5. Convert it with int(...) if that is what you mean."),
    ),
    Bad(
        "no quantities",
        "Moments.zeros",
        dict(p={}),
        ValueError,
        ("p must be a mapping with at least one quantity, got an empty one. Pass {'name': ...}."),
    ),
    Bad(
        "a list of widths",
        "Moments.zeros",
        dict(p=[1, 2]),
        TypeError,
        ("p must be a mapping from quantity names to widths, got a list. Pass {'name': ...}."),
    ),
    Bad(
        "an empty target",
        "Moments.zeros",
        dict(p={"x": 0}),
        ValueError,
        ("p['x'] must be at least 1, got 0. Pass 1 or more."),
    ),
    Bad(
        "a word for a width",
        "Moments.zeros",
        dict(p={"x": "three"}),
        TypeError,
        ("p['x'] must be an int or a tuple of ints, got the str 'three'. Pass a whole number."),
    ),
    Bad(
        "integers",
        "Moments.zeros",
        dict(dtype=np.int32),
        TypeError,
        ("dtype must be a floating dtype, got int32. Pass jnp.float32 or jnp.float64."),
    ),
    Bad(
        "a word for a dtype",
        "Moments.zeros",
        dict(dtype="single float"),
        TypeError,
        (
            "dtype must be a floating dtype, got the str 'single float'. Pass jnp.float32 or "
            "jnp.float64."
        ),
    ),
    Bad(
        "a word for a flag",
        "Moments.zeros",
        dict(targets="no"),
        TypeError,
        ("targets must be True or False, got the str 'no'. Pass a Python bool."),
    ),
    Bad(
        "a number for a flag",
        "Moments.zeros",
        dict(missing=1),
        TypeError,
        ("missing must be True or False, got the int 1. Pass a Python bool."),
    ),
    Bad(
        "integer latents",
        "Moments.from_batch",
        dict(Z=np.ones((B, 5), np.int32)),
        TypeError,
        ("Z must be of a floating dtype, got int32. Convert it with Z.astype(jnp.float32)."),
    ),
    Bad(
        "a vector of latents",
        "Moments.from_batch",
        dict(Z=Z[0]),
        ValueError,
        ("Z must be of shape (B, D), got shape (5,). Stack the latents of a batch with jnp.stack."),
    ),
    Bad(
        "other samples",
        "Moments.from_batch",
        dict(Y={"pressure": np.ones((3, 2), np.float32)}),
        ValueError,
        (
            "Y['pressure'] must be of 8 rows like the rest of the batch, got shape (3, 2). "
            "Pass targets and latents of the same samples."
        ),
    ),
    Bad(
        "targets without names",
        "Moments.from_batch",
        dict(Y=Y["pressure"]),
        TypeError,
        (
            "Y must be a mapping from quantity names to arrays, got an array of shape (8, 3) "
            "and dtype float32. Pass {'name': Y}."
        ),
    ),
    Bad(
        "a mask of integers",
        "Moments.from_batch",
        dict(where=np.ones(B, np.int32)),
        TypeError,
        ("where must be of dtype bool, got int32. Compare first, for example where=weights > 0."),
    ),
    Bad(
        "weights of other samples",
        "Moments.from_batch",
        dict(sample_weight=np.ones(3, np.float32)),
        ValueError,
        ("sample_weight must be of shape (B,) = (8,), got shape (3,). Pass one weight a row."),
    ),
    Bad(
        "a list of weights",
        "Moments.from_batch",
        dict(sample_weight=[1.0] * B),
        TypeError,
        (
            "sample_weight must be a JAX or NumPy array, got a list. Convert it with "
            "jnp.asarray(...)."
        ),
    ),
    Bad(
        "a number for a flag",
        "Moments.from_batch",
        dict(targets=0),
        TypeError,
        ("targets must be True or False, got the int 0. Pass a Python bool."),
    ),
    Bad(
        "an axis that isn't there",
        "Moments.from_batch",
        dict(axis_name="batch"),
        ValueError,
        (
            "axis_name must be an axis that jax.shard_map (or vmap, pmap) maps over here, got"
            " 'batch'. Call inside shard_map over that axis, or leave axis_name out: under "
            "plain jit batch-sharded inputs are exact already."
        ),
    ),
    Bad(
        "latents of another width",
        "Moments.update",
        dict(Z=np.ones((B, 4), np.float32)),
        ValueError,
        (
            "Z must be of shape (B, D) with D = 5 as before, got shape (8, 4). Pass latents "
            "of one width, or start new moments."
        ),
    ),
    Bad(
        "a target of another width",
        "Moments.update",
        dict(Y={**Y, "pressure": np.ones((B, 2), np.float32)}),
        ValueError,
        (
            "Y['pressure'] must be of 3 values a sample as before, got shape (8, 2). Pass "
            "targets of one shape, or start new moments."
        ),
    ),
    Bad(
        "a target of no moments",
        "Moments.update",
        dict(Y={**Y, "mass": Y["vorticity"]}),
        ValueError,
        (
            "Y must be keyed by the quantities of the moments, got the unknown name 'mass'. "
            "Known names: 'pressure', 'vorticity'."
        ),
    ),
    Bad(
        "a missing target",
        "Moments.update",
        dict(Y={"pressure": Y["pressure"]}),
        ValueError,
        ("Y must be a mapping that holds 'vorticity', got only 'pressure'. Add 'vorticity' to it."),
    ),
    Bad(
        "masks by quantity for shared moments",
        "Moments.update",
        dict(where={"pressure": MASK, "vorticity": MASK}),
        ValueError,
        (
            "where must be of shape (B,), as before, got a mapping by quantity. Start with "
            "zeros(..., missing=True), or from_batch with where={q: mask}."
        ),
    ),
    Bad(
        "a decay above 1",
        "Moments.update",
        dict(decay=1.5),
        ValueError,
        ("decay must be in [0, 1], got 1.5. It is a fraction."),
    ),
    Bad(
        "a decay that is no number",
        "Moments.update",
        dict(decay="slow"),
        TypeError,
        ("decay must be a number, got the str 'slow'. Pass a float."),
    ),
    Bad(
        "a matrix of weights",
        "Moments.update",
        dict(sample_weight=np.ones((B, 2), np.float32)),
        ValueError,
        ("sample_weight must be of shape (B,) = (8,), got shape (8, 2). Pass one weight a row."),
    ),
    Bad(
        "an axis that isn't there",
        "Moments.update",
        dict(axis_name="batch"),
        ValueError,
        (
            "axis_name must be an axis that jax.shard_map (or vmap, pmap) maps over here, got"
            " 'batch'. Call inside shard_map over that axis, or leave axis_name out: under "
            "plain jit batch-sharded inputs are exact already."
        ),
    ),
    Bad(
        "an array",
        "Moments.merge",
        dict(other=Z),
        TypeError,
        (
            "other must be a Moments, got an array of shape (8, 5) and dtype float32. Make "
            "one of a batch with Moments.from_batch, or use update."
        ),
    ),
    Bad(
        "another quantity",
        "Moments.merge",
        dict(other=Gathered(Z, {**Y, "mass": Y["vorticity"]})),
        ValueError,
        (
            "other must be keyed by the quantities of the moments, got the unknown name "
            "'mass'. Known names: 'pressure', 'vorticity'."
        ),
    ),
    Bad(
        "a missing quantity",
        "Moments.merge",
        dict(other=Gathered(Z, {"pressure": Y["pressure"]})),
        ValueError,
        (
            "other must be a mapping that holds 'vorticity', got only 'pressure'. Add "
            "'vorticity' to it."
        ),
    ),
    Bad(
        "another width",
        "Moments.merge",
        dict(other=Gathered(Z, {**Y, "pressure": np.ones((B, 2), np.float32)})),
        ValueError,
        (
            "other must be of the same widths, Szy['pressure'] (5, 3), got shape (5, 2). "
            "Merge moments of the same latents and targets."
        ),
    ),
    Bad(
        "other latents",
        "Moments.merge",
        dict(other=Gathered(Z[:, :4], Y)),
        ValueError,
        (
            "other must be of the same widths, Szz (5, 5), got shape (4, 4). Merge moments of"
            " the same latents and targets."
        ),
    ),
    Bad(
        "no target products",
        "Moments.merge",
        dict(other=Gathered(Z, Y, {"targets": False})),
        ValueError,
        (
            "other must be made without targets=False, got one made with targets=False. Make "
            "both with the same options."
        ),
    ),
    Bad(
        "rows by quantity",
        "Moments.merge",
        dict(other=Gathered(Z, Y, {"where": {"pressure": MASK, "vorticity": MASK}})),
        ValueError,
        (
            "other must be made without a mask by quantity, got one made with a mask by "
            "quantity. Make both with the same options."
        ),
    ),
    Bad(
        "no axis",
        "Moments.psum",
        dict(axis_name=None),
        TypeError,
        (
            "axis_name must be the name of a mesh axis, got None. Use the name given to "
            "jax.make_mesh."
        ),
    ),
    Bad(
        "another axis",
        "Moments.psum",
        dict(axis_name="batch"),
        ValueError,
        (
            "axis_name must be an axis that jax.shard_map (or vmap, pmap) maps over here, got"
            " 'batch'. Call inside shard_map over that axis, or leave axis_name out: under "
            "plain jit batch-sharded inputs are exact already."
        ),
    ),
    Bad(
        "an unknown quantity",
        "Moments.explained_variance",
        dict(W={**W, "mass": W["pressure"]}),
        ValueError,
        (
            "W must be keyed by the quantities of the moments, got the unknown name 'mass'. "
            "Known names: 'pressure', 'vorticity'."
        ),
    ),
    Bad(
        "bases of another width",
        "Moments.explained_variance",
        dict(W={"pressure": np.ones((2, 4), np.float32)}),
        ValueError,
        (
            "W['pressure'] must be of shape (k, D) with D = 5, got shape (2, 4). Solve the "
            "subspaces on latents of this width."
        ),
    ),
    Bad(
        "a decoder of another shape",
        "Moments.explained_variance",
        dict(A={**A, "pressure": np.ones((2, 2), np.float32)}),
        ValueError,
        (
            "A['pressure'] must be of shape (k, p) = (2, 3), for W['pressure'] (2, 5) and "
            "Y['pressure'] (1, 3), got shape (2, 2). Fit it with fit_decoders on the same W "
            "and Y."
        ),
    ),
    Bad(
        "a missing decoder",
        "Moments.explained_variance",
        dict(A={"pressure": A["pressure"]}),
        ValueError,
        ("A must be a mapping that holds 'vorticity', got only 'pressure'. Add 'vorticity' to it."),
    ),
    Bad(
        "a negative ridge",
        "fit_decoders",
        dict(ridge=-1.0),
        ValueError,
        ("ridge must be a finite number >= 0, got -1.0. Raise it."),
    ),
    Bad(
        "an endless ridge",
        "fit_decoders",
        dict(ridge=float("inf")),
        ValueError,
        ("ridge must be a finite number >= 0, got inf. Pass a finite number."),
    ),
    Bad(
        "a word for a ridge",
        "fit_decoders",
        dict(ridge="strong"),
        TypeError,
        ("ridge must be a number, got the str 'strong'. Pass a float."),
    ),
    Bad(
        "a shrinkage above 1",
        "fit_decoders",
        dict(shrinkage=1.5),
        ValueError,
        ("shrinkage must be in [0, 1], got 1.5. It is a fraction."),
    ),
    Bad(
        "an unknown shrinkage",
        "fit_decoders",
        dict(shrinkage="ledoit"),
        ValueError,
        (
            "shrinkage must be one of 'ledoit-wolf' or a number in [0, 1], got 'ledoit'. Did "
            "you mean 'ledoit-wolf'?"
        ),
    ),
    Bad(
        "one batch instead of many",
        "fit_stream",
        dict(batches={"Z": Z}),
        TypeError,
        (
            "batches must be an iterable of batches, got a dict. Pass [(Z, Y)], or a "
            "generator of such pairs."
        ),
    ),
    Bad(
        "an array",
        "fit_stream",
        dict(batches=Z),
        TypeError,
        (
            "batches must be an iterable of batches, got an array of shape (8, 5) and dtype "
            "float32. Pass [(Z, Y)], or a generator of such pairs."
        ),
    ),
    Bad(
        "no batches",
        "fit_stream",
        dict(batches=[]),
        ValueError,
        (
            "batches must be of at least 2 rows together (a variance needs them), got 0. Is "
            "it a generator that has been read already?"
        ),
    ),
    Bad(
        "latents alone",
        "fit_stream",
        dict(batches=[Z]),
        TypeError,
        (
            "batches must be of pairs (Z, Y) with Y a mapping from quantity names to arrays, "
            "got an array of shape (8, 5) and dtype float32. Yield one such pair a batch."
        ),
    ),
    Bad(
        "three parts",
        "fit_stream",
        dict(batches=[(Z, Y, None)]),
        TypeError,
        (
            "batches must be of pairs (Z, Y) with Y a mapping from quantity names to arrays, "
            "got a tuple of length 3. Yield one such pair a batch."
        ),
    ),
    Bad(
        "targets without names",
        "fit_stream",
        dict(batches=[(Z, Y["pressure"])]),
        TypeError,
        (
            "batches must be of pairs (Z, Y) with Y a mapping from quantity names to arrays, "
            "got a pair with an array of shape (8, 3) and dtype float32 for Y. Yield one such"
            " pair a batch."
        ),
    ),
    Bad(
        "a batch of other samples",
        "fit_stream",
        dict(batches=[(Z[:3], Y)]),
        ValueError,
        (
            "Y['pressure'] must be of 3 rows, as all of one batch, got shape (8, 3). The first "
            "axis counts samples."
        ),
    ),
    Bad(
        "a later batch of another width",
        "fit_stream",
        dict(batches=[(Z, Y), (Z[:, :4], Y)]),
        ValueError,
        (
            "Z must be of shape (B, D) with D = 5 as before, got shape (4, 4). Pass latents "
            "of one width, or start new moments."
        ),
    ),
    Bad(
        "a later batch that lacks a quantity",
        "fit_stream",
        dict(batches=[(Z, Y), (Z, {"pressure": Y["pressure"]})]),
        ValueError,
        ("Y must be a mapping that holds 'vorticity', got only 'pressure'. Add 'vorticity' to it."),
    ),
    Bad(
        "no directions",
        "fit_stream",
        dict(k=0),
        ValueError,
        ("k must be at least 1, got 0. Pass 1 or more."),
    ),
    Bad(
        "sizes and thresholds",
        "fit_stream",
        dict(k_thresholds=0.9),
        ValueError,
        ("k must be left out beside k_thresholds, got both. Pass one of them."),
    ),
    Bad(
        "a percentage",
        "fit_stream",
        dict(k=None, k_thresholds=95),
        ValueError,
        (
            "k_thresholds must be in (0, 1], got 95.0. It is a fraction, not a percentage: "
            "pass 0.95."
        ),
    ),
    Bad(
        "a number for a path",
        "fit_stream",
        dict(checkpoint=3),
        TypeError,
        ("checkpoint must be a str or a path, got the int 3. Pass the file to keep the state in."),
    ),
    Bad(
        "a word for a flag",
        "fit_stream",
        dict(progress="yes"),
        TypeError,
        ("progress must be True or False, got the str 'yes'. Pass a Python bool."),
    ),
    Bad(
        "a number of processes for a flag",
        "fit_stream",
        dict(across_processes=2),
        TypeError,
        ("across_processes must be True or False, got the int 2. Pass a Python bool."),
    ),
    Bad(
        "an encoder that can't be called",
        "fit_stream",
        dict(encode=W),
        TypeError,
        ("encode must be callable, got a dict. Pass a function of the inputs."),
    ),
    Bad(
        "quantities without an encoder",
        "fit_stream",
        dict(quantities=len),
        TypeError,
        (
            "encode must be given beside quantities, got None. Pass what gives latents of the"
            " same inputs."
        ),
    ),
    Bad(
        "an empty piece",
        "fit_stream",
        dict(batch_size=0),
        ValueError,
        ("batch_size must be at least 1, got 0. Pass 1 or more."),
    ),
    Bad(
        "a word for a time",
        "fit_stream",
        dict(checkpoint_every="often"),
        TypeError,
        ("checkpoint_every must be a number, got the str 'often'. Pass a float."),
    ),
    Bad(
        "a negative time",
        "fit_stream",
        dict(checkpoint_every=-1.0),
        ValueError,
        ("checkpoint_every must be a finite number >= 0, got -1.0. Raise it."),
    ),
    Bad(
        "a negative ridge",
        "fit_stream",
        dict(ridge=-1.0),
        ValueError,
        ("ridge must be a finite number >= 0, got -1.0. Raise it."),
    ),
    Bad(
        "an unknown shrinkage",
        "fit_stream",
        dict(shrinkage="oas"),
        ValueError,
        (
            "shrinkage must be one of 'ledoit-wolf' or a number in [0, 1], got 'oas'. Pass "
            "one of these."
        ),
    ),
    Bad(
        "a solver that doesn't exist",
        "fit_stream",
        dict(solver="qr"),
        ValueError,
        (
            "solver must be one of 'auto', 'svd', 'eigen' or a linalg.LowRank, got 'qr'. Pass"
            " one of these."
        ),
    ),
]
