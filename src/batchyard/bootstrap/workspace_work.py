"""What an engine has to do with one workspace: claim its work, adopt what others left, see its children end."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Collection, Sequence

from batchyard.bootstrap.job import DONE, job_child, operation_child
from batchyard.bootstrap.process_identity import is_alive
from batchyard.bootstrap.tidying import Tidying
from batchyard.domain.errors import BatchyardError
from batchyard.domain.jobs import Owner
from batchyard.engine.claim import claim_job, claim_operation, orphans, take_over
from batchyard.engine.pipelines import Pipelines
from batchyard.engine.provision import give_up
from batchyard.engine.rooms import Rooms
from batchyard.ports.job_leases import Holding
from batchyard.ports.records import Operation

log = logging.getLogger(__name__)

_LONGEST_BACK_OFF_S = 5.0
_MOST_OPERATION_CRASHES = 3


class WorkspaceWork:
    """The work of one workspace, and the children that are at it.

    fork: runs work in a child with these rooms and gives its pid. is_alone: whether the database is this home's own.
    """

    def __init__(self, rooms: Rooms, fork: Callable[..., int], *, is_alone: bool) -> None:
        self._rooms, self._fork_with, self._is_alone = rooms, fork, is_alone
        self._jobs: dict[int, str] = {}
        self._operations: dict[int, Operation] = {}
        self._crashes: dict[str, int] = {}
        self._not_before: dict[str, float] = {}
        self._tidying = Tidying()
        self._pipelines = Pipelines(rooms)

    @property
    def is_idle(self) -> bool:
        """Whether no child is at work and none is due."""
        return self._tidying.is_idle and not (self._jobs or self._operations)

    @property
    def pids(self) -> Collection[int]:
        """The children."""
        return [*self._jobs, *self._operations, *self._tidying.pids]

    def claim(self) -> None:
        """Take pipelines on to their next steps, and fork a child for everything that waits."""
        self._pipelines.advance()
        while (job := claim_job(self._rooms)) is not None:
            self._jobs[self._fork(job_child(job))] = job.name
        while (operation := claim_operation(self._rooms)) is not None:
            self._operations[self._fork(operation_child(operation), ends_with_parent=True)] = operation

    def tidy(self) -> None:
        """Fork a child for everything that is to be tidied up."""
        self._tidying.start(self._fork)

    def left_owners(self) -> Sequence[Owner]:
        """Give the living owners of jobs that are no children of ours: the engine that forked them was killed."""
        with self._rooms.records.reading() as tx:
            owners = [holding.owner for holding in tx.job_leases.held()]
        mine = {os.getpid(), *self._jobs}
        return [owner for owner in owners if owner is not None and owner.pid not in mine and is_alive(owner)]

    def adopt_orphans(self) -> None:
        """Take over jobs and let go of operations whose owner is gone."""
        for orphan in orphans(self._rooms, is_alive=self._is_alive):
            try:
                self._adopt(orphan)
            except (BatchyardError, OSError) as exc:  # One job that cannot be read must not keep the others waiting.
                log.error("job not adopted", extra={"job": orphan.name, "reason": str(exc)})
        with self._rooms.records.reading() as tx:
            held, jobs = tx.operations.held(), tx.job_leases.held()
        children = [h.owner for h in jobs if h.owner is not None and h.owner.pid in self._jobs]
        self._tidying.watch(jobs, mine=[self._rooms.owner, *children], is_alive=self._is_alive)
        for holding in held:
            is_mine = holding.name in [operation.id for operation in self._operations.values()]
            # Held by this process without a child: it could not be forked, or not be released when it crashed.
            is_forgotten = holding.owner == self._rooms.owner
            is_left = holding.owner is not None and self._is_alive(holding.owner) is False
            if not is_mine and (is_forgotten or is_left):
                self._release(holding.name, holding.fence)

    def ended(self, pid: int, code: int) -> bool:
        """Take in the end of a child, if it is one of these. Returns: whether it was that of a job."""
        job = self._jobs.pop(pid, None)
        self._tidying.ended(pid, code)
        if job is not None:
            if code != DONE:
                self._tidying.add(job)
            log.info("job process ended", extra={"job": job, "pid": pid, "exit_code": code})
        operation = self._operations.pop(pid, None)
        if operation is not None and code != 0:
            self._operation_crashed(operation, code)
        return job is not None

    def _fork(self, run: Callable[[Rooms], None], *, ends_with_parent: bool = False) -> int:
        return self._fork_with(self._rooms, run, ends_with_parent=ends_with_parent)

    def _adopt(self, orphan: Holding) -> None:
        due = self._not_before.setdefault(orphan.name, time.monotonic() + _back_off(orphan.process_ends))
        if time.monotonic() < due:
            return
        del self._not_before[orphan.name]
        job = take_over(self._rooms, orphan)
        if job is not None:
            self._jobs[self._fork(job_child(job))] = job.name
        else:  # It was given up, or somebody else has it.
            self._tidying.add(orphan.name)

    def _is_alive(self, owner: Owner) -> bool | None:
        """As `is_alive`; an owner of another boot or container is surely gone where no other host can be an owner."""
        found = is_alive(owner)
        return False if found is None and self._is_alone else found

    def _operation_crashed(self, operation: Operation, code: int) -> None:
        times = self._crashes[operation.id] = self._crashes.get(operation.id, 0) + 1
        log.error("operation interrupted", extra={"operation": operation.id, "exit_code": code, "times": times})
        try:
            if times < _MOST_OPERATION_CRASHES:
                self._release(operation.id, operation.fence)
            else:
                what = "Provisioning" if operation.calibration is None else "Calibrating"
                message = f"{what} ended {times} times without a result (exit code {code})."
                give_up(self._rooms, operation, message)
        except BatchyardError as exc:  # Nobody's child now: the next look tries again, unless its workspace is gone.
            log.error("operation not let go", extra={"operation": operation.id, "reason": str(exc)})

    def _release(self, operation_id: str, fence: int) -> None:
        with self._rooms.records.writing() as tx:
            tx.operations.release(operation_id, fence=fence)


def _back_off(process_ends: int) -> float:
    return 0.0 if process_ends == 0 else min(_LONGEST_BACK_OFF_S, 0.25 * 4**process_ends)
