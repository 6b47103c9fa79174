"""Parallel steps driven straight through the engine: what a pipeline would freeze, queued in a `DirectHome`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from batchyard.control.parallel_steps import Pinned, parallel_spec
from batchyard.domain.assets import EnvironmentBuild
from batchyard.domain.computes import Compute
from batchyard.domain.deployments import PipelineSettings
from batchyard.domain.job_specs import Given, InputKind, InputSource, PipelineSpec, StepData, StepOutput
from batchyard.domain.job_states import JobStatus
from batchyard.domain.jobs import Job, StepOf
from batchyard.domain.pipelines.components import InputMode, InputPort, OutputPort, PortType, Signature
from batchyard.domain.pipelines.definitions import ParallelDefinition, ParallelSettings, ParallelTask, Step
from batchyard.domain.resource_ids import AssetId, DatastorePath, Reference
from batchyard.ports.records import Key, Kind

from .direct import DirectHome

PARENT = PipelineSpec("p", "e", "d", 1, "default", AssetId("pipe", "1"), PipelineSettings())


def submit_step(
    direct: DirectHome,
    name: str,
    source: Path,
    script: str,
    *,
    settings: ParallelSettings | None = None,
    arguments: str = "",
    append_row_to: str | None = "scores",
    outputs: Mapping[str, PortType] | None = None,
    inputs: Mapping[str, Given] | None = None,
    instance_count: int = 1,
    registers: Mapping[str, AssetId] | None = None,
    step_of: StepOf | None = None,
    **changes: Any,  # whatever a ParallelStep has
) -> Job:
    """Put the job of a parallel step in the queue; its outputs go to `out/<name>/<output>`."""
    store = direct.datastores.get("workspaceblobstore")
    store.put(f"up/{name}/code/score.py", [script.encode()], create_only=False)
    seal = direct.rooms.sealed.seal(DatastorePath("workspaceblobstore", f"up/{name}/code"), keep_name=False)
    ports = outputs or {"scores": PortType.URI_FOLDER}
    given: dict[str, Given] = {"data": data(source), **(inputs or {})}
    signature = Signature(
        {
            port: InputPort(value.type if isinstance(value, StepData) else PortType.STRING)
            for port, value in given.items()
        },
        {port: OutputPort(type_) for port, type_ in ports.items()},
    )
    task = ParallelTask(Reference("c", "1"), "score.py", Reference("env", "1"), arguments, append_row_to)
    spec = parallel_spec(
        ParallelDefinition(signature, task, "data", settings or ParallelSettings(), instance_count=instance_count),
        Step(Reference("s", "1")),
        job=name,
        parent=PARENT,
        compute="c",
        pinned=Pinned(AssetId("s", "1"), AssetId("c", "1"), seal, AssetId("env", "1"), EnvironmentBuild("0" * 64, "3")),
        inputs=given,
        outputs={
            port: StepOutput(
                DatastorePath("workspaceblobstore", f"out/{name}/{port}"),
                type_,
                registers=(registers or {}).get(port),
            )
            for port, type_ in ports.items()
        },
    )
    assert spec.step is not None
    spec = replace(spec, step=replace(spec.step, **changes))
    job = Job(spec, JobStatus.QUEUED, time.time(), "tester", phases={"queued": time.time()}, step_of=step_of)
    with direct.rooms.records.writing() as tx:
        key = Key(Kind.COMPUTE, "c")
        if tx.documents.get(key) is None:
            tx.documents.save(key, Compute("c", max_instances=8), actor="tester", now=time.time())
        tx.jobs.add(job)
    return job


def data(path: Path, mode: InputMode = InputMode.RO_MOUNT) -> StepData:
    """Give a file or folder as an input, read in place unless the mode says otherwise."""
    kind = InputKind.FOLDER if path.is_dir() else InputKind.FILE
    type_ = PortType.URI_FOLDER if path.is_dir() else PortType.URI_FILE
    return StepData(InputSource(kind, "file://" + quote(str(path))), type_, mode)


def place_of(direct: DirectHome, name: str, output: str) -> Path:
    """Give where an output of a step is."""
    return direct.home / "datastores" / "workspaceblobstore" / "out" / name / output
