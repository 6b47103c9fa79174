"""Preflight: what can be known before compute starts, as a list of findings, each with what to do about it.

Pure: others look, here is said what it means.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from batchyard.domain.computes import Compute, InstanceDemand
from batchyard.domain.deployments import ExecutionSettings, OutputAction
from batchyard.domain.errors import Mistake
from batchyard.domain.forecast.calibration import Calibration, SampledRun

_MOST_TOLD = 5
_PART_OF_THE_LIMIT = 0.5
_WORKERS_LINE = "Lower max_concurrency_per_instance, or mini_batch_size, or free memory."


class Level(Enum):
    """What a finding means for a run."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. check: its name, always the same; remedy: what to do, "" where all is well."""

    check: str
    level: Level
    found: str
    remedy: str = ""


def has_passed(findings: Iterable[Finding]) -> bool:
    """Whether nothing stands in the way of a run."""
    return all(finding.level is not Level.ERROR for finding in findings)


def lines_of(findings: Sequence[Finding]) -> list[str]:
    """Give findings as lines to read, the remedy below each."""
    wide, lines = max((len(one.check) for one in findings), default=0), []
    for one in findings:
        lines.append(f"{one.level.value:<11}  {one.check:<{wide}}  {one.found}")
        if one.remedy and one.level is not Level.OK:
            lines.append(f"{'':<11}  {'':<{wide}}  -> {one.remedy}")
    errors = sum(one.level is Level.ERROR for one in findings)
    warnings = sum(one.level is Level.WARNING for one in findings)
    verdict = "Passed" if not errors else f"Failed: {errors} error{'s' if errors > 1 else ''}"
    return [*lines, f"{verdict}, {warnings} warning{'' if warnings == 1 else 's'}."]


def of_mistakes(mistakes: Sequence[Mistake], *, check: str, otherwise: str = "") -> list[Finding]:
    """Give a finding for each mistake, or one that all is well. otherwise: what was found then."""
    if not mistakes:
        return [Finding(check, Level.OK, otherwise)]
    return [_of_mistake(mistake, check) for mistake in mistakes]


def _of_mistake(mistake: Mistake, check: str) -> Finding:
    place = f"{mistake.field}: " if mistake.field else ""
    remedy = mistake.remedy or f"Give {mistake.allowed}."
    return Finding(check, Level.ERROR, f"{place}found {mistake.found}, expected {mistake.allowed}.", remedy)


def of_compute(
    compute: Compute, asked: int, *, running: Sequence[InstanceDemand], queued: Sequence[InstanceDemand]
) -> Finding:
    """Say whether a job of so many instances could start now, later or never. running, queued: on this compute."""
    total, held = compute.max_instances, sum(demand.instances for demand in running)
    free = max(0, total - held)
    what = f"Compute {compute.name!r} has {free} of {total} instances free, {asked} asked for"
    if asked > total:
        remedy = f"Ask for {total} at most (instance_count), or give the compute more (max_instances)."
        return Finding("compute", Level.ERROR, f"{what}: never.", remedy)
    if queued or asked > free:
        ahead = ", ".join(repr(demand.job) for demand in [*running, *queued][:_MOST_TOLD])
        remedy = "The job would wait; start it later, ask for fewer instances, or name another compute."
        return Finding("compute", Level.WARNING, f"{what}: later, behind {ahead}.", remedy)
    return Finding("compute", Level.OK, f"{what}: now.")


def of_calibration(told: Calibration, settings: ExecutionSettings) -> list[Finding]:
    """Say what a sample that was scored means for the job."""
    items = _of_items(told)
    if items.level is Level.ERROR:
        return [items]
    found = [items, *_of_contract(told, settings)]
    if not told.starts:
        return found
    found += _of_starts(told)
    if told.runs or not any(start.failure for start in told.starts):
        found += _of_runs(told, settings)
    return found


def _of_items(told: Calibration) -> Finding:
    if not told.items:
        why = f", only {told.skipped} pipes, sockets or devices" if told.skipped else ""
        remedy = "Name a folder with files in it, or one file."
        return Finding("items", Level.ERROR, f"The input has no files{why}.", remedy)
    about = "about " if told.is_size_estimated else ""
    what = f"{told.items:,} items, {about}{_size(told.size_bytes)}, in {about}{told.mini_batches:,} mini-batches."
    if told.skipped:
        remedy = "Pipes, sockets and devices are left out; remove them to have none left out."
        return Finding("items", Level.WARNING, f"{what} {told.skipped} are no files.", remedy)
    return Finding("items", Level.OK, what)


def _of_contract(told: Calibration, settings: ExecutionSettings) -> list[Finding]:
    contract = settings.input_contract
    if contract is None:
        return [Finding("input contract", Level.OK, "None is declared.")]
    if not told.unfit:
        what = f"{told.looked_at:,} of {told.items:,} items are {contract.format.value} as declared."
        return [Finding("input contract", Level.OK, what)]
    remedy = "Correct the file, or what input_contract declares. No worker was started."
    found = [Finding("input contract", Level.ERROR, unfit.message, remedy) for unfit in told.unfit[:_MOST_TOLD]]
    rest = len(told.unfit) - len(found)
    more = [Finding("input contract", Level.ERROR, f"{rest} more items are not as declared.", remedy)] if rest else []
    return found + more


def _of_starts(told: Calibration) -> list[Finding]:
    failed = next((start.failure for start in told.starts if start.failure is not None), None)
    if failed is not None:
        remedy = "Correct script, model or environment; `batchyard run --inline --pdb` stops where it fails."
        return [Finding("start", Level.ERROR, _failure(failed.error, failed.message, failed.stack), remedy)]
    return [Finding("start", Level.OK, f"Import and init() took {told.start_seconds:.2f} s.")]


def _of_runs(told: Calibration, settings: ExecutionSettings) -> list[Finding]:
    if not told.runs:
        remedy = "Try smaller mini-batches (mini_batch_size), or look why run() takes so long."
        return [Finding("sample", Level.ERROR, "No run() of the sample ended within the time for it.", remedy)]
    found = [_of_failures(told, settings)]
    good = told.succeeded
    if not good:
        return found
    found += _of_rows(good, settings) + _of_keys(settings)
    return found + _of_time(good, settings) + _of_memory(told, settings) + _of_output(told)


def _of_failures(told: Calibration, settings: ExecutionSettings) -> Finding:
    failed = [run for run in told.runs if run.failure is not None]
    short = " The time for the sample was over before all of it was scored." if told.is_cut_short else ""
    if not failed:
        took = sum(run.seconds for run in told.runs)
        what = f"{told.sample_items:,} items in {len(told.runs):,} run() succeeded in {took:.2f} s."
        remedy = "Give the sample more time, or take fewer items for it." if short else ""
        return Finding("sample", Level.WARNING if short else Level.OK, what + short, remedy)
    first = failed[0].failure
    told_of = _failure(first.error, first.message, first.stack) if first is not None else ""
    item = f" First item: {first.item!r}." if first is not None and first.item else ""
    what = f"{len(failed)} of {len(told.runs)} run() of the sample failed. {told_of}{item}{short}"
    if len(failed) == len(told.runs) or _exceeds(failed, told, settings):
        return Finding("sample", Level.ERROR, what, remedy_of(failed, settings))
    remedy = "The job would try again and list what still fails; set an error budget if that must not pass."
    return Finding("sample", Level.WARNING, what, remedy)


def remedy_of(failed: Sequence[SampledRun], settings: ExecutionSettings) -> str:
    """Say what to do about failures that stand in the way: a sample divides nothing, a job may."""
    if not settings.isolate_failing_items or all(run.items == 1 for run in failed):
        return "Correct the script or the items; so the job would fail."
    return (
        "Correct the script or the items. The job would divide mini-batches that fail, and list only the items at "
        "fault; a sample does not: `--set mini_batch_size=1` tells which would remain."
    )


def _exceeds(failed: Sequence[SampledRun], told: Calibration, settings: ExecutionSettings) -> bool:
    """Whether a job that fails as the sample does would exceed an error budget."""
    items = sum(run.items for run in failed)
    return (
        0 <= settings.error_threshold < items
        or 0 <= settings.mini_batch_error_threshold < len(failed)
        or 100 * items > settings.error_threshold_percent * told.sample_items
        or 100 * len(failed) > settings.allowed_failed_percent * len(told.runs)
    )


def _of_rows(good: Sequence[SampledRun], settings: ExecutionSettings) -> list[Finding]:
    short = [run for run in good if run.rows < run.items]
    if not short or settings.output_action is not OutputAction.APPEND_ROW:
        return []
    missing = sum(run.items - run.rows for run in short)
    what = f"run() returned fewer rows than items in {len(short)} of {len(good)} mini-batches: {missing} are missing."
    remedy = "Return an element for each item; those without one are listed as failed."
    return [Finding("rows", Level.WARNING, what, remedy)]


def _of_keys(settings: ExecutionSettings) -> list[Finding]:
    """Say what the rows of one mini-batch cannot tell: whether another one has the same key."""
    contract = settings.output_contract
    if contract is None or not contract.unique_key:
        return []
    what = f"Keys ({contract.key_column!r}) were compared within each mini-batch of the sample, not between them."
    remedy = (
        "The job compares all of them before it publishes; a key that comes twice fails it, with nothing published."
    )
    return [Finding("unique key", Level.NOT_CHECKED, what, remedy)]


def _of_time(good: Sequence[SampledRun], settings: ExecutionSettings) -> list[Finding]:
    longest, limit = max(run.seconds for run in good), settings.retry.timeout_s
    if longest <= _PART_OF_THE_LIMIT * limit:
        return []
    what = f"The longest run() took {longest:.1f} s of the {limit:g} s that retry_settings.timeout allows."
    return [Finding("time limit", Level.WARNING, what, "Raise the timeout, or lower mini_batch_size.")]


def _of_memory(told: Calibration, settings: ExecutionSettings) -> list[Finding]:
    workers = settings.instance_count * settings.max_concurrency_per_instance
    needed = workers * told.peak_bytes
    each = f"{workers} workers of {_size(told.peak_bytes)} each" if workers > 1 else f"A worker of {_size(needed)}"
    if told.memory_bytes and needed > told.memory_bytes:
        what = f"{each} may need more than the {_size(told.memory_bytes)} that are free."
        return [Finding("memory", Level.WARNING, what, _WORKERS_LINE)]
    return [Finding("memory", Level.OK, f"{each}; {_size(told.memory_bytes)} are free.")]


def _of_output(told: Calibration) -> list[Finding]:
    written, items = sum(run.output_bytes for run in told.succeeded), sum(run.items for run in told.succeeded)
    return [Finding("output size", Level.OK, f"About {_size(round(written * told.items / max(1, items)))} of rows.")]


def _failure(error: str, message: str, stack: str) -> str:
    lines = [line.strip() for line in stack.strip().splitlines() if line.strip().startswith("File ")]
    return f"{error}: {message.rstrip('.')}{f' ({lines[-1]})' if lines else ''}."


def _size(size_bytes: int) -> str:
    value, units = float(size_bytes), ("bytes", "kB", "MB", "GB", "TB")
    for unit in units:
        if value < 1000 or unit == units[-1]:
            return f"{value:.0f} {unit}" if unit == "bytes" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{size_bytes} bytes"
