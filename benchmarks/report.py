"""Tables: a workload's peers side by side, and the goals with what was measured."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from benchmarks.goals import GOALS, Goal
from benchmarks.peers import PEERS
from benchmarks.results import Measured, spread
from benchmarks.workloads import WORKLOADS

_HEAD = ("peer", "n", "wall s", "× limit", "best", "CPU s", "CPU ×", "first s", "PSS MB (processes)", "equal")


def workload_table(measured: Measured) -> str:
    """Give the table of one workload, fastest first, as Markdown."""
    names = sorted({name for turn in measured.rounds for name in turn}, key=measured.best)
    rows = [_peer_row(measured, name) for name in names]
    return "\n".join([f"**{measured.workload.title}**{_set_note(measured)}", "", table(_HEAD, rows)])


def _set_note(measured: Measured) -> str:
    return {"noise": ", a busy loop on one core", "long": " (long set)"}.get(measured.set_name, "")


def _peer_row(measured: Measured, name: str) -> list[str]:
    runs = measured.runs(name)
    firsts = [run.first_s for run in runs if run.first_s is not None]
    sampled = measured.memory.get(name)
    is_bound = ">" if name.startswith("ray") else ""  # Its daemons' children never reach wait().
    return [
        PEERS[name].title,
        str(len(runs)),
        spread([run.wall_s for run in runs]),
        spread(measured.paired(name, "limit", lambda run: run.wall_s)),
        f"{measured.best(name) / measured.best('limit'):.2f}",
        f"{is_bound}{statistics.median(run.cpu_s for run in runs):.2f}",
        f"{is_bound}{statistics.median(measured.paired(name, 'limit', lambda run: run.cpu_s)):.2f}",
        f"{statistics.median(firsts):.2f}" if firsts else "–",
        f"{sampled.peak_pss / 1e6:.0f} ({sampled.processes})" if sampled else "–",
        "yes" if measured.is_equal(name) else "NO",
    ]


def goal_table(results: Sequence[Measured]) -> str:
    """Give every goal with its measured value, as Markdown."""
    rows = [[_subject(goal), _bar(goal), *_outcome(goal, results)] for goal in GOALS]
    return table(("goal", "at most", "measured", "best", ""), rows)


def goals_reached(results: Sequence[Measured]) -> tuple[int, int, int]:
    """Count the goals that were reached, those that were not, and those nothing was measured for."""
    values = [(goal, value(goal, results)) for goal in GOALS]
    reached = sum(found is not None and found[0] <= goal.at_most for goal, found in values)
    unmeasured = sum(found is None for _, found in values)
    return reached, len(GOALS) - reached - unmeasured, unmeasured


def _subject(goal: Goal) -> str:
    against = PEERS[goal.against].title if goal.against else ""
    what = {
        "wall": f"wall time ÷ {against}",
        "cpu": f"CPU time ÷ {against}",
        "above_s": f"{against} above the engine, s",
        "each_us": "µs a mini-batch, whole",
        "after_us": "µs a mini-batch after the first result",
        "after": f"time a mini-batch after the first result ÷ {against}",
        "first_s": "first result, s",
        "first_ms": "first result above the script's own start, ms",
        "first": f"first result above the script's own start ÷ {against}",
        "first_listed_ms": "first result above the script's own start, listing and sorting, ms",
        "pss_mb": f"memory above {against}, MB",
        "pss": f"memory ÷ {against}",
    }[goal.metric]
    return f"{WORKLOADS[goal.workload].short}: {what}{', under noise' if goal.under else ''}"


def _bar(goal: Goal) -> str:
    if goal.metric in ("wall", "after", "first", "pss") and goal.at_most < 0.25:
        return f"1/{1 / goal.at_most:.4g}"
    return f"{goal.at_most:g}" if goal.at_most >= 10 else f"{goal.at_most:.2f}"


def _outcome(goal: Goal, results: Sequence[Measured]) -> list[str]:
    found = value(goal, results)
    if found is None:
        return ["–", "–", "not measured"]
    # A quarter and less is read more easily as one part of how many.
    is_part = _bar(goal).startswith("1/")
    shown = [f"1/{1 / x:.4g}" if is_part and x > 0 else f"{x:.3g}" if x >= 10 else f"{x:.2f}" for x in found]
    return [*shown, "reached" if found[0] <= goal.at_most else "**not reached**"]


def value(goal: Goal, results: Sequence[Measured]) -> tuple[float, float] | None:
    """Give what was measured for a goal, as the goal is judged and at best; None without a measurement."""
    for measured in results:
        is_right_set = (measured.set_name == "noise") == (goal.under == "noise")
        if measured.workload.name == goal.workload and is_right_set:
            found = _value(goal, measured, results)
            if found is not None:
                return found
    return None


def _value(goal: Goal, measured: Measured, results: Sequence[Measured]) -> tuple[float, float] | None:
    other = goal.against
    if goal.metric in ("wall", "cpu"):
        return _ratio(goal, measured)
    if goal.metric == "above_s":
        above = [t["run"].wall_s - t["engine"].wall_s for t in measured.rounds if "run" in t]
        return (statistics.median(above), measured.best("run") - measured.best("engine")) if above else None
    if goal.metric == "each_us":
        best = measured.best("engine") / measured.workload.mini_batches * 1e6
        return best, best
    if goal.metric in ("after_us", "after"):
        mine, theirs = measured.after_first_us("engine"), _after_first(other, results) if other else 1.0
        return _twice(mine / theirs) if mine is not None and theirs else None
    if goal.metric == "first_s":
        firsts = [run.first_s for run in measured.runs("engine") if run.first_s is not None]
        return _twice(statistics.median(firsts)) if firsts else None
    if goal.metric in ("first_ms", "first", "first_listed_ms"):
        return _first(goal, measured)
    return _memory(goal, measured)


def _ratio(goal: Goal, measured: Measured) -> tuple[float, float] | None:
    pairs = measured.paired("engine", goal.against, lambda r: r.wall_s if goal.metric == "wall" else r.cpu_s)
    if not pairs:
        return None
    if goal.metric == "wall":
        return statistics.median(pairs), measured.best("engine") / measured.best(goal.against)
    least = [min(run.cpu_s for run in measured.runs(name)) for name in ("engine", goal.against)]
    return statistics.median(pairs), least[0] / least[1]


def _first(goal: Goal, measured: Measured) -> tuple[float, float] | None:
    mine = measured.first_above_own_s("engine")
    if mine is None:
        return None
    if goal.metric == "first_ms":
        return _twice(mine * 1e3)
    if goal.metric == "first_listed_ms":
        return _twice((mine - measured.listing_s) * 1e3)
    theirs = measured.first_above_own_s(goal.against)
    return _twice(mine / theirs) if theirs else None


def _memory(goal: Goal, measured: Measured) -> tuple[float, float] | None:
    if "engine" not in measured.memory or goal.against not in measured.memory:
        return None
    mine, theirs = measured.memory["engine"].peak_pss, measured.memory[goal.against].peak_pss
    return _twice((mine - theirs) / 1e6 if goal.metric == "pss_mb" else mine / theirs)


def _after_first(peer: str, results: Sequence[Measured]) -> float | None:
    for measured in results:
        if measured.workload.name == "w4-10k" and measured.runs(peer):
            return measured.after_first_us(peer)
    return None


def _twice(found: float) -> tuple[float, float]:
    return found, found


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay out a Markdown table that is also easy to read as plain text."""
    widths = [max(len(row[at]) for row in (head, *rows)) for at in range(len(head))]
    lines = [" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (head, *rows)]
    rule = " | ".join("-" * max(3, width) for width in widths)
    return "\n".join(f"| {line} |" for line in (lines[0], rule, *lines[1:]))
