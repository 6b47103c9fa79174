"""What an invocation may change (A.5): `--set` keys in all their spellings, and the fields of the body."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from batchyard.domain.deployments import ExecutionSettings, Overrides, effective, settings_mistakes
from batchyard.domain.errors import InvalidInput, Mistake
from batchyard.domain.names import name_mistake
from batchyard.domain.outputs.formats import default_file_name
from batchyard.domain.resource_ids import DatastorePath, parse_reference
from batchyard.wire.deployment_settings import Format, RetryArm, RetryYaml
from batchyard.wire.documents import apply_set
from batchyard.wire.durations import iso_from_seconds
from batchyard.wire.mistakes import merged, renamed, shown
from batchyard.wire.set_spellings import as_at_invoke
from batchyard.wire.shapes import (
    ArmShape,
    Duration,
    Number,
    Seconds,
    Text,
    TextMap,
    WholeNumber,
    YamlShape,
    raise_mistakes,
    read_shape,
)
from batchyard.wire.trees import without_empty

_PLAIN = (
    "mini_batch_size",
    "mini_batch_max_bytes",
    "max_concurrency_per_instance",
    "error_threshold",
    "mini_batch_error_threshold",
    "error_threshold_percent",
    "allowed_failed_percent",
    "output_file_name",
    "output_format",
    "output_shard_bytes",
)
_FIXED = frozenset(
    {
        "logging_level",
        "output_action",
        "output_columns",
        "same_name",
        "speculative",
        "output_path",
        "isolate_failing_items",
        "environment_variables",
        "output_contract",
        "input_contract",
        "model",
        "environment",
    }
)
_ARM_NAMES = {
    "mini_batch_size": "properties.miniBatchSize",
    "mini_batch_max_bytes": "properties.miniBatchMaxBytes",
    "max_concurrency_per_instance": "properties.maxConcurrencyPerInstance",
    "instance_count": "properties.compute.instanceCount",
    "retry_settings.max_retries": "properties.retrySettings.maxRetries",
    "retry_settings.timeout": "properties.retrySettings.timeout",
    "error_threshold": "properties.errorThreshold",
    "mini_batch_error_threshold": "properties.miniBatchErrorThreshold",
    "error_threshold_percent": "properties.errorThresholdPercent",
    "allowed_failed_percent": "properties.allowedFailedPercent",
    "no_progress_timeout": "properties.noProgressTimeout",
    "max_duration": "properties.maxDuration",
    "output_file_name": "properties.outputFileName",
    "output_format": "properties.outputFormat",
    "output_shard_bytes": "properties.outputShardBytes",
}


@dataclass(frozen=True, slots=True)
class InvokeExtras:
    """What `--set` gave beside overrides. output_uri: `azureml://datastores/…` of the folder, None when not given."""

    job_name: str | None = None
    experiment_name: str | None = None
    output_uri: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


class _Count(YamlShape):
    instance_count: WholeNumber | None = None


class _OutputDataset(YamlShape):
    datastore_id: Text | None = None
    path: Text | None = None


class OverridesYaml(YamlShape):
    """Everything that `--set` of an invocation may name; `compute`, `resources` and the bare names say the same."""

    mini_batch_size: WholeNumber | None = None
    mini_batch_max_bytes: WholeNumber | None = None
    max_concurrency_per_instance: WholeNumber | None = None
    instance_count: WholeNumber | None = None
    compute: _Count | None = None
    resources: _Count | None = None
    max_retries: WholeNumber | None = None
    timeout: Seconds | None = None
    retry_settings: RetryYaml | None = None
    error_threshold: WholeNumber | None = None
    mini_batch_error_threshold: WholeNumber | None = None
    error_threshold_percent: Number | None = None
    allowed_failed_percent: Number | None = None
    no_progress_timeout: Seconds | None = None
    max_duration: Seconds | None = None
    output_file_name: Text | None = None
    output_format: Format | None = None
    output_shard_bytes: WholeNumber | None = None
    job_name: Text | None = None
    experiment_name: Text | None = None
    output_dataset: _OutputDataset | None = None
    tags: TextMap | None = None


class _CountArm(ArmShape):
    instance_count: WholeNumber | None = None


class OverridesArm(ArmShape):
    """The overrides among the properties of an invocation's body."""

    mini_batch_size: WholeNumber | None = None
    mini_batch_max_bytes: WholeNumber | None = None
    max_concurrency_per_instance: WholeNumber | None = None
    compute: _CountArm | None = None
    retry_settings: RetryArm | None = None
    error_threshold: WholeNumber | None = None
    mini_batch_error_threshold: WholeNumber | None = None
    error_threshold_percent: Number | None = None
    allowed_failed_percent: Number | None = None
    no_progress_timeout: Duration | None = None
    max_duration: Duration | None = None
    output_file_name: Text | None = None
    output_format: Format | None = None
    output_shard_bytes: WholeNumber | None = None


def overrides_from_set(assignments: Sequence[str]) -> tuple[Overrides, InvokeExtras]:
    """Read `--set` of an invocation (A.5), in both spellings (`instance_count` and `compute.instance_count`, …).

    Also as the deployment spells them, `settings.error_threshold`.
    Raises: InvalidInput with all mistakes; a key that cannot be changed at invoke is one.
    """
    assignments = as_at_invoke(assignments)
    mistakes: list[Mistake] = []
    try:
        document = apply_set({}, assignments, marks_removals=True)
    except InvalidInput as exc:
        mistakes += exc.mistakes
        document = _readable(assignments)
    shape, found = read_shape(OverridesYaml, document)
    found = [_fixed_by_deployment(mistake) for mistake in found]
    overrides, extras, more = read_overrides(shape)
    raise_mistakes("--set", merged(mistakes, merged(found, more)))
    return overrides, extras


def read_overrides(shape: OverridesYaml) -> tuple[Overrides, InvokeExtras, list[Mistake]]:
    """Bring all spellings together, with every mistake of value or of a setting given twice differently."""
    retry, compute, resources = shape.retry_settings, shape.compute, shape.resources
    counts = {
        "instance_count": shape.instance_count,
        "compute.instance_count": compute.instance_count if compute else None,
        "resources.instance_count": resources.instance_count if resources else None,
    }
    retries = {"max_retries": shape.max_retries, "retry_settings.max_retries": retry.max_retries if retry else None}
    timeouts = {"timeout": shape.timeout, "retry_settings.timeout": retry.timeout if retry else None}
    mistakes: list[Mistake] = []
    overrides = Overrides(
        **_plain(shape),
        instance_count=_agreed(counts, mistakes),
        max_retries=_agreed(retries, mistakes),
        timeout_s=_agreed(timeouts, mistakes),
    )
    output_uri = _output_uri(shape.output_dataset, mistakes)
    extras = InvokeExtras(shape.job_name, shape.experiment_name, output_uri, shape.tags or {})
    written: dict[str, Mapping[str, object]] = {
        "instance_count": counts,
        "retry_settings.max_retries": retries,
        "retry_settings.timeout": timeouts,
    }
    places = {place: _first(spellings) for place, spellings in written.items()}
    mistakes += renamed(override_mistakes(overrides), places)
    job_name = name_mistake("job", shape.job_name, field="job_name") if shape.job_name is not None else None
    return overrides, extras, mistakes + ([job_name] if job_name else [])


def overrides_from_arm(shape: OverridesArm) -> tuple[Overrides, list[Mistake]]:
    """Read the overrides of a body, with all mistakes, fields as ARM names them."""
    retry = shape.retry_settings or RetryArm()
    overrides = Overrides(
        **_plain(shape),
        instance_count=shape.compute.instance_count if shape.compute else None,
        max_retries=retry.max_retries,
        timeout_s=retry.timeout,
    )
    return overrides, renamed(override_mistakes(overrides), _ARM_NAMES)


def overrides_to_arm(overrides: Overrides) -> dict[str, object]:
    """Give the overrides as properties of an invocation's body; what is not overridden is left out."""
    timeout, stall, cap = (
        s if s is None else iso_from_seconds(s)
        for s in (overrides.timeout_s, overrides.no_progress_timeout_s, overrides.max_duration_s)
    )
    return without_empty(
        {
            "miniBatchSize": overrides.mini_batch_size,
            "miniBatchMaxBytes": overrides.mini_batch_max_bytes,
            "maxConcurrencyPerInstance": overrides.max_concurrency_per_instance,
            "compute": without_empty({"instanceCount": overrides.instance_count}),
            "retrySettings": without_empty({"maxRetries": overrides.max_retries, "timeout": timeout}),
            "errorThreshold": overrides.error_threshold,
            "miniBatchErrorThreshold": overrides.mini_batch_error_threshold,
            "errorThresholdPercent": overrides.error_threshold_percent,
            "allowedFailedPercent": overrides.allowed_failed_percent,
            "noProgressTimeout": stall,
            "maxDuration": cap,
            "outputFileName": overrides.output_file_name,
            "outputFormat": overrides.output_format.value if overrides.output_format else None,
            "outputShardBytes": overrides.output_shard_bytes,
        }
    )


def override_mistakes(overrides: Overrides) -> list[Mistake]:
    """Name every override that is out of range; the defaults it is laid over have no mistake."""
    defaults = ExecutionSettings(output_file_name=default_file_name(overrides.output_format))
    return settings_mistakes(effective(defaults, overrides), prefix="")


def output_folder(datastore: str, path: str, *, field: str) -> DatastorePath | Mistake:
    """Read `outputDataset`: a datastore by name, `azureml:name` or ARM id, and a path in it."""
    if not datastore:
        return Mistake(field, "nothing", "a datastore, such as azureml:workspaceblobstore")
    found = parse_reference(datastore)
    if found is not None and found.kind in ("", "datastores") and not found.version:
        return DatastorePath(found.name, path.strip("/"))
    if set(datastore) & set("/:@"):
        return Mistake(field, shown(datastore), "a datastore, such as azureml:workspaceblobstore")
    return DatastorePath(datastore, path.strip("/"))


def _plain(shape: OverridesYaml | OverridesArm) -> dict[str, Any]:
    """Give the fields that need no thought. Any: pydantic has checked each against the type it has in Overrides."""
    return {
        **{name: getattr(shape, name) for name in _PLAIN},
        "no_progress_timeout_s": shape.no_progress_timeout,
        "max_duration_s": shape.max_duration,
    }


_N = TypeVar("_N", int, float)


def _agreed(spellings: Mapping[str, _N | None], mistakes: list[Mistake]) -> _N | None:
    """Give the one value that all spellings agree on; two different ones are a mistake of the second."""
    first = _first(spellings)
    value = spellings[first]
    for name, other in spellings.items():
        if other is not None and other != value:
            mistakes.append(Mistake(name, shown(other), f"the same as {first}, which is {value}", "Give it once."))
    return value


def _first(spellings: Mapping[str, object]) -> str:
    """Give the first spelling that was used; the first of all when none was."""
    return next((name for name, value in spellings.items() if value is not None), next(iter(spellings)))


def _fixed_by_deployment(mistake: Mistake) -> Mistake:
    """Say of a deployment's setting which no invocation can change that it is one."""
    if mistake.field.split(".")[0] not in _FIXED:
        return mistake
    remedy = "Only the deployment can set it: update the deployment instead."
    return replace(mistake, found="a setting that cannot be changed at invoke", remedy=remedy)


def _output_uri(shape: _OutputDataset | None, mistakes: list[Mistake]) -> str | None:
    if shape is None:
        return None
    place = output_folder(shape.datastore_id or "", shape.path or "", field="output_dataset.datastore_id")
    if isinstance(place, DatastorePath):
        return str(place)
    mistakes.append(place)
    return None


def _readable(assignments: Sequence[str]) -> dict[str, object]:
    """Apply those assignments that can be read, so that mistakes of the others are told in the same answer."""
    document: dict[str, object] = {}
    for assignment in assignments:
        try:
            document = apply_set(document, [assignment], marks_removals=True)
        except InvalidInput:
            continue
    return document
