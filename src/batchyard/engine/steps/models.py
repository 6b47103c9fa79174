"""Outputs of a step that become versions of a model: sealed after they are published, then registered, once."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from batchyard.control import step_models
from batchyard.domain.errors import Conflict, PlatformError
from batchyard.domain.job_specs import CommandSpec, ScoringSpec, StepOutput
from batchyard.domain.jobs import Job
from batchyard.engine.patience import patiently
from batchyard.engine.rooms import Rooms


def outputs_of(job: Job) -> Mapping[str, StepOutput]:
    """Give the outputs of a step, whatever runs it; none of a job that is no step."""
    match job.spec:
        case CommandSpec(outputs=outputs):
            return outputs
        case ScoringSpec(step=step) if step is not None:
            return step.outputs
    return {}


def check_models(rooms: Rooms, job: Job) -> None:
    """Look whether every version that the step registers is free. Raises: Conflict."""
    wanted = [(name, output.registers) for name, output in outputs_of(job).items() if output.registers is not None]
    if not wanted:
        return
    with rooms.records.reading() as tx:
        for name, id in wanted:
            step_models.check_free(tx, job, name, id)


def register_models(rooms: Rooms, job: Job) -> None:
    """Register what is published. Safe to repeat, also by two processes at once.

    Raises: Conflict where somebody has registered other bytes under the version meanwhile; PlatformError.
    """
    for name, output in outputs_of(job).items():
        if output.registers is None:
            continue
        if rooms.sealed_store is None:
            raise PlatformError(f"Job {job.name!r} registers a model where nothing is kept.")
        # Its bytes are read before the transaction begins: others write meanwhile.
        place = output.place
        sealed = patiently(partial(rooms.sealed_store.seal, place, keep_name=True))
        try:
            with rooms.records.writing() as tx:
                step_models.register(tx, job, name, output, sealed, now=rooms.now())
        except Conflict as exc:
            raise Conflict(f"{exc} The output {name!r} is published at {place} all the same.") from exc
        rooms.faults.reach("command.registered_one")
