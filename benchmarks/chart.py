"""The chart of docs/performance.md: for each workload, how many times the limit each peer needs."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.results import Measured

# Colours of Okabe and Ito, told apart by shape as well; batchyard's mark is filled and larger.
_MARKS = {
    "engine": ("batchyard", "D", "#d55e00"),
    "loop": ("bare loop", "o", "#999999"),
    "pool": ("multiprocessing.Pool", "s", "#0072b2"),
    "futures": ("concurrent.futures", "^", "#56b4e9"),
    "joblib": ("joblib", "v", "#009e73"),
    "dask": ("Dask", "P", "#e69f00"),
    "ray-actors": ("Ray actors", "X", "#cc79a7"),
    "ray-data": ("Ray Data", "*", "#a05090"),
    "mlflow": ("mlflow's CLI", "h", "#5c4033"),
}
_SAME_MARK = {"ray-100k": "ray-actors", "joblib-1": "joblib"}


def draw(results: Sequence[Measured], path: Path) -> Path:
    """Draw one row for each workload, time on a logarithmic axis in units of the limit; give the path."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update({"svg.hashsalt": "batchyard", "svg.fonttype": "none", "font.family": "sans-serif"})
    from matplotlib import pyplot as plt

    workloads = list({one.workload.name: one.workload for one in results if one.set_name != "noise"}.values())
    # An opaque background: text and marks read the same on a light and on a dark page.
    figure, axes = plt.subplots(figsize=(9, 1.2 + 0.5 * len(workloads)), facecolor="white", layout="constrained")
    shown: dict[str, Any] = {}
    for row, workload in enumerate(workloads):
        for peer, ratio in _ratios(workload.name, results).items():
            kind = _SAME_MARK.get(peer, peer)
            if kind in _MARKS:
                label, marker, colour = _MARKS[kind]
                size, above = (110, 4) if kind == "engine" else (60, 3)
                shown[label] = axes.scatter(ratio, row, s=size, marker=marker, color=colour, zorder=above)
    axes.set(yticks=range(len(workloads)), ylim=(len(workloads) - 0.5, -0.5))
    axes.set_yticklabels([workload.title.replace(", ", "\n") for workload in workloads], fontsize=8)
    _lay_out(axes)
    order = [label for label, _, _ in _MARKS.values() if label in shown]
    handles = [shown[label] for label in order]
    figure.legend(handles, order, loc="outside upper center", ncols=5, frameon=False, fontsize=8)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    plt.close(figure)
    return path


def _lay_out(axes: Any) -> None:  # Any: matplotlib is only there when it draws
    axes.set_xscale("log")
    axes.set_xlabel("wall time ÷ the limit (two processes written by hand), logarithmic; further left is faster")
    axes.axvline(1, color="#333333", linewidth=1)
    axes.grid(axis="both", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}×")
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)


def _ratios(workload: str, results: Sequence[Measured]) -> dict[str, float]:
    found: dict[str, float] = {}
    for one in results:
        if one.workload.name == workload and one.set_name != "noise":
            for peer in {name for turn in one.rounds for name in turn} - set(found):
                found[peer] = statistics.median(one.paired(peer, "limit", lambda run: run.wall_s))
    return found
