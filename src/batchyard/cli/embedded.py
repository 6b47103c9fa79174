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
from urllib.parse import urlsplit

from batchyard.cli.failures import CommandFailed, Unreachable
from batchyard.cli.rest import Connection, is_healthy
from batchyard.settings import Settings, server_environment

PROCESSES = ("doors", "engine")
STOPPED = "stopped"
_START_S, _END_S = 15.0, 10.0
# What the doors end with, and how they log that they refuse.
_ALREADY_RUNNING, _REFUSED = 3, 4
_CANNOT_BE_SERVED = "home cannot be served"


def connect(settings: Settings, *, say: Callable[[str], None]) -> Connection:
    """Give the remote server that the environment names, else the home's own, started when it does not answer.

    Raises: Unreachable when it refuses to serve, with its reason, or does not come up within 15 s; CommandFailed for a
    URL without a token.
    """
    if settings.url:
        if not settings.token:
            raise CommandFailed("BATCHYARD_URL is set but BATCHYARD_TOKEN is not. Set it to a token of that server.")
        if not settings.url.lower().startswith("https://") and not _is_loopback(settings.url):
            raise CommandFailed(f"BATCHYARD_URL is {settings.url!r}; a token is sent over https:// alone.")
        return Connection(settings.url, settings.token, settings.ca_file)
    _refuse_shared(settings.home)
    found = _connection(settings.home)
    if found is not None and is_healthy(found):
        return found
    return _start_and_wait(settings.home, say)


def start(settings: Settings, *, say: Callable[[str], None]) -> Connection:
    """Start what is missing and wait until the server answers; at once when it already does."""
    _refuse_shared(settings.home)
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
        if entry.name.isdecimal() and int(entry.name) != os.getpid() and _is_mine(entry):
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
    told = _read_json(path)
    pid = told.get("pid")
    if not isinstance(pid, int) or _start_ticks(pid) != told.get("start_ticks"):
        # What is written may be of a holder before, whose number another process has by now.
        return None
    # Signalled only if it is one of ours: the lock could be held by somebody's editor.
    return pid if any(word.startswith("batchyard.bootstrap.") for word in _command_line(pid)) else None


def _connection(home: Path) -> Connection | None:
    url = _read_json(home / "server.json").get("url")
    try:
        token = (home / "token").read_text(encoding="utf-8").strip()
    except OSError:
        return None
    if not isinstance(url, str) or not _is_loopback(url):
        return None
    return Connection(url.rstrip("/"), token, str(home / "tls" / "ca.pem"), reads_in_place=True)


def _refuse_shared(home: Path) -> None:
    """Raises: CommandFailed for a home in which others could have laid an address, a CA and a token of their own."""
    try:
        found = home.stat()
    except FileNotFoundError:
        return
    if found.st_uid != os.getuid():
        raise CommandFailed(f"The home {str(home)!r} belongs to another user. Name your own in BATCHYARD_HOME.")
    if found.st_mode & 0o022:
        raise CommandFailed(
            f"The home {str(home)!r} can be written to by others. Look at what is in it, then run `chmod 700 {home}`."
        )


def _is_loopback(url: str) -> bool:
    try:
        return urlsplit(url).hostname in ("localhost", "127.0.0.1", "::1")
    except ValueError:
        return False


def _is_mine(process: os.DirEntry[str]) -> bool:
    try:
        return process.stat().st_uid == os.getuid()
    except OSError:
        return False


def _start_ticks(pid: int) -> int | None:
    """Give when a process began, in ticks since boot (field 22 of its stat), or None when it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return int(text[text.rindex(")") + 2 :].split()[19])


def _start_and_wait(home: Path, say: Callable[[str], None]) -> Connection:
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        (home / "logs").mkdir(mode=0o700, exist_ok=True)
        (home / STOPPED).unlink(missing_ok=True)
    except OSError as exc:
        raise CommandFailed(
            f"The home {str(home)!r} cannot be made ({exc.strerror}). Name a folder of your own in BATCHYARD_HOME."
        ) from exc
    words = _Words(home / "logs" / "doors.log")
    started = {name: _spawn(name, home) for name in PROCESSES if holder(home, name) is None}
    is_new = bool(started)
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        found = _connection(home)
        if found is not None and is_healthy(found):
            if is_new:
                say(f"Started the embedded server for {home}.")
            return found
        doors = started.get("doors")
        code = doors.poll() if doors is not None else _ALREADY_RUNNING
        # Doors that the engine of an earlier start began may be refused in the place of ours.
        if code == _REFUSED or (code == _ALREADY_RUNNING and words.refusal()):
            raise Unreachable(f"The embedded server cannot start. {words.reason()}")
        if started and all(child.poll() not in (None, 0) for child in started.values()) and not processes(home):
            break
        if code == _ALREADY_RUNNING and holder(home, "doors") is None:
            # Whoever had the lock, such as doors that the engine started, ended without serving; ours will tell why.
            started["doors"] = _spawn("doors", home)
        time.sleep(0.05)
    raise Unreachable(
        f"The embedded server of {home} did not answer within {_START_S:.0f} s. "
        f"Its last words in {words.path}:\n{words.last_lines()}"
    )


class _Words:
    """What the log of a process has got since this was made: what an earlier start said explains nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._offset = path.stat().st_size if path.exists() else 0

    def reason(self) -> str:
        """Give why the home cannot be served, the last lines if nothing says so."""
        return self.refusal() or f"Its words in {self.path}:\n{self.last_lines()}"

    def refusal(self) -> str:
        """Give why the home cannot be served, as doors that ended have told it; "" while none has."""
        told = [line for line in map(_json_of, self._lines()) if line.get("event") == _CANNOT_BE_SERVED]
        return str(told[-1].get("reason")) if told else ""

    def last_lines(self, count: int = 15) -> str:
        """Give the last lines, as they are."""
        return "\n".join(self._lines()[-count:]) or "(nothing)"

    def _lines(self) -> list[str]:
        try:
            with open(self.path, "rb") as file:
                # A log that was rotated away began again.
                file.seek(self._offset if self.path.stat().st_size >= self._offset else 0)
                return file.read().decode(errors="replace").splitlines()
        except OSError:
            return []


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
        return _json_of(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _json_of(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
