"""The job of a step that begins, with everything that its run depends on frozen. No verb of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from batchyard.control import definitions, references
from batchyard.control.parallel_steps import Pinned, parallel_spec
from batchyard.control.step_inputs import Around, inputs_of
from batchyard.domain.assets import AssetKind
from batchyard.domain.datastores import BLOB_STORE
from batchyard.domain.deployments import PipelineSettings
from batchyard.domain.errors import InvalidInput, Mistake
from batchyard.domain.job_specs import CommandSpec, Given, PipelineSpec, ScoringSpec, Spec, StepOutput
from batchyard.domain.jobs import Job
from batchyard.domain.pipelines.components import Signature
from batchyard.domain.pipelines.definitions import CommandDefinition, ParallelDefinition, PipelineDefinition, Step
from batchyard.domain.resource_ids import AssetId, DatastorePath
from batchyard.ports.records import Transaction


@dataclass(frozen=True, slots=True)
class Beginning:
    """A step that begins. job: the name of its job. around: the settings of its pipeline's job, for its own steps.

    inputs, outputs: of its component, all of them resolved.
    """

    job: str
    step: Step
    component: AssetId
    signature: Signature
    around: PipelineSpec
    inputs: Mapping[str, Given]
    outputs: Mapping[str, StepOutput]

    @property
    def compute(self) -> str:
        """The compute that it runs on."""
        return self.step.compute or self.around.compute


def spec_of(
    tx: Transaction,
    pipeline: PipelineSpec,
    definition: PipelineDefinition,
    name: str,
    *,
    job: str,
    steps: Mapping[str, Job],
    read: definitions.Read,
) -> Spec:
    """Freeze a step that begins as the spec of its job.

    definition: of the pipeline. job: the new job's name. steps: the jobs of those that have begun.
    Raises: InvalidInput with everything that keeps the step from beginning.
    """
    step = definition.steps[name]
    subject = f"Step {name!r}"
    component = definitions.definition_at(tx, step.component, read=read)
    stored = references.follow(tx, AssetKind.COMPONENT, step.component, field="component")
    if isinstance(component, Mistake) or isinstance(stored, Mistake):
        raise InvalidInput(subject, [one for one in (component, stored) if isinstance(one, Mistake)][:1])
    around = replace(pipeline, settings=_settings_within(pipeline, definition))
    given, mistakes = inputs_of(tx, step, component.signature, Around(definition.signature, pipeline.inputs, steps))
    beginning = Beginning(
        job=job,
        step=step,
        component=AssetId(stored.key.name, stored.key.version),
        signature=component.signature,
        around=around,
        inputs=given,
        outputs=_outputs(step, component.signature, around, job),
    )
    match component:
        case CommandDefinition():
            spec: Spec | list[Mistake] = _command(tx, component, beginning)
        case PipelineDefinition():
            spec = _pipeline(beginning)
        case ParallelDefinition():
            # What it cuts into mini-batches may be among what is wrong.
            spec = [] if mistakes else _parallel(tx, component, beginning)
    if isinstance(spec, list) or mistakes:
        raise InvalidInput(subject, [*mistakes, *(spec if isinstance(spec, list) else [])])
    return spec


def _settings_within(pipeline: PipelineSpec, definition: PipelineDefinition) -> PipelineSettings:
    """What never gives the same twice is never used again, nor is what it is made of."""
    settings = pipeline.settings
    return replace(settings, force_rerun=settings.force_rerun or not definition.is_deterministic)


def _outputs(step: Step, signature: Signature, pipeline: PipelineSpec, job: str) -> dict[str, StepOutput]:
    """Say where the outputs go: where the pipeline's own do that they are, else to the place of the step's job."""
    store = pipeline.settings.default_datastore or BLOB_STORE.name
    found: dict[str, StepOutput] = {}
    for name, port in signature.outputs.items():
        mode = step.output_modes.get(name, port.mode)
        bound = pipeline.outputs.get(step.outputs.get(name, ""))
        if bound is None:
            found[name] = StepOutput(DatastorePath(store, f"azureml/{job}/{name}"), port.type, mode)
        else:
            found[name] = StepOutput(bound.place, port.type, mode, bound.registers)
    return found


def _command(tx: Transaction, component: CommandDefinition, beginning: Beginning) -> CommandSpec | list[Mistake]:
    step, around = beginning.step, beginning.around
    environment = references.follow(tx, AssetKind.ENVIRONMENT, component.environment, field="environment")
    code = component.code and references.follow(tx, AssetKind.CODE, component.code, field="code")
    if isinstance(environment, Mistake) or isinstance(code, Mistake):
        return [one for one in (environment, code) if isinstance(one, Mistake)]
    return CommandSpec(
        job=beginning.job,
        endpoint=around.endpoint,
        deployment=around.deployment,
        deployment_revision=around.deployment_revision,
        routed_by=around.routed_by,
        component=beginning.component,
        signature=component.signature,
        command=component.command,
        compute=beginning.compute,
        environment=AssetId(environment.key.name, environment.key.version),
        build=environment.document.build,
        code=AssetId(code.key.name, code.key.version) if code else None,
        code_seal=code.document.sealed if code else None,
        inputs=beginning.inputs,
        outputs=beginning.outputs,
        environment_variables={**component.environment_variables, **step.environment_variables},
        instance_count=component.instance_count if step.instance_count is None else step.instance_count,
        timeout_s=component.timeout_s if step.timeout_s is None else step.timeout_s,
        is_deterministic=component.is_deterministic,
        force_rerun=around.settings.force_rerun,
        experiment_name=around.experiment_name,
    )


def _parallel(tx: Transaction, component: ParallelDefinition, beginning: Beginning) -> ScoringSpec | list[Mistake]:
    environment = references.follow(tx, AssetKind.ENVIRONMENT, component.task.environment, field="task.environment")
    code = references.follow(tx, AssetKind.CODE, component.task.code, field="task.code")
    if isinstance(environment, Mistake) or isinstance(code, Mistake):
        return [one for one in (environment, code) if isinstance(one, Mistake)]
    return parallel_spec(
        component,
        beginning.step,
        job=beginning.job,
        parent=beginning.around,
        compute=beginning.compute,
        pinned=Pinned(
            component=beginning.component,
            code=AssetId(code.key.name, code.key.version),
            code_seal=code.document.sealed,
            environment=AssetId(environment.key.name, environment.key.version),
            build=environment.document.build,
        ),
        inputs=beginning.inputs,
        outputs=beginning.outputs,
    )


def _pipeline(beginning: Beginning) -> PipelineSpec:
    around = beginning.around
    return replace(
        around,
        job=beginning.job,
        component=beginning.component,
        settings=replace(around.settings, default_compute=beginning.compute),
        inputs=beginning.inputs,
        outputs=beginning.outputs,
    )
