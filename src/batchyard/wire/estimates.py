"""What the command line needs of a deployment to reckon how long its jobs take and to say what to change."""

from __future__ import annotations

from collections.abc import Mapping

from batchyard.domain.deployments import ExecutionSettings, RetrySettings
from batchyard.domain.forecast.tuning import Setting, Trial
from batchyard.wire.deployments import deployment_yaml_from_arm
from batchyard.wire.durations import seconds_from_iso
from batchyard.wire.trees import at, mapping_at, text_at


def run_settings_from_arm(arm: Mapping[str, object]) -> ExecutionSettings:
    """Give those settings of a deployment that decide how long a job takes; all others have their defaults."""
    properties = mapping_at(arm, "properties")
    default = ExecutionSettings()
    timeout_s = seconds_from_iso(text_at(properties, "retrySettings", "timeout"))
    return ExecutionSettings(
        mini_batch_size=_number(properties, "miniBatchSize", default=default.mini_batch_size),
        max_concurrency_per_instance=_number(properties, "maxConcurrencyPerInstance", default=1),
        instance_count=_number(properties, "resources", "instanceCount", default=1),
        retry=RetrySettings(
            _number(properties, "retrySettings", "maxRetries", default=default.retry.max_retries),
            default.retry.timeout_s if timeout_s is None else timeout_s,
        ),
        isolate_failing_items=at(properties, "isolateFailingItems") is not False,
        max_duration_s=seconds_from_iso(text_at(properties, "maxDuration")),
    )


def tuned_yaml_from_arm(
    arm: Mapping[str, object], *, run_items: int, concurrency: int, variables: Mapping[str, str]
) -> dict[str, object]:
    """Give the deployment's YAML document with other numbers. variables: added to its environment variables."""
    document = deployment_yaml_from_arm(arm)
    settings = mapping_at(document, "settings")
    changed: dict[str, object] = {"mini_batch_size": run_items, "max_concurrency_per_instance": concurrency}
    if variables:
        changed["environment_variables"] = {**mapping_at(settings, "environment_variables"), **variables}
    return {**document, "settings": {**settings, **changed}}


def past_trial_from_arm(arm: Mapping[str, object]) -> tuple[int, Trial] | None:
    """Give what a job tells of its settings: items, and how fast it was; None unless one run of it scored all.

    The time in Running is that of scoring and, where the input was listed sooner, of the end of workers' starts; jobs
    of former versions do not tell the two apart, and then all of it counts as scoring and the start is not known.
    """
    ours = mapping_at(arm, "properties", "batchyard")
    running_s, items = at(ours, "durations", "running_s"), at(ours, "counts", "items")
    if at(arm, "properties", "status") != "Completed" or at(ours, "run") != 1 or at(ours, "counts", "failed") != 0:
        return None
    if not isinstance(running_s, int | float) or not isinstance(items, int) or running_s <= 0 or items < 1:
        return None
    settings = run_settings_from_arm({"properties": mapping_at(ours, "settings")})
    workers = settings.instance_count * settings.max_concurrency_per_instance
    size, start_s, scoring_s = settings.mini_batch_size, None, float(running_s)
    starting_s, preparing_s = at(ours, "durations", "starting_s"), at(ours, "durations", "preparing_s")
    if isinstance(starting_s, int | float) and starting_s < running_s:
        # Workers start while the job still prepares; all that is before the first of them was ready is the start.
        start_s = starting_s + (preparing_s if isinstance(preparing_s, int | float) else 0.0)
        scoring_s -= starting_s
    run_s = size * workers * scoring_s / items
    return items, Trial(Setting(size, workers), items / scoring_s, None, run_s=run_s, start_s=start_s)


def _number(document: Mapping[str, object], *keys: str, default: int) -> int:
    found = at(document, *keys)
    return found if isinstance(found, int) else default
