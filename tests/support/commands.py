"""The installed command in processes of their own that begin at once: forked from one that has imported it already.

Of a command's third of a second of processor time nine tenths are the start of Python and imports, and tests give
about a thousand of them. What runs is the console script's own function with the arguments, variables, folder and
streams given, to the interpreter's very end; its exit code is the kernel's. This file is that process, too, which is
why it imports nothing of the tests: `python -P commands.py FD`.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import pkgutil
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple, NoReturn, TypedDict

PROGRAM = Path(sys.executable).with_name("batchyard")
_MESSAGE_BYTES = 1 << 17
# What commands import when they need it; a name that is not there (any more) costs time and nothing else.
_LATER = ("anyio.to_thread", "encodings.idna", "h11", "httpcore2", "httpx2", "pydantic.deprecated.class_validators")


class _Asked(TypedDict):
    arguments: list[str]
    variables: dict[str, str]
    folder: str


def run_command(
    arguments: Sequence[str], *, variables: Mapping[str, str], folder: Path, timeout_s: float
) -> subprocess.CompletedProcess[str]:
    """Run `batchyard` with exactly these variables, in that folder, and give what it printed.

    Raises: subprocess.TimeoutExpired, after the command was killed.
    """
    early = [name for name in variables if name.startswith(("PYTHON", "LC_", "LANG"))]
    if early:
        raise ValueError(f"{early}: Python reads these as it starts; execute {PROGRAM} itself.")
    asked = _Asked(arguments=[str(a) for a in arguments], variables=dict(variables), folder=str(folder))
    ours, theirs = socket.socketpair()
    with ours, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        with theirs:
            descriptors = [theirs.fileno(), out.fileno(), err.fileno()]
            socket.send_fds(_starter(os.getpid()), [json.dumps(asked).encode()], descriptors)
        ours.settimeout(timeout_s)
        with ours.makefile("r") as told:
            pid = int(told.readline())
            try:
                code = int(told.readline())
            except TimeoutError as exc:
                os.kill(pid, signal.SIGKILL)
                raise subprocess.TimeoutExpired(asked["arguments"], timeout_s) from exc
        printed = [_all_of(stream.fileno()).decode() for stream in (out, err)]
    return subprocess.CompletedProcess([str(PROGRAM), *asked["arguments"]], code, *printed)


def _all_of(descriptor: int) -> bytes:
    with open(descriptor, "rb", closefd=False) as stream:
        stream.seek(0)
        return stream.read()


@cache
def _starter(_: int) -> socket.socket:
    """Start the process that commands are forked from, once for each process of tests; it ends with that one."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        command = [sys.executable, "-P", __file__, str(theirs.fileno())]
        # No more than users have: what is read once, at the start of Python, is as in a terminal without a locale.
        variables = {name: os.environ[name] for name in ("PATH",) if name in os.environ}
        subprocess.Popen(command, env=variables, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()])
    return ours


class _Running(NamedTuple):
    pid: int
    told: socket.socket


def _serve(control: socket.socket) -> None:
    """Fork a command for each message until nobody is left to ask. In a child: SystemExit, to end as Python ends."""
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
    """Start the command of the next message and tell its pid; None at the end."""
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
    with contextlib.suppress(OSError):  # Who gave the command may have given it up.
        told.sendall(b"%d\n" % number)


def _become(asked: _Asked, out: int, err: int) -> NoReturn:
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.environ.clear()
    os.environ.update(asked["variables"])
    os.chdir(asked["folder"])
    sys.argv[:] = [str(PROGRAM), *asked["arguments"]]
    from batchyard.cli.entry import main

    sys.exit(main())


def _import_all() -> None:
    """Import what any command imports at its start or when it comes to need it."""
    for package in map(importlib.import_module, ("batchyard.cli", "batchyard.wire", "batchyard.domain")):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    for name in _LATER:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as given:
        _import_all()
        gc.freeze()
        _serve(given)
