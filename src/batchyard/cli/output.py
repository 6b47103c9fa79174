"""What `-o table` shows: for each kind of result the few columns that answer the usual question."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any  # results are JSON values

from batchyard.cli import step_tree

Row = OrderedDict[str, Any]
_MOST_CAUSES, _WIDEST_CAUSE = 5, 80


def deployments(result: Any) -> Any:
    """Show deployments: what runs, where, and which is the default."""
    return _rows(result, _deployment)


def endpoints(result: Any) -> Any:
    """Show endpoints with their default."""
    return _rows(result, _endpoint)


def jobs(result: Any) -> Any:
    """Show jobs with their progress; a single one with its most frequent causes of failure, a line each.

    A single pipeline is shown by its steps, a row each.
    """
    if isinstance(result, Mapping) and result.get("steps"):
        return step_tree.rows(result["steps"])
    rows = _rows(result, _job)
    if not isinstance(result, list):
        rows["Failures"] = "\n".join(_cause(group) for group in (result.get("failure_groups") or [])[:_MOST_CAUSES])
    return rows


def findings(result: Any) -> Any:
    """Show what a preflight found, with its remedies."""
    return [
        OrderedDict(Check=one["check"], Result=one["result"], Found=one["found"], Remedy=one["remedy"])
        for one in (result or {}).get("findings", [])
    ]


def invoked(result: Any) -> Any:
    """Show a job that was made, or what a dry run found."""
    return findings(result) if isinstance(result, Mapping) and "findings" in result else result


def models(result: Any) -> Any:
    """Show models, versions or containers."""
    return _rows(result, _model)


def environments(result: Any) -> Any:
    """Show environments, versions or containers."""
    return _rows(result, _environment)


def computes(result: Any) -> Any:
    """Show computes."""
    return _rows(result, _compute)


def schedules(result: Any) -> Any:
    """Show schedules with what triggers them."""
    return _rows(result, _schedule)


def datastores(result: Any) -> Any:
    """Show datastores."""
    return _rows(result, _datastore)


def workspaces(result: Any) -> Any:
    """Show workspaces and where they are."""
    return _rows(result, _workspace)


def trials(result: Any) -> Any:
    """Show what tuning tried, the recommended setting marked."""
    recommended = result.get("recommended") or {}
    keys = ("mini_batch_size", "workers", "threads")
    return [
        _filled(
            Row(
                MiniBatchSize=trial["mini_batch_size"],
                Workers=trial["workers"],
                Threads=trial["threads"] or "auto",
                ItemsPerS=trial["items_per_s"],
                WorkerMiB=trial["worker_bytes"] >> 20 if trial["worker_bytes"] else None,
                Recommended="*" if all(trial[key] == recommended.get(key) for key in keys) else "",
            )
        )
        for trial in result.get("trials") or ()
    ]


def processes(result: Any) -> Any:
    """Show the processes of an embedded server, a row for each."""
    found = {name: entry for name, entry in result.items() if isinstance(entry, Mapping) and "pid" in entry}
    return [
        _filled(Row(Process=name, Running="yes" if entry.get("running") else "no", Pid=entry.get("pid")))
        for name, entry in found.items()
    ]


def short_reference(reference: object) -> str:
    """Give `name:version` of an asset's ARM id or `azureml:` reference; anything else as it is."""
    text = str(reference or "")
    parts = text.strip("/").split("/")
    if "versions" in parts:
        return f"{parts[-3]}:{parts[-1]}"
    return parts[-1].removeprefix("azureml:") if "/" in text else text.removeprefix("azureml:")


def _rows(result: Any, row: Callable[[Mapping[str, Any]], Row]) -> Any:
    return [_filled(row(entry)) for entry in result] if isinstance(result, list) else _filled(row(result))


def _filled(row: Row) -> Row:
    """Give the row without None: knack leaves such cells out, and with them the column."""
    return Row((name, "" if cell is None else cell) for name, cell in row.items())


def _schedule(found: Mapping[str, Any]) -> Row:
    trigger = found.get("trigger") or {}
    when = trigger.get("expression") or f"every {trigger.get('interval')} {trigger.get('frequency')}"
    return Row(Name=found.get("name"), Enabled="yes" if found.get("is_enabled") else "no", Trigger=when)


def _datastore(found: Mapping[str, Any]) -> Row:
    default = "*" if found.get("is_default") else ""
    return Row(Name=found.get("name"), Default=default, Type=found.get("type"), Description=found.get("description"))


def _deployment(found: Mapping[str, Any]) -> Row:
    settings = found.get("settings") or {}
    resources = found.get("resources") or {}
    return Row(
        Name=found.get("name"),
        Default="*" if found.get("is_default") else "",
        State=found.get("provisioning_state"),
        Model=short_reference(found.get("model")),
        Environment=(found.get("environment_hash") or "")[:12] or short_reference(found.get("environment")),
        Compute=short_reference(found.get("compute")),
        Revision=found.get("revision"),
        # What jobs run; another one than the newest while that is provisioned, or when it failed.
        Serving=found.get("serving_revision"),
        MiniBatchSize=settings.get("mini_batch_size"),
        Instances=resources.get("instance_count", settings.get("instance_count")),
        Concurrency=settings.get("max_concurrency_per_instance"),
        ErrorThreshold=settings.get("error_threshold"),
    )


def _workspace(found: Mapping[str, Any]) -> Row:
    return Row(
        Name=found.get("name"),
        ResourceGroup=found.get("resource_group"),
        Subscription=found.get("subscription"),
        Location=found.get("location"),
        Description=found.get("description") or "",
    )


def _endpoint(found: Mapping[str, Any]) -> Row:
    return Row(
        Name=found.get("name"),
        Default=(found.get("defaults") or {}).get("deployment_name") or "",
        State=found.get("provisioning_state"),
        ScoringUri=found.get("scoring_uri"),
        Description=found.get("description") or "",
    )


def _job(found: Mapping[str, Any]) -> Row:
    if found.get("parent_job_name"):  # A step, as `job list --parent-job-name` has it.
        return Row(
            Step=found.get("display_name"),
            Status=found.get("status"),
            Began=found.get("start_time") or "",
            Ended=found.get("end_time") or "",
            Name=found.get("name"),
        )
    counts = found.get("counts") or {}
    return Row(
        Name=found.get("name"),
        Status=_job_status(found),
        Endpoint=found.get("endpoint_name") or "",
        Deployment=found.get("deployment_name") or "",
        RoutedBy=found.get("routed_by") or "",
        Items=counts.get("items"),
        Succeeded=counts.get("succeeded"),
        Failed=counts.get("failed"),
        Skipped=counts.get("skipped"),
        Incomplete=counts.get("incomplete"),
        CreatedBy=found.get("created_by") or "",
    )


def _job_status(found: Mapping[str, Any]) -> str:
    """Give the status, with how many items failed where the job completed all the same."""
    status = str(found.get("status") or "")
    return f"{status}, {found['outcome']}" if found.get("completed_with_errors") else status


def _cause(group: Mapping[str, Any]) -> str:
    text = f"{group.get('items')} {group.get('error_class')} {group.get('error')}: {group.get('message')}"
    return text if len(text) <= _WIDEST_CAUSE else text[: _WIDEST_CAUSE - 1] + "…"


def _model(found: Mapping[str, Any]) -> Row:
    return Row(
        Name=found.get("name"),
        Version=found.get("version") or found.get("latest_version"),
        Type=found.get("type"),
        Description=found.get("description"),
    )


def _environment(found: Mapping[str, Any]) -> Row:
    return Row(
        Name=found.get("name"),
        Version=found.get("version") or found.get("latest_version"),
        Image=found.get("image"),
        Description=found.get("description"),
    )


def _compute(found: Mapping[str, Any]) -> Row:
    return Row(
        Name=found.get("name"),
        State=found.get("provisioning_state"),
        MinInstances=found.get("min_instances"),
        MaxInstances=found.get("max_instances"),
        Tier=found.get("tier"),
        Size=found.get("size"),
    )
