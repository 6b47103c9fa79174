"""Small in-memory fakes of the ports that the use cases are handed; they keep what the ports' docstrings promise."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, TextIO

import pytest

from batchyard.domain.assets import Environment, EnvironmentBuild, Sealed
from batchyard.domain.audit import AuditEntry
from batchyard.domain.errors import (
    BatchyardError,
    Conflict,
    InvalidInput,
    LeaseLost,
    Mistake,
    NotFound,
    PlatformError,
    PreconditionFailed,
)
from batchyard.domain.forecast.calibration import Calibration
from batchyard.domain.job_notes import JobNotes
from batchyard.domain.job_specs import InputSource, OutputTarget, PipelineSpec
from batchyard.domain.job_states import FINAL, JobStatus, can_cancel, can_pause, check_transition
from batchyard.domain.jobs import Job
from batchyard.domain.outputs.schemas import Columns
from batchyard.domain.places import overlap
from batchyard.domain.reservations import extent, reserved_by
from batchyard.domain.resource_ids import DatastorePath, Scope
from batchyard.domain.workspaces import DEFAULT_WORKSPACE, Workspace, is_same
from batchyard.ports.datastore import Datastore, Publication
from batchyard.ports.job_home import JobHome
from batchyard.ports.job_leases import JobChange, JobLeases
from batchyard.ports.records import (
    Audit,
    Documents,
    JobFilter,
    Jobs,
    Key,
    Kind,
    Operation,
    Operations,
    OperationStatus,
    Page,
    Stored,
    Workspaces,
)
from batchyard.ports.tables import TableFile


class FakeDocuments:
    """Documents in dicts; creation is ordered by a counter, as two may be made at the same time."""

    def __init__(self, *, largest_page: int = 1000) -> None:
        self.history: dict[Key, list[Stored[Any]]] = {}
        self.current: dict[Key, Stored[Any]] = {}
        self.made: dict[Key, int] = {}
        self.largest_page = largest_page

    def get(self, key: Key, *, revision: int | None = None) -> Stored[Any] | None:
        if revision is None:
            return self.current.get(key)
        return next((old for old in self.history.get(key, []) if old.revision == revision), None)

    def list(
        self, kind: Kind, *, parent: str = "", name: str | None = None, limit: int = 1000, token: str | None = None
    ) -> Page[Stored[Any]]:
        found = [
            s for k, s in self.current.items() if k.kind is kind and parent in ("", k.parent) and name in (None, k.name)
        ]
        found.sort(key=lambda stored: (stored.key.name, -self.made[stored.key]))
        return page_of(found, limit=min(limit, self.largest_page), token=token)

    def save(self, key: Key, document: object, *, actor: str, now: float, if_match: str | None = None) -> Stored[Any]:
        before = self.current.get(key)
        self._check(before, if_match)
        revision = len(self.history.get(key, [])) + 1
        if before is None:
            self.made[key] = max(self.made.values(), default=0) + 1
            stored = Stored(key, document, revision, f"e{revision}", now, actor, now, actor)
        else:
            stored = Stored(key, document, revision, f"e{revision}", before.created_at, before.created_by, now, actor)
        self.history.setdefault(key, []).append(stored)
        self.current[key] = stored
        return stored

    def delete(self, key: Key, *, if_match: str | None = None) -> bool:
        if key not in self.current:
            return False
        self._check(self.current[key], if_match)
        del self.current[key]
        return True

    def revisions(self, key: Key) -> Sequence[Stored[Any]]:
        return list(reversed(self.history.get(key, [])))

    def _check(self, before: Stored[Any] | None, if_match: str | None) -> None:
        if if_match is None or (before is not None and if_match in ("*", before.etag)):
            return
        raise PreconditionFailed("The document changed since it was read.")


class FakeJobs:
    """Jobs in a dict, with names, request ids and outputs reserved."""

    def __init__(self) -> None:
        self.known: dict[str, Job] = {}

    def add(self, job: Job) -> None:
        for other in self.known.values():
            if other.name == job.name:
                raise Conflict(f"The job name {job.name!r} is taken.")
            if job.request_id and (other.spec.endpoint, other.request_id) == (job.spec.endpoint, job.request_id):
                raise Conflict(f"The request id was seen; it made job {other.name!r}.")
            if job.step_of is not None and other.step_of == job.step_of:
                raise AssertionError(f"step {job.step_of.name!r} begins a second time")
        self.check_free(reserved_by(job))
        self.known[job.name] = job

    def check_free(self, targets: Sequence[OutputTarget]) -> None:
        for other in self.known.values():
            held = [extent(target) for target in reserved_by(other)] if other.status not in FINAL else []
            if any(overlap(extent(target), place) for target in targets for place in held):
                raise Conflict(f"The output is reserved by job {other.name!r}.")

    def get(self, name: str) -> Job | None:
        return self.known.get(name)

    def by_request(self, endpoint: str, request_id: str) -> Job | None:
        of_endpoint = (job for job in self.known.values() if job.spec.endpoint == endpoint)
        return next((job for job in of_endpoint if job.request_id == request_id), None)

    def list(self, which: JobFilter, *, limit: int = 50, token: str | None = None) -> Page[Job]:
        found = [job for job in self.known.values() if _matches(job, which)]
        return page_of(list(reversed(found)), limit=limit, token=token)

    def by_step_key(self, key: str) -> Job | None:
        found = [j for j in self.known.values() if j.step_key == key and j.status is JobStatus.COMPLETED]
        return found[-1] if found else None

    def steps_of(self, job: str) -> Mapping[str, Job]:
        of = [one for one in self.known.values() if one.step_of is not None and one.step_of.job == job]
        return {one.step_of.name: one for one in of if one.step_of is not None}

    def step_states(self, job: str) -> Mapping[str, JobStatus]:
        return {name: one.status for name, one in self.steps_of(job).items()}

    def pipelines_at_work(self) -> Sequence[Job]:
        left = (*FINAL, JobStatus.PAUSED)
        return [j for j in self.known.values() if isinstance(j.spec, PipelineSpec) and j.status not in left]

    def advance_pipeline(self, name: str, changes: Sequence[JobChange]) -> Job:
        job = self.known[name]
        for change in changes:
            check_transition(name, job.status, change.status)
            phases, error = {**job.phases, **change.phases}, change.error or job.error
            job = replace(job, status=change.status, phases=phases, error=error)
        self.known[name] = job
        return job

    def take_up_again(self, job: Job) -> None:
        if self.known[job.name].run != job.run - 1:
            raise Conflict(f"Job {job.name!r} has been taken up again meanwhile.")
        self.check_free(reserved_by(job))
        self.known[job.name] = job

    def annotate(self, name: str, notes: JobNotes) -> Job:
        written = {field.name: getattr(notes, field.name) for field in fields(notes)}
        self.known[name] = replace(self.known[name], **written)
        return self.known[name]

    def request_pause(self, name: str, *, now: float) -> Job:
        job = self.known[name]
        if job.status is JobStatus.PAUSED or job.pause_requested:
            return job
        if not can_pause(job.status):
            raise Conflict(f"Job {name!r} is {job.status.value} and can no longer be paused.")
        is_at_once = job.status is JobStatus.QUEUED
        status = JobStatus.PAUSED if is_at_once else job.status
        self.known[name] = replace(job, status=status, pause_requested=not is_at_once)
        return self.known[name]

    def continue_paused(self, name: str, *, now: float) -> Job:
        job = self.known[name]
        if job.status is not JobStatus.PAUSED:
            raise Conflict(f"Job {name!r} is {job.status.value}; only a Paused job can be continued.")
        self.known[name] = replace(job, status=JobStatus.QUEUED)
        return self.known[name]

    def request_cancel(self, name: str, *, now: float) -> Job:
        job = self.known.get(name)
        if job is None:
            raise NotFound(f"The job {name!r} does not exist.")
        if job.status is JobStatus.CANCELED:
            return job
        if not can_cancel(job.status):
            raise Conflict(f"Job {name!r} is {job.status.value} and can no longer be cancelled.")
        status = JobStatus.CANCELED if job.status is JobStatus.QUEUED else JobStatus.CANCEL_REQUESTED
        self.known[name] = replace(job, status=status, cancel_requested=True)
        return self.known[name]


class FakeOperations:
    """Operations in a dict; `finish` asks for the fence."""

    def __init__(self) -> None:
        self.known: dict[str, Operation] = {}

    def add(self, operation: Operation) -> None:
        self.known[operation.id] = operation

    def get(self, id: str) -> Operation | None:
        return self.known.get(id)

    def finish(
        self,
        id: str,
        *,
        fence: int,
        error_code: str = "",
        error_message: str = "",
        calibrated: Calibration | None = None,
        now: float,
    ) -> None:
        operation = self.known[id]
        if operation.fence != fence:
            raise LeaseLost(f"The operation {id!r} has another owner.")
        status = OperationStatus.FAILED if error_code else OperationStatus.SUCCEEDED
        self.known[id] = replace(
            operation,
            status=status,
            ended_at=now,
            error_code=error_code,
            error_message=error_message,
            calibrated=calibrated,
        )

    def forget_calibrations(self, *, ended_before: float) -> None:
        for id, operation in list(self.known.items()):
            if operation.calibration is not None and (operation.ended_at or ended_before) < ended_before:
                del self.known[id]

    def claim_next(self, owner: object, *, lease_s: float) -> Operation | None:
        raise NotImplementedError("use cases never claim")

    def held(self) -> Sequence[Any]:
        raise NotImplementedError("use cases never ask who holds what")

    def release(self, id: str, *, fence: int) -> None:
        raise NotImplementedError("use cases never release")


class FakeAudit:
    """Audit rows in a list."""

    def __init__(self) -> None:
        self.entries: list[AuditEntry] = []

    def append(self, entry: AuditEntry) -> None:
        self.entries.append(entry)

    def list(self, *, target: str | None = None, action: str | None = None, limit: int = 200) -> Sequence[AuditEntry]:
        found = [e for e in self.entries if target in (None, e.target) and action in (None, e.action)]
        return list(reversed(found))[:limit]


class FakeWorkspaces:
    """Workspaces by their ids, and the transaction of each."""

    def __init__(self, default: FakeTransaction) -> None:
        self.known = {DEFAULT_WORKSPACE.id: DEFAULT_WORKSPACE}
        self.inside = {DEFAULT_WORKSPACE.id: default}

    def get(self, scope: Scope) -> Workspace | None:
        return next((one for one in self.known.values() if is_same(one.scope, scope)), None)

    def by_id(self, id: str) -> Workspace | None:
        return self.known.get(id)

    def list(self) -> Sequence[Workspace]:
        return sorted(self.known.values(), key=lambda one: one.scope.arm_id.lower())

    def save(self, workspace: Workspace) -> None:
        self.known[workspace.id] = workspace

    def delete(self, id: str) -> None:
        del self.known[id]

    def at_work(self) -> Sequence[Workspace]:
        raise AssertionError("the use cases have no business with who is at work")


class FakeTransaction:
    """A transaction that can be compared with what it was. entries: the audit rows, oldest first."""

    job_leases: JobLeases  # never set: the use cases have no business with leases

    def __init__(
        self,
        *,
        largest_page: int = 1000,
        workspace: Workspace = DEFAULT_WORKSPACE,
        workspaces: FakeWorkspaces | None = None,
    ) -> None:
        self._largest_page = largest_page
        self._workspaces = workspaces or FakeWorkspaces(self)
        self.workspaces: Workspaces = self._workspaces
        self.scope = workspace.scope
        self._documents = FakeDocuments(largest_page=largest_page)
        self._jobs = FakeJobs()
        self._operations = FakeOperations()
        self._audit = FakeAudit()
        self.documents: Documents = self._documents
        self.jobs: Jobs = self._jobs
        self.operations: Operations = self._operations
        self.audit: Audit = self._audit
        self.entries = self._audit.entries

    def of(self, workspace: Workspace) -> FakeTransaction:
        """Give the transaction of another workspace; the same one each time."""
        return self._workspaces.inside.setdefault(
            workspace.id,
            FakeTransaction(largest_page=self._largest_page, workspace=workspace, workspaces=self._workspaces),
        )

    def change_job(self, name: str, **changes: Any) -> None:
        """Let a job go on, as its process would."""
        self._jobs.known[name] = replace(self._jobs.known[name], **changes)

    def forget(self, key: Key) -> None:
        """Lose a document in a way that no use case offers."""
        del self._documents.current[key]

    def snapshot(self) -> tuple[object, ...]:
        """Give everything stored, as a value to compare."""
        documents = {key: tuple(revisions) for key, revisions in self._documents.history.items()}
        current = dict(self._documents.current)
        known = dict(self._workspaces.known)
        return documents, current, dict(self._jobs.known), dict(self._operations.known), tuple(self.entries), known


class FakeSealedStore:
    """Sealed trees by hash. uploads: place -> files (path -> bytes) that `seal` finds there."""

    def __init__(self) -> None:
        self.uploads: dict[DatastorePath, dict[str, bytes]] = {}
        self.trees: dict[str, dict[str, bytes]] = {}
        self.seals = 0

    def upload(self, uri_path: str, files: dict[str, str | bytes]) -> str:
        """Put files where `seal` finds them, and give their URI."""
        place = DatastorePath("workspaceblobstore", uri_path)
        self.uploads[place] = {p: t.encode() if isinstance(t, str) else t for p, t in files.items()}
        return str(place)

    def seal(self, source: DatastorePath, *, keep_name: bool) -> Sealed:
        files = self.uploads.get(source)
        if not files:
            raise InvalidInput(f"{source}", [Mistake("uri", repr(str(source)), "a file or folder that exists")])
        self.seals += 1
        top = source.path.rstrip("/").rsplit("/", 1)[-1] + "/" if keep_name else ""
        tree = {top + path: body for path, body in files.items()}
        sha256 = hashlib.sha256(repr(sorted(tree.items())).encode()).hexdigest()
        self.trees[sha256] = tree
        return Sealed(sha256, len(tree), sum(map(len, tree.values())))

    def add(self, files: Mapping[str, str]) -> Sealed:
        return self.seal(DatastorePath("-", self._added(files)), keep_name=False)

    def _added(self, files: Mapping[str, str]) -> str:
        place = f"added/{sorted(files.items())}"
        self.uploads[DatastorePath("-", place)] = {path: text.encode() for path, text in files.items()}
        return place

    def read_text(self, sealed: Sealed, path: str, *, limit_bytes: int) -> str | None:
        body = self.trees.get(sealed.sha256, {}).get(path)
        if body is None:
            return None
        if len(body) > limit_bytes:
            raise InvalidInput(path, [Mistake("", f"{len(body)} bytes", f"at most {limit_bytes}")])
        try:
            return body.decode()
        except UnicodeDecodeError as exc:
            raise InvalidInput(path, [Mistake("", "other bytes", "UTF-8 text")]) from exc

    def path(self, sealed: Sealed) -> Path:
        raise NotImplementedError("use cases read no folders")

    def names(self, sealed: Sealed) -> list[str]:
        return sorted(self.trees.get(sealed.sha256, ()))


class FakeEnvironments:
    """Environments whose definition is right and built, but for the image `impossible`; `gone` ones have left."""

    def __init__(self, *, is_gone: bool = False, is_built: bool = True) -> None:
        self.is_gone, self.is_built = is_gone, is_built

    def mistakes(self, environment: Environment) -> list[Mistake]:
        bad = environment.image == "impossible"
        return [Mistake("image", "'impossible'", "a possible one")] if bad else []

    def build(self, environment: Environment, log: TextIO) -> EnvironmentBuild:
        raise AssertionError("a use case builds nothing")

    def built(self, environment: Environment) -> EnvironmentBuild | None:
        return EnvironmentBuild("b" * 64, "3.11.7") if self.is_built else None

    def python(self, build: EnvironmentBuild) -> Path:
        if self.is_gone:
            raise PlatformError("The environment is gone.")
        return Path("/env/bin/python")


class FakeHomes:
    """Homes of jobs, told by their names."""

    def __init__(self) -> None:
        self.known: set[str] = set()

    def exists(self, job: str) -> bool:
        return job in self.known

    def open(self, job: str) -> JobHome:
        raise NotImplementedError("use cases read no homes")


class FakeDatastores:
    """Inputs that exist, targets that are taken; everything asked is kept."""

    def __init__(self) -> None:
        self.inputs: set[str] = set()
        self.empty: set[str] = set()
        self.taken: set[str] = set()
        self.checked_inputs: list[InputSource] = []
        self.checked_outputs: list[OutputTarget] = []

    def get(self, name: str) -> Datastore:
        raise NotFound(f"The datastore {name!r} does not exist.")

    def by_container(self, container: str) -> Datastore | None:
        return None

    def check_input(self, source: InputSource) -> None:
        self.checked_inputs.append(source)
        if source.uri in self.empty:
            raise InvalidInput("input", [Mistake("", repr(source.uri), "a folder with at least one file")])
        if source.uri not in self.inputs:
            raise InvalidInput("input", [Mistake("", repr(source.uri), "a file or folder that exists")])

    def probe_output(self, target: OutputTarget) -> None:
        """Everything can be written to."""

    def check_output(self, target: OutputTarget) -> None:
        self.checked_outputs.append(target)
        if target.place.datastore != "workspaceblobstore":
            self.get(target.place.datastore)
        if target.place.path in self.taken:
            raise Conflict(f"The output {target.place.path!r} exists already.")

    def check_next(self, target: OutputTarget, *, job: str, generation: int) -> None:
        if target.place.path in self.taken:
            raise Conflict(f"The output {target.place.path!r} is not generation {generation - 1} of job {job!r}.")

    def input_path(self, source: InputSource) -> Path:
        raise NotImplementedError("use cases read no inputs")

    def publication(self, target: OutputTarget, *, job: str, generation: int = 1) -> Publication:
        raise NotImplementedError("use cases publish nothing")


@dataclass
class Refusal:
    """What a refused use case raised, once it has."""

    error: BatchyardError | None = None

    @property
    def mistakes(self) -> tuple[Mistake, ...]:
        """The mistakes that were told."""
        assert isinstance(self.error, InvalidInput), repr(self.error)
        return self.error.mistakes

    @property
    def fields(self) -> list[str]:
        """The fields of the mistakes, sorted."""
        return sorted(mistake.field for mistake in self.mistakes)

    @property
    def text(self) -> str:
        """The whole message."""
        return str(self.error)


@contextmanager
def refused(tx: FakeTransaction, error: type[BatchyardError]) -> Iterator[Refusal]:
    """Expect a refusal of this class, and that nothing at all was stored."""
    before, refusal = tx.snapshot(), Refusal()
    with pytest.raises(error) as caught:
        yield refusal
    assert type(caught.value) is error
    refusal.error = caught.value
    assert tx.snapshot() == before


def page_of(items: Sequence[Any], *, limit: int, token: str | None) -> Page[Any]:
    """Cut a page; the token is the offset."""
    start = int(token or 0)
    end = start + limit
    return Page(tuple(items[start:end]), str(end) if end < len(items) else None)


def _matches(job: Job, which: JobFilter) -> bool:
    return (
        which.endpoint in (None, job.spec.endpoint)
        and which.deployment in (None, job.spec.deployment)
        and which.compute in (None, job.spec.compute)
        and (not which.statuses or job.status in which.statuses)
        and all(name in job.tags and value in (None, job.tags[name]) for name, value in which.tags)
        and (which.created_from is None or job.created_at >= which.created_from)
        and (which.created_before is None or job.created_at < which.created_before)
        and which.is_archived in (None, job.is_archived)
        and ((which.with_steps and not which.parent) or which.parent == (job.step_of.job if job.step_of else None))
    )


class FakeTables:
    """Writes no Parquet files, and says what is missing for them where a test wants that."""

    def __init__(self) -> None:
        self.missing: str | None = None

    def mistake(self) -> str | None:
        return self.missing

    def write(
        self,
        columns: Columns,
        lines: Iterable[bytes],
        folder: Path,
        *,
        most_bytes: int | None,
        reach: Callable[[], object],
    ) -> list[TableFile]:
        raise NotImplementedError
