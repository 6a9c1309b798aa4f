"""The results as markdown, for the README."""

import pathlib
from typing import Any

from benchmarks import _peers, _record

PEERS = (_peers.EXACT, _peers.DEFAULT, _peers.COMPILED)
_DTYPES = ("float32", "bfloat16")


def markdown(folder: pathlib.Path) -> str:
    """Returns tables of all results that there are in a folder."""
    parts = []
    for name, table in TABLES.items():
        found = [_record.load(_record.named(name, dtype), folder) for dtype in _DTYPES]
        for results in filter(None, found):
            parts.append(f"{_setting(results['setting'])}\n\n{table(results)}")
        if not any(found):
            parts.append(f"{name}: not measured.")
    return "\n\n".join(parts)


def _setting(setting: dict[str, Any]) -> str:
    threads = setting.get("threads", {})
    versions = ", ".join(f"{n} {setting[n]}" for n in ("jax", "torch") if setting.get(n))
    return (
        f"{setting['device']}, {setting.get('processor', 'processor not recorded')}, "
        f"{threads.get('xla', setting['cores'])} threads, {versions}, {setting['dtype']}:"
    )


def _rows(head: tuple[str, ...], rows: list[list[str]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _time(row: dict[str, Any], name: str) -> str:
    time = row["milliseconds"].get(name)
    if time is None:
        return "-"
    low, high = time["quartiles"]
    return f"{time['median']:.3g} ({low:.3g} to {high:.3g})"


def _ratio(row: dict[str, Any], name: str) -> str:
    return f"{row['speed_up'][name]['median']:.3g}" if name in row["speed_up"] else "-"


def limit(row: dict[str, Any], solved: str) -> str:
    """Names the largest part of our time: what is solved, the products, or neither."""
    median = {name: time["median"] for name, time in row["milliseconds"].items()}
    if solved not in median and not row["label"].startswith(("alignment", "disentanglement")):
        return "-"  # there is something to solve, and it was not timed
    products = row["floor"] == row.get("products", row["floor"])
    parts = {solved: median.get(solved, 0.0)}
    parts["matrix products" if products else "bandwidth"] = row["floor"]
    parts["memory and dispatch"] = median["ours"] - sum(parts.values())
    largest = max(parts, key=lambda name: parts[name])
    return f"{largest}, {min(parts[largest] / median['ours'], 1):.0%}"


def _alike(row: dict[str, Any]) -> str:
    return f"{row['alike']['median']:.3g}" if "alike" in row else "-"


def _timed(rows: list[dict[str, Any]], peers: tuple[str, ...], solved: str) -> str:
    head = ("what", "ours, ms", "floor, ms", f"{solved}, ms", *(f"{p}, over ours" for p in peers))
    approximate = any("alike" in row for row in rows)
    if approximate:
        head += ("spacelearn, default, over ours of six directions",)
    cells = [
        [
            row["label"],
            _time(row, "ours"),
            f"{row['floor']:.3g}",
            _time(row, solved),
            *(_ratio(row, peer) for peer in peers),
            *([_alike(row)] if approximate else []),
            limit(row, solved),
        ]
        for row in rows
    ]
    return _rows((*head, "limited by"), cells)


def _losses(results: dict[str, Any]) -> str:
    return _timed(results["sizes"], PEERS, "eigenproblem")


def _solving(results: dict[str, Any]) -> str:
    peers = (_peers.EXACT, _peers.DEFAULT, "scikit-learn, PLSSVD")
    return _timed(results["sizes"], peers, "eigenproblems")


def _growth(results: dict[str, Any]) -> str:
    rows = [
        [f"{name}: tracing and compiling, {_numbers(row)} quantities", _seconds(row)]
        for name, row in results["compilation"].items()
    ]
    rows += [
        [f"memory over inputs, {row['label']}", f"{row['over_inputs']:.2f}"]
        for row in results["memory"]
    ]
    steps = results["steps"]
    rows.append([f"growth over {steps['steps']} steps", f"{steps['grown_MiB']:.1f} MiB"])
    return _rows(("what", "figure"), rows)


def _numbers(row: dict[str, Any]) -> str:
    return ", ".join(str(Q) for Q in row["trace"])


def _seconds(row: dict[str, Any]) -> str:
    times = (row["trace"][Q]["median"] + row["compile"][Q]["median"] for Q in row["trace"])
    return ", ".join(f"{t:.2f}" for t in times) + f" s; ratio {row['ratio']['median']:.2f}"


def _eager(results: dict[str, Any]) -> str:
    rows = []
    for name, row in results["functions"].items():
        times = [f"{row['microseconds'][kind]['median']:.0f}" for kind in ("eager", "compiled")]
        rows.append([name, *times, f"{row['ratio']['median']:.2f}"])
    return _rows(("function", "eager, us", "compiled, us", "eager over compiled"), rows)


def _overhead(results: dict[str, Any]) -> str:
    rows = []
    for name, kinds in results["networks"].items():
        for kind, row in kinds.items():
            low, high = row["quartiles"]
            rows.append([name, kind, f"{row['ratio']:.3f} ({low:.3f} to {high:.3f})"])
    return _rows(("step with SPACE over without", "time", "ratio"), rows)


def _scaling(results: dict[str, Any]) -> str:
    rows = []
    for size in results["exchanged"]:
        for name, program in size["programs"].items():
            kinds = ", ".join(f"{k['count']} {kind}" for kind, k in program["kinds"].items())
            figures = [f"{program['bytes'] / 1024:,.0f}", kinds, f"{program['ratio']:g}"]
            rows.append([f"{name}, {size['label']}", *figures])
    bytes_table = _rows(("exchanged in", "KiB", "of them", "with twice the rows"), rows)
    weak = results["weak scaling"]
    times = [
        [f"{_devices(count)}, {weak['label']} each", _time(weak, count), f"{e['median']:.2f}"]
        for count, e in weak["efficiency"].items()
    ]
    return bytes_table + "\n\n" + _rows(("train step on", "ms", "efficiency"), times)


def _devices(count: str) -> str:
    return "1 device" if count == "1" else f"{count} devices"


def _digits(results: dict[str, Any]) -> str:
    rows = []
    for steps, when in results["mean and standard error"].items():
        for method in when["in use"]:
            scores = (when[name][method]["mean"] for name in when)
            rows.append([steps, method, *(f"{mean:.3f} ± {error:.3f}" for mean, error in scores)])
    head = ("steps", "subspaces from", "those in use", "solved again at the end")
    return _rows(head, rows)


TABLES = {
    "losses": _losses,
    "solving": _solving,
    "growth": _growth,
    "eager": _eager,
    "overhead": _overhead,
    "scaling": _scaling,
    "digits": _digits,
}
