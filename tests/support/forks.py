"""Processes of Python that begin at once: forked from one that has imported already what they need.

Tests start thousands of commands and engines, and nine tenths of the processor time of a short one are the start of
Python and imports. What runs is the function named, with the arguments, variables, folder and streams given, to the
interpreter's very end; its exit code is the kernel's. This file is the process that forks, too, which is why it imports
nothing of the tests: `python -P forks.py FD ROOM MODULE…`.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import pkgutil
import selectors
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn, TypedDict

_ROOT = Path(__file__).parents[2]
_MESSAGE_BYTES = 1 << 17
# The kernel shows no longer command line than the one that a process was started with: see `_show`.
_ROOM_BYTES = 8192
_STARTERS: dict[tuple[int, Sequence[str]], socket.socket] = {}
_STARTING = threading.Lock()


class _Asked(TypedDict):
    function: str
    arguments: list[str]
    variables: dict[str, str]
    folder: str


class Forked:
    """A process that was started, with what is needed of `subprocess.Popen`."""

    def __init__(self, told: socket.socket) -> None:
        """told: gives the process's id, and its exit code when it has ended."""
        self._told = told
        self.pid = self._next()
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Give the exit code, None while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.wait(0)
        return None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end and give the exit code. Raises: subprocess.TimeoutExpired."""
        if self.returncode is None:
            self._told.settimeout(timeout)
            try:
                self.returncode = self._next()
            except (TimeoutError, BlockingIOError) as exc:
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0) from exc
            self._told.close()
        return self.returncode

    def _next(self) -> int:
        message = self._told.recv(64)
        if not message:
            raise RuntimeError("The process that forks has ended.")
        return int(message)


def fork(
    function: str,
    arguments: Sequence[str],
    *,
    imports: Sequence[str],
    variables: Mapping[str, str],
    folder: Path,
    out: int,
    err: int,
) -> Forked:
    """Run `module:function` with exactly these variables, and `arguments` as those of its command line.

    imports: modules to be there already, and packages of ours with all that is in them; best the same ones each time.
    """
    early = [name for name in variables if name.startswith(("PYTHON", "LC_", "LANG"))]
    if early:
        raise ValueError(f"{early}: Python reads these as it starts; execute it instead.")
    asked = _Asked(
        function=function, arguments=[str(a) for a in arguments], variables=dict(variables), folder=str(folder)
    )
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        socket.send_fds(_starter(imports), [json.dumps(asked).encode()], [theirs.fileno(), out, err])
    return Forked(ours)


def _starter(imports: Sequence[str]) -> socket.socket:
    """Give the way to the process that forks, one for each process of tests; it ends with that one."""
    key = (os.getpid(), imports)
    with _STARTING:
        if key not in _STARTERS:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                command = [sys.executable, "-P", __file__, str(theirs.fileno()), "-" * _ROOM_BYTES, *imports]
                # No more than users have: what is read as Python starts is as in a terminal without a locale.
                variables = {name: os.environ[name] for name in ("PATH",) if name in os.environ}
                subprocess.Popen(command, env=variables, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()])
            _STARTERS[key] = ours
        return _STARTERS[key]


class _Running(NamedTuple):
    pid: int
    told: socket.socket


def _serve(control: socket.socket) -> None:
    """Fork for each message until nobody is left to ask. In a child: SystemExit, to end as Python ends."""
    with selectors.PollSelector() as selector:  # Not epoll, whose set a child would share with us.
        selector.register(control, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if isinstance(key.data, _Running):
                    selector.unregister(key.fd)
                    os.close(key.fd)
                    _tell_end(key.data)
                    continue
                running = _forked(control)
                if running is None:
                    return
                selector.register(os.pidfd_open(running.pid), selectors.EVENT_READ, running)


def _forked(control: socket.socket) -> _Running | None:
    """Start what the next message asks for and tell its pid; None at the end."""
    message, descriptors, *_ = socket.recv_fds(control, _MESSAGE_BYTES, 3, socket.MSG_CMSG_CLOEXEC)
    if not message:
        return None
    told, out, err = descriptors
    pid = os.fork()
    if pid == 0:
        _become(json.loads(message), out, err)
    os.close(out)
    os.close(err)
    running = _Running(pid, socket.socket(fileno=told))
    _tell(running.told, pid)
    return running


def _tell_end(running: _Running) -> None:
    code = os.waitstatus_to_exitcode(os.waitpid(running.pid, 0)[1])
    with running.told as told:
        _tell(told, code)


def _tell(told: socket.socket, number: int) -> None:
    with contextlib.suppress(OSError):  # Who asked may have given it up.
        told.sendall(b"%d" % number)


def _become(asked: _Asked, out: int, err: int) -> NoReturn:
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.environ.clear()
    os.environ.update(asked["variables"])
    os.chdir(asked["folder"])
    sys.argv[:] = [asked["function"], *asked["arguments"]]
    _show(sys.argv)
    module, _, name = asked["function"].partition(":")
    sys.exit(getattr(importlib.import_module(module), name)())


def _show(words: Sequence[str]) -> None:
    """Have the kernel show these words as the command line: by it tests know whose a process is."""
    begin, end = map(int, Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()[45:47])
    line = b"\0".join(os.fsencode(word) for word in words)[: end - begin - 1]
    ctypes.memmove(begin, line.ljust(end - begin, b"\0"), end - begin)


def _import(name: str) -> None:
    module = importlib.import_module(name)
    if name.startswith("batchyard.") and hasattr(module, "__path__"):
        for found in pkgutil.walk_packages(module.__path__, f"{name}."):
            importlib.import_module(found.name)


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as given:
        sys.path.append(str(_ROOT))
        for wanted in sys.argv[3:]:
            _import(wanted)
        gc.freeze()
        _serve(given)
