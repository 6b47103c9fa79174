"""What the engine is handed: the ports, and nothing else. Built by `bootstrap` with plain calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from batchyard.domain.errors import Mistake
from batchyard.domain.jobs import Owner
from batchyard.ports.datastore import Datastores, SealedStore, Trees
from batchyard.ports.environment import Environments
from batchyard.ports.faults import Faults
from batchyard.ports.instance import Instances, Scripts, WorkerPlan
from batchyard.ports.job_home import JobHomes
from batchyard.ports.records import Records
from batchyard.ports.step_process import StepPlan, StepProcess
from batchyard.ports.tables import Tables
from batchyard.ports.web import WebInputs

if TYPE_CHECKING:
    from batchyard.control.definitions import Read
    from batchyard.domain.pipelines.definitions import Definition


def _no_component(spec: Mapping[str, object]) -> tuple[Definition | None, list[Mistake]]:  # noqa: ARG001
    """Read nothing: a run that no server knows has no pipelines."""
    return None, [Mistake("component", "a component", "nothing: there are no pipelines here")]


@dataclass(frozen=True, slots=True)
class Rooms:
    """The ports of one engine or job process.

    logs_of: job name -> the folder that its logs are read from. operation_dir: operation id -> the folder that its
    provisioning may use. kill_left_overs: ends every process that an earlier owner's workers left behind, told by the
    `workers.jsonl` of a job home, or of an operation's folder. now: epoch seconds; monotonic: seconds.
    sealed_store: where models of steps are kept, None for a run that no server knows.
    remove_abandoned: removes what servers that were killed left unfinished in datastores.
    read_component: what the definition of a component says. new_name: of a job, unlike any other.
    local_folder: of a run that no server knows, "" otherwise.
    worker_fault, worker_fault_log: handed to workers in tests, "" otherwise.
    """

    records: Records
    datastores: Datastores
    web: WebInputs
    sealed: Trees
    homes: JobHomes
    environments: Environments
    tables: Tables
    scripts: Scripts
    make_instances: Callable[[WorkerPlan], Instances]
    start_step: Callable[[StepPlan], StepProcess]
    kill_left_overs: Callable[[Path], object]
    logs_of: Callable[[str], Path]
    operation_dir: Callable[[str], Path]
    faults: Faults
    owner: Owner
    now: Callable[[], float]
    monotonic: Callable[[], float]
    worker_start_timeout_s: float
    log_cap_bytes: int
    sealed_store: SealedStore | None = None
    remove_abandoned: Callable[[], object] = tuple
    read_component: Read = _no_component
    new_name: Callable[[], str] = str
    local_folder: str = ""
    worker_fault: str = ""
    worker_fault_log: str = ""
