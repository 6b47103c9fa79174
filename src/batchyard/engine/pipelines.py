"""Pipeline jobs of one workspace, taken as far as they go now. There is no process of theirs: their rows tell all."""

from __future__ import annotations

import logging

from batchyard.control import pipeline_runs
from batchyard.domain.errors import BatchyardError, PlatformError
from batchyard.domain.jobs import Job
from batchyard.engine.rooms import Rooms

log = logging.getLogger(__name__)


def advance_pipelines(rooms: Rooms) -> None:
    """Take every pipeline job as far as it goes; only where there is something to do is anything written.

    Raises: PlatformError when the database does not answer. What is wrong with one job keeps no other waiting.
    """
    with rooms.records.reading() as tx:
        at_work = tx.jobs.pipelines_at_work()
    for job in at_work:
        try:
            _advance(rooms, job)
        except PlatformError:
            raise
        except BatchyardError as exc:
            log.error("pipeline not advanced", extra={"job": job.name, "reason": str(exc)})


def _advance(rooms: Rooms, job: Job) -> None:
    with rooms.records.reading() as tx:
        if not pipeline_runs.is_due(tx, job, read=rooms.read_component):
            return
    with rooms.records.writing() as tx:
        # What was looked at may have changed meanwhile: it is decided anew, alone among the writers.
        after = pipeline_runs.advance(tx, job.name, read=rooms.read_component, new_name=rooms.new_name, now=rooms.now())
    if after is not None and after.status is not job.status:
        log.info("pipeline advanced", extra={"job": job.name, "status": after.status.value})
