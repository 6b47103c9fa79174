"""The embedded server of a home, seen from outside: where it is, whether it lives, its start and its end."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any  # JSON of the files in the home

from batchyard.cli.failures import CommandFailed, Unreachable
from batchyard.cli.rest import Connection, is_healthy
from batchyard.settings import Settings, server_environment

PROCESSES = ("doors", "engine")
STOPPED = "stopped"
_START_S, _END_S = 15.0, 10.0


def connect(settings: Settings, *, say: Callable[[str], None]) -> Connection:
    """Give the remote server that the environment names, else the home's own, started when it does not answer.

    Raises: Unreachable when it does not come up within 15 s; CommandFailed for a URL without a token.
    """
    if settings.url:
        if not settings.token:
            raise CommandFailed("BATCHYARD_URL is set but BATCHYARD_TOKEN is not. Set it to a token of that server.")
        return Connection(settings.url, settings.token, settings.ca_file)
    found = _connection(settings.home)
    if found is not None and is_healthy(found):
        return found
    return _start_and_wait(settings.home, say)


def start(settings: Settings, *, say: Callable[[str], None]) -> Connection:
    """Start what is missing and wait until the server answers; at once when it already does."""
    found = _connection(settings.home)
    if found is not None and is_healthy(found) and all(holder(settings.home, name) for name in PROCESSES):
        return found
    return _start_and_wait(settings.home, say)


def status(home: Path) -> dict[str, Any]:
    """Give what runs of this home; nothing is started."""
    found = _connection(home)
    return {
        "home": str(home),
        "url": found.url if found else None,
        "healthy": found is not None and is_healthy(found),
        "stopped": (home / STOPPED).exists(),
        **{name: {"pid": pid, "running": pid is not None} for name in PROCESSES for pid in [holder(home, name)]},
    }


def stop(home: Path) -> list[int]:
    """End every process of this home and give their ids; returns when none is left.

    The marker comes first, so that neither process starts the other again.
    Raises: CommandFailed naming processes that cannot be ended.
    """
    if not home.is_dir():
        return []
    (home / STOPPED).touch(mode=0o600)
    ended: set[int] = set()
    deadline = time.monotonic() + _END_S
    while pids := processes(home):
        is_late = time.monotonic() > deadline
        if is_late and time.monotonic() > deadline + _END_S:
            raise CommandFailed(f"Processes {sorted(pids)} of {home} cannot be ended.")
        # The engine ends its jobs' processes itself; they go on from their ledgers at the next start.
        asked = {pid for name in PROCESSES if (pid := holder(home, name)) is not None}
        for pid in pids if is_late else asked - ended:
            _signal(pid, signal.SIGKILL if is_late else signal.SIGTERM)
        ended |= pids if is_late else asked
        time.sleep(0.05)
    return sorted(ended)


def processes(home: Path) -> set[int]:
    """Give the ids of all processes of this home: lock holders, and jobs' processes, forked from the engine."""
    wanted = ["--home", str(home)]
    found = {pid for name in PROCESSES if (pid := holder(home, name)) is not None}
    for entry in os.scandir("/proc"):
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            words = _command_line(int(entry.name))
            if any(word.startswith("batchyard.bootstrap.") for word in words) and words[-2:] == wanted:
                found.add(int(entry.name))
    return found


def holder(home: Path, name: str) -> int | None:
    """Give the id of the process that holds the lock `<name>.lock`, None when nobody does.

    The kernel drops the lock with its process, so that a held lock is the proof of life; the id in the file is
    then the holder's own.
    """
    path = home / f"{name}.lock"
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _recorded_pid(path)
    finally:
        os.close(descriptor)
    return None


def _recorded_pid(path: Path) -> int | None:
    pid = _read_json(path).get("pid")
    if not isinstance(pid, int):
        return None
    # Signalled only if it is one of ours: the lock could be held by somebody's editor.
    return pid if any(word.startswith("batchyard.bootstrap.") for word in _command_line(pid)) else None


def _connection(home: Path) -> Connection | None:
    url = _read_json(home / "server.json").get("url")
    try:
        token = (home / "token").read_text(encoding="utf-8").strip()
    except OSError:
        return None
    if not isinstance(url, str) or not url:
        return None
    return Connection(url.rstrip("/"), token, str(home / "tls" / "ca.pem"), reads_in_place=True)


def _start_and_wait(home: Path, say: Callable[[str], None]) -> Connection:
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    (home / "logs").mkdir(mode=0o700, exist_ok=True)
    (home / STOPPED).unlink(missing_ok=True)
    started = [_spawn(name, home) for name in PROCESSES if holder(home, name) is None]
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        found = _connection(home)
        if found is not None and is_healthy(found):
            if started:
                say(f"Started the embedded server for {home}.")
            return found
        if started and all(child.poll() not in (None, 0) for child in started) and not processes(home):
            break
        time.sleep(0.05)
    raise Unreachable(
        f"The embedded server of {home} did not answer within {_START_S:.0f} s. "
        f"Its last words in {home / 'logs' / 'doors.log'}:\n{_last_lines(home / 'logs' / 'doors.log')}"
    )


def _spawn(name: str, home: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", f"batchyard.bootstrap.{name}", "--home", str(home)]
    with open(home / "logs" / f"{name}.log", "ab", opener=_private) as output:
        return subprocess.Popen(
            command,
            cwd="/",
            env=server_environment(home),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _signal(pid: int, number: int) -> None:
    # One that ended by itself between look and signal did what was wanted.
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _command_line(pid: int) -> list[str]:
    """Give the words of a process's command line, [] for one that is gone, ended (a zombie has none) or not ours."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").rstrip("\0").split("\0")
    except OSError:
        return []


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _last_lines(path: Path, count: int = 15) -> str:
    try:
        return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-count:])
    except OSError:
        return "(nothing)"
