"""Reading the execution settings of a deployment (A.3) in both dialects; `settings_rendering` writes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import BeforeValidator

from batchyard.domain.deployments import (
    ExecutionSettings,
    LoggingLevel,
    OutputAction,
    OutputColumn,
    OutputFormat,
    RetrySettings,
    SameName,
)
from batchyard.domain.outputs.formats import default_file_name
from batchyard.wire import contracts
from batchyard.wire.contracts import (
    InputContractArm,
    InputContractYaml,
    OutputContractArm,
    OutputContractYaml,
    input_contract_of,
    output_contract_of,
)
from batchyard.wire.shapes import (
    ArmShape,
    Duration,
    NoEffect,
    Number,
    Place,
    Seconds,
    Text,
    TextMap,
    Truth,
    WholeNumber,
    YamlShape,
    given,
    keys_of,
    listed,
    one_of,
)

_Action = Annotated[OutputAction, BeforeValidator(one_of(OutputAction))]
_Level = Annotated[LoggingLevel, BeforeValidator(one_of(LoggingLevel))]
_SameName = Annotated[SameName, BeforeValidator(one_of(SameName))]
Format = Annotated[OutputFormat, BeforeValidator(one_of(OutputFormat))]
_Column = Annotated[OutputColumn, BeforeValidator(one_of(OutputColumn))]
_Columns = Annotated[tuple[_Column, ...], BeforeValidator(listed)]
# Fields that both dialects share by name and type.
_PLAIN = (
    "mini_batch_size",
    "mini_batch_max_bytes",
    "max_concurrency_per_instance",
    "error_threshold",
    "mini_batch_error_threshold",
    "error_threshold_percent",
    "allowed_failed_percent",
    "output_action",
    "output_file_name",
    "output_format",
    "output_columns",
    "output_shard_bytes",
    "logging_level",
    "same_name",
    "isolate_failing_items",
    "environment_variables",
    "speculative",
    "output_path",
)


class RetryYaml(YamlShape):
    """`retry_settings` in YAML; timeout in seconds."""

    max_retries: WholeNumber | None = None
    timeout: Seconds | None = None


class SettingsYaml(YamlShape):
    """`settings` in YAML; in the legacy form the same keys stand at the root."""

    mini_batch_size: WholeNumber | None = None
    mini_batch_max_bytes: WholeNumber | None = None
    max_concurrency_per_instance: WholeNumber | None = None
    instance_count: WholeNumber | None = None
    retry_settings: RetryYaml | None = None
    error_threshold: WholeNumber | None = None
    mini_batch_error_threshold: WholeNumber | None = None
    error_threshold_percent: Number | None = None
    allowed_failed_percent: Number | None = None
    output_action: _Action | None = None
    output_file_name: Text | None = None
    output_format: Format | None = None
    output_columns: _Columns | None = None
    output_shard_bytes: WholeNumber | None = None
    logging_level: _Level | None = None
    same_name: _SameName | None = None
    isolate_failing_items: Truth | None = None
    environment_variables: TextMap | None = None
    no_progress_timeout: Seconds | None = None
    max_duration: Seconds | None = None
    speculative: Truth | None = None
    output_contract: OutputContractYaml | None = None
    input_contract: InputContractYaml | None = None
    output_path: Place | None = None


class ResourcesYaml(YamlShape):
    """`resources` in YAML."""

    instance_count: WholeNumber | None = None
    instance_type: NoEffect = None
    properties: NoEffect = None
    shm_size: NoEffect = None
    docker_args: NoEffect = None
    locations: NoEffect = None
    max_instance_count: NoEffect = None


class RetryArm(ArmShape):
    """`retrySettings` in a body; timeout as an ISO-8601 duration, read as seconds."""

    max_retries: WholeNumber | None = None
    timeout: Duration | None = None


class ResourcesArm(ArmShape):
    """`resources` in a body."""

    instance_count: WholeNumber | None = None


class SettingsArm(ArmShape):
    """The settings among the properties of a deployment's body; those that Azure's batch deployments lack are ours."""

    mini_batch_size: WholeNumber | None = None
    mini_batch_max_bytes: WholeNumber | None = None
    max_concurrency_per_instance: WholeNumber | None = None
    resources: ResourcesArm | None = None
    retry_settings: RetryArm | None = None
    error_threshold: WholeNumber | None = None
    mini_batch_error_threshold: WholeNumber | None = None
    error_threshold_percent: Number | None = None
    allowed_failed_percent: Number | None = None
    output_action: _Action | None = None
    output_file_name: Text | None = None
    output_format: Format | None = None
    output_columns: _Columns | None = None
    output_shard_bytes: WholeNumber | None = None
    logging_level: _Level | None = None
    same_name: _SameName | None = None
    isolate_failing_items: Truth | None = None
    environment_variables: TextMap | None = None
    no_progress_timeout: Duration | None = None
    max_duration: Duration | None = None
    speculative: Truth | None = None
    output_contract: OutputContractArm | None = None
    input_contract: InputContractArm | None = None
    output_path: Place | None = None


SETTING_KEYS = frozenset(keys_of(SettingsYaml))

ARM_NAMES: Mapping[str, str] = {
    "settings.mini_batch_size": "properties.miniBatchSize",
    "settings.mini_batch_max_bytes": "properties.miniBatchMaxBytes",
    "settings.max_concurrency_per_instance": "properties.maxConcurrencyPerInstance",
    "settings.instance_count": "properties.resources.instanceCount",
    "settings.retry_settings.max_retries": "properties.retrySettings.maxRetries",
    "settings.retry_settings.timeout": "properties.retrySettings.timeout",
    "settings.error_threshold": "properties.errorThreshold",
    "settings.mini_batch_error_threshold": "properties.miniBatchErrorThreshold",
    "settings.error_threshold_percent": "properties.errorThresholdPercent",
    "settings.allowed_failed_percent": "properties.allowedFailedPercent",
    "settings.no_progress_timeout": "properties.noProgressTimeout",
    "settings.max_duration": "properties.maxDuration",
    "settings.speculative": "properties.speculative",
    "settings.output_file_name": "properties.outputFileName",
    "settings.output_path": "properties.outputPath",
    "settings.output_format": "properties.outputFormat",
    "settings.output_columns": "properties.outputColumns",
    "settings.output_shard_bytes": "properties.outputShardBytes",
    "settings.environment_variables": "properties.environmentVariables",
    **contracts.ARM_NAMES,
}


def settings_of(shape: SettingsYaml | SettingsArm, *, instance_count: int | None) -> ExecutionSettings:
    """Make the settings; what is not given has its default. 0 and -1 are values (Azure's SDK drops a 0)."""
    values = {
        **given(shape, *_PLAIN),
        "no_progress_timeout_s": shape.no_progress_timeout,
        "max_duration_s": shape.max_duration,
        "output_contract": output_contract_of(shape.output_contract),
        "input_contract": input_contract_of(shape.input_contract),
    }
    if shape.output_file_name is None:
        values["output_file_name"] = default_file_name(shape.output_format)
    if instance_count is not None:
        values["instance_count"] = instance_count
    if shape.retry_settings is not None:
        default = RetrySettings()
        retries, timeout_s = shape.retry_settings.max_retries, shape.retry_settings.timeout
        values["retry"] = RetrySettings(
            default.max_retries if retries is None else retries,
            default.timeout_s if timeout_s is None else timeout_s,
        )
    return ExecutionSettings(**values)
