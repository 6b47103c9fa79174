"""The texts in a job's log folder that its own process writes: what is where, how far it is, what failed (C.9)."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

from batchyard.domain.errors import PlatformError
from batchyard.domain.failures import FailureGroup, FailureReport, group_line, sample_line
from batchyard.domain.jobs import Counts
from batchyard.ports.job_leases import Progress

OVERVIEW = "job_progress_overview.txt"
README = """What is in this folder:

job_error.txt                          why the job failed: start here
job_result.txt                         final counts and reason
job_progress_overview.txt              progress, and failures by cause; kept current while the job runs
user/error.txt                         every kind of failure once, with its count, samples and stack
user/error/<node>/<worker>.txt         every exception of the script, with mini-batch, attempt and stack
user/stdout/<node>/<worker>.stdout.txt what the script printed
user/stderr/<node>/<worker>.stderr.txt what the script logged, and crashes of native code
sys/node/<node>/<worker>.txt           the run-time's own lines; with logging_level debug one for each mini-batch
sys/job.txt                            the job's process: scheduling and publishing, a JSON object a line

A worker is called n<node>-s<slot>-<start>. `batchyard job logs -n JOB` prints what matters of all this;
with --errors the stacks, with --worker WORKER its logs, with --item PATH what became of one item.
"""


def write_readme(logs: Path) -> None:
    """Write the map of the log files. Raises: PlatformError."""
    _replace(logs / "readme.txt", README)


def write_overview(
    logs: Path, job: str, status: str, progress: Progress, report: FailureReport, *, ran_s: float | None
) -> None:
    """Write how far a job is, whole at once. ran_s: how long this owner scores, None at the end. Raises: PlatformError.

    The lines with mini batches and tasks are Azure's.
    """
    counts = progress.counts or Counts()
    lines = [f"Job {job}: {status}"]
    if counts.items:
        lines.append(
            f"Scheduling finished. Scheduled {counts.mini_batches} mini batches. "
            f"There are {counts.mini_batches} tasks with {counts.items - counts.skipped} items."
        )
        lines.append(_processed(counts, progress.eta_s, ran_s))
        lines.append(
            f"Items: {counts.items} in all, {counts.succeeded} succeeded, {counts.failed} failed, "
            f"{counts.skipped} skipped, {counts.incomplete} incomplete; {counts.attempts} attempts."
        )
    if progress.rate_items_s is not None:
        lines.append(f"Rate: {progress.rate_items_s:,.1f} items/s")
    lines += _groups("Failures by cause:", report.failed, has_stacks=False)
    lines += _groups("Failed at first, succeeded when tried again:", report.recovered, has_stacks=False)
    _replace(logs / OVERVIEW, "\n".join(lines) + "\n")


def write_errors(logs: Path, report: FailureReport) -> None:
    """Write each kind of failure once, with samples and a stack; no file when nothing failed. Raises: PlatformError."""
    lines = _groups("Failures by cause:", report.failed, has_stacks=True)
    lines += _groups("Failed at first, succeeded when tried again:", report.recovered, has_stacks=True)
    if lines:
        _replace(logs / "user" / "error.txt", "\n".join(lines).lstrip("\n") + "\n")


def _processed(counts: Counts, eta_s: float | None, ran_s: float | None) -> str:
    line = f"Processed {counts.mini_batches_done} of {counts.mini_batches} mini batches"
    line += f" in {_clock(ran_s)}." if ran_s is not None else "."
    return line + (f" Estimated remaining time {_clock(eta_s)}." if eta_s is not None else "")


def _groups(title: str, groups: Sequence[FailureGroup], *, has_stacks: bool) -> list[str]:
    lines = ["", title] if groups else []
    for group in groups:
        lines.append(group_line(group))
        for sample in group.samples:
            lines.append("    " + sample_line(sample))
        stack = next((sample.stack for sample in group.samples if sample.stack), "")
        if has_stacks and stack:
            lines += ["", *(f"    {line}" for line in stack.rstrip().splitlines()), ""]
    return lines


def _clock(seconds: float) -> str:
    whole = max(0, round(seconds))
    return f"{whole // 3600}:{whole % 3600 // 60:02d}:{whole % 60:02d}"


def _replace(path: Path, text: str) -> None:
    """Put a text in the place of a file, so that a reader meets the old or the new one. Raises: PlatformError."""
    # Listings of a datastore leave out what begins like this.
    beside = path.with_name(f".unfinished-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(text, encoding="utf-8", errors="backslashreplace")
        os.replace(beside, path)
    except OSError as exc:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        raise PlatformError(f"Could not write the log {path.name!r}: {exc}.") from exc
