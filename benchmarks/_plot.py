"""Time against the number of quantities, D and B, with the peers and the floor."""

import pathlib
from typing import Any


def growth(results: dict[str, Any], path: pathlib.Path) -> None:
    """Plots every growth series, a row of axes by loss; needs matplotlib."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        print("no plot: matplotlib is not installed")
        return
    series = results["growth"]
    losses = sorted({row["loss"] for rows in series.values() for row in rows})
    figure = Figure(figsize=(4 * len(series), 3.2 * len(losses)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(losses), len(series), squeeze=False)
    for i, loss in enumerate(losses):
        for j, (axis, rows) in enumerate(series.items()):
            _draw(axes[i, j], axis, [row for row in rows if row["loss"] == loss])
            axes[i, j].set_title(loss)
    # Peers are left out where they take too long, so any one panel may lack a line.
    lines = {line.get_label(): line for ax in axes.flat for line in ax.get_lines()}
    figure.legend(lines.values(), lines.keys(), loc="outside lower center", ncols=3)
    figure.savefig(path, dpi=120)
    print(f"wrote {path}")


# One look for a name in all panels, whichever peers a panel has.
_STYLES = {
    "ours": ("C0", "o-"),
    "ours, six approximate directions": ("C0", "o:"),
    "spacelearn, exact": ("C1", "s-"),
    "spacelearn, default": ("C2", "^-"),
    "eigenproblem": ("C4", "x:"),
    "floor": ("0.4", "--"),
}


def _draw(ax: Any, axis: str, rows: list[dict[str, Any]]) -> None:
    points: dict[str, list[tuple[float, float]]] = {name: [] for name in _STYLES}
    for row in rows:
        x = row["size"][axis]
        for name, time in row["milliseconds"].items():
            points[name].append((x, time["median"]))
        points["floor"].append((x, row["floor"]))
    for name, values in points.items():
        if values:
            color, style = _STYLES[name]
            ax.plot(*zip(*values, strict=True), style, color=color, label=name, markersize=4)
    sizes = sorted({row["size"][axis] for row in rows})
    ax.set(xscale="log", yscale="log", xlabel=axis, ylabel="ms")
    ax.set_xticks(sizes, labels=[str(size) for size in sizes])
    ax.minorticks_off()
    ax.grid(alpha=0.3)
