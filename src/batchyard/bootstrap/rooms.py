"""The object graph of an engine or job process, by plain calls."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from batchyard.bootstrap.database import database_url
from batchyard.bootstrap.environments import make_environments
from batchyard.bootstrap.faults import make_faults
from batchyard.bootstrap.places import root_of
from batchyard.bootstrap.process_identity import this_process
from batchyard.bootstrap.sandbox import make_sandbox
from batchyard.bootstrap.web import make_web_files
from batchyard.datastores.abandoned import remove_abandoned
from batchyard.datastores.job_home import LocalJobHomes
from batchyard.datastores.local import LocalDatastores
from batchyard.datastores.sealed import LocalSealedStore
from batchyard.domain.datastores import ARTIFACT_STORE, log_folder
from batchyard.domain.errors import Mistake
from batchyard.domain.pipelines.definitions import Definition
from batchyard.domain.resource_ids import DEFAULT_SCOPE
from batchyard.domain.workspaces import Workspace
from batchyard.engine.rooms import Rooms
from batchyard.instances.local import LocalInstances
from batchyard.instances.scripts import LocalScripts
from batchyard.instances.step_process import LocalStepProcess
from batchyard.instances.workers import kill_recorded_sessions
from batchyard.parquet.files import ParquetFiles
from batchyard.records.database import open_records
from batchyard.settings import Settings


class EngineRooms:
    """Wires the embedded engine of one home: the rooms of each workspace over one database.

    Sealed trees and environments are named by what is in them and belong to all workspaces; the rest is apart.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._records = open_records(database_url(settings), DEFAULT_SCOPE)
        self._web = make_web_files(settings)
        self._environments = make_environments(settings)
        self._faults = make_faults(settings.fault, settings.fault_log)
        self._sandbox = make_sandbox(settings)

    def of(self, workspace: Workspace) -> Rooms:
        """Build the rooms of a workspace."""
        settings, home = self._settings, self._settings.home
        root = root_of(home, workspace)
        datastores = LocalDatastores(home, root=root)
        places = [root / "datastores", root / "uploads"]
        sealed = LocalSealedStore(home / "sealed", datastores)
        return Rooms(
            records=self._records.of(workspace),
            datastores=datastores,
            web=self._web,
            sealed=sealed,
            sealed_store=sealed,
            homes=LocalJobHomes(root / "jobs"),
            environments=self._environments,
            tables=ParquetFiles(),
            scripts=LocalScripts(self._sandbox),
            make_instances=partial(LocalInstances, sandbox=self._sandbox),
            start_step=partial(LocalStepProcess, sandbox=self._sandbox),
            kill_left_overs=kill_recorded_sessions,
            logs_of=lambda job: _made(root / "datastores" / ARTIFACT_STORE.name / log_folder(job)),
            operation_dir=lambda operation: root / "operations" / operation,
            faults=self._faults,
            owner=this_process(),
            now=time.time,
            monotonic=time.monotonic,
            worker_start_timeout_s=settings.worker_start_timeout_s,
            log_cap_bytes=settings.log_cap_bytes,
            remove_abandoned=lambda: remove_abandoned(places, sealed=home / "sealed", now=time.time),
            read_component=_read_component,
            new_name=lambda: str(uuid.uuid4()),
            worker_fault=settings.fault if settings.fault.startswith(("worker.", "zygote.")) else "",
            worker_fault_log=settings.fault_log,
        )


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _read_component(spec: Mapping[str, object]) -> tuple[Definition | None, list[Mistake]]:
    # What reads documents costs 100 ms of import, which an engine without pipelines never pays.
    from batchyard.wire.pipelines.definitions import read_definition

    return read_definition(spec)
