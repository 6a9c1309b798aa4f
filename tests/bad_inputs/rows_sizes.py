"""Bad sizes and thresholds."""

import numpy as np

from .ingredients import (
    Traced,
)
from .row import Bad

ROWS = [
    Bad(
        "no size",
        "subspaces",
        dict(k=0),
        ValueError,
        "k must be at least 1, got 0. Pass 1 or more.",
    ),
    Bad(
        "a negative size",
        "solve_subspaces",
        dict(k=-3),
        ValueError,
        "k must be at least 1, got -3. Pass 1 or more.",
    ),
    Bad(
        "a fractional size",
        "subspaces",
        dict(k=2.0),
        TypeError,
        (
            "k must be an int or a mapping from names to ints, got the float 2.0. Convert it "
            "with int(...) if that is what you mean."
        ),
    ),
    Bad(
        "a bool for a size",
        "subspaces",
        dict(k=True),
        TypeError,
        (
            "k must be an int or a mapping from names to ints, got the bool True. Pass a "
            "whole number."
        ),
    ),
    Bad(
        "None for a size",
        "solve_subspaces",
        dict(k=None),
        TypeError,
        "k must be an int or a mapping from names to ints, got None. Pass a whole number.",
    ),
    Bad(
        "a string for a size",
        "subspaces",
        dict(k="2"),
        TypeError,
        ("k must be an int or a mapping from names to ints, got the str '2'. Pass a whole number."),
    ),
    Bad(
        "a list of sizes",
        "subspaces",
        dict(k=[2, 1]),
        TypeError,
        ("k must be an int or a mapping from names to ints, got a list. Pass a whole number."),
    ),
    Bad(
        "an array of sizes",
        "subspaces",
        dict(k=np.array([2, 1])),
        TypeError,
        (
            "k must be an int or a mapping from names to ints, got an array of shape (2,) "
            "and dtype int64. Pass a whole number."
        ),
    ),
    Bad(
        "a traced size",
        "subspaces",
        dict(k=Traced(2)),
        TypeError,
        (
            "k must be a Python int, since it fixes shapes, got a traced array. Mark it "
            "static (jax.jit static_argnames) or close over it."
        ),
    ),
    Bad(
        "no sizes",
        "subspaces",
        dict(k={}),
        ValueError,
        ("k must be a mapping with at least one quantity, got an empty one. Pass {'name': ...}."),
    ),
    Bad(
        "a missing size",
        "subspaces",
        dict(k={"pressure": 2}),
        ValueError,
        ("k must be a mapping that holds 'vorticity', got only 'pressure'. Add 'vorticity' to it."),
    ),
    Bad(
        "a misspelt size",
        "solve_subspaces",
        dict(k={"pressure": 2, "vortcity": 1}),
        ValueError,
        (
            "k must be a mapping that holds 'vorticity', got only 'pressure', 'vortcity'. "
            "Its nearest name is 'vortcity': spell both alike."
        ),
    ),
    Bad(
        "a size above that of the target",
        "subspaces",
        dict(k={"pressure": 4, "vorticity": 1}),
        ValueError,
        (
            "k['pressure'] must be at most min(D, p) = 3, got 4. Lower it to 3; fields "
            "that are pooled less have room for more."
        ),
    ),
    Bad(
        "a size above that of the target",
        "solve_subspaces",
        dict(k={"pressure": 1, "vorticity": 2}),
        ValueError,
        (
            "k['vorticity'] must be at most min(D, p) = 1, got 2. Lower it to 1. Class labels "
            "enter as jax.nn.one_hot(labels, classes)."
        ),
    ),
    Bad(
        "no size under a name",
        "subspaces",
        dict(k={"pressure": 0, "vorticity": 1}),
        ValueError,
        "k['pressure'] must be at least 1, got 0. Pass 1 or more.",
    ),
    Bad(
        "a bool under a name",
        "solve_subspaces",
        dict(k={"pressure": 1, "vorticity": True}),
        TypeError,
        "k['vorticity'] must be an int, got the bool True. Pass a whole number.",
    ),
    Bad(
        "no directions",
        "isotropy_loss",
        dict(n_dir=0),
        ValueError,
        "n_dir must be at least 1, got 0. Pass 1 or more.",
    ),
    Bad(
        "a fractional count",
        "combined_loss",
        dict(n_dir=2.5),
        TypeError,
        (
            "n_dir must be an int, got the float 2.5. Convert it with int(...) if that is "
            "what you mean."
        ),
    ),
    Bad(
        "a traced count",
        "isotropy_loss",
        dict(n_dir=Traced(2)),
        TypeError,
        (
            "n_dir must be a Python int, since it fixes shapes, got a traced array. Mark it "
            "static (jax.jit static_argnames) or close over it."
        ),
    ),
    Bad(
        "a percentage",
        "k_per_q",
        dict(threshold=95),
        ValueError,
        ("threshold must be in (0, 1], got 95.0. It is a fraction, not a percentage: pass 0.95."),
    ),
    Bad(
        "no variance",
        "k_per_q",
        dict(threshold=0.0),
        ValueError,
        "threshold must be in (0, 1], got 0.0. It is a fraction of the variance.",
    ),
    Bad(
        "more than all variance",
        "optimal_bins",
        dict(variance_threshold=1.5),
        ValueError,
        "variance_threshold must be in (0, 1], got 1.5. It is a fraction of the variance.",
    ),
    Bad(
        "a negative fraction",
        "k_per_q",
        dict(threshold=-1),
        ValueError,
        "threshold must be in (0, 1], got -1.0. It is a fraction of the variance.",
    ),
    Bad(
        "NaN",
        "k_per_q",
        dict(threshold=float("nan")),
        ValueError,
        "threshold must be in (0, 1], got nan. It is a fraction of the variance.",
    ),
    Bad(
        "a fraction that overflows",
        "k_per_q",
        dict(threshold=10**400),
        ValueError,
        (
            "threshold must be finite, got the int "
            "100000000000000000000000000000000000000000000000000000000000.... Lower it."
        ),
    ),
    Bad(
        "a string for a fraction",
        "optimal_bins",
        dict(variance_threshold="0.9"),
        TypeError,
        (
            "variance_threshold must be a number or a mapping from names to numbers, got the "
            "str '0.9'. Pass a float."
        ),
    ),
    Bad(
        "a bool for a fraction",
        "k_per_q",
        dict(threshold=True),
        TypeError,
        (
            "threshold must be a number or a mapping from names to numbers, got the bool "
            "True. Pass a float."
        ),
    ),
    Bad(
        "a bool array for a fraction",
        "k_per_q",
        dict(threshold=np.array(True)),
        TypeError,
        (
            "threshold must be a number or a mapping from names to numbers, got an array of "
            "shape () and dtype bool. Pass a float."
        ),
    ),
    Bad(
        "None for a fraction",
        "k_per_q",
        dict(threshold=None),
        TypeError,
        ("threshold must be a number or a mapping from names to numbers, got None. Pass a float."),
    ),
    Bad(
        "a list of fractions",
        "optimal_bins",
        dict(variance_threshold=[0.9, 0.8]),
        TypeError,
        (
            "variance_threshold must be a number or a mapping from names to numbers, got a "
            "list. Pass a float."
        ),
    ),
    Bad(
        "a traced fraction",
        "k_per_q",
        dict(threshold=Traced(0.9)),
        TypeError,
        ("threshold must be a Python number, got a traced array. Close over a concrete value."),
    ),
    Bad(
        "a misspelt name",
        "k_per_q",
        dict(threshold={"vortcity": 0.9}),
        ValueError,
        (
            "threshold must be keyed by quantities of Y, got the unknown name 'vortcity'. "
            "Did you mean 'vorticity'?"
        ),
    ),
    Bad(
        "a percentage under a name",
        "optimal_bins",
        dict(variance_threshold={"pressure": 99.0}),
        ValueError,
        (
            "variance_threshold['pressure'] must be in (0, 1], got 99.0. It is a fraction, "
            "not a percentage: pass 0.99."
        ),
    ),
    Bad(
        "None under a name",
        "k_per_q",
        dict(threshold={"pressure": None}),
        TypeError,
        "threshold['pressure'] must be a number, got None. Pass a float.",
    ),
    Bad(
        "names that are no strings",
        "k_per_q",
        dict(threshold={0: 0.9}),
        TypeError,
        (
            "threshold must be keyed by str, got the int 0 as a key. Name every quantity by "
            "a string."
        ),
    ),
    Bad(
        "a percentage",
        "solve_dims",
        dict(bin_thresholds=95),
        ValueError,
        (
            "bin_thresholds must be in (0, 1], got 95.0. It is a fraction, not a percentage: "
            "pass 0.95."
        ),
    ),
    Bad(
        "a misspelt name",
        "solve_dims",
        dict(k_thresholds={"presure": 0.9}),
        ValueError,
        (
            "k_thresholds must be keyed by quantities of Y, got the unknown name 'presure'. "
            "Did you mean 'pressure'?"
        ),
    ),
    Bad(
        "a percentage by default",
        "solve_dims",
        dict(bin_default_threshold=95.0),
        ValueError,
        (
            "bin_default_threshold must be in (0, 1], got 95.0. It is a fraction, not a "
            "percentage: pass 0.95."
        ),
    ),
    Bad(
        "no variance by default",
        "solve_dims",
        dict(k_default_threshold=0),
        ValueError,
        ("k_default_threshold must be in (0, 1], got 0.0. It is a fraction of the variance."),
    ),
    Bad(
        "a string by default",
        "k_per_q",
        dict(default_threshold="high"),
        TypeError,
        "default_threshold must be a number, got the str 'high'. Pass a float.",
    ),
    Bad(
        "more than all by default",
        "optimal_bins",
        dict(default_threshold=2),
        ValueError,
        (
            "default_threshold must be in (0, 1], got 2.0. It is a fraction, not a "
            "percentage: pass 0.02."
        ),
    ),
]
