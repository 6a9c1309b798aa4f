"""The picture: names of any length, many quantities, short runs."""

import itertools

import matplotlib.figure
import matplotlib.lines
import numpy as np
import pytest

from spacelearn_jax.demo import report
from spacelearn_jax.demo.evaluate import Evaluation

RNG = np.random.default_rng(0)
FLOW = ("energy", "pressure", "strain", "vorticity")
LONG = ("c", "temperature_lower_layer", "temperature_upper_layer")
MANY = tuple(f"velocity_component_{i:02}" for i in range(20))


def evaluation(quantities):
    n = len(quantities)
    images = {q: RNG.normal(size=(64, 4, 4)) for q in quantities}
    scores = dict.fromkeys(quantities, 0.5)
    return Evaluation(
        r2=scores, ceiling=scores, leakage=np.full((n, n), 0.5), reconstruction=0.1,
        disentanglement=0.0, isotropy=0.0, space=None, decoded=images, truth=images,
    )  # fmt: skip


@pytest.fixture
def draw(tmp_path, monkeypatch):
    """Draws a report and returns the figure, laid out."""
    figures = []
    save = matplotlib.figure.Figure.savefig
    monkeypatch.setattr(
        matplotlib.figure.Figure,
        "savefig",
        lambda figure, *args, **kwargs: figures.append(figure) or save(figure, *args, **kwargs),
    )

    def drawn(quantities, steps=9, note=""):
        history = [
            {"step": i, "reconstruction": 1 / i, "alignment": 2 / i} for i in range(1, steps + 1)
        ]
        networks = (report.GUIDED, report.UNGUIDED)
        report.draw_report(
            tmp_path / "report.png",
            dict.fromkeys(networks, history),
            {name: evaluation(quantities) for name in networks},
            note=note,
        )
        return figures[-1]

    return drawn


@pytest.mark.parametrize("quantities", [FLOW, LONG, MANY, ("mean",), LONG[1:2], LONG[:2]])
def test_no_name_is_drawn_over_another(draw, quantities):
    figure = draw(quantities)
    for axis in figure.findobj(matplotlib.axes.Axes):
        ticks = [text for text in axis.get_yticklabels() if text.get_text()]
        boxes = [text.get_window_extent() for text in ticks]
        assert not any(a.overlaps(b) for a, b in itertools.pairwise(boxes)), axis
    rows = [axis.yaxis.label for axis in figure.findobj(matplotlib.axes.Axes)]
    boxes = [label.get_window_extent() for label in rows if label.get_fontweight() == "bold"]
    assert len(boxes) == min(len(quantities), report.MOST_QUANTITIES)
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))


@pytest.mark.parametrize("name", [*FLOW, *LONG, "x" * 40, "a b-c.d_e" * 5, "_" * 20, "é_" * 12])
def test_a_name_that_is_broken_is_whole(name):
    lines = report._lines(name).split("\n")
    assert "".join(lines) == name
    assert max(map(len, lines)) <= report.LONGEST_LINE
    assert len(lines) > 1 or len(name) <= report.LONGEST_LINE


def test_what_is_left_out_is_said(draw):
    assert draw(MANY).get_supxlabel() == "pictures of the first 6 of 20 quantities"
    assert draw(MANY, note="seed 0").get_supxlabel().startswith("seed 0; pictures")
    assert draw(FLOW, note="seed 0").get_supxlabel() == "seed 0"


@pytest.mark.parametrize(("steps", "marker"), [(1, "."), (2, "None")])
def test_a_single_step_is_a_dot(draw, steps, marker):
    lines = draw(FLOW, steps).findobj(matplotlib.lines.Line2D)
    markers = {line.get_marker() for line in lines if line.get_label() == "alignment"}
    assert markers == {marker}
