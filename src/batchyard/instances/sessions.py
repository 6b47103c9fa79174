"""Sessions of processes: a worker and everything its script started, found in /proc and killed together.

A worker is a session leader; its children stay in its session unless they leave it on purpose. The number of a session
is not given away again while a process is in it, so killing looks at the leader before it is reaped.

What left its session on purpose, as servers and daemons do, is a stray. It is known by the environment it was started
with: no other worker's has the same `AZUREML_BI_OUTPUT_PATH`. (A worker that was forked shows its zygote's, and so does
what it forks itself without executing anything; those are known by the folder, when all workers of an owner are gone.)
"""

from __future__ import annotations

import errno
import json
import os
import signal
import time
from collections.abc import Callable, Collection, Container, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from batchyard.domain.errors import PlatformError

_LONGEST_KILL_S = 30.0
_GONE_STATES = "ZX"
_VARIABLE = b"AZUREML_BI_OUTPUT_PATH="


@dataclass(frozen=True, slots=True)
class _Process:
    """One line of /proc: state letter, session, start in clock ticks since boot. Equal in any state."""

    pid: int
    state: str = field(compare=False)
    session: int
    started: int


def record_session(path: Path, *, name: str, pid: int) -> None:
    """Add a worker to the file of sessions: whoever takes over kills what is left of it.

    Not synced to the disk: a line is of use as long as its process may live, and none outlives the machine.
    The line is JSON: worker, session, pid, started (clock ticks since boot), boot (its id, and that of the namespace
    in which the numbers mean something: another container has other processes under them).
    Raises: OSError; PlatformError when the process is gone already.
    """
    process = _read(pid)
    if process is None:
        raise PlatformError(f"The worker {name!r} (pid {pid}) ended before it could be recorded.")
    line = {"worker": name, "session": pid, "pid": pid, "started": process.started, "boot": _pid_space()}
    # The first line break keeps this line whole after one that a full disk or a crash has torn.
    text = b"\n" + json.dumps(line).encode() + b"\n"
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if os.write(fd, text) < len(text):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), os.fspath(path))
    finally:
        os.close(fd)


def kill_recorded_sessions(path: Path) -> int:
    """Kill what is left of the sessions that an earlier owner recorded; give how many there were. Safe to repeat.

    A session counts when it is of this boot and container and its leader is the recorded process, or is gone while
    others of the session live. Strays of workers whose folders are beside the file are killed too. Lines torn by a
    crash are passed over. Raises: PlatformError when a process does not die.
    """
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        lines = []
    recorded = dict(_recorded(lines))
    live: set[int] = set()
    for process in _of_sessions(recorded):
        if process.session not in live and process.state not in _GONE_STATES:
            leader = _read(process.session)
            if leader is None or leader.started == recorded[process.session]:
                live.add(process.session)
    kill_sessions(live)
    return len(live) + kill_strays_below(path.parent)


def kill_sessions(sessions: Collection[int]) -> None:
    """Kill every process of these sessions, and look again until none is left.

    Raises: PlatformError when one does not die within 30 s (stuck in the kernel, on a dead network drive).
    """
    wanted = set(sessions) - {os.getsid(0)}
    if wanted:
        _kill_all(lambda: _of_sessions(wanted))


def kill_strays(output_path: Path) -> int:
    """Kill what was started with this `AZUREML_BI_OUTPUT_PATH`, and look again until nothing is left; give how many.

    Raises: PlatformError when one does not die within 30 s.
    """
    return _kill_all(lambda: _started_with(_VARIABLE + os.fsencode(output_path) + b"\0"))


def kill_strays_below(folder: Path) -> int:
    """Kill what was started with an `AZUREML_BI_OUTPUT_PATH` below this folder, as `kill_strays`."""
    return _kill_all(lambda: _started_with(_VARIABLE + os.fsencode(folder) + b"/"))


def _kill_all(find: Callable[[], Iterator[_Process]]) -> int:
    """Kill every process that is found but this one, until none is left; give how many there were."""
    deadline, pause_s = time.monotonic() + _LONGEST_KILL_S, 0.0005
    seen: set[_Process] = set()
    while True:
        seen |= {p for p in find() if p.state not in _GONE_STATES and p.pid != os.getpid()}
        # One that is dying has no environment any more, and is not found again: it is waited for all the same.
        left = [process for process in seen if _is_there(process)]
        if not left:
            return len(seen)
        if time.monotonic() > deadline:
            raise PlatformError(f"Processes {sorted(p.pid for p in left)} of a worker do not die when killed.")
        for process in left:
            _kill(process)
        time.sleep(pause_s)
        pause_s = min(pause_s * 2, 0.05)


def _is_there(process: _Process) -> bool:
    now = _read(process.pid)
    return now is not None and now.started == process.started and now.state not in _GONE_STATES


def _kill(process: _Process) -> None:
    """Kill this process and not one that got its number since it was looked at."""
    try:
        fd = os.pidfd_open(process.pid)
    except OSError:
        return
    try:
        now = _read(process.pid)
        if now is not None and (now.session, now.started) == (process.session, process.started):
            signal.pidfd_send_signal(fd, signal.SIGKILL)
    except ProcessLookupError:
        return
    finally:
        os.close(fd)


def _recorded(lines: list[bytes]) -> Iterator[tuple[int, int]]:
    boot = _pid_space()
    for line in lines:
        try:
            values = json.loads(line)
            if values["boot"] == boot:
                yield int(values["session"]), int(values["started"])
        except (ValueError, KeyError, TypeError):
            continue


def _of_sessions(wanted: Container[int]) -> Iterator[_Process]:
    """Give the processes of these sessions. The session of each is asked first: reading all of /proc takes ms."""
    for name in os.listdir("/proc"):
        if name.isdigit() and _session(int(name)) in wanted:
            process = _read(int(name))
            if process is not None and process.session in wanted:
                yield process


def _started_with(beginning: bytes) -> Iterator[_Process]:
    """Give the processes that were started with an entry that begins so in their environment; never somebody else's.

    Each entry ends with a NUL. All of /proc is read at every start and end of a job: milliseconds, so by the page.
    """
    for name in os.listdir("/proc"):
        if name.isdigit() and b"\0" + beginning in _environment(int(name)):
            process = _read(int(name))
            if process is not None:
                yield process


def _environment(pid: int) -> bytes:
    """Give the entries that a process was started with, with a NUL before each and after the last; b"" for others'."""
    try:
        fd = os.open(f"/proc/{pid}/environ", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        content = b"\0"
        while chunk := os.read(fd, 1 << 16):
            content += chunk
        return content + b"\0"
    except OSError:
        return b""
    finally:
        os.close(fd)


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except OSError:
        return -1


def _read(pid: int) -> _Process | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read()
    except OSError:
        return None
    # The second field is the program's name in parentheses, which may hold anything, parentheses and spaces too.
    fields = text[text.rindex(b")") + 2 :].split()
    return _Process(pid, fields[0].decode(), int(fields[3]), int(fields[19]))


def _pid_space() -> str:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot}/{os.stat('/proc/self/ns/pid').st_ino}"
