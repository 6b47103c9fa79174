"""Following a job to its end: one live line on a terminal, plain lines elsewhere, the workers' logs when wanted."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import IO, TYPE_CHECKING, Any  # jobs come as JSON

from batchyard.cli.failures import EXIT_ERROR, CommandFailed, ServerError
from batchyard.cli.step_tree import begun, changes
from batchyard.cli.visible import visible

if TYPE_CHECKING:
    from batchyard.cli.rest import Server

# Azure: its tools stop watching a paused job, too.
FINAL = ("Completed", "Failed", "Canceled", "Paused")
_FIRST_PAUSE_S, _LONGEST_PAUSE_S, _GROWTH = 0.2, 2.0, 1.3
# Without a terminal a line is printed when something is worth a line: every tenth, or after this long.
_QUIET_S = 10.0
_MOST_CAUSES = 5
COMMAND_LOG = "user_logs/std_log.txt"


def follow(server: Server, name: str, *, out: IO[str], with_logs: bool) -> dict[str, Any]:
    """Watch a job until it is final and give it as `job show` would. out: where progress and logs go.

    Stopping to watch leaves the job alone. Raises: ServerError 404 for an unknown job.
    """
    from batchyard.domain.failures import summary
    from batchyard.wire.failures import failures_from_cli
    from batchyard.wire.jobs import job_cli_from_arm

    shown = _Shown(out, is_live=server.shows_progress and out.isatty())
    logs = _LogsOfAll(server, name) if with_logs else None
    pause = _FIRST_PAUSE_S
    try:
        while True:
            job = job_cli_from_arm(server.get(server.path("jobs", name)).body)
            # The logs are read after the status: what a final job wrote is all there by then.
            if logs is not None:
                for line in logs.new_lines(job):
                    shown.print(line)
            if server.shows_progress:
                shown.update(job)
            if job.get("status") in FINAL:
                if server.shows_progress:
                    for line in summary(failures_from_cli(job), most=_MOST_CAUSES):
                        shown.print(line)
                return job
            server.sleep(pause)
            pause = min(_LONGEST_PAUSE_S, pause * _GROWTH)
    except KeyboardInterrupt:
        shown.clear()
        raise CommandFailed(
            f"Stopped watching; job {name!r} goes on. Watch it again with `batchyard job stream -n {name}`, "
            f"end it with `batchyard job cancel -n {name}`."
        ) from None
    finally:
        shown.clear()


def follow_logs(server: Server, name: str, *, worker: str | None = None) -> int:
    """Print the lines that workers and steps write, as they write them, until the job is final; gives how many there
    were.

    Stopping to watch leaves the job alone. Raises: ServerError 404 for an unknown job.
    """
    from batchyard.wire.jobs import job_cli_from_arm

    logs, pause, lines = _LogsOfAll(server, name, worker=worker), _FIRST_PAUSE_S, 0
    try:
        while True:
            job = job_cli_from_arm(server.get(server.path("jobs", name)).body)
            status = job.get("status")
            for line in logs.new_lines(job):
                print(visible(line) if sys.stdout.isatty() else line, flush=True)
                lines += 1
            if status in FINAL:
                server.say(f"Job {name!r} is {status}.")
                return lines
            server.sleep(pause)
            pause = min(_LONGEST_PAUSE_S, pause * _GROWTH)
    except KeyboardInterrupt:
        server.say(f"Stopped watching; job {name!r} goes on.")
        return lines


def follow_to_end(server: Server, job: Mapping[str, Any], *, with_logs: bool) -> dict[str, Any]:
    """Follow a job that a command made or took up, and give it as it ended.

    The command fails, after it gave its result, unless the job completed.
    """
    server.say(
        f"Job {job['name']} is {job['status']}. Follow it elsewhere with `batchyard job stream -n {job['name']}`."
    )
    done = follow(server, str(job["name"]), out=sys.stderr, with_logs=with_logs)
    if done.get("status") != "Completed" or undone(done):
        # The job is named on stdout all the same; scripts go on with it.
        print(visible(f"ERROR: {story(done)}"), file=sys.stderr)
        server.exit_code = EXIT_ERROR
    return done


def undone(job: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Give how the job's last run ended, when it came to nothing and the output of before stands; else None."""
    reruns = job.get("reruns") or []
    return (reruns[-1].get("undone") or None) if reruns else None


def progress(job: Mapping[str, Any]) -> str:
    """Give a job's progress in one line: status, items, rate, time to go, failures, or why it waits."""
    counts = job.get("counts") or {}
    parts = [str(job.get("status"))]
    total = counts.get("items") or 0
    if total:
        done = total - (counts.get("incomplete") or 0)
        parts.append(f"{done:,}/{total:,} items ({100 * done // total} %)")
    if job.get("status") not in FINAL:
        rate, eta = job.get("rate_items_per_s"), job.get("eta_s")
        parts += [f"{rate:,.1f} items/s"] if rate else []
        parts += [f"{_clock(eta)} to go"] if eta is not None else []
    if job.get("completed_with_errors"):
        parts.append(str(job["outcome"]))
    elif counts.get("failed"):
        parts.append(f"{counts['failed']:,} failed")
    parts += [str(job["queue_reason"])] if job.get("queue_reason") and job.get("status") == "Queued" else []
    return "  ".join(parts)


def story(job: Mapping[str, Any]) -> str:
    """Say how a job that did not complete ended: the reason, the first failing item, the stack, the log to read."""
    vain = undone(job)
    if vain:
        error = vain.get("error") or {}
        why = f": ({error['code']}) {error['message']}" if error else "."
        return (
            f"Scoring the failed items of job {job.get('name')!r} again ended {vain['status']}{why}\n"
            f"  Generation {job.get('generation')} of its output stays as it was."
        )
    error = job.get("error") or {}
    if job.get("status") == "Paused":
        return f"Job {job.get('name')!r} is Paused. Let it go on with `batchyard job continue -n {job.get('name')}`."
    if not error:
        return f"Job {job.get('name')!r} ended {job.get('status')}."
    lines = [f"Job {job.get('name')!r} ended {job.get('status')}: ({error.get('code')}) {error.get('message')}"]
    if error.get("item"):
        lines.append(f"  first failing mini-batch starts at: {error['item']}")
    if error.get("exception"):
        lines.append(f"  exception: {error['exception']}")
    if error.get("log"):
        lines.append(f"  log: {error['log']} (`batchyard job download -n {job.get('name')} --all` brings all logs)")
    # The last lines of a command are its message and its stack.
    stack = str(error.get("stack") or "").rstrip()
    lines += [stack] if stack and not str(error.get("message")).rstrip().endswith(stack) else []
    if job.get("steps"):
        name = job.get("name")
        lines.append(
            f"  `batchyard job logs -n {name}` has what its steps wrote. `batchyard job resume -n {name}` runs"
        )
        lines.append("  what has not finished once more; what has is kept.")
    return "\n".join(lines)


class _LogsOfAll:
    """The logs of a job, or of all steps of a pipeline, each read on from where it was left."""

    def __init__(self, server: Server, job: str, *, worker: str | None = None) -> None:
        self._server, self._job, self._worker = server, job, worker
        self._logs: dict[str, Logs] = {}

    def new_lines(self, job: Mapping[str, Any]) -> list[str]:
        """Give the whole lines written since the last call. job: as it was before, so that a final one has all."""
        steps = list(begun(job.get("steps") or []))
        found = [(path, str(step["job"]), step) for path, step in steps] or [("", self._job, job)]
        lines: list[str] = []
        for path, name, state in found:
            is_last = state.get("status") in FINAL
            logs = self._logs.get(name)
            # A step that is taken up again writes its log anew.
            if logs is None or (logs.is_whole and not is_last):
                logs = self._logs[name] = Logs(self._server, name, worker=self._worker, step=path)
            lines += [] if logs.is_whole else logs.new_lines(is_last=is_last)
        return lines


class Logs:
    """The workers' logs of one job, or a command's, each read on from where it was left.

    worker: only those of this one. step: whose lines are told as those of this step. is_whole: whether the last lines
    of a final job have been given.
    """

    def __init__(self, server: Server, job: str, *, worker: str | None = None, step: str = "") -> None:
        self._server, self._worker, self._step = server, worker, step
        self.is_whole = False
        self._details = f"/history/v1.0{server.scope.arm_id}/runs/{job}/details"
        self._read: dict[str, int] = {}
        self._rest: dict[str, bytes] = {}

    def new_lines(self, *, is_last: bool) -> list[str]:
        """Give the whole lines written since the last call, file by file. is_last: unfinished lines too.

        Logs that cannot be read now are read next time: they never end the watching.
        """
        try:
            urls = worker_logs(self._server.get(self._details).body.get("logFiles") or {})
        except ServerError:
            return []
        names = sorted(name for name in urls if self._worker in (None, _worker_of(name)))
        lines = [line for name in names for line in self._lines_of(name, urls[name], is_last=is_last)]
        self.is_whole = is_last
        return lines

    def _lines_of(self, name: str, url: str, *, is_last: bool) -> list[str]:
        data = self._rest.pop(name, b"")
        try:
            for piece in self._server.read_bytes(url, offset=self._read.get(name, 0), is_signed=True):
                data += piece
                self._read[name] = self._read.get(name, 0) + len(piece)
        except (ServerError, CommandFailed):
            pass  # Read again from the same byte next time.
        whole, newline, rest = data.rpartition(b"\n")
        if is_last:
            whole, rest = whole + newline + rest, b""
        if rest:
            self._rest[name] = rest
        worker = "" if name == COMMAND_LOG else name.rsplit("/", 1)[-1].removesuffix(".txt")
        source = " ".join(filter(None, (self._step, worker)))
        prefix = f"[{source}] " if source else ""
        return [f"{prefix}{line}" for line in whole.decode(errors="replace").splitlines()]


def worker_logs(urls: Mapping[str, str]) -> dict[str, str]:
    """Give the logs that workers write, and that of a command."""
    return {
        name: url for name, url in urls.items() if "/stdout/" in name or "/stderr/" in name or is_command_log(name, url)
    }


def is_command_log(name: str, url: str) -> bool:
    """Whether a log is what a command wrote; of a job that scores that name is only another one of some log."""
    return name == COMMAND_LOG and url.partition("?")[0].endswith(f"/{COMMAND_LOG}")


def _worker_of(name: str) -> str:
    return name.rsplit("/", 1)[-1].split(".", 1)[0]


class _Shown:
    """Where progress is shown: one line that changes in place, or a line for each change worth one."""

    def __init__(self, out: IO[str], *, is_live: bool) -> None:
        self._out = out
        self._is_live, self._is_terminal = is_live, out.isatty()
        self._status, self._tenth, self._printed_at = "", -1, time.monotonic()
        self._steps: dict[str, str] = {}

    def update(self, job: Mapping[str, Any]) -> None:
        """Show a job's progress; of a pipeline a line for each step whose status has changed."""
        for line in changes(job.get("steps") or [], self._steps):
            self.print(line)
        if self._is_live:
            self._write(f"\r{visible(progress(job))}\x1b[K")
            if job.get("status") in FINAL:
                self._write("\n")
                self._is_live = False
            return
        counts = job.get("counts") or {}
        total = counts.get("items") or 0
        tenth = 10 * (total - (counts.get("incomplete") or 0)) // total if total else -1
        is_late = time.monotonic() - self._printed_at > _QUIET_S
        if job.get("status") != self._status or tenth != self._tenth or is_late:
            self._status, self._tenth, self._printed_at = str(job.get("status")), tenth, time.monotonic()
            self._write(visible(progress(job)) + "\n")

    def print(self, line: str) -> None:
        """Print a line of a log above the progress; a file or a pipe gets it as the script wrote it."""
        self._write(f"\r\x1b[K{visible(line)}\n" if self._is_terminal else f"{line}\n")

    def clear(self) -> None:
        """Take the live line away."""
        if self._is_live:
            self._write("\r\x1b[K")

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()


def _clock(seconds: float) -> str:
    whole = max(0, round(seconds))
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"
