"""Writing the execution settings of a deployment (A.3) in both dialects; reading is in `deployment_settings`.

Apart from it so that showing a job needs no pydantic, whose import is most of what a command waits for.
"""

from __future__ import annotations

from collections.abc import Mapping

from batchyard.domain.deployments import ExecutionSettings, OutputAction
from batchyard.wire.contract_rendering import contracts_cli_from_arm, contracts_to_arm
from batchyard.wire.durations import iso_from_seconds, seconds_from_iso
from batchyard.wire.trees import at, mapping_at, text_at

_ACTIONS = {OutputAction.APPEND_ROW: "AppendRow", OutputAction.SUMMARY_ONLY: "SummaryOnly"}


def settings_to_arm(settings: ExecutionSettings) -> dict[str, object]:
    """Give the settings as properties of a deployment's body."""
    stall_s, cap_s = settings.no_progress_timeout_s, settings.max_duration_s
    return {
        "resources": {"instanceCount": settings.instance_count, "properties": {}},
        "miniBatchSize": settings.mini_batch_size,
        "miniBatchMaxBytes": settings.mini_batch_max_bytes,
        "maxConcurrencyPerInstance": settings.max_concurrency_per_instance,
        "outputAction": _ACTIONS[settings.output_action],
        "outputFileName": settings.output_file_name,
        "outputFormat": settings.output_format.value if settings.output_format else None,
        "outputColumns": [column.value for column in settings.output_columns],
        "outputShardBytes": settings.output_shard_bytes,
        "errorThreshold": settings.error_threshold,
        "miniBatchErrorThreshold": settings.mini_batch_error_threshold,
        "errorThresholdPercent": plain_number(settings.error_threshold_percent),
        "allowedFailedPercent": plain_number(settings.allowed_failed_percent),
        "retrySettings": {
            "maxRetries": settings.retry.max_retries,
            "timeout": iso_from_seconds(settings.retry.timeout_s),
        },
        "loggingLevel": settings.logging_level.value,
        "environmentVariables": dict(settings.environment_variables),
        "sameName": settings.same_name.value,
        "isolateFailingItems": settings.isolate_failing_items,
        "speculative": settings.speculative,
        "outputPath": str(settings.output_path) if settings.output_path else None,
        "noProgressTimeout": None if stall_s is None else iso_from_seconds(stall_s),
        "maxDuration": None if cap_s is None else iso_from_seconds(cap_s),
        **contracts_to_arm(settings.output_contract, settings.input_contract),
    }


def settings_cli_from_arm(properties: Mapping[str, object]) -> dict[str, object]:
    """Give the settings as YAML writes them under `settings`, without instance_count: it stands in `resources`."""
    action = text_at(properties, "outputAction")
    return {
        "mini_batch_size": at(properties, "miniBatchSize"),
        "mini_batch_max_bytes": at(properties, "miniBatchMaxBytes"),
        "max_concurrency_per_instance": at(properties, "maxConcurrencyPerInstance"),
        "error_threshold": at(properties, "errorThreshold"),
        "mini_batch_error_threshold": at(properties, "miniBatchErrorThreshold"),
        "error_threshold_percent": at(properties, "errorThresholdPercent"),
        "allowed_failed_percent": at(properties, "allowedFailedPercent"),
        "retry_settings": {
            "max_retries": at(properties, "retrySettings", "maxRetries"),
            "timeout": timeout_cli(text_at(properties, "retrySettings", "timeout")),
        },
        "output_action": next((key.value for key, arm in _ACTIONS.items() if arm == action), None),
        "output_file_name": at(properties, "outputFileName"),
        "output_format": at(properties, "outputFormat"),
        "output_columns": at(properties, "outputColumns"),
        "output_shard_bytes": at(properties, "outputShardBytes"),
        "logging_level": text_at(properties, "loggingLevel").lower(),
        "same_name": at(properties, "sameName"),
        "isolate_failing_items": at(properties, "isolateFailingItems"),
        "speculative": at(properties, "speculative"),
        "output_path": at(properties, "outputPath"),
        "no_progress_timeout": timeout_cli(text_at(properties, "noProgressTimeout")),
        "max_duration": timeout_cli(text_at(properties, "maxDuration")),
        "environment_variables": mapping_at(properties, "environmentVariables"),
        **contracts_cli_from_arm(properties),
    }


def timeout_cli(duration: str) -> int | float | None:
    """Give a duration in seconds as people write it: 30, not 30.0; None for none."""
    seconds = seconds_from_iso(duration)
    return None if seconds is None else plain_number(seconds)


def plain_number(number: float) -> int | float:
    """Give a number as people write it: 30, not 30.0."""
    return int(number) if float(number).is_integer() else number
