"""Pipeline jobs of one workspace, taken as far as they go now. There is no process of theirs: their rows tell all."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Mapping

from batchyard.control import pipeline_runs
from batchyard.domain.errors import PlatformError
from batchyard.domain.job_states import JobStatus
from batchyard.domain.jobs import Job
from batchyard.engine.rooms import Rooms

log = logging.getLogger(__name__)


class Pipelines:
    """Looks at every pipeline job that is at work; what is wrong with one of them keeps no other waiting."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        # Of each that waited when it was last looked at, what it was: as long as it is that, it goes on waiting.
        self._waiting: dict[str, Hashable] = {}

    def advance(self) -> None:
        """Take each as far as it goes; only where there is something to do is anything written.

        Raises: PlatformError when the database does not answer.
        """
        with self._rooms.records.reading() as tx:
            looks = [(job, _look(job, tx.jobs.step_states(job.name))) for job in tx.jobs.pipelines_at_work()]
        self._waiting = {job.name: look for job, look in looks if self._waiting.get(job.name) == look}
        for job, look in looks:
            if job.name not in self._waiting and not self._is_advanced(job):
                self._waiting[job.name] = look

    def _is_advanced(self, job: Job) -> bool:
        """Take one as far as it goes. Returns: whether there was anything to do."""
        try:
            return _advance(self._rooms, job)
        except PlatformError:
            raise
        except Exception as exc:  # A fault of ours: it ends this job, and the engine goes on with the others.
            log.exception("pipeline given up", extra={"job": job.name})
            with self._rooms.records.writing() as tx:
                pipeline_runs.give_up(tx, job.name, f"{type(exc).__name__}: {exc}", now=self._rooms.now())
            return False  # It is looked at again as soon as anything of it changes, such as by this.


def _look(job: Job, steps: Mapping[str, JobStatus]) -> Hashable:
    """Give all that decides whether there is anything to do; what the component says never changes."""
    return job.status, job.cancel_requested, job.error is None, frozenset(steps.items())


def _advance(rooms: Rooms, job: Job) -> bool:
    with rooms.records.reading() as tx:
        if not pipeline_runs.is_due(tx, job, read=rooms.read_component):
            return False
    with rooms.records.writing() as tx:
        # What was looked at may have changed meanwhile: it is decided anew, alone among the writers.
        after = pipeline_runs.advance(tx, job.name, read=rooms.read_component, new_name=rooms.new_name, now=rooms.now())
    if after is not None and after.status is not job.status:
        log.info("pipeline advanced", extra={"job": job.name, "status": after.status.value})
    return True
