"""Jobs driven straight through the engine, without doors: a real home, real records, real workers, real files."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import quote

from batchyard.bootstrap.faults import make_faults
from batchyard.bootstrap.process_identity import this_process
from batchyard.datastores.job_home import LocalJobHomes
from batchyard.datastores.local import LocalDatastores
from batchyard.datastores.sealed import LocalSealedStore
from batchyard.datastores.web import WebFiles
from batchyard.domain.assets import Environment, EnvironmentBuild, Sealed
from batchyard.domain.computes import Compute
from batchyard.domain.deployments import ExecutionSettings
from batchyard.domain.errors import Mistake
from batchyard.domain.job_specs import (
    CommandSpec,
    Given,
    InputKind,
    InputSource,
    OutputTarget,
    ScoringSpec,
    Spec,
    StepData,
    StepOutput,
)
from batchyard.domain.job_states import JobStatus
from batchyard.domain.jobs import Job, StepOf
from batchyard.domain.outputs.verification import Events
from batchyard.domain.pipelines.components import InputPort, OutputPort, PortType, Signature
from batchyard.domain.resource_ids import DEFAULT_SCOPE, AssetId, DatastorePath
from batchyard.engine.claim import claim_job
from batchyard.engine.job_run import run_job
from batchyard.engine.rooms import Rooms
from batchyard.engine.steps.command_run import run_command
from batchyard.instances.local import LocalInstances
from batchyard.instances.scripts import LocalScripts
from batchyard.instances.step_process import LocalStepProcess
from batchyard.instances.workers import kill_recorded_sessions
from batchyard.parquet.files import ParquetFiles
from batchyard.ports.records import Key, Kind
from batchyard.records.database import migrate, open_records, sqlite_url


@dataclass(frozen=True)
class ThisPython:
    """The environment "built" for tests of the engine: the interpreter that runs them."""

    def mistakes(self, environment: Environment) -> list[Mistake]:
        return []

    def build(self, environment: Environment, log: TextIO) -> EnvironmentBuild:
        return EnvironmentBuild("0" * 64, sys.version.split()[0])

    def built(self, environment: Environment) -> EnvironmentBuild | None:
        return EnvironmentBuild("0" * 64, sys.version.split()[0])

    def python(self, build: EnvironmentBuild) -> Path:
        return Path(sys.executable)

    def check(self, build: EnvironmentBuild) -> Events:
        return iter(())


class DirectHome:
    """One home and its engine, in this process."""

    def __init__(self, home: Path, *, fault: str = "", fault_log: str = "") -> None:
        self.home = home
        home.mkdir(parents=True, exist_ok=True)
        url = sqlite_url(home / "batchyard.db")
        migrate(url)
        self.datastores = LocalDatastores(home)
        sealed = LocalSealedStore(home / "sealed", self.datastores)
        self.rooms = Rooms(
            records=open_records(url, DEFAULT_SCOPE),
            datastores=self.datastores,
            web=WebFiles(frozenset(), 1 << 20),
            sealed=sealed,
            sealed_store=sealed,
            homes=LocalJobHomes(home / "jobs"),
            environments=ThisPython(),
            tables=ParquetFiles(),
            scripts=LocalScripts(),
            make_instances=LocalInstances,
            start_step=LocalStepProcess,
            kill_left_overs=kill_recorded_sessions,
            logs_of=self.logs_of,
            operation_dir=lambda operation: home / "operations" / operation,
            faults=make_faults(fault, fault_log),
            owner=this_process(),
            now=time.time,
            monotonic=time.monotonic,
            worker_start_timeout_s=60.0,
            log_cap_bytes=1 << 20,
            worker_fault=fault if fault.startswith(("worker.", "zygote.")) else "",
            worker_fault_log=fault_log,
        )

    def logs_of(self, job: str) -> Path:
        folder = self.home / "logs" / job
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def submit(
        self,
        name: str,
        source: Path,
        script: str,
        settings: ExecutionSettings | None = None,
        *,
        model: Mapping[str, bytes] | None = None,
    ) -> Job:
        """Put a job in the queue, as an invocation does."""
        store = self.datastores.get("workspaceblobstore")
        for path, content in (model or {"model.txt": b"m"}).items():
            store.put(f"up/{name}/model/{path}", [content], create_only=False)
        code = self._seal_code(name, {"score.py": script})
        model_seal = self.rooms.sealed.seal(DatastorePath("workspaceblobstore", f"up/{name}/model"), keep_name=True)
        settings = settings or ExecutionSettings()
        kind = InputKind.FOLDER if source.is_dir() else InputKind.FILE
        spec = ScoringSpec(
            job=name,
            endpoint="e",
            deployment="d",
            deployment_revision=1,
            routed_by="default",
            source=InputSource(kind, "file://" + quote(str(source))),
            settings=settings,
            compute="c",
            model=AssetId("m", "1"),
            model_seal=model_seal,
            code=AssetId("c", "1"),
            code_seal=code,
            scoring_script="score.py",
            environment=AssetId("env", "1"),
            build=EnvironmentBuild("0" * 64, "3"),
            output=OutputTarget(DatastorePath("workspaceblobstore", f"out/{name}/score"), settings.output_file_name),
        )
        return self._queue(spec)

    def submit_command(
        self,
        name: str,
        command: str,
        *,
        inputs: Mapping[str, Given] | None = None,
        outputs: Mapping[str, PortType] | None = None,
        code: Mapping[str, str] | None = None,
        registers: Mapping[str, AssetId] | None = None,
        step_of: StepOf | None = None,
        **changes: Any,  # whatever a CommandSpec has
    ) -> Job:
        """Put a job in the queue that runs a command, as a pipeline does; outputs go to `out/<job>/<name>`."""
        given, declared = dict(inputs or {}), dict(outputs or {})
        spec = CommandSpec(
            job=name,
            endpoint="e",
            deployment="d",
            deployment_revision=1,
            routed_by="default",
            component=AssetId("prepare", "1"),
            signature=Signature(
                {key: InputPort(_port_type(value)) for key, value in given.items()},
                {key: OutputPort(type_) for key, type_ in declared.items()},
            ),
            command=command,
            compute="c",
            environment=AssetId("env", "1"),
            build=EnvironmentBuild("0" * 64, "3"),
            code=AssetId("code", "1") if code else None,
            code_seal=self._seal_code(name, code) if code else None,
            inputs=given,
            outputs={
                key: StepOutput(
                    DatastorePath("workspaceblobstore", f"out/{name}/{key}"),
                    type_,
                    registers=(registers or {}).get(key),
                )
                for key, type_ in declared.items()
            },
        )
        return self._queue(replace(spec, **changes), step_of)

    def _seal_code(self, name: str, code: Mapping[str, str]) -> Sealed:
        store = self.datastores.get("workspaceblobstore")
        for path, text in code.items():
            store.put(f"up/{name}/code/{path}", [text.encode()], create_only=False)
        return self.rooms.sealed.seal(DatastorePath("workspaceblobstore", f"up/{name}/code"), keep_name=False)

    def _queue(self, spec: Spec, step_of: StepOf | None = None) -> Job:
        job = Job(spec, JobStatus.QUEUED, time.time(), "tester", phases={"queued": time.time()}, step_of=step_of)
        with self.rooms.records.writing() as tx:
            key = Key(Kind.COMPUTE, "c")
            if tx.documents.get(key) is None:
                tx.documents.save(key, Compute("c", max_instances=8), actor="tester", now=time.time())
            tx.jobs.add(job)
        return job

    def run_next(self) -> Job:
        """Claim the next job, run it here to its end, and give its record."""
        job = claim_job(self.rooms)
        assert job is not None
        if isinstance(job.spec, CommandSpec):
            run_command(self.rooms, job)
        else:
            run_job(self.rooms, job)
        return self.job(job.name)

    def job(self, name: str) -> Job:
        with self.rooms.records.reading() as tx:
            job = tx.jobs.get(name)
        assert job is not None
        return job

    def output(self, name: str) -> Path:
        return self.home / "datastores" / "workspaceblobstore" / "out" / name / "score"

    def published(self, job: str, output: str) -> Path:
        """The place of an output of a job that ran a command."""
        return self.home / "datastores" / "workspaceblobstore" / "out" / job / output

    def as_new_process(self) -> Rooms:
        """The same rooms after a fork."""
        self.rooms.records.after_fork()
        return replace(self.rooms, owner=this_process())


def _port_type(given: Given) -> PortType:
    if isinstance(given, StepData):
        return given.type
    return {bool: PortType.BOOLEAN, int: PortType.INTEGER, float: PortType.NUMBER}.get(type(given), PortType.STRING)
