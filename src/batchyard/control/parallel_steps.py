"""Parallel steps: a component's task and settings, as a spec that the scoring engine runs. No verb of its own."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass

from batchyard.domain.assets import EnvironmentBuild, Sealed
from batchyard.domain.datastores import BLOB_STORE
from batchyard.domain.deployments import ExecutionSettings, OutputAction, RetrySettings
from batchyard.domain.job_specs import (
    Given,
    OutputTarget,
    ParallelStep,
    PipelineSpec,
    ScoringSpec,
    StepData,
    StepOutput,
    TableCut,
)
from batchyard.domain.pipelines.components import PortType
from batchyard.domain.pipelines.definitions import (
    PARALLEL_DEFAULTS,
    ParallelDefinition,
    ParallelSettings,
    Step,
    over,
)
from batchyard.domain.resource_ids import AssetId, DatastorePath

# Azure: of a table that is cut by bytes, where nobody says by how many.
DEFAULT_PIECE_BYTES = 1 << 20
_DEFAULT_FILE_NAME = "parallel_run_step.txt"
# The settings of a step and of the engine call these by the same names.
_PLAIN = (
    "mini_batch_size",
    "max_concurrency_per_instance",
    "error_threshold",
    "mini_batch_error_threshold",
    "logging_level",
)


@dataclass(frozen=True, slots=True)
class Pinned:
    """The very versions that a step runs with. build: None where the environment has not been built before."""

    component: AssetId
    code: AssetId
    code_seal: Sealed
    environment: AssetId
    build: EnvironmentBuild | None = None


def parallel_spec(
    definition: ParallelDefinition,
    step: Step,
    *,
    job: str,
    parent: PipelineSpec,
    compute: str,
    pinned: Pinned,
    inputs: Mapping[str, Given],
    outputs: Mapping[str, StepOutput],
) -> ScoringSpec:
    """Give the spec of the job of a parallel step.

    step: of the pipeline, whose settings are laid over those of the component. compute: the one that it runs on.
    inputs: resolved, defaults filled in. outputs: all of the component's.
    Raises: TypeError when the input that is to be cut is no data: the component was checked before.
    """
    source = inputs[definition.input_data]
    if not isinstance(source, StepData):
        raise TypeError(f"the input {definition.input_data!r} of job {job!r} is no data")
    target = definition.task.append_row_to
    file_name = over(definition.settings, step.settings).append_row_file_name or _DEFAULT_FILE_NAME
    output = _rows_target(outputs[target] if target else None, file_name, job=job)
    return ScoringSpec(
        job=job,
        endpoint=parent.endpoint,
        deployment=parent.deployment,
        deployment_revision=parent.deployment_revision,
        routed_by=parent.routed_by,
        source=source.source,
        settings=execution_settings(definition, step, output_file_name=output.file_name),
        compute=compute,
        model=None,
        model_seal=None,
        code=pinned.code,
        code_seal=pinned.code_seal,
        scoring_script=definition.task.entry_script,
        environment=pinned.environment,
        build=pinned.build,
        output=output,
        experiment_name=parent.experiment_name,
        step=ParallelStep(
            component=pinned.component,
            signature=definition.signature,
            input_data=definition.input_data,
            inputs=dict(inputs),
            outputs=dict(outputs),
            program_arguments=definition.task.program_arguments,
            append_row_to=target,
            tables=_table_cut(over(definition.settings, step.settings)),
            is_deterministic=definition.is_deterministic,
            force_rerun=parent.settings.force_rerun,
        ),
    )


def execution_settings(definition: ParallelDefinition, step: Step, *, output_file_name: str) -> ExecutionSettings:
    """Give what the scoring engine goes by: Azure's defaults, the component's settings over them, then the step's.

    Tables are cut by `TableCut` alone; mini_batch_size says nothing there.
    """
    settings = over(PARALLEL_DEFAULTS, over(definition.settings, step.settings))
    plain = {name: value for name in _PLAIN if (value := getattr(settings, name)) is not None}
    appends = definition.task.append_row_to is not None
    return ExecutionSettings(
        **plain,
        instance_count=definition.instance_count if step.instance_count is None else step.instance_count,
        retry=RetrySettings(settings.max_retries or 0, settings.timeout_s or RetrySettings().timeout_s),
        output_action=OutputAction.APPEND_ROW if appends else OutputAction.SUMMARY_ONLY,
        output_file_name=output_file_name,
        environment_variables={**definition.environment_variables, **step.environment_variables},
    )


def _table_cut(settings: ParallelSettings) -> TableCut | None:
    if settings.input_format is None:
        return None
    keys = settings.partition_keys or ()
    # Azure: of tables a plain number is of bytes, too.
    size = settings.mini_batch_bytes or settings.mini_batch_size
    return TableCut(settings.input_format, None if keys else size or DEFAULT_PIECE_BYTES, keys)


def _rows_target(output: StepOutput | None, file_name: str, *, job: str) -> OutputTarget:
    """Say where the rows go: a file of that name in the output's folder, or the output itself where it is a file."""
    if output is None:
        return OutputTarget(DatastorePath(BLOB_STORE.name, f"azureml/{job}"), file_name)
    if output.type is not PortType.URI_FILE:
        return OutputTarget(output.place, file_name)
    folder, name = posixpath.split(output.place.path)
    return OutputTarget(DatastorePath(output.place.datastore, folder), name)
