"""Steps of a pipeline job as a tree, for those who look at it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

from batchyard.domain.jobs import Counts, Job


@dataclass(frozen=True, slots=True)
class StepNode:
    """One step. kind: command, parallel or pipeline. job: None before it has begun. steps: of an inner pipeline."""

    name: str
    kind: str
    job: Job | None
    steps: tuple[StepNode, ...] = ()


def jobs_in(nodes: tuple[StepNode, ...]) -> Iterator[Job]:
    """Give the jobs of a tree that do something themselves: those of commands and of what scores."""
    for node in nodes:
        if node.job is not None and node.kind != "pipeline":
            yield node.job
        yield from jobs_in(node.steps)


def counts_in(nodes: tuple[StepNode, ...]) -> Counts:
    """Give the items and mini-batches of all steps together; their limits of one `run()` are no sum, and left out."""
    counted = [job.counts for job in jobs_in(nodes)]
    names = [field.name for field in fields(Counts) if field.name != "run_items"]
    return Counts(**{name: sum(getattr(counts, name) for counts in counted) for name in names})
