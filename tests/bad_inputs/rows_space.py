"""Bad parts of a space, and bad questions to it."""

from .calls import MEANS, A, D, V, W, Z, space
from .row import Bad

ROWS = [
    Bad(
        "arrays for mappings",
        "Space",
        dict(W=W["pressure"]),
        TypeError,
        (
            "W must be a mapping from quantity names to arrays, got an array of shape (2, 5) "
            "and dtype float32. Pass {'name': W}."
        ),
    ),
    Bad(
        "a list of decoders",
        "Space",
        dict(A=list(A.values())),
        TypeError,
        ("A must be a mapping from quantity names to arrays, got a list. Pass {'name': ...}."),
    ),
    Bad(
        "None for directions",
        "Space",
        dict(V=None),
        TypeError,
        "V must be a mapping from quantity names to arrays, got None. Pass {'name': ...}.",
    ),
    Bad(
        "a missing decoder",
        "Space",
        dict(A={"pressure": A["pressure"]}),
        ValueError,
        ("A must be a mapping that holds 'vorticity', got only 'pressure'. Add 'vorticity' to it."),
    ),
    Bad(
        "a misspelt direction",
        "Space",
        dict(V={"pressure": V["pressure"], "vortcity": V["vorticity"]}),
        ValueError,
        (
            "V must be a mapping that holds 'vorticity', got only 'pressure', 'vortcity'. "
            "Its nearest name is 'vortcity': spell both alike."
        ),
    ),
    Bad(
        "a name too much",
        "Space",
        dict(A={**A, "energy": A["pressure"]}),
        ValueError,
        (
            "A must be keyed by the names of W, got the unknown name 'energy'. Known names: "
            "'pressure', 'vorticity'."
        ),
    ),
    Bad(
        "means of other names",
        "Space",
        dict(y_mean={"pressure": MEANS["pressure"]}),
        ValueError,
        (
            "y_mean must be a mapping that holds 'vorticity', got only 'pressure'. Add "
            "'vorticity' to it."
        ),
    ),
    Bad(
        "shapes of other names",
        "Space",
        dict(target_shapes={"pressure": (3,)}),
        ValueError,
        (
            "target_shapes must be a mapping that holds 'vorticity', got only 'pressure'. "
            "Add 'vorticity' to it."
        ),
    ),
    Bad(
        "a shape that is no tuple",
        "Space",
        dict(target_shapes={"pressure": 3, "vorticity": ()}),
        TypeError,
        (
            "target_shapes['pressure'] must be a tuple of ints, got the int 3. Pass the "
            "shape of one sample of the target, y.shape[1:]."
        ),
    ),
    Bad(
        "a fractional shape",
        "Space",
        dict(target_shapes={"pressure": (3.0,), "vorticity": ()}),
        TypeError,
        (
            "target_shapes['pressure'] must be an int, got the float 3.0. Convert it with "
            "int(...) if that is what you mean."
        ),
    ),
    Bad(
        "a negative shape",
        "Space",
        dict(target_shapes={"pressure": (-1,), "vorticity": ()}),
        ValueError,
        "target_shapes['pressure'] must be at least 1, got -1. Pass 1 or more.",
    ),
    Bad(
        "None for a basis",
        "Space",
        dict(W={**W, "pressure": None}),
        TypeError,
        (
            "W['pressure'] must be an array, got None. Take the parts of a space from "
            "solve_subspaces."
        ),
    ),
    Bad(
        "None for a decoder",
        "Space",
        dict(A={**A, "pressure": None}),
        TypeError,
        (
            "A['pressure'] must be an array, got None. Take the parts of a space from "
            "solve_subspaces."
        ),
    ),
    Bad(
        "a list for a mean",
        "Space",
        dict(z_mean=[0.0] * D),
        TypeError,
        ("z_mean must be an array, got a list. Take the parts of a space from solve_subspaces."),
    ),
    Bad(
        "a number for a mean",
        "Space",
        dict(y_mean={**MEANS, "pressure": 0.0}),
        TypeError,
        (
            "y_mean['pressure'] must be an array, got the float 0.0. Take the parts of a "
            "space from solve_subspaces."
        ),
    ),
    Bad(
        "a misspelt name",
        "Space[...]",
        dict(name="vortcity"),
        ValueError,
        ("the name must be a quantity of this space, got 'vortcity'. Did you mean 'vorticity'?"),
    ),
    Bad(
        "an index for a name",
        "Space[...]",
        dict(name=0),
        ValueError,
        (
            "the name must be a quantity of this space, got the int 0. Known names: "
            "'pressure', 'vorticity'."
        ),
    ),
    Bad(
        "an unhashable name",
        "Space[...]",
        dict(name=["pressure"]),
        ValueError,
        "the name must be a quantity of this space, got a list. Did you mean 'pressure'?",
    ),
    Bad(
        "a bare name",
        "Space.decode",
        dict(names="pressure"),
        TypeError,
        "names must be a list of names, got the str 'pressure'. Pass names=['pressure'].",
    ),
    Bad(
        "a misspelt name",
        "Space.decode",
        dict(names=["presure"]),
        ValueError,
        "names must be quantities of this space, got 'presure'. Did you mean 'pressure'?",
    ),
    Bad(
        "a name that is no string",
        "Space.decode",
        dict(names=[0, "pressure"]),
        TypeError,
        ("names must be a list of names, got the int 0 among them. Name every one by a string."),
    ),
    Bad(
        "an unhashable name",
        "Space.decode",
        dict(names=[["pressure"]]),
        TypeError,
        ("names must be a list of names, got a list among them. Name every one by a string."),
    ),
    Bad(
        "a number for names",
        "Space.decode",
        dict(names=5),
        TypeError,
        "names must be a list of names, got the int 5. Pass names=['name'].",
    ),
    Bad(
        "a space without means",
        "Space.decode",
        dict(space=space(z_mean=None)),
        ValueError,
        (
            "the space must be one with z_mean, got z_mean=None. Get it from solve_subspaces, "
            "or pass the means to Space(...)."
        ),
    ),
    Bad(
        "a space without target means",
        "Space.decode",
        dict(space=space(y_mean=None)),
        ValueError,
        (
            "the space must be one with y_mean, got y_mean=None. Get it from solve_subspaces, "
            "or pass the means to Space(...)."
        ),
    ),
    Bad(
        "a stack of spaces",
        "Space.coordinates",
        dict(space=space(z_mean=Z)),
        ValueError,
        ("z_mean must be of shape (D,), got shape (8, 5). Use a stack of spaces under jax.vmap."),
    ),
    Bad(
        "transposed bases in a space",
        "Space.decode",
        dict(space=space(W={q: w.T for q, w in W.items()})),
        ValueError,
        (
            "W['pressure'] must be of shape (k, D) with D = 5, got shape (5, 2). It looks "
            "transposed: pass W['pressure'].T."
        ),
    ),
    Bad(
        "decoders of another space",
        "Space.decode",
        dict(space=space(A={q: a[:1] for q, a in A.items()})),
        ValueError,
        (
            "A['pressure'] must be of shape (2, 3) for k = 2 and the target shape (3,), got "
            "shape (1, 3). Take all parts of a space from one solve."
        ),
    ),
    Bad(
        "shapes of other targets",
        "Space.decode",
        dict(space=space(target_shapes={"pressure": (2,), "vorticity": ()})),
        ValueError,
        (
            "A['pressure'] must be of shape (2, 2) for k = 2 and the target shape (2,), got "
            "shape (2, 3). Take all parts of a space from one solve."
        ),
    ),
]
