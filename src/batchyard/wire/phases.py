"""The phases of a job: how long each of them took."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise


def durations_of(phases: Mapping[str, float], *, began_at: float) -> dict[str, float]:
    """Give how long each ended phase took, `queued_s` and so on, and `total_s` once the job has ended.

    `starting_s`: the part of `running_s` in which no worker was ready yet; only where it is known.
    """
    entered = sorted(((name, at) for name, at in phases.items() if name != "scoring"), key=lambda phase: phase[1])
    durations = {f"{name}_s": round(after - start, 6) for (name, start), (_, after) in pairwise(entered)}
    # An owner that took over has begun to run after another one had begun to score.
    if "running_s" in durations and phases.get("scoring", 0.0) >= phases["running"]:
        durations["starting_s"] = round(phases["scoring"] - phases["running"], 6)
    if "ended" in phases:
        durations["total_s"] = round(phases["ended"] - began_at, 6)
    return durations
