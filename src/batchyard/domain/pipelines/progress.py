"""How a pipeline goes on: which steps begin, which are cancelled, and how it ends, from nothing but what became of its
steps so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from batchyard.domain.job_states import FINAL, JobStatus, can_cancel
from batchyard.domain.pipelines.graphs import Graph, ready_steps

# A step that somebody cancelled by itself has not done its work either.
NOT_DONE = frozenset({JobStatus.FAILED, JobStatus.CANCELED})


@dataclass(frozen=True, slots=True)
class Moves:
    """What is to be done with a pipeline now; nothing of it while it waits for its steps.

    begin: steps, in the order of the document. cancel: steps that have begun. end: the state that it ends in, only
    once no step is at work and none is to begin.
    """

    begin: tuple[str, ...] = ()
    cancel: tuple[str, ...] = ()
    end: JobStatus | None = None

    def __bool__(self) -> bool:
        """Tell whether there is anything to do."""
        return bool(self.begin or self.cancel or self.end)


def next_moves(
    graph: Graph,
    steps: Mapping[str, JobStatus],
    *,
    continue_on_step_failure: bool,
    cancel_requested: bool,
    given_up: bool = False,
) -> Moves:
    """Say how a pipeline goes on.

    steps: the steps that have begun, with their states. continue_on_step_failure: what does not need a failed step
    goes on; the pipeline is Failed in the end all the same. given_up: it is to end as Failed whatever its steps do.
    """
    has_failed = any(status in NOT_DONE for status in steps.values())
    is_at_work = any(status not in FINAL for status in steps.values())
    if cancel_requested or given_up or (has_failed and not continue_on_step_failure):
        # What is sealed publishes: its end is waited for. What was asked already needs no second word.
        asked = (JobStatus.CANCEL_REQUESTED, *FINAL)
        cancel = tuple(name for name, status in steps.items() if status not in asked and can_cancel(status))
        how = JobStatus.CANCELED if cancel_requested else JobStatus.FAILED
        return Moves(cancel=cancel, end=None if is_at_work else how)
    done = frozenset(name for name, status in steps.items() if status is JobStatus.COMPLETED)
    begin = ready_steps(graph, done=done, begun=frozenset(steps))
    if begin or is_at_work:
        return Moves(begin=begin)
    return Moves(end=JobStatus.COMPLETED if done >= graph.steps.keys() else JobStatus.FAILED)
