"""What the engine is handed: the ports, and nothing else. Built by `bootstrap` with plain calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from batchyard.domain.jobs import Owner
from batchyard.ports.datastore import Datastores, Trees
from batchyard.ports.environment import Environments
from batchyard.ports.faults import Faults
from batchyard.ports.instance import Instances, Scripts, WorkerPlan
from batchyard.ports.job_home import JobHomes
from batchyard.ports.records import Records
from batchyard.ports.tables import Tables
from batchyard.ports.web import WebInputs


@dataclass(frozen=True, slots=True)
class Rooms:
    """The ports of one engine or job process.

    logs_of: job name -> the folder that its logs are read from. operation_dir: operation id -> the folder that its
    provisioning may use. kill_left_overs: ends every process that an earlier owner's workers left behind, told by the
    `workers.jsonl` of a job home, or of an operation's folder. now: epoch seconds; monotonic: seconds.
    remove_abandoned: removes what servers that were killed left unfinished in datastores.
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
    kill_left_overs: Callable[[Path], object]
    logs_of: Callable[[str], Path]
    operation_dir: Callable[[str], Path]
    faults: Faults
    owner: Owner
    now: Callable[[], float]
    monotonic: Callable[[], float]
    worker_start_timeout_s: float
    log_cap_bytes: int
    remove_abandoned: Callable[[], object] = tuple
    local_folder: str = ""
    worker_fault: str = ""
    worker_fault_log: str = ""
