"""`job_result.txt` and `job_error.txt`: how a job ended, for people who read files (C.9)."""

from __future__ import annotations

from pathlib import Path

from batchyard.domain.errors import PlatformError
from batchyard.domain.jobs import Counts, JobError, is_completed_with_errors
from batchyard.ports.job_leases import JobChange


def write_result(logs: Path, ended: JobChange, *, has_items: bool = True) -> None:
    """Write how the job ended, and for a failed one alone why, where to read on first. Raises: PlatformError.

    has_items: whether it scores items, which are counted.
    """
    try:
        logs.mkdir(parents=True, exist_ok=True)
        _write(logs / "job_result.txt", _result(ended, has_items=has_items))
        if ended.error is not None:
            _write(logs / "job_error.txt", _error(ended.error))
        else:  # A run before this one may have left its reason.
            (logs / "job_error.txt").unlink(missing_ok=True)
    except OSError as exc:
        raise PlatformError(f"Could not write the result of the job: {exc}.") from exc


def _write(path: Path, text: str) -> None:
    # Whatever the server's locale is, and whatever a script put into its messages.
    path.write_text(text, encoding="utf-8", errors="backslashreplace")


def _result(ended: JobChange, *, has_items: bool) -> str:
    counts = ended.counts or Counts()
    lines = [ended.status.value]
    lines += [f"With errors: {counts.outcome}."] if is_completed_with_errors(ended.status, counts) else []
    lines += _counted(counts) if has_items else []
    if ended.error is not None:
        lines.append(f"Reason: {ended.error.message}")
    return "\n".join(lines) + "\n"


def _counted(counts: Counts) -> list[str]:
    return [
        (
            f"Items: {counts.items} in all, {counts.succeeded} succeeded, {counts.failed} failed, "
            f"{counts.skipped} skipped, {counts.incomplete} incomplete."
        ),
        (
            f"Mini-batches: {counts.mini_batches} in all, {counts.mini_batches_succeeded} succeeded, "
            f"{counts.mini_batches_failed} failed, {counts.attempts} attempts."
        ),
        f"Rows: {counts.rows}.",
    ]


def _error(error: JobError) -> str:
    lines = [f"{error.code} ({error.error_class.value}): {error.message}"]
    if error.item is not None:
        where = f"(position {error.position}, mini-batch {error.mini_batch})"
        lines.append(f"First failing mini-batch starts at item: {error.item} {where}.")
    if error.exception:
        lines.append(f"Exception: {error.exception}")
    if error.log:
        lines.append(f"Log: {error.log}")
    if error.stack:
        lines += ["", error.stack.rstrip()]
    return "\n".join(lines) + "\n"
