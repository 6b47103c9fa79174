"""`batchyard job logs`: the lines of a job's logs that matter, streamed from the server piece by piece."""

from __future__ import annotations

import codecs
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any  # JSON of the server's answers
from urllib.parse import quote_from_bytes

from batchyard.cli.failures import CommandFailed, ServerError
from batchyard.cli.following import COMMAND_LOG, is_command_log, story
from batchyard.cli.step_tree import begun
from batchyard.cli.visible import visible

if TYPE_CHECKING:
    from batchyard.cli.rest import Server

_OVERVIEW, _ERROR = "logs/job_progress_overview.txt", "logs/job_error.txt"
_ERRORS = "logs/user/error.txt"
_CAPITAL = re.compile("[A-Z]")
_TAIL_BYTES, _TAIL_LINES, _MOST_TAILS = 8 << 10, 10, 8


def print_overview(server: Server, job: str) -> None:
    """Print how far the job is and what failed, why it failed, and the last lines of the workers' newest logs.

    Of a pipeline the same of each of its steps.
    """
    _of_each(server, job, lambda name: _print_overview(server, name))


def _print_overview(server: Server, job: str) -> None:
    urls = _urls(server, job)
    for name in (_OVERVIEW, _ERROR):
        if name in urls:
            _print_log(server, name, urls[name])
    streams = _streams(urls)
    for name in streams[:_MOST_TAILS]:
        _print_tail(server, name, urls[name])
    if len(streams) > _MOST_TAILS:
        server.say(f"{len(streams) - _MOST_TAILS} more logs of workers; name one with --worker.")
    if not urls:
        server.say(f"Job {job!r} has no logs yet.")


def print_errors(server: Server, job: str) -> None:
    """Print each kind of failure once, with count, samples and stack; and why the job failed.

    Of a pipeline the same of each of its steps.
    """
    _of_each(server, job, lambda name: _print_errors(server, name))


def _print_errors(server: Server, job: str) -> None:
    urls = _urls(server, job)
    found = [name for name in (_ERROR, _ERRORS) if name in urls]
    for name in found:
        _print_log(server, name, urls[name])
    if not found:
        server.say(f"Nothing has failed in job {job!r} so far.")


def _of_each(server: Server, job: str, print_one: Callable[[str], None]) -> None:
    """Print of a job, or of each step of a pipeline, and why a pipeline failed whose steps did not."""
    shown = _shown(server, job)
    if not shown["steps"]:
        return print_one(job)
    steps = list(begun(shown["steps"]))
    for path, step in steps:
        _print_lines([f"### {path} (job {step['job']}): {step['status']}"])
        print_one(str(step["job"]))
    if shown["error"] and not any(step["status"] == "Failed" for _, step in steps):
        _print_lines([story(shown)])
    if not (steps or shown["error"]):
        server.say(f"No step of job {job!r} has begun yet.")
    return None


def _shown(server: Server, job: str) -> dict[str, Any]:
    from batchyard.wire.jobs import job_cli_from_arm

    return job_cli_from_arm(server.get(server.path("jobs", job)).body)


def print_worker(server: Server, job: str, worker: str) -> None:
    """Print all logs of one worker. Raises: CommandFailed naming the workers when there is none of this name."""
    urls = _urls(server, job)
    for name in _of_worker(urls, job, worker):
        _print_log(server, name, urls[name])


def print_item(server: Server, job: str, item: str) -> None:
    """Print what became of an item: every attempt with its stack, and where its log is. Raises: ServerError 404."""
    path = f"{_history(server, job)}/items"
    found = server.get(path, itemPercentEncoded=quote_from_bytes(os.fsencode(item))).body
    for entry in found.get("value") or []:
        _print_lines(_told(entry))
    left = int(found.get("matches") or 0) - len(found.get("value") or [])
    if left > 0:
        server.say(f"{left} more items end like this; give more of the path.")


def rows(
    server: Server, job: str, *, errors: bool = False, worker: str | None = None, item: str | None = None
) -> list[dict[str, object]]:
    """Give as JSON what the print functions print: a row of `log` and `text` for each log, or one for each item.

    Without a question: progress, cause, and the last lines of the newest logs of workers, as `print_overview` does.
    Rows of a pipeline name their `step`.
    Raises: as they do.
    """
    if item is not None:
        path = f"{_history(server, job)}/items"
        found = server.get(path, itemPercentEncoded=quote_from_bytes(os.fsencode(item))).body
        return [_item_row(entry) for entry in found.get("value") or []]
    steps = list(begun(_shown(server, job)["steps"])) if worker is None else []
    if steps:
        return [
            {"step": path, **row} for path, step in steps for row in _rows(server, str(step["job"]), errors, worker)
        ]
    return _rows(server, job, errors, worker)


def _rows(server: Server, job: str, errors: bool, worker: str | None) -> list[dict[str, object]]:
    urls = _urls(server, job)
    if worker is not None:
        return [_row(server, name, urls[name]) for name in _of_worker(urls, job, worker)]
    if errors:
        return [_row(server, name, urls[name]) for name in (_ERROR, _ERRORS) if name in urls]
    streams = _streams(urls)[:_MOST_TAILS]
    whole = [_row(server, name, urls[name]) for name in (_OVERVIEW, _ERROR) if name in urls]
    return whole + [_row(server, name, urls[name], last=_TAIL_BYTES) for name in streams]


def _row(server: Server, name: str, url: str, last: int | None = None) -> dict[str, object]:
    content = b"".join(server.read_bytes(url, is_signed=True, last=last))
    return {"log": name, "text": content.decode(errors="replace")}


def _item_row(entry: Mapping[str, Any]) -> dict[str, object]:
    def snake(found: Mapping[str, Any]) -> dict[str, object]:
        return {_CAPITAL.sub(r"_\g<0>", key).lower(): found[key] for key in sorted(found)}

    return {**snake(entry), "attempts": [snake(attempt) for attempt in entry.get("attempts") or []]}


def _told(entry: Mapping[str, Any]) -> Iterator[str]:
    name, place = _one_line(str(entry.get("item"))), f"position {entry.get('position')}"
    yield f"{name}: {entry.get('outcome')} ({place}, mini-batch {entry.get('miniBatch')})"
    for attempt in entry.get("attempts") or []:
        failed = f": {attempt['errorClass']} {attempt['error']}: {attempt['message']}" if attempt.get("error") else ""
        log = f" [{attempt['log']}]" if attempt.get("log") else ""
        yield f"  attempt {attempt.get('attempt')} by {attempt.get('worker')}{failed}{log}"
        yield from (f"    {line}" for line in str(attempt.get("stack") or "").rstrip().splitlines())
    if not entry.get("attempts"):
        yield "  no attempt yet"


def _one_line(name: str) -> str:
    return name if name.isprintable() else name.encode("unicode_escape").decode()


def _urls(server: Server, job: str) -> dict[str, str]:
    """Give the job's logs, name -> signed URL, sorted by name; names of ours for the sake of others left out."""
    urls = server.get(f"{_history(server, job)}/details").body.get("logFiles") or {}
    return {name: urls[name] for name in sorted(urls) if name.startswith("logs/") or is_command_log(name, urls[name])}


def _history(server: Server, job: str) -> str:
    # `path` refuses names that would not stay one segment.
    return f"/history/v1.0{server.path('runs', job)}"


def _worker_of(name: str) -> str:
    """Give the worker that a log is of, "" for others: `logs/user/stdout/n0/n0-s1-7.stdout.txt`."""
    is_of_worker = name.startswith(("logs/user/", "logs/sys/node/")) and name.count("/") >= 4
    return name.rsplit("/", 1)[-1].split(".", 1)[0] if is_of_worker else ""


def _of_worker(urls: Mapping[str, str], job: str, worker: str) -> list[str]:
    mine = [name for name in urls if _worker_of(name) == worker]
    if not mine:
        known = sorted({found for found in map(_worker_of, urls) if found})
        told = f" Known: {', '.join(known[:20])}{', …' if len(known) > 20 else ''}." if known else ""
        raise CommandFailed(f"Job {job!r} has no logs of a worker {worker!r}.{told}")
    return mine


def _streams(urls: Mapping[str, str]) -> list[str]:
    """Give the names of the logs that workers write, and of a command's."""
    return [name for name in urls if name.startswith(("logs/user/stdout/", "logs/user/stderr/")) or name == COMMAND_LOG]


def _print_log(server: Server, name: str, url: str) -> None:
    _print_lines([f"==> {name} <=="])
    _print_text(server.read_bytes(url, is_signed=True))


def _print_tail(server: Server, name: str, url: str) -> None:
    """Print the last lines of a log; nothing at all for an empty one."""
    try:
        content = b"".join(server.read_bytes(url, is_signed=True, last=_TAIL_BYTES))
    except ServerError:
        return  # A worker that has just ended may have taken its log with it; the rest is worth printing.
    lines = content.decode(errors="replace").splitlines()
    if lines:
        _print_lines([f"==> {name}, last lines <==", *lines[-_TAIL_LINES:]])


def _print_text(pieces: Iterable[bytes]) -> None:
    """Print bytes as they come: whatever the size of a log, a piece of it is in memory."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    is_terminal, last = sys.stdout.isatty(), "\n"
    for piece in pieces:
        text = decoder.decode(piece)
        last = text[-1:] or last
        sys.stdout.write(visible(text) if is_terminal else text)
    sys.stdout.write("" if last == "\n" else "\n")


def _print_lines(lines: Iterable[str]) -> None:
    for line in lines:
        print(visible(line) if sys.stdout.isatty() else line)
