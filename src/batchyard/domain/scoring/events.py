"""What happens to a job's workers, and what is to be done: the two vocabularies of `scoring`.

Events come from the instances and the driver, instructions go back to them. Nothing here decides.
"""

from __future__ import annotations

from dataclasses import dataclass

from batchyard.domain.jobs import ErrorClass
from batchyard.domain.scoring.ledger import Record, Slice


@dataclass(frozen=True, slots=True)
class Worker:
    """One start of one worker process. start counts up over the whole job run, so that a worker is never two.

    node: the instance it runs on ("n0"); slot: its place there, 0-based. name: unique under one fence.
    """

    node: str
    slot: int
    start: int

    @property
    def name(self) -> str:
        """`n0-s1-7`: node, slot, start; part file and logs are named after it."""
        return f"{self.node}-s{self.slot}-{self.start}"


@dataclass(frozen=True, slots=True)
class Lease:
    """Mini-batches first..first+count-1, handed to one worker. attempt: 1 for the first; a retry has count 1.

    items: the part of its one mini-batch that is to be scored, None for all of it. run_items: `run()` is called on at
    most that many items and the rows of a mini-batch are joined; 0 for one call.
    """

    id: int
    first: int
    count: int
    attempt: int = 1
    items: Slice | None = None
    run_items: int = 0


@dataclass(frozen=True, slots=True)
class Segment:
    """Consecutive mini-batches that one worker finished, and where their rows stand.

    part: name of the part file in the job home. offset/lengths: bytes in it; lengths has one entry a mini-batch.
    crc: CRC-32 of those bytes. rows: lines. succeeded: items, of all its mini-batches together.
    short: (mini-batch, items missing) where `run()` returned fewer elements than items.
    files: (mini-batch, folder) where the script wrote files of its own; folder is relative to the job home's `files`.
    """

    first: int
    part: str
    offset: int
    lengths: tuple[int, ...]
    crc: int
    rows: int
    succeeded: int
    short: tuple[tuple[int, int], ...] = ()
    files: tuple[tuple[int, str], ...] = ()

    @property
    def count(self) -> int:
        """How many mini-batches."""
        return len(self.lengths)


@dataclass(frozen=True, slots=True)
class Failure:
    """One attempt that failed, in the script's words. message: `str(exception)`; stack: the traceback's text."""

    mini_batch: int
    error_class: ErrorClass
    error: str
    message: str
    stack: str = ""


# Events -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WorkerReady:
    """A worker imported the script and `init()` returned."""

    worker: Worker
    init_s: float


@dataclass(frozen=True, slots=True)
class LeaseReported:
    """A worker is through with a lease: finished segments, failed attempts, in order of mini-batch.

    What is in neither was not started (it was taken back). seconds: wall time spent in `run()`.
    A worker reports its leases in the order in which it was given them.
    """

    worker: Worker
    lease: int
    segments: tuple[Segment, ...]
    failures: tuple[Failure, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class TakenBack:
    """Mini-batches first..first+count-1 of a worker's lease will surely not be started there.

    The lease itself is still reported by the worker later, without them.
    """

    worker: Worker
    lease: int
    first: int
    count: int


@dataclass(frozen=True, slots=True)
class WorkerEnded:
    """A worker's process is gone, its channel was drained to the end and its whole session was killed.

    running: the failed attempt of the mini-batch that was stamped as running, or None when none was.
    start_failure: set when it ended before it was ready: the failed import or `init()` (mini_batch is -1).
    """

    worker: Worker
    running: Failure | None = None
    start_failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class WritesFailed:
    """A worker could not write its rows (full disk): a platform failure, charged to nobody."""

    worker: Worker
    message: str


@dataclass(frozen=True, slots=True)
class Durable:
    """These records, handed out in `Append`, are on disk. They come back in the order in which they were given."""

    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class CancelRequested:
    """Somebody asked the job to end."""

    reason: str = "cancelled by request"


@dataclass(frozen=True, slots=True)
class Tick:
    """So many seconds have passed in which the platform was able to work; told a few times a second."""

    seconds: float


@dataclass(frozen=True, slots=True)
class PauseRequested:
    """Somebody asked the job to pause: what runs is finished, nothing new is begun."""


InstanceEvent = WorkerReady | LeaseReported | TakenBack | WorkerEnded | WritesFailed
Event = InstanceEvent | Durable | CancelRequested | PauseRequested | Tick


# Instructions -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Assign:
    """Hand a lease to a worker; a worker has at most two."""

    worker: Worker
    lease: Lease


@dataclass(frozen=True, slots=True)
class TakeBack:
    """Take back what a worker has not started, as far as that can be known for sure."""

    worker: Worker


@dataclass(frozen=True, slots=True)
class CutOff:
    """End a worker at once: another one has finished what it runs. `WorkerEnded` tells when it is gone."""

    worker: Worker


@dataclass(frozen=True, slots=True)
class TellStacks:
    """Write what these workers are doing into their logs: they hang, and will be killed."""

    workers: tuple[Worker, ...]


@dataclass(frozen=True, slots=True)
class Restart:
    """Start a new worker in the slot of one that ended."""

    node: str
    slot: int


@dataclass(frozen=True, slots=True)
class Append:
    """Write these records to the ledger, in this order, and tell with `Durable` when they are on disk."""

    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class WindDown:
    """Nothing is left to score: workers may run `shutdown()` and go while the ledger is written."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Nothing more is handed out. is_early: kill what runs; else let the workers end by themselves (`shutdown()`)."""

    is_early: bool


Instruction = Assign | TakeBack | CutOff | TellStacks | Restart | Append | WindDown | Stop
