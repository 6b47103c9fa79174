"""The object graph of an engine or job process, by plain calls."""

from __future__ import annotations

import time
from pathlib import Path

from batchyard.bootstrap.database import database_url
from batchyard.bootstrap.environments import make_environments
from batchyard.bootstrap.faults import make_faults
from batchyard.bootstrap.process_identity import this_process
from batchyard.bootstrap.web import make_web_files
from batchyard.datastores.job_home import LocalJobHomes
from batchyard.datastores.local import LocalDatastores
from batchyard.datastores.sealed import LocalSealedStore
from batchyard.domain.datastores import ARTIFACT_STORE, log_folder
from batchyard.domain.resource_ids import DEFAULT_SCOPE
from batchyard.engine.rooms import Rooms
from batchyard.instances.local import LocalInstances
from batchyard.instances.scripts import LocalScripts
from batchyard.instances.workers import kill_recorded_sessions
from batchyard.records.database import open_records
from batchyard.settings import Settings


def build_rooms(settings: Settings) -> Rooms:
    """Wire the embedded engine of one home."""
    home = settings.home
    datastores = LocalDatastores(home)
    return Rooms(
        records=open_records(database_url(settings), DEFAULT_SCOPE),
        datastores=datastores,
        web=make_web_files(settings),
        sealed=LocalSealedStore(home / "sealed", datastores),
        homes=LocalJobHomes(home / "jobs"),
        environments=make_environments(settings),
        scripts=LocalScripts(),
        make_instances=LocalInstances,
        kill_left_overs=kill_recorded_sessions,
        logs_of=lambda job: _made(home / "datastores" / ARTIFACT_STORE.name / log_folder(job)),
        operation_dir=lambda operation: home / "operations" / operation,
        faults=make_faults(settings.fault, settings.fault_log),
        owner=this_process(),
        now=time.time,
        monotonic=time.monotonic,
        worker_start_timeout_s=settings.worker_start_timeout_s,
        log_cap_bytes=settings.log_cap_bytes,
        worker_fault=settings.fault if settings.fault.startswith(("worker.", "zygote.")) else "",
        worker_fault_log=settings.fault_log,
    )


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
