"""One worker process as its agent holds it: started, spoken to in frames, its stamp read, ended with all it started.

Decides nothing. The only module that knows what a worker is told first; `nursery` has the process made.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from batchyard.domain.errors import PlatformError
from batchyard.domain.sandboxes import Places
from batchyard.domain.scoring.events import Worker
from batchyard.instances.contracts import input_contract_command, output_contract_command
from batchyard.instances.launch import Child
from batchyard.instances.nursery import Nursery, files_link, script_arguments, sessions_file
from batchyard.instances.sandbox import ConfinedChild
from batchyard.instances.sessions import kill_recorded_sessions as kill_recorded_sessions
from batchyard.instances.sessions import kill_sessions, kill_strays, record_session
from batchyard.instances.worker_files import (
    clear_unused,
    confine,
    own_log,
    own_name,
    part_name,
    scratch_of,
)
from batchyard.instances.worker_files import error_log as error_log
from batchyard.ports.instance import FrozenListing, RowPlan, WorkerPlan
from batchyard_runtime import stacks, stamp
from batchyard_runtime.frames import PROTOCOL, Decoder, encode

_READ_BYTES = 1 << 18
_LONGEST_DEATH_MS = 30_000
_LARGEST_STACKS = 1 << 20

Frame = tuple[dict[str, Any], bytes]  # Any: JSON of a frame's header
Stamp = tuple[int, int, int]


class WorkerProcess:
    """A worker's process. report_fd is readable when it has reported something, pidfd when it has ended."""

    def __init__(self, worker: Worker, plan: WorkerPlan, nursery: Nursery) -> None:
        """Have the process started, record its session, tell it what to do. Raises: PlatformError."""
        self._scratch = scratch_of(plan, worker)
        self._decoder = Decoder()
        self._cap_bytes = plan.log_cap_bytes
        self._logs: list[int] = []
        self._command_fd = self.report_fd = self.pidfd = -1
        self._child: Child
        self.part = part_name(plan, worker, is_confined=nursery.is_confined)
        self._clear = partial(clear_unused, plan, worker) if nursery.is_confined else _nothing
        try:
            origin = self._start(plan, worker, nursery)
        except OSError as exc:
            self.close()
            raise PlatformError(f"The worker {worker.name!r} cannot be started: {exc}") from exc
        self.send(_start_command(plan, worker, part=self.part, scratch=self._scratch, origin=origin))

    def open_listing(self, listing: FrozenListing) -> None:
        """Tell what is scored; before the first lease."""
        self.send(
            {
                "kind": "listing",
                "input_root": os.fsdecode(listing.input_root),
                "paths": os.fspath(listing.paths),
                "index": os.fspath(listing.index),
                "items": listing.items,
                "mini_batch_size": listing.mini_batch_size,
                "starts": os.fspath(listing.starts) if listing.starts else "",
                "has_rows": listing.has_rows,
            }
        )

    def send(self, command: dict[str, Any]) -> None:  # Any: JSON of a frame's header
        """Send a command; nothing if the worker is gone. One that has not read 64 KiB of commands is killed."""
        frame = encode(command)
        try:
            is_whole = os.write(self._command_fd, frame) == len(frame)
        except BrokenPipeError:
            return
        except BlockingIOError:
            is_whole = False
        if not is_whole:
            self.kill()

    def receive(self) -> bool:
        """Read what has come, a quarter of a MiB at most; False when nothing more can come."""
        try:
            chunk = os.read(self.report_fd, _READ_BYTES)
        except BlockingIOError:
            return True
        self._decoder.feed(chunk)
        return bool(chunk)

    def drain(self) -> None:
        """Read all that is left, after the process has ended. A report that it did not finish is never taken."""
        try:
            while chunk := os.read(self.report_fd, _READ_BYTES):
                self._decoder.feed(chunk)
        except BlockingIOError:
            return

    def take(self) -> Frame | None:
        """Give the next whole report that was read, or None. Raises: BadFrame."""
        return self._decoder.take()

    @property
    def stamp(self) -> Stamp | None:
        """(ticket, mini-batch, CLOCK_MONOTONIC ns or 0), or None while it is being written, or was when it died."""
        return stamp.read_stamp(self._page)

    def stop_before(self, ticket: int | None) -> None:
        """Keep the worker from starting this ticket and later ones; None lets it start all again."""
        self._page[stamp.STOP_BEFORE] = stamp.NEVER if ticket is None else ticket

    @property
    def pid(self) -> int:
        """The number of the process that runs the script; that of another one once it is buried."""
        return self._child.command_pid if isinstance(self._child, ConfinedChild) else self._child.pid

    def kill(self) -> None:
        """Begin the worker's end; pidfd tells when it has come."""
        try:
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
        except ProcessLookupError:
            return

    def ask_for_stacks(self) -> None:
        """Have the worker dump its Python stacks; `stacks` gives them a moment later."""
        if isinstance(self._child, ConfinedChild):
            self._child.signal_command(stacks.SIGNAL)
            return
        try:
            signal.pidfd_send_signal(self.pidfd, stacks.SIGNAL)
        except ProcessLookupError:
            return

    def stacks(self) -> str:
        """Give what it has dumped so far."""
        try:
            # It is the script's folder: what is there may be a link to a file of ours, or a pipe that never ends.
            fd = os.open(_stack_file(self._scratch), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with open(fd, encoding="utf-8", errors="backslashreplace") as file:
                return file.read(_LARGEST_STACKS) if stat.S_ISREG(os.fstat(fd).st_mode) else ""
        except OSError:
            return ""

    def has_ended(self, *, within_s: float) -> bool:
        """Wait so long for the process to end by itself."""
        poll = select.poll()
        poll.register(self.pidfd, select.POLLIN)
        return bool(poll.poll(within_s * 1000))

    def finish(self) -> int:
        """Kill the process and everything of its session, and reap it; give its exit code, negative for a signal.

        The session is killed before the leader is reaped, so that its number cannot mean another one. Reports can
        still be read. Raises: PlatformError when something does not die.
        """
        self.kill()
        if not self.has_ended(within_s=_LONGEST_DEATH_MS / 1000):
            raise PlatformError(f"The process {self._child.pid} of a worker does not die when killed.")
        kill_sessions({self._child.pid})
        return self._child.wait()

    def kill_strays(self) -> None:
        """Kill what the script started in a session of its own. Raises: PlatformError when something does not die."""
        kill_strays(files_link(self._scratch))

    def close(self) -> None:
        """Let go of descriptors and of the worker's own folder; after `finish`."""
        self._close_channel()
        for fd in (*self._logs, self.pidfd):
            if fd >= 0:
                os.close(fd)
        self._clear()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def trim_logs(self) -> None:
        """Cut a log that native code has filled to more than twice the cap back to the cap."""
        for fd in self._logs:
            if os.fstat(fd).st_size > 2 * self._cap_bytes:
                os.ftruncate(fd, self._cap_bytes)

    def _start(self, plan: WorkerPlan, worker: Worker, nursery: Nursery) -> str:
        """Start the process and record it, or leave no process; say how it came to be. Raises: OSError."""
        for path in _stream_logs(plan, worker):
            self._logs.append(_open_log(path))
        places = confine(plan, worker, self._scratch) if nursery.is_confined else Places()
        self._child, origin = nursery.launch(self._scratch, channel=self._channel, streams=self._logs, places=places)
        self.pidfd = os.pidfd_open(self._child.pid)
        try:
            record_session(sessions_file(plan), name=worker.name, pid=self._child.pid)
        except (OSError, PlatformError):
            self.finish()
            raise
        return origin

    @contextmanager
    def _channel(self) -> Iterator[Sequence[int]]:
        """Make commands, reports and stamp page, in the place of those before, and lend the worker's ends."""
        self._close_channel()
        self._page, stamp_fd = stamp.create_page()
        child_command, self._command_fd = os.pipe2(os.O_CLOEXEC)
        self.report_fd, child_report = os.pipe2(os.O_CLOEXEC)
        try:
            os.set_blocking(self._command_fd, False)
            os.set_blocking(self.report_fd, False)
            yield child_command, child_report, stamp_fd
        finally:
            for fd in (child_command, child_report, stamp_fd):
                os.close(fd)

    def _close_channel(self) -> None:
        for fd in (self._command_fd, self.report_fd):
            if fd >= 0:
                os.close(fd)
        self._command_fd = self.report_fd = -1


def _nothing() -> None:
    return


def _stack_file(scratch: Path) -> Path:
    return scratch / "stacks"


def _stream_logs(plan: WorkerPlan, worker: Worker) -> list[Path]:
    user = plan.logs_dir / "user"
    return [user / stream / worker.node / f"{worker.name}.{stream}.txt" for stream in ("stdout", "stderr")]


def _open_log(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _rows(plan: RowPlan | None) -> dict[str, Any] | None:  # Any: JSON
    if plan is None:
        return None
    return {
        "format": plan.row_format,
        "mixes": plan.mixes_types,
        "columns": list(plan.columns),
        "constants": dict(plan.constants),
    }


def _start_command(plan: WorkerPlan, worker: Worker, *, part: str, scratch: Path, origin: str) -> dict[str, Any]:
    # A fault is meant to happen once in a job run: a worker that replaces the faulty one must not have it again.
    has_fault = plan.fence == 1 and worker.start == 0
    return {
        "kind": "start",
        "protocol": PROTOCOL,
        "worker": worker.name,
        "origin": origin,
        "code_dir": os.fspath(plan.code_dir),
        "script": plan.script,
        "part": os.fspath(plan.parts_dir / part),
        "writes_rows": plan.writes_rows,
        "output_contract": output_contract_command(plan.output_contract),
        "input_contract": input_contract_command(plan.input_contract),
        "rows": _rows(plan.rows),
        "files_dir": os.fspath(plan.files_dir),
        "files_link": os.fspath(files_link(scratch)),
        "files_prefix": own_name(plan, worker),
        "files_folders": list(plan.output_folders),
        "arguments": script_arguments(plan, scratch),
        "has_tables": plan.has_tables,
        "stack_file": os.fspath(_stack_file(scratch)),
        "error_log": os.fspath(error_log(plan, worker)),
        "own_log": os.fspath(own_log(plan, worker)),
        "log_cap_bytes": plan.log_cap_bytes,
        "logging_level": plan.logging_level,
        "fault": plan.fault if has_fault else "",
        "fault_log": plan.fault_log,
    }
