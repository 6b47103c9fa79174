"""Instances: nodes whose agents own worker processes and score mini-batches in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from batchyard.domain.forecast.unfit_items import UnfitItem
from batchyard.domain.outputs.contracts import InputContract, OutputContract
from batchyard.domain.scoring.events import InstanceEvent, Lease, Worker

# In an argument of a script: the folder that its worker writes files to, AZUREML_BI_OUTPUT_PATH. No argument of a
# process can have a NUL.
OUTPUT_FOLDER = "\0"


@dataclass(frozen=True, slots=True)
class RowPlan:
    """How rows with named columns are written (`batchyard_runtime.schema_parts` has the form of the part files).

    row_format: "csv" or "jsonl". mixes_types: whether a column may hold values without a type in common.
    columns: those put in front of the script's own, in order. constants: the values of those that are the same for all
    rows.
    """

    row_format: str
    mixes_types: bool
    columns: tuple[str, ...] = ()
    constants: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WorkerPlan:
    """What every worker of a job run needs; paths are on the node.

    python: interpreter of the user's environment. code_dir: writable copy, working directory, first on sys.path.
    script: relative to it. model_dir: becomes AZUREML_MODEL_DIR; None for a step.
    parts_dir, files_dir, logs_dir: in the job home. scratch_dir: HOME and TMPDIR of the workers lie in it.
    reads: what scripts read beside code, model and environment, for workers that see nothing else: the input, and the
    folder that the listing will be in.
    fence: prefixes part files (`<fence>-<worker name>.part`, `….2.part` …). slots: worker processes on each node.
    start_timeout_s: for import and init(). log_cap_bytes: for each stream of each worker.
    forks_from_slots: nodes with so many slots import the script in one process and fork all their workers from it;
    those with fewer do so from their first replacement on.
    core_shares: workers among which the cores are divided for numeric libraries, 0 for those of this plan.
    writes_rows: false for summary_only (elements are counted, not written). rows: None for Azure's text.
    output_contract, input_contract: what every result and every item is checked for, None for nothing.
    arguments: behind the script in `sys.argv`; OUTPUT_FOLDER in one stands for the worker's own. output_folders: which
    folders are there, empty, in what each `run()` writes files to. has_tables: `run()` gets data frames.
    fault, fault_log: BATCHYARD_FAULT and BATCHYARD_FAULT_LOG for workers in tests, "" otherwise.
    """

    job: str
    fence: int
    nodes: int
    slots: int
    python: Path
    code_dir: Path
    script: str
    model_dir: Path | None
    parts_dir: Path
    files_dir: Path
    logs_dir: Path
    scratch_dir: Path
    timeout_s: float
    start_timeout_s: float
    writes_rows: bool
    logging_level: str
    environment_variables: Mapping[str, str] = field(default_factory=dict)
    output_contract: OutputContract | None = None
    input_contract: InputContract | None = None
    forks_from_slots: int = 2
    core_shares: int = 0
    log_cap_bytes: int = 64 << 20
    rows: RowPlan | None = None
    reads: tuple[Path, ...] = ()
    arguments: Sequence[str] = ()
    output_folders: Sequence[str] = ()
    has_tables: bool = False
    fault: str = ""
    fault_log: str = ""


@dataclass(frozen=True, slots=True)
class FrozenListing:
    """The input of a job run, as workers read it by offset (`engine.plan` writes it); paths are on the node.

    input_root: joined before each listed path. paths, index: item k's path is the bytes paths[index[k]:index[k+1]-1]
    (each path ends with one NUL), index being little-endian u64, items+1 of them. starts: where mini-batches are cut by
    bytes too: the position of each one's first item, and `items` at the end, in the same way; None: by size alone.
    has_rows: items are rows of a table, which lie beside the listing (`engine.table_rows`).
    """

    input_root: bytes
    paths: Path
    index: Path
    items: int
    mini_batch_size: int
    starts: Path | None = None
    has_rows: bool = False


@dataclass(frozen=True, slots=True)
class Usage:
    """What the process of a worker has used since its start; processes that the script started are not counted.

    cpu_s: of all its threads, ended ones too. resident_bytes: memory it holds now; peak_bytes: the most it has held.
    Memory that a worker shares with the process it was forked from counts for each of them.
    """

    cpu_s: float = 0.0
    resident_bytes: int = 0
    peak_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Capacity:
    """What workers of a node may use together: cores, and memory that is free now, as far as limits allow."""

    cores: int
    memory_bytes: int


class Instances(Protocol):
    """All instances of one job run. Used from one thread, the one that made it."""

    def start(self) -> None:
        """Start one worker in each slot of each node; each is told of by WorkerReady or WorkerEnded.

        Workers import the script and run `init()` by themselves, while the caller lists the input.
        """

    def open_listing(self, listing: FrozenListing) -> None:
        """Say what is scored: once, after `start` and before the first `assign`, for all workers, later ones too.

        A worker that cannot read it tells WritesFailed.
        """

    def tend(self) -> None:
        """Help starts along without waiting; called now and then between `start` and the first `poll`, which has the
        events. A caller that is busy for long and does not call it only has workers start later."""

    def restart(self, node: str, slot: int) -> None:
        """Start a new worker in a slot whose worker ended."""

    def assign(self, worker: Worker, lease: Lease) -> None:
        """Send a lease to a worker, which has at most two; nothing if the worker is gone (WorkerEnded tells)."""

    def take_back(self, worker: Worker) -> None:
        """Keep the worker from starting more of its leases. TakenBack tells, for each lease, what will surely not be
        started; nothing is told where nothing could be taken."""

    def cut_off(self, worker: Worker) -> None:
        """End a worker at once, whatever it runs, and all it started; WorkerEnded tells. Nothing if it is gone."""

    def tell_stacks(self, workers: Sequence[Worker]) -> None:
        """Write the stacks of all threads of these workers into their error logs, as far as they answer; takes half a
        second at most. They go on."""

    def check_items(self, paths: Mapping[str, str]) -> Sequence[UnfitItem]:
        """Hold items against the plan's input contract, without a worker; give those that are not as it says.

        paths: name for messages -> path on the node. Nothing without a contract. What needs a library of the user's
        environment is not looked at.
        """

    def usage(self, worker: Worker) -> Usage:
        """Tell what a worker has used so far; nothing of one that is gone. Exact while it runs nothing."""

    def capacity(self) -> Capacity:
        """Tell what the workers of one node may use."""

    def poll(self, timeout_s: float) -> Sequence[InstanceEvent]:
        """Wait up to timeout_s for events and give them in order; enforces the time limit of each mini-batch meanwhile.

        A worker over its limit, or gone by itself, is drained, its session killed, and told of by WorkerEnded.
        """

    def sync_parts(self, parts: Sequence[str]) -> None:
        """Make the bytes reported so far of these part files durable. Raises: PlatformError.

        The one that may be called in another thread, while the others are used; never twice at once.
        """

    def wind_down(self) -> None:
        """Let every worker run `shutdown()` and end; nothing is assigned or restarted any more. Waits for nothing."""

    def close(self, *, is_early: bool) -> None:
        """End all workers: with is_early by killing every session at once, else by letting `shutdown()` run, for at
        most 10 s. Returns when no process of any session is left. Safe to repeat."""


@dataclass(frozen=True, slots=True)
class ScriptReport:
    """What importing a script once told. error: "" when it went well; stack: the traceback's text."""

    error: str
    message: str
    stack: str
    output: str


class Scripts(Protocol):
    """Looks at scoring scripts in the environment they will run in."""

    def check(
        self,
        python: Path,
        code_dir: Path,
        script: str,
        *,
        scratch: Path,
        timeout_s: float,
        environment_variables: Mapping[str, str] | None = None,
        model_dir: Path | None = None,
    ) -> ScriptReport:
        """Import the script in a child with a made-up environment and look for a callable `run`; nothing is called.

        scratch: an empty folder for what the import leaves; the caller deletes it.
        environment_variables, model_dir: as its workers will see them; scripts may read them on import.
        """
