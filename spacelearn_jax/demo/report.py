"""The report: one picture of what SPACE changed."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spacelearn_jax._files import replacing
from spacelearn_jax.demo._extras import require
from spacelearn_jax.demo.evaluate import Evaluation

GUIDED, UNGUIDED = "with SPACE", "without"
COLOURS = {GUIDED: "#0b6e99", UNGUIDED: "#c8553d"}
TERM_COLOURS = {
    "reconstruction": "#333333",
    "alignment": "#0b6e99",
    "disentanglement": "#7a4fa3",
    "isotropy": "#c9a227",
    "stability": "#5f9e6e",
}
# Subspaces are solved, so that no gradient goes through it.
LABELS = {"stability": "stability (watched)"}
STYLE = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "figure.facecolor": "white",
}
MOST_QUANTITIES = 6
"""Quantities that get a row of pictures; the matrices show all."""
LEAST_ROWS = 3
"""Rows of pictures that there is room for beside the matrices, at least."""
MOST_NUMBERS = 8
"""Quantities up to which matrices have numbers, and names more than one line."""
LONGEST_LINE = 16
"""Letters of a name in one line."""

NEGLIGIBLE = 1e-6
"""Terms below it are rounding errors of zero, which a logarithmic axis would stretch to."""

History = Sequence[Mapping[str, float]]


def draw_report(
    path: Path,
    histories: Mapping[str, History],
    evaluations: Mapping[str, Evaluation] | None = None,
    field: np.ndarray | None = None,
    *,
    note: str = "",
) -> None:
    """Draws true against decoded quantities, leakage and loss curves.

    Args:
        path: PNG file to write.
        histories: ``{network: loss terms by step}`` of the networks "with SPACE" and
            "without"; each entry holds ``step`` and the terms.
        evaluations: ``{network: evaluation}``. What is missing is left out: with nothing
            evaluated only the curves are drawn.
        field: The field (H, W) of the held-out sample that is shown.
        note: A line below the title.

    Raises:
        ImportError: If the extra ``demo`` is not installed.

    Example:
        >>> import pathlib, tempfile
        >>> history = [{"step": i, "reconstruction": 1 / i} for i in range(1, 5)]
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "report.png")
        ...     draw_report(path, {"without": history})
        ...     path.stat().st_size > 1000
        True
    """
    matplotlib = require("matplotlib")
    agg = require("matplotlib.backends.backend_agg")
    figures = require("matplotlib.figure")
    evaluations = evaluations or {}
    with matplotlib.rc_context(STYLE):
        quantities = sorted(next(iter(evaluations.values())).r2) if evaluations else []
        shown = quantities[:MOST_QUANTITIES]
        rows = max(len(shown), LEAST_ROWS)
        height = 3.6 + 1.75 * rows if shown else 4.2
        figure = figures.Figure(figsize=(13.5 if shown else 9.0, height), layout="constrained")
        agg.FigureCanvasAgg(figure)
        title = "What a latent space knows, and where: SPACE on held-out samples"
        figure.suptitle(title if shown else "Training", fontsize=14, fontweight="bold")
        if shown:
            top, bottom = figure.subfigures(2, 1, height_ratios=[1.7 * rows, 3.3])
            left, right = top.subfigures(1, 2, width_ratios=[1.45, 1])
            _draw_decoded(left, shown, evaluations, field)
            _draw_scores(right, quantities, evaluations)
        else:
            bottom = figure
        _draw_curves(bottom, histories)
        if len(shown) < len(quantities):
            left_out = f"pictures of the first {len(shown)} of {len(quantities)} quantities"
            note = f"{note}; {left_out}" if note else left_out
        if note:
            figure.supxlabel(note, fontsize=8, color="#666666")
        with replacing(path) as file:
            figure.savefig(file, dpi=130, format="png")


def _draw_decoded(
    figure: Any,
    quantities: Sequence[str],
    evaluations: Mapping[str, Evaluation],
    field: np.ndarray | None,
) -> None:
    """One row a quantity: the truth, and what each network's subspace says."""
    names = list(evaluations)
    columns = 2 + len(names)
    axes = figure.subplots(len(quantities), columns, squeeze=False)
    for row, q in enumerate(quantities):
        truth = next(iter(evaluations.values())).truth[q]
        for axis in axes[row]:
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
        if row == 0 and field is not None:
            limit = np.abs(field).max() or 1.0
            axes[0, 0].imshow(field, cmap="RdBu_r", vmin=-limit, vmax=limit, origin="lower")
            axes[0, 0].set_title("the field it sees")
        else:
            axes[row, 0].set_visible(row == 0)
        if row == 0:
            axes[0, 1].set_title("truth")
        if truth.ndim == 3:
            low, high = _limits(truth[0])
            style = {"vmin": low, "vmax": high, "origin": "lower", "cmap": _map(low, high)}
            image = axes[row, 1].imshow(truth[0], **style)
        else:
            axes[row, 1].text(0.5, 0.5, "see right", ha="center", va="center", color="#888888")
        axes[row, 1].set_ylabel(_lines(q), fontsize=10, fontweight="bold")
        for column, name in enumerate(names, start=2):
            axis, evaluation = axes[row, column], evaluations[name]
            if row == 0:
                axis.set_title(f"read {name}", color=COLOURS[name])
            if truth.ndim == 3:
                image = axis.imshow(evaluation.decoded[q][0], **style)
            else:
                _scatter(axis, truth, evaluation.decoded[q], COLOURS[name])
            axis.set_xlabel(f"$R^2$ = {evaluation.r2[q]:.2f}", fontsize=9)
        if truth.ndim == 3:
            bar = figure.colorbar(image, ax=list(axes[row, 1:]), shrink=0.85, pad=0.02)
            bar.outline.set_visible(False)
            bar.ax.tick_params(labelsize=7, length=2)


def _scatter(axis: Any, truth: np.ndarray, decoded: np.ndarray, colour: str) -> None:
    """Decoded against true values of many samples."""
    axis.plot(truth.ravel(), decoded.ravel(), ".", ms=3, alpha=0.5, color=colour)
    low, high = truth.min(), truth.max()
    axis.plot([low, high], [low, high], lw=0.8, color="#888888")


def _lines(name: str) -> str:
    """Breaks a long name, after a separator where it has one."""
    lines = [""]
    for part in re.findall(r"[^_\-. ]*[_\-. ]*", name):
        if lines[-1] and len(lines[-1] + part) > LONGEST_LINE:
            lines.append("")
        lines[-1] += part
    return "\n".join(
        line[i : i + LONGEST_LINE] for line in lines for i in range(0, len(line), LONGEST_LINE)
    )


def _limits(image: np.ndarray) -> tuple[float, float]:
    low, high = float(image.min()), float(image.max())
    if low < 0 < high:
        high = max(-low, high)
        low = -high
    return low, high


def _map(low: float, high: float) -> str:
    return "RdBu_r" if low < 0 < high else "viridis"


def _draw_scores(
    figure: Any, quantities: Sequence[str], evaluations: Mapping[str, Evaluation]
) -> None:
    """R^2 by quantity above, leakage matrices side by side below."""
    upper, lower = figure.subfigures(2, 1, height_ratios=[1, 1.25])
    axis = upper.subplots()
    places = np.arange(len(quantities))
    width = 0.8 / len(evaluations)
    for i, (name, evaluation) in enumerate(evaluations.items()):
        centres = places + (i - (len(evaluations) - 1) / 2) * width
        values = [max(evaluation.r2[q], 0) for q in quantities]
        axis.bar(centres, values, 0.92 * width, color=COLOURS[name], label=name)
        ceiling = [max(evaluation.ceiling[q], 0) for q in quantities]
        label = "linear probe on the whole latent" if i == 0 else None
        axis.plot(centres, ceiling, "_", ms=15, mew=1.6, color="#222222", label=label)
    axis.set(ylim=(0, 1.05), ylabel="$R^2$")
    few = len(quantities) <= MOST_NUMBERS
    labels = [_lines(q) if few else q for q in quantities]
    broken = any("\n" in label for label in labels)
    style = {"rotation": 35, "ha": "right", "fontsize": 8}
    if broken or not few:
        style = {"rotation": 90, "fontsize": 8 if few else 88 / len(quantities)}
    if len(labels) <= (4 if broken else MOST_QUANTITIES):
        axis.set_xticks(places, labels)
    else:
        axis.set_xticks(places, labels, **style)
    axis.set_title("Each quantity, read from its own subspace", loc="left")
    upper.legend(fontsize=8, loc="outside lower center", ncols=3)
    axes = lower.subplots(1, len(evaluations), squeeze=False)[0]
    for axis, (name, evaluation) in zip(axes, evaluations.items(), strict=True):
        matrix = np.clip(evaluation.leakage, 0, 1)
        axis.imshow(matrix, cmap="Blues", vmin=0, vmax=1)
        for (i, j), value in np.ndenumerate(matrix) if few else ():
            ink = "white" if value > 0.55 else "#333333"
            size = min(8, 40 / len(matrix))
            axis.text(j, i, f"{value:.2f}", ha="center", va="center", fontsize=size, color=ink)
        axis.set_xticks(places, labels, **style)
        axis.set_yticks(places, labels if axis is axes[0] else [], fontsize=style["fontsize"])
        axis.tick_params(length=0)
        axis.spines[:].set_visible(False)
        axis.set_title(f"Leakage {name}", color=COLOURS[name])
        axis.set_xlabel("quantity read, by its $R^2$ (0 if less)", fontsize=8)
    axes[0].set_ylabel("from the subspace of", fontsize=8)


def _draw_curves(figure: Any, histories: Mapping[str, History]) -> None:
    """Terms of the guided loss, and reconstruction of both networks."""
    drawn = {name: history for name, history in histories.items() if history}
    guided = drawn.get(GUIDED, [])
    axes = figure.subplots(1, 2 if guided else 1, squeeze=False)[0]
    if guided:
        for term, colour in TERM_COLOURS.items():
            points = [(h["step"], h[term]) for h in guided if h.get(term, 0) > NEGLIGIBLE]
            if points:
                steps, values = zip(*points, strict=True)
                _curve(axes[0], steps, values, colour, LABELS.get(term, term))
        axes[0].set(xlabel="step", ylabel="unweighted term")
        axes[0].set_title("Loss terms with SPACE", loc="left")
        axes[0].legend(fontsize=8, ncols=2)
    for name, history in drawn.items():
        errors = [h["reconstruction"] for h in history]
        _curve(axes[-1], [h["step"] for h in history], errors, COLOURS[name], name)
    axes[-1].set(xlabel="step", ylabel="mean squared error")
    axes[-1].set_title("Reconstruction", loc="left")
    axes[-1].legend(fontsize=8)
    for axis in axes:
        axis.grid(axis="y", color="#e6e6e6", lw=0.6)


def _curve(
    axis: Any, steps: Sequence[float], values: Sequence[float], colour: str, label: str
) -> None:
    """A line, or a dot where it is one point."""
    marker = "." if len(steps) == 1 else None
    axis.semilogy(steps, values, color=colour, lw=1.3, marker=marker, label=label)
