"""Batch deployments: what runs, in which environment, on which compute, with which execution settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from enum import Enum
from typing import TypeVar

from batchyard.domain.assets import EnvironmentBuild
from batchyard.domain.endpoints import ProvisioningState
from batchyard.domain.errors import Mistake
from batchyard.domain.names import file_name_mistake, name_mistake
from batchyard.domain.outputs.contracts import (
    InputContract,
    OutputContract,
    clash_mistakes,
    input_contract_mistakes,
    output_contract_mistakes,
)
from batchyard.domain.outputs.formats import (
    SMALLEST_SHARD_BYTES,
    default_file_name,
    effective_format,
    format_mistakes,
    is_default_file_name,
)
from batchyard.domain.outputs.formats import OutputColumn as OutputColumn
from batchyard.domain.outputs.formats import OutputFormat as OutputFormat
from batchyard.domain.pinned_paths import pin_mistakes
from batchyard.domain.resource_ids import AssetId, DatastorePath, Reference

_T = TypeVar("_T")

# Values of the error budgets (`domain.scoring.budgets`) that tolerate every failure.
TOLERATES_ALL = -1
TOLERATES_ALL_PERCENT = 100.0
LONGEST_DURATION_S = 31_536_000
LONGEST_TIMEOUT_S = 259_200  # Azure: three days for one run().


class DeploymentKind(Enum):
    """What stands behind the deployment."""

    MODEL = "model"
    PIPELINE = "pipeline"


class OutputAction(Enum):
    """What becomes of the rows that `run()` returns."""

    APPEND_ROW = "append_row"
    SUMMARY_ONLY = "summary_only"


class LoggingLevel(Enum):
    """Level of the run-time's own loggers."""

    WARNING = "warning"
    INFO = "info"
    DEBUG = "debug"


class SameName(Enum):
    """What to do when two mini-batches write different bytes under one file name (ours; Azure interleaves them)."""

    REFUSE = "refuse"
    CONCATENATE = "concatenate"


@dataclass(frozen=True, slots=True)
class RetrySettings:
    """max_retries: tries after the first one (n retries = n+1 attempts). timeout_s: wall time of one `run()`."""

    max_retries: int = 3
    timeout_s: float = 30.0


@dataclass(frozen=True, slots=True)
class ExecutionSettings:
    """Every execution setting of A.3, with Azure's defaults.

    mini_batch_size: items for one `run()`, at most. mini_batch_max_bytes: bytes of their files, None for any number.
    The four error budgets are explained in `domain.scoring.budgets`.
    speculative: stragglers are scored twice and the first report wins (`domain.scoring.speculation`).
    no_progress_timeout_s: see `domain.scoring.progress_guard`; None for what follows from the time limit.
    max_duration_s: of one run of a job (`domain.scoring.duration_cap`); None for any.
    isolate_failing_items: a mini-batch that fails for good is divided until the failing items stand alone
    (`domain.scoring.isolation`). instance_count × max_concurrency_per_instance worker processes score at a time.
    output_format: None lets the ending of output_file_name decide, see `output_format_of`.
    output_shard_bytes: how large a file of rows may be before the next one begins; None for one file.
    output_contract, input_contract: None for what is not checked (`domain.outputs.contracts`).
    output_path: the folder that is this deployment's alone (`domain.pinned_paths`); None for none.
    """

    mini_batch_size: int = 10
    max_concurrency_per_instance: int = 1
    instance_count: int = 1
    retry: RetrySettings = field(default_factory=RetrySettings)
    error_threshold: int = TOLERATES_ALL
    mini_batch_error_threshold: int = TOLERATES_ALL
    error_threshold_percent: float = TOLERATES_ALL_PERCENT
    allowed_failed_percent: float = TOLERATES_ALL_PERCENT
    output_action: OutputAction = OutputAction.APPEND_ROW
    output_file_name: str = "predictions.csv"
    logging_level: LoggingLevel = LoggingLevel.INFO
    same_name: SameName = SameName.REFUSE
    isolate_failing_items: bool = True
    environment_variables: Mapping[str, str] = field(default_factory=dict)
    no_progress_timeout_s: float | None = None
    speculative: bool = False
    mini_batch_max_bytes: int | None = None
    output_format: OutputFormat | None = None
    output_columns: tuple[OutputColumn, ...] = ()
    output_shard_bytes: int | None = None
    max_duration_s: float | None = None
    output_contract: OutputContract | None = None
    input_contract: InputContract | None = None
    output_path: DatastorePath | None = None


@dataclass(frozen=True, slots=True)
class Overrides:
    """What an invocation may change (A.5); None leaves the deployment's value."""

    mini_batch_size: int | None = None
    max_concurrency_per_instance: int | None = None
    instance_count: int | None = None
    max_retries: int | None = None
    timeout_s: float | None = None
    error_threshold: int | None = None
    output_file_name: str | None = None
    mini_batch_error_threshold: int | None = None
    error_threshold_percent: float | None = None
    allowed_failed_percent: float | None = None
    no_progress_timeout_s: float | None = None
    mini_batch_max_bytes: int | None = None
    output_format: OutputFormat | None = None
    max_duration_s: float | None = None
    output_shard_bytes: int | None = None


# Overrides and settings call these by the same names.
_PLAIN_OVERRIDES = (
    "mini_batch_size",
    "max_concurrency_per_instance",
    "instance_count",
    "error_threshold",
    "mini_batch_error_threshold",
    "error_threshold_percent",
    "allowed_failed_percent",
    "no_progress_timeout_s",
    "mini_batch_max_bytes",
    "max_duration_s",
    "output_file_name",
    "output_format",
    "output_shard_bytes",
)


@dataclass(frozen=True, slots=True)
class CodeReference:
    """A registered code version and the script in it; scoring_script is relative to the folder, '/'-separated."""

    code: AssetId
    scoring_script: str


@dataclass(frozen=True, slots=True)
class PipelineSettings:
    """The settings of a pipeline component deployment (A.4).

    default_compute: for steps that name none, "" where each does. default_datastore: for outputs whose place nobody
    says, "" for the workspace's. force_rerun: no step's earlier result is used again. output_path: as of a model.
    """

    default_compute: str = ""
    default_datastore: str = ""
    # Azure: its pages say true here and false there; a failed step ends the job unless somebody asks otherwise.
    continue_on_step_failure: bool = False
    force_rerun: bool = False
    output_path: DatastorePath | None = None


@dataclass(frozen=True, slots=True)
class Deployment:
    """One revision of a deployment, as stored.

    Exactly one of model and component is set; with a component compute is the default of its steps, "" for none, and
    pipeline has its settings, in the place of `settings`. build: the environment it runs in, once provisioned.
    state_message: why it is Failed, "" otherwise.
    """

    name: str
    endpoint: str
    kind: DeploymentKind
    compute: str
    model: AssetId | None = None
    component: AssetId | None = None
    code: CodeReference | None = None
    environment: AssetId | None = None
    settings: ExecutionSettings = field(default_factory=ExecutionSettings)
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    state: ProvisioningState = ProvisioningState.CREATING
    state_message: str = ""
    build: EnvironmentBuild | None = None
    pipeline: PipelineSettings | None = None


def pinned_path(deployment: Deployment) -> DatastorePath | None:
    """Give the folder that a deployment is pinned to, None for none."""
    settings = deployment.pipeline or deployment.settings
    return settings.output_path


def given(overrides: Overrides) -> dict[str, int | float | str]:
    """Give the overrides that are there, by name."""
    found = {f.name: value for f in fields(overrides) if (value := getattr(overrides, f.name)) is not None}
    return {name: value.value if isinstance(value, Enum) else value for name, value in found.items()}


def output_format_of(settings: ExecutionSettings) -> OutputFormat:
    """Give the format in which rows are published with these settings."""
    return effective_format(settings.output_format, settings.output_file_name)


def effective(settings: ExecutionSettings, overrides: Overrides) -> ExecutionSettings:
    """Apply an invocation's overrides; 0 and -1 are values, only None is absent.

    A format that comes without a file name takes a default name along: nobody chose `predictions.csv`.
    """
    plain = {name: value for name in _PLAIN_OVERRIDES if (value := getattr(overrides, name)) is not None}
    retry = RetrySettings(
        _pick(overrides.max_retries, settings.retry.max_retries), _pick(overrides.timeout_s, settings.retry.timeout_s)
    )
    asked = overrides.output_format
    if asked is not None and overrides.output_file_name is None and is_default_file_name(settings.output_file_name):
        plain["output_file_name"] = default_file_name(asked)
    return replace(settings, **plain, retry=retry)


def settings_mistakes(settings: ExecutionSettings, *, prefix: str = "settings.") -> list[Mistake]:
    """Name every setting that is out of range; prefix: where the settings stand in the user's document."""
    rules: Iterable[tuple[str, bool, object, str]] = (
        ("mini_batch_size", settings.mini_batch_size >= 1, settings.mini_batch_size, "1 or more"),
        (
            "mini_batch_max_bytes",
            settings.mini_batch_max_bytes is None or settings.mini_batch_max_bytes >= 1,
            settings.mini_batch_max_bytes,
            "1 or more bytes, or left out",
        ),
        (
            "output_shard_bytes",
            settings.output_shard_bytes is None or settings.output_shard_bytes >= SMALLEST_SHARD_BYTES,
            settings.output_shard_bytes,
            f"{SMALLEST_SHARD_BYTES} or more bytes, or left out for one file",
        ),
        (
            "max_concurrency_per_instance",
            settings.max_concurrency_per_instance >= 1,
            settings.max_concurrency_per_instance,
            "1 or more",
        ),
        ("instance_count", settings.instance_count >= 1, settings.instance_count, "1 or more"),
        (
            "retry_settings.max_retries",
            settings.retry.max_retries >= 0,
            settings.retry.max_retries,
            "0 or more",
        ),
        (
            "retry_settings.timeout",
            0 < settings.retry.timeout_s <= LONGEST_TIMEOUT_S,
            settings.retry.timeout_s,
            f"more than 0 and at most {LONGEST_TIMEOUT_S} seconds",
        ),
        *_budget_rules(settings),
        (
            "speculative",
            not (settings.speculative and settings.output_action is OutputAction.SUMMARY_ONLY),
            "true with output_action summary_only" if settings.speculative else False,
            "false, or output_action append_row: a script that writes its own files cannot have a second run beside it",
        ),
        (
            "no_progress_timeout",
            settings.no_progress_timeout_s is None or 0 < settings.no_progress_timeout_s <= LONGEST_TIMEOUT_S,
            settings.no_progress_timeout_s,
            f"more than 0 and at most {LONGEST_TIMEOUT_S} seconds",
        ),
        (
            "max_duration",
            settings.max_duration_s is None or 0 < settings.max_duration_s <= LONGEST_DURATION_S,
            settings.max_duration_s,
            f"more than 0 and at most {LONGEST_DURATION_S} seconds, or left out",
        ),
    )
    mistakes = [Mistake(prefix + name, repr(value), allowed) for name, good, value, allowed in rules if not good]
    file_name = file_name_mistake(settings.output_file_name, field=prefix + "output_file_name")
    mistakes += [file_name] if file_name else []
    mistakes += pin_mistakes(settings.output_path, field=prefix + "output_path")
    mistakes += format_mistakes(
        settings.output_format, settings.output_file_name, settings.output_columns, prefix=prefix
    )
    return mistakes + variable_mistakes(settings.environment_variables, prefix) + _contract_mistakes(settings, prefix)


def _contract_mistakes(settings: ExecutionSettings, prefix: str) -> list[Mistake]:
    found: list[Mistake] = []
    if settings.output_contract is not None:
        found += output_contract_mistakes(
            settings.output_contract,
            prefix=prefix + "output_contract.",
            is_text=output_format_of(settings) is OutputFormat.AZURE_TEXT,
            is_summary=settings.output_action is OutputAction.SUMMARY_ONLY,
        )
        found += clash_mistakes(
            settings.output_contract, [column.value for column in settings.output_columns], prefix=prefix
        )
    if settings.input_contract is not None:
        found += input_contract_mistakes(settings.input_contract, prefix=prefix + "input_contract.")
    return found


def _budget_rules(settings: ExecutionSettings) -> Iterable[tuple[str, bool, object, str]]:
    for name, what in (("error_threshold", "items"), ("mini_batch_error_threshold", "mini-batches")):
        count = getattr(settings, name)
        yield name, count >= TOLERATES_ALL, count, f"-1 (tolerate every failure) or a number of failed {what}"
    for name, what in (("error_threshold_percent", "items"), ("allowed_failed_percent", "mini-batches")):
        percent = getattr(settings, name)
        yield name, 0 <= percent <= 100, percent, f"0 to 100, percent of all {what} (100 tolerates every failure)"


def deployment_mistakes(deployment: Deployment) -> list[Mistake]:
    """Name everything wrong with a deployment that can be seen without looking anything up."""
    names = (
        name_mistake("deployment", deployment.name),
        name_mistake("endpoint", deployment.endpoint, field="endpoint_name"),
    )
    found = [mistake for mistake in names if mistake is not None]
    if (deployment.model is None) == (deployment.component is None):
        both = "both" if deployment.model is not None else "neither"
        found.append(Mistake("model", both, "exactly one of model and component"))
    if not deployment.compute:
        found.append(Mistake("compute", "nothing", "the name of a compute, such as azureml:cpu-cluster"))
    if deployment.kind is DeploymentKind.MODEL and deployment.code is not None and deployment.environment is None:
        found.append(
            Mistake(
                "environment",
                "nothing",
                "an environment, since a scoring script is given",
                "Name or inline one.",
            )
        )
    return found + settings_mistakes(deployment.settings)


def _pick(new: _T | None, old: _T) -> _T:
    return old if new is None else new


def variable_mistakes(variables: Mapping[str, str], prefix: str) -> list[Mistake]:
    """Name every environment variable that no process can be given. prefix: where they stand in the document."""
    bad = [name for name in variables if not name or "=" in name or "\0" in name or "\0" in variables[name]]
    allowed = "a name without '=' and a value without NUL"
    return [Mistake(f"{prefix}environment_variables", repr(name), allowed) for name in bad]


@dataclass(frozen=True, slots=True)
class DeploymentDraft:
    """A deployment as somebody asks for it: references not yet looked up, nothing provisioned.

    compute: the compute's name. code: a reference to a registered code version; scoring_script goes with it.
    """

    name: str
    endpoint: str
    kind: DeploymentKind
    compute: str
    model: Reference | None = None
    component: Reference | None = None
    code: Reference | None = None
    scoring_script: str | None = None
    environment: Reference | None = None
    settings: ExecutionSettings = field(default_factory=ExecutionSettings)
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    pipeline: PipelineSettings | None = None
