"""A workspace with components, and pipeline jobs in it whose steps a test ends as it likes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from batchyard.control import pipeline_runs, registry
from batchyard.domain.assets import AssetKind, Component, DataAsset, DataType
from batchyard.domain.deployments import PipelineSettings
from batchyard.domain.errors import Mistake
from batchyard.domain.job_specs import (
    CommandSpec,
    Given,
    InputKind,
    InputSource,
    PipelineSpec,
    StepData,
    StepOutput,
)
from batchyard.domain.job_states import JobStatus
from batchyard.domain.jobs import ErrorClass, Job, JobError
from batchyard.domain.pipelines.components import InputPort, OutputPort, PortType, Signature
from batchyard.domain.pipelines.definitions import CommandDefinition, Definition, PipelineDefinition, Step
from batchyard.domain.pipelines.graphs import Binding, FromPipeline, FromStep
from batchyard.domain.resource_ids import AssetId, DatastorePath, Reference

from .bench import INPUT, NOW, Bench

FOLDER, FILE, NUMBER = PortType.URI_FOLDER, PortType.URI_FILE, PortType.NUMBER
ENVIRONMENT = Reference("environments", "env", "1")
COMMAND = CommandDefinition(
    signature=Signature(
        inputs={
            "data": InputPort(FOLDER),
            "rate": InputPort(NUMBER, default=0.5, least=0, most=1),
            "more": InputPort(FILE, is_optional=True),
        },
        outputs={"out": OutputPort(FOLDER), "report": OutputPort(FILE)},
    ),
    command="run ${{inputs.data}} ${{inputs.rate}} $[[${{inputs.more}}]] ${{outputs.out}} ${{outputs.report}}",
    environment=ENVIRONMENT,
    code=Reference("codes", "src", "1"),
    environment_variables={"A": "component", "B": "component"},
)
DATA = StepData(InputSource(InputKind.FOLDER, INPUT), FOLDER)


def component(name: str) -> Reference:
    """Refer to version 1 of a component."""
    return Reference("components", name, "1")


def step(name: str = "run", *, data: Binding | str = "", **fields: Any) -> Step:
    """Give a step of a component that takes its data from the pipeline, or from the output `out` of another step."""
    given: Binding = FromStep(data, "out") if isinstance(data, str) and data else FromPipeline("data")
    inputs = {"data": data if not isinstance(data, str) else given, **fields.pop("inputs", {})}
    return Step(component(name), inputs=inputs, **fields)


class Pipelines:
    """Definitions of components, pipeline jobs made of them, and the engine's look at these, by hand."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.tx = bench, bench.tx
        self.definitions: dict[str, Definition] = {}
        self.made = 0
        self.component("run", COMMAND)

    def component(self, name: str, definition: Definition) -> None:
        """Store a component."""
        self.definitions[name] = definition
        key = registry.asset_key(AssetKind.COMPONENT, name, "1")
        self.tx.documents.save(key, Component(name, "1", {"is": name}), actor="ada", now=NOW)

    def pipeline(self, name: str = "steps", *, inputs: Mapping[str, InputPort] | None = None, **steps: Step) -> None:
        """Store a pipeline that takes `data` and gives `result`."""
        takes = {"data": InputPort(FOLDER), **(inputs or {})}
        signature = Signature(takes, {"result": OutputPort(FOLDER)})
        self.component(name, PipelineDefinition(signature, steps))

    def data(self, name: str, uri: str) -> None:
        """Store version 1 of a data asset."""
        key = registry.asset_key(AssetKind.DATA, name, "1")
        self.tx.documents.save(key, DataAsset(name, "1", DataType.FOLDER, uri), actor="ada", now=NOW)

    def read(self, spec: Mapping[str, object]) -> tuple[Definition | None, list[Mistake]]:
        """Give what a component says."""
        definition = self.definitions.get(str(spec["is"]))
        return definition, [] if definition else [Mistake("type", "'sweep'", "command, parallel or pipeline")]

    def begin(
        self,
        *,
        inputs: Mapping[str, Given] | None = None,
        settings: PipelineSettings | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Job:
        """Queue a job of the pipeline `steps`."""
        place = DatastorePath("workspaceblobstore", "results")
        spec = PipelineSpec(
            job="p",
            endpoint="digits",
            deployment="steps",
            deployment_revision=2,
            routed_by="default",
            component=AssetId("steps", "1"),
            settings=settings or PipelineSettings(default_compute="cpu"),
            inputs={"data": DATA, **(inputs or {})},
            outputs={"result": StepOutput(place, FOLDER)},
            experiment_name="trials",
        )
        job = Job(spec, JobStatus.QUEUED, NOW, "ada", phases={"queued": NOW}, tags=tags or {})
        self.tx.jobs.add(job)
        return job

    def tick(self) -> Job:
        """Take every pipeline job as far as it goes, as a tick of the engine does; give the outermost."""
        for job in self.tx.jobs.pipelines_at_work():
            if pipeline_runs.is_due(self.tx, job, read=self.read):
                pipeline_runs.advance(self.tx, job.name, read=self.read, new_name=self._name, now=NOW + 5)
        return self.job()

    def job(self, name: str = "p") -> Job:
        """Give a job."""
        found = self.tx.jobs.get(name)
        assert found is not None
        return found

    def child(self, *names: str) -> Job:
        """Give the job of a step, of a step of an inner pipeline, …."""
        job = "p"
        for name in names:
            found = self.tx.jobs.steps_of(job)[name]
            job = found.name
        return found

    def command(self, *names: str) -> CommandSpec:
        """Give what a command step runs."""
        spec = self.child(*names).spec
        assert isinstance(spec, CommandSpec)
        return spec

    def states(self) -> dict[str, str]:
        """Give the states of the steps that have begun."""
        return {name: job.status.value for name, job in self.tx.jobs.steps_of("p").items()}

    def end(self, *names: str, status: JobStatus = JobStatus.COMPLETED, message: str = "exit code 3") -> None:
        """Let a step end, as its process would."""
        error = JobError("CommandFailed", message, ErrorClass.SCRIPT, log="user_logs/std_log.txt")
        job = self.child(*names)
        self.tx.change_job(job.name, status=status, error=error if status is JobStatus.FAILED else None)

    def _name(self) -> str:
        self.made += 1
        return f"child{self.made}"


def with_definition(definition: CommandDefinition = COMMAND, **changes: Any) -> CommandDefinition:
    """Give the command with something changed."""
    return replace(definition, **changes)
