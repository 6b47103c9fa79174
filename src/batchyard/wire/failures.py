"""Failures of a job in groups: under `properties.batchyard` in JSON, and as `job show` prints them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from batchyard.domain.failures import FailureGroup, FailureReport, FailureSample
from batchyard.wire.trees import rows_at

_SAMPLE = {
    "item": "item",
    "position": "position",
    "mini_batch": "miniBatch",
    "attempts": "attempts",
    "message": "message",
    "worker": "worker",
    "log": "log",
}
_GROUP = {
    "error_class": "errorClass",
    "error": "error",
    "message": "message",
    "items": "items",
    "share": "share",
    "mini_batches": "miniBatches",
}


def failures_to_arm(report: FailureReport) -> dict[str, object]:
    """Give `failureGroups`, what failed for good, and `recoveredGroups`, what succeeded when it was tried again.

    share: of all items in the groups of its list, 0 to 1.
    """
    return {"failureGroups": _groups(report.failed), "recoveredGroups": _groups(report.recovered)}


def failures_cli_from_arm(ours: Mapping[str, object]) -> dict[str, object]:
    """Give `failure_groups` and `recovered_groups` as `job show` prints them; None where a list left them out."""
    return {name: _groups_cli(ours, key) for name, key in _LISTS.items()}


def failures_from_cli(job: Mapping[str, object]) -> FailureReport:
    """Give the failures of a job as `job show` prints it."""
    failed, recovered = (tuple(_group_of(group) for group in rows_at(job, name)) for name in _LISTS)
    return FailureReport(failed, recovered)


_LISTS = {"failure_groups": "failureGroups", "recovered_groups": "recoveredGroups"}


def _groups(groups: Sequence[FailureGroup]) -> list[dict[str, object]]:
    total = sum(group.items for group in groups) or 1
    return [
        {
            "errorClass": group.error_class,
            "error": group.error,
            "message": group.message,
            "items": group.items,
            "share": round(group.items / total, 6),
            "miniBatches": group.mini_batches,
            "samples": [{key: getattr(sample, name) for name, key in _SAMPLE.items()} for sample in group.samples],
        }
        for group in groups
    ]


def _groups_cli(ours: Mapping[str, object], key: str) -> list[dict[str, object]] | None:
    if ours.get(key) is None:
        return None
    return [
        {
            **{name: group.get(other) for name, other in _GROUP.items()},
            "samples": [{n: sample.get(k) for n, k in _SAMPLE.items()} for sample in rows_at(group, "samples")],
        }
        for group in rows_at(ours, key)
    ]


def _group_of(group: Mapping[str, object]) -> FailureGroup:
    samples = tuple(_sample_of(sample) for sample in rows_at(group, "samples"))
    items, mini_batches = _whole(group.get("items")), _whole(group.get("mini_batches"))
    error_class, error, message = (str(group.get(name) or "") for name in ("error_class", "error", "message"))
    return FailureGroup(error_class, error, message, items, mini_batches, samples)


def _sample_of(sample: Mapping[str, object]) -> FailureSample:
    position, mini_batch, attempts = (_whole(sample.get(name)) for name in ("position", "mini_batch", "attempts"))
    message, worker, log = (str(sample.get(name) or "") for name in ("message", "worker", "log"))
    item = sample.get("item")
    return FailureSample(position, mini_batch, attempts, message, worker, log, None if item is None else str(item))


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0
