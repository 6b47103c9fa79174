"""The steps of a pipeline job under `properties.batchyard.steps`, and as `job show` prints them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import pairwise

from batchyard.domain.job_states import FINAL
from batchyard.domain.step_trees import StepNode, counts_in, jobs_in
from batchyard.wire.counts import counts_to_arm
from batchyard.wire.phases import durations_of
from batchyard.wire.trees import rows_at

_NAMES = {
    "step": "step",
    "type": "type",
    "job": "job",
    "status": "status",
    "reused_from": "reusedFrom",
    "message": "message",
    "seconds": "seconds",
}


def steps_to_arm(nodes: tuple[StepNode, ...]) -> dict[str, object]:
    """Give the steps of a pipeline and what they add up to: seconds of their phases, items; {} where there are none."""
    if not nodes:
        return {}
    seconds: Counter[str] = Counter()
    for job in jobs_in(nodes):
        seconds.update(durations_of(job.phases, began_at=job.began_at))
    return {
        "steps": [_step(node) for node in nodes],
        "stepDurations": {name: round(value, 6) for name, value in sorted(seconds.items())},
        "counts": counts_to_arm(counts_in(nodes)),
    }


def steps_cli_from_arm(ours: Mapping[str, object]) -> list[dict[str, object]]:
    """Give the steps of a job as `job show` prints them, inner ones within. ours: `properties.batchyard`."""
    return [
        {**{name: row.get(key) for name, key in _NAMES.items()}, "steps": steps_cli_from_arm(row)}
        for row in rows_at(ours, "steps")
    ]


def _step(node: StepNode) -> dict[str, object]:
    job = node.job
    if job is None:
        # Azure: its word for what has not begun.
        return {"step": node.name, "type": node.kind, "job": None, "status": "NotStarted", "steps": []}
    message = job.error.message if job.error else job.queue_reason or job.counts.outcome
    return {
        "step": node.name,
        "type": node.kind,
        "job": job.name,
        "status": job.status.value,
        "reusedFrom": job.reused_from,
        "message": message or None,
        "seconds": _seconds(job.phases) if job.status in FINAL else None,
        "steps": [_step(inner) for inner in node.steps],
    }


def _seconds(phases: Mapping[str, float]) -> float | None:
    """Give how long a step took from the moment it had its instances."""
    times = [phases[name] for name in ("preparing", "ended") if name in phases]
    return next((round(end - begin, 3) for begin, end in pairwise(times)), None)
