"""Every public function says what it takes, gives and raises, with an example that runs."""

import doctest
import inspect
import re

import pytest

from ..test_signatures import is_array
from .surface import public

# A container's own methods need no more than a line.
READERS = ("Space.items", "Space.keys", "Space.values")
PROTOCOL = ("Space.tree_flatten_with_keys", "Space.tree_unflatten")
ALIASES = ("Solver",)
# They take what can't be wrong, or any value of the kind their annotation names.
HEADINGS = ("Args", "Returns", "Raises", "Example", "Reference")

PUBLIC = {name: x for name, x in public().items() if name not in (*PROTOCOL, *ALIASES)}
# Made by other functions, which check: they say what they hold.
MADE = (
    "Balanced",
    "Balancer",
    "Moments",
    "Objective",
    "TrackerState",
    "training.SubspaceTracker",
)
VARIABLES = ("SubspaceVariable",)
DOCUMENTED = {name: x for name, x in PUBLIC.items() if name not in (*READERS, *MADE, *VARIABLES)}
EXAMPLES = {name: x for name, x in PUBLIC.items() if name not in READERS}


def sections(function):
    """Splits a docstring at its headings."""
    parts = re.split(r"^(\w+):\n", inspect.getdoc(function), flags=re.MULTILINE)
    return dict(zip(["Summary", *parts[1::2]], parts[::2], strict=True))


def described(text):
    """Returns what an Args section says, name by name."""
    parts = re.split(r"^    (\*{0,2}\w+): ", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def parameters(function):
    marks = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    # A module of NNX has its metaclass's signature.
    written = function.__init__ if "nnx" in function.__module__ else function
    found = inspect.signature(written).parameters.values()
    left_out = ("self", "parent", "name") if "linen" in function.__module__ else ("self",)
    return {marks.get(p.kind, "") + p.name: p for p in found if p.name not in left_out}


@pytest.mark.parametrize("name", PUBLIC)
def test_first_line_is_a_sentence(name):
    first = inspect.getdoc(PUBLIC[name]).split("\n")[0]
    assert first[0].isupper()
    assert first.endswith((".", "?"))


@pytest.mark.parametrize("name", DOCUMENTED)
def test_headings_come_in_order(name):
    found = list(sections(DOCUMENTED[name]))[1:]
    assert found == [heading for heading in HEADINGS if heading in found]


@pytest.mark.parametrize("name", DOCUMENTED)
def test_args_are_the_parameters(name):
    function = DOCUMENTED[name]
    args = described(sections(function).get("Args", ""))
    assert list(args) == list(parameters(function))
    assert all(text.strip().rstrip().endswith((".", "``")) for text in args.values())


@pytest.mark.parametrize("name", DOCUMENTED)
def test_arrays_have_shapes(name):
    function = DOCUMENTED[name]
    args = described(sections(function).get("Args", ""))
    for argument, parameter in parameters(function).items():
        if is_array(parameter.annotation):
            shaped = re.search(r"\(([A-Zkmnp]|\.\.\.)[^)]*\)|[Ss]calar", args[argument])
            assert shaped, f"{argument} has no shape"


@pytest.mark.parametrize("name", DOCUMENTED)
def test_returns_and_raises_are_there(name):
    function = DOCUMENTED[name]
    found = sections(function)
    gives = not inspect.isclass(function) and inspect.signature(function).return_annotation
    assert not gives or found["Returns"].strip()
    if not parameters(function):
        return
    raised = re.findall(r"^    (\w+): ", found["Raises"], flags=re.MULTILINE)
    assert raised[0] == "TypeError"
    # Beside these there are but the errors of files, and of what is not installed.
    of_files = {"OSError", "FileNotFoundError"}
    assert {*raised} <= {"TypeError", "ValueError", "ImportError"} | of_files


@pytest.mark.parametrize("name", MADE)
def test_attributes_are_there(name):
    made = PUBLIC[name]
    names = described(sections(made)["Attributes"])
    assert list(names) == list(getattr(made, "_fields", parameters(made)))


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_shows_a_result(name):
    # That it runs is seen by --doctest-modules, which collects the package.
    examples = doctest.DocTestParser().get_examples(sections(EXAMPLES[name])["Example"])
    assert any(example.want for example in examples)


def test_examples_are_collected(request):
    config = request.config
    assert config.getoption("doctestmodules")
    assert "spacelearn_jax" in config.getini("testpaths")
