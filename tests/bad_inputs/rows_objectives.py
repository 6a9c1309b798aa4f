"""Bad reductions, weights, masks by quantity, objectives and balancers."""

import numpy as np

from spacelearn_jax import loss

from .calls import B, D, Z
from .calls_training import Later, fit, size, state
from .row import Bad

MASK = np.ones(B, bool)

ROWS = [
    Bad(
        "a misspelt reduction",
        "alignment_loss",
        dict(reduction="sums"),
        ValueError,
        ("reduction must be one of 'mean', 'sum', 'none', got 'sums'. Did you mean 'sum'?"),
    ),
    Bad(
        "weights without reduction",
        "alignment_loss",
        dict(reduction="none", weights={"pressure": 2.0}),
        ValueError,
        (
            "weights must be None for reduction='none', which returns unweighted values, "
            "got a mapping. Multiply the values yourself, or reduce."
        ),
    ),
    Bad(
        "a weight of an unknown quantity",
        "alignment_loss",
        dict(weights={"presure": 2.0}),
        ValueError,
        (
            "weights must be keyed by the quantities of W, got the unknown name 'presure'. "
            "Did you mean 'pressure'?"
        ),
    ),
    Bad(
        "a vector of weights",
        "alignment_loss",
        dict(weights={"pressure": np.ones(2, np.float32)}),
        ValueError,
        (
            "weights['pressure'] must be a number or a scalar array, got shape (2,). Reduce "
            "it to one number, for example with .sum()."
        ),
    ),
    Bad(
        "a misspelt reduction",
        "disentanglement_loss",
        dict(reduction="sums"),
        ValueError,
        ("reduction must be one of 'mean', 'sum', 'none', got 'sums'. Did you mean 'sum'?"),
    ),
    Bad(
        "weights without reduction",
        "disentanglement_loss",
        dict(reduction="none", weights={"pressure": 2.0}),
        ValueError,
        (
            "weights must be None for reduction='none', which returns unweighted values, "
            "got a mapping. Multiply the values yourself, or reduce."
        ),
    ),
    Bad(
        "a weight of an unknown quantity",
        "disentanglement_loss",
        dict(weights={"presure": 2.0}),
        ValueError,
        (
            "weights must be keyed by the quantities of W, got the unknown name 'presure'. "
            "Did you mean 'pressure'?"
        ),
    ),
    Bad(
        "a vector of weights",
        "disentanglement_loss",
        dict(weights={"pressure": np.ones(2, np.float32)}),
        ValueError,
        (
            "weights['pressure'] must be a number or a scalar array, got shape (2,). Reduce "
            "it to one number, for example with .sum()."
        ),
    ),
    Bad(
        "a misspelt reduction",
        "stability_loss",
        dict(reduction="sums"),
        ValueError,
        ("reduction must be one of 'mean', 'sum', 'none', got 'sums'. Did you mean 'sum'?"),
    ),
    Bad(
        "weights without reduction",
        "stability_loss",
        dict(reduction="none", weights={"pressure": 2.0}),
        ValueError,
        (
            "weights must be None for reduction='none', which returns unweighted values, "
            "got a mapping. Multiply the values yourself, or reduce."
        ),
    ),
    Bad(
        "a weight of an unknown quantity",
        "stability_loss",
        dict(weights={"presure": 2.0}),
        ValueError,
        (
            "weights must be keyed by the quantities of W, got the unknown name 'presure'. "
            "Did you mean 'pressure'?"
        ),
    ),
    Bad(
        "a vector of weights",
        "stability_loss",
        dict(weights={"pressure": np.ones(2, np.float32)}),
        ValueError,
        (
            "weights['pressure'] must be a number or a scalar array, got shape (2,). Reduce "
            "it to one number, for example with .sum()."
        ),
    ),
    Bad(
        "None for a reduction",
        "alignment_loss",
        dict(reduction=None),
        ValueError,
        ("reduction must be one of 'mean', 'sum', 'none', got None. Pass one of these."),
    ),
    Bad(
        "one number for all weights",
        "alignment_loss",
        dict(weights=0.5),
        TypeError,
        ("weights must be a mapping from names to scalars, got the float 0.5. Pass {'name': ...}."),
    ),
    Bad(
        "a list of weights",
        "stability_loss",
        dict(weights=[1.0, 2.0]),
        TypeError,
        ("weights must be a mapping from names to scalars, got a list. Pass {'name': ...}."),
    ),
    Bad(
        "a bool for a weight",
        "disentanglement_loss",
        dict(weights={"pressure": True}),
        TypeError,
        (
            "weights['pressure'] must be a number or a scalar array, got the bool True. "
            "Pass 1.0 or 0.0."
        ),
    ),
    Bad(
        "a mask that lacks a quantity",
        "alignment_loss",
        dict(where={"pressure": MASK}),
        ValueError,
        (
            "where must be a mapping that holds 'vorticity', got only 'pressure'. Add "
            "'vorticity' to it."
        ),
    ),
    Bad(
        "a misspelt mask",
        "combined_loss",
        dict(where={"pressure": MASK, "vortcity": MASK}),
        ValueError,
        (
            "where must be a mapping that holds 'vorticity', got only 'pressure', "
            "'vortcity'. Its nearest name is 'vortcity': spell both alike."
        ),
    ),
    Bad(
        "a mask of integers by name",
        "disentanglement_loss",
        dict(where={"pressure": MASK, "vorticity": np.ones(B, np.int32)}),
        TypeError,
        (
            "where['vorticity'] must be of dtype bool, got int32. Compare first, for "
            "example where=weights > 0."
        ),
    ),
    Bad(
        "a mask of another batch by name",
        "isotropy_loss",
        dict(where={"pressure": MASK, "vorticity": MASK[:3]}),
        ValueError,
        (
            "where['vorticity'] must be of shape (B,) = (8,), got shape (3,). It marks "
            "whole samples, True for the valid ones."
        ),
    ),
    Bad(
        "None for the mask of a quantity",
        "principal_directions",
        dict(where={"pressure": MASK, "vorticity": None}),
        TypeError,
        (
            "where['vorticity'] must be a (B,) bool array, got None. Mark every sample that "
            "has the quantity, np.ones(B, bool) for all."
        ),
    ),
    Bad(
        "a mask of entries by name",
        "subspaces",
        dict(where={"pressure": MASK, "vorticity": np.ones((B, D), bool)}),
        ValueError,
        (
            "where['vorticity'] must be of shape (B,) = (8,), got shape (8, 5). It marks "
            "whole samples, True for the valid ones."
        ),
    ),
    Bad(
        "no masks",
        "solve_subspaces",
        dict(where={}),
        ValueError,
        ("where must be a mapping that holds 'pressure', got none. Add 'pressure' to it."),
    ),
    Bad(
        "masks by number",
        "k_per_q",
        dict(where={0: MASK, 1: MASK}),
        TypeError,
        ("where must be keyed by str, got the int 0 as a key. Name every quantity by a string."),
    ),
    Bad(
        "a list for the mask of a quantity",
        "optimal_bins",
        dict(where={"pressure": MASK, "vorticity": [True] * B}),
        TypeError,
        (
            "where['vorticity'] must be a JAX or NumPy array, got a list. Convert it with "
            "jnp.asarray(...)."
        ),
    ),
    Bad(
        "a mask that lacks a quantity",
        "solve_dims",
        dict(where={"vorticity": MASK}),
        ValueError,
        (
            "where must be a mapping that holds 'pressure', got only 'vorticity'. Add "
            "'pressure' to it."
        ),
    ),
    Bad(
        "a value for a term",
        "combine",
        dict(terms={"fit": 1.0}),
        TypeError,
        (
            "terms['fit'] must be a function, got the float 1.0. Pass the loss function "
            "itself, not its value."
        ),
    ),
    Bad(
        "a class for a term",
        "combine",
        dict(terms={"fit": float}),
        TypeError,
        (
            "terms['fit'] must be a function, got the class float. Pass the loss function "
            "itself, not its value."
        ),
    ),
    Bad(
        "no terms",
        "combine",
        dict(terms={}),
        ValueError,
        ("terms must be a mapping with at least one name, got an empty one. Pass {'name': ...}."),
    ),
    Bad(
        "a function for terms",
        "combine",
        dict(terms=fit),
        TypeError,
        ("terms must be a mapping from names to functions, got a function. Pass {'name': ...}."),
    ),
    Bad(
        "terms that report under one name",
        "combine",
        dict(terms={"fit": fit, "fit/inner": size}),
        ValueError,
        (
            "terms['fit/inner'] must be named apart from 'fit', whose inner terms are "
            "reported as 'fit/...', got 'fit/inner'. Rename one of them."
        ),
    ),
    Bad(
        "a term of entries",
        "combine",
        dict(terms={"size": lambda u: u}),
        ValueError,
        (
            "the term 'size' must be a scalar, got shape (8, 5). Reduce it, for example "
            "with .mean()."
        ),
    ),
    Bad(
        "a term of integers",
        "combine",
        dict(terms={"size": lambda u: (u > 0).sum()}),
        TypeError,
        (
            "the term 'size' must be of a floating dtype, got int32. Convert it with "
            ".astype(jnp.float32)."
        ),
    ),
    Bad(
        "a weight of an unknown term",
        "combine",
        dict(weights={"sise": 0.5}),
        ValueError,
        (
            "weights must be keyed by the terms of the loss, got the unknown name 'sise'. "
            "Did you mean 'size'?"
        ),
    ),
    Bad(
        "a vector of weights",
        "combine",
        dict(weights={"size": np.ones(2, np.float32)}),
        ValueError,
        (
            "weights['size'] must be a number or a scalar array, got shape (2,). Reduce it "
            "to one number, for example with .sum()."
        ),
    ),
    Bad(
        "one number for all weights",
        "combine",
        dict(weights=0.5),
        TypeError,
        (
            "weights must be a mapping from names to scalars or schedules, got the float "
            "0.5. Pass {'name': ...}."
        ),
    ),
    Bad(
        "a class for a schedule",
        "combine",
        dict(weights={"size": int}),
        TypeError,
        ("weights['size'] must be a number or a scalar array, got the class int. Pass a number."),
    ),
    Bad(
        "a schedule of vectors",
        "combine",
        dict(weights={"size": lambda step: np.ones(2)}),
        ValueError,
        (
            "weights['size'] must be a number or a scalar array, got shape (2,). Reduce it "
            "to one number, for example with .sum()."
        ),
    ),
    Bad(
        "an unknown input",
        "combine",
        dict(inputs={"v": Z}),
        ValueError,
        (
            "the inputs must be keyed by parameters of the functions, got the unknown name "
            "'v'. Known names: 'u'."
        ),
    ),
    Bad(
        "a missing input",
        "combine",
        dict(inputs={}),
        ValueError,
        ("the inputs must be a set that holds 'u', which 'fit' needs, got none. Add 'u' to it."),
    ),
    Bad(
        "a function for an objective",
        "balance",
        dict(objective=fit),
        TypeError,
        ("objective must be an Objective, got a function. Make it with combine(...)."),
    ),
    Bad(
        "a class for a balancer",
        "balance",
        dict(balancer=loss.uncertainty),
        TypeError,
        (
            "balancer must be a Balancer, got a function. Make it with uncertainty(), "
            "relobralo(), gradnorm() or another balancer's function."
        ),
    ),
    Bad(
        "a term that takes what is the balancer's",
        "balance",
        dict(objective=loss.combine({"fit": lambda norms: norms})),
        ValueError,
        (
            "objective must be of terms that take no 'norms', which are the balancer's, got "
            "one with such an input. Rename it."
        ),
    ),
    Bad(
        "the state of another balancer",
        "balance",
        dict(balancer=loss.uncertainty()),
        ValueError,
        (
            "state must be what balanced.init() gives for the terms 'fit', 'size', got a "
            "RelobraloState. Start from balanced.init(), and pass on what every call "
            "returns."
        ),
    ),
    Bad(
        "no gradient norms",
        "balance",
        dict(balancer=loss.gradnorm(), state=Later(lambda: state(loss.gradnorm()))),
        ValueError,
        (
            "norms must be the gradient norms of the terms, got None. Compute them with "
            "gradient_norms(lambda params: terms, params)."
        ),
    ),
    Bad(
        "a missing gradient norm",
        "balance",
        dict(
            balancer=loss.gradnorm(),
            state=Later(lambda: state(loss.gradnorm())),
            norms={"fit": np.float32(1)},
        ),
        ValueError,
        ("norms must be a mapping that holds 'size', got only 'fit'. Add 'size' to it."),
    ),
    Bad(
        "terms for a state",
        "balance",
        dict(balancer=loss.uncertainty(), state={"fit": np.zeros(())}),
        ValueError,
        (
            "state must be what balanced.init() gives for the terms 'fit', 'size', got "
            "PyTreeDef({'fit': *}). Start from balanced.init(), and pass on what every call "
            "returns."
        ),
    ),
    Bad(
        "a function of one scalar",
        "gradient_norms",
        dict(function=lambda u: u.sum()),
        TypeError,
        (
            "function(params) must be a mapping from names to scalars, got an array of "
            "shape () and dtype float32. Pass {'name': function(params)}."
        ),
    ),
    Bad(
        "a term of entries",
        "gradient_norms",
        dict(function=lambda u: {"fit": u}),
        ValueError,
        ("the term 'fit' must be a scalar, got shape (8, 5). Reduce it, for example with .mean()."),
    ),
    Bad(
        "no terms",
        "gradient_norms",
        dict(inputs=Z, function=lambda u: {}),
        ValueError,
        (
            "function(params) must be a mapping with at least one name, got an empty one. "
            "Pass {'name': ...}."
        ),
    ),
    Bad(
        "a decay above 1",
        "gradient_norm_balance",
        dict(decay=1.5),
        ValueError,
        ("decay must be in [0, 1], got 1.5. It is a fraction."),
    ),
    Bad(
        "a decay that is no number",
        "gradient_norm_balance",
        dict(decay="0.5"),
        TypeError,
        ("decay must be a number, got the str '0.5'. Pass a float."),
    ),
    Bad(
        "a negative force",
        "gradnorm",
        dict(alpha=-1.0),
        ValueError,
        ("alpha must be a finite number >= 0, got -1.0. Raise it."),
    ),
    Bad(
        "a rate for an optimizer",
        "gradnorm",
        dict(optimizer=0.1),
        TypeError,
        ("optimizer must be an Optax optimizer, got a float. Pass for example optax.sgd(0.025)."),
    ),
    Bad(
        "a weight above 1",
        "relobralo",
        dict(alpha=2.0),
        ValueError,
        ("alpha must be in [0, 1], got 2.0. It is a fraction."),
    ),
    Bad(
        "a negative probability",
        "relobralo",
        dict(rho=-0.1),
        ValueError,
        ("rho must be in [0, 1], got -0.1. It is a fraction."),
    ),
    Bad(
        "no temperature",
        "relobralo",
        dict(temperature=0.0),
        ValueError,
        ("temperature must be a finite number > 0, got 0.0. Raise it."),
    ),
    Bad(
        "half a seed",
        "relobralo",
        dict(seed=0.5),
        TypeError,
        (
            "seed must be an int, got the float 0.5. Convert it with int(...) if that is "
            "what you mean."
        ),
    ),
]
