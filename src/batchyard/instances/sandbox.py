"""Sandboxes of bubblewrap: what of this machine code of users needs, and processes started inside.

A sandbox has numbers of its own for its processes: the first one is bubblewrap's, which reaps, and the command is the
second. Outside there are bubblewrap (our child, leader of a session), and, as its descendants, all processes of the
sandbox. The end of any of bubblewrap's two ends the rest: the kernel kills what has lost its first process.
"""

from __future__ import annotations

import os
import re
import select
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from batchyard.domain.errors import PlatformError, SandboxUnavailable
from batchyard.domain.sandboxes import PROGRAM, Places, sandbox_arguments
from batchyard.instances.sandbox_places import interpreter_places, system_places

_LONGEST_START_MS = 10_000
_LONGEST_DEATH_MS = 30_000
_LONGEST_PROBE_S = 20.0
_TOLD = re.compile(rb'"child-pid": (\d+)[^}]*}')
_COMMAND = "2"
_OWN_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
# By which `sessions` knows what a worker has left: bubblewrap, too, may be killed between two steps of its start, when
# its child waits for a word that will never come.
_MARK = "AZUREML_BI_OUTPUT_PATH"
_INSTALL = "Install bubblewrap 0.8 or later (`apt-get install bubblewrap`)"
_ALLOW = (
    "Let the kernel make user namespaces (`sysctl user.max_user_namespaces`, `kernel.unprivileged_userns_clone=1`, on "
    "Ubuntu `kernel.apparmor_restrict_unprivileged_userns=0` or a profile for bwrap; containers may forbid it)"
)
_OTHERWISE = "or set BATCHYARD_SANDBOX=off to run code as your own user, and start the server again."


class ConfinedChild:
    """A command in a sandbox. pid: of bubblewrap, our child and leader of a session, whose end is the sandbox's."""

    def __init__(self, process: subprocess.Popen[bytes], first: int) -> None:
        """first: number of the sandbox's first process as it is known outside, 0 where it never began."""
        self._process = process
        self._first = first
        self._first_fd = _open_child(first, of=process.pid) if first else -1
        self._command = 0

    @property
    def pid(self) -> int:
        """Its number, ours to use until it is reaped."""
        return self._process.pid

    @property
    def command_pid(self) -> int:
        """Give the number of the command outside; bubblewrap's own while there is none."""
        if not self._command and self._first_fd >= 0:
            self._command = next(_commands_of(self._first), 0)
        return self._command or self.pid

    def signal_command(self, number: int) -> None:
        """Send the command a signal; nothing once it is gone."""
        pid = self.command_pid
        if pid == self.pid:
            return
        fd = _open_child(pid, of=self._first)
        if fd >= 0:
            _send(fd, number)
            os.close(fd)

    def wait(self) -> int:
        """Kill what is left of the sandbox, and reap bubblewrap; give the command's exit code, negative for a signal.

        Raises: PlatformError when something does not die.
        """
        if self._first_fd >= 0:
            _send(self._first_fd, signal.SIGKILL)
            poll = select.poll()
            poll.register(self._first_fd, select.POLLIN)
            # A first process ends when the last one of its sandbox has.
            if not poll.poll(_LONGEST_DEATH_MS):
                raise PlatformError(f"The sandbox of process {self.pid} does not die when killed.")
            os.close(self._first_fd)
            self._first_fd = -1
        code = self._process.wait()
        # Bubblewrap tells of a signal as a shell does.
        return 128 - code if code > 128 and code - 128 in signal.valid_signals() else code


@dataclass(frozen=True, slots=True)
class Sandbox:
    """How code of users is run here.

    has_network: whether it reaches the network. also_reads: what it may read beside what it needs. masked: folders that
    are hidden from it wherever they lie.
    """

    has_network: bool = False
    also_reads: tuple[Path, ...] = ()
    masked: tuple[Path, ...] = ()

    def check(self) -> str:
        """Start a command in a sandbox, and give the version of bubblewrap. Raises: SandboxUnavailable: what to do."""
        program = shutil.which(PROGRAM)
        if program is None:
            raise _unavailable("bubblewrap is not installed", _INSTALL)
        missing = [str(path) for path in self.also_reads if not path.exists()]
        if missing:
            raise _unavailable(f"BATCHYARD_SANDBOX_READ names {', '.join(missing)}, which is not there", "Correct it")
        failed = self._probe()
        version = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout.strip()
        if failed:
            raise _unavailable(
                f"{version or program} does not work here ({failed})", _INSTALL if "nknown option" in failed else _ALLOW
            )
        return version

    def start(
        self,
        command: Sequence[str],
        *,
        places: Places,
        environment: Mapping[str, str],
        folder: Path,
        output: IO[bytes] | int,
        errors: IO[bytes] | int,
        keep: Sequence[int],
    ) -> ConfinedChild:
        """Start a command in a sandbox of its own.

        places: beside the machine's programs and libraries, see `with_python`. environment: all that the command gets.
        folder: where it starts. keep: descriptors it gets under the same numbers, beside 0 (/dev/null), 1 and 2.
        Raises: OSError.
        """
        told, tell = os.pipe2(os.O_CLOEXEC)
        try:
            all_places = self._system.with_more(places)
            words = sandbox_arguments(
                all_places, folder=str(folder), environment=environment, has_network=self.has_network, told_fd=tell
            )
            with _as_file(words) as arguments:
                process = subprocess.Popen(
                    [shutil.which(PROGRAM) or PROGRAM, "--args", str(arguments.fileno()), "--", *command],
                    env={**_OWN_ENVIRONMENT, **({_MARK: environment[_MARK]} if _MARK in environment else {})},
                    cwd="/",
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=errors,
                    close_fds=True,
                    pass_fds=(*keep, tell, arguments.fileno()),
                    start_new_session=True,
                )
        finally:
            os.close(tell)
            first = _first_process(told)
            os.close(told)
        return ConfinedChild(process, first)

    def with_python(self, python: Path, places: Places) -> Places:
        """Give these places and what an interpreter needs to run."""
        return interpreter_places(python).with_more(places)

    @property
    def _system(self) -> Places:
        masked = tuple(str(path) for path in self.masked if path.is_dir())
        return system_places().with_more(Places(reads=tuple(map(str, self.also_reads)), masked=masked))

    def _probe(self) -> str:
        """Run a command that does nothing; give what bubblewrap says when it fails, "" otherwise."""
        read, write = os.pipe2(os.O_CLOEXEC)
        try:
            child = self.start(
                ["true"],
                places=Places(),
                environment=_OWN_ENVIRONMENT,
                folder=Path("/"),
                output=subprocess.DEVNULL,
                errors=write,
                keep=(),
            )
        except OSError as exc:
            os.close(read)
            return str(exc)
        finally:
            os.close(write)
        try:
            with open(read, "rb") as told:
                said = told.read(4096).decode("utf-8", "replace").strip()
        finally:
            code = _ended(child)
        return "" if code == 0 else said.splitlines()[0] if said else f"it ends with {code}"


def _ended(child: ConfinedChild) -> int:
    """Wait for a command to end by itself; kill it when it does not."""
    fd = os.pidfd_open(child.pid)
    try:
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        if not poll.poll(_LONGEST_PROBE_S * 1000):
            _send(fd, signal.SIGKILL)
    finally:
        os.close(fd)
    return child.wait()


def _unavailable(why: str, remedy: str) -> SandboxUnavailable:
    return SandboxUnavailable(f"BATCHYARD_SANDBOX is on, and {why}", f"{remedy}, {_OTHERWISE}")


def _as_file(words: Sequence[str]) -> IO[bytes]:
    """Give a file of the words in memory: command lines are seen by everybody, and have a limit."""
    file = os.fdopen(os.memfd_create("batchyard-sandbox", os.MFD_CLOEXEC), "w+b")
    file.write(b"".join(os.fsencode(word) + b"\0" for word in words))
    file.flush()
    file.seek(0)
    return file


def _first_process(told: int) -> int:
    """Read the number of the sandbox's first process; 0 when bubblewrap ends without, or is silent for long.

    All that it says is read: bubblewrap would die of a pipe that nobody reads, and leave its child behind.
    """
    poll = select.poll()
    poll.register(told, select.POLLIN)
    said = b""
    while not (found := _TOLD.search(said)):
        if not poll.poll(_LONGEST_START_MS) or not (chunk := os.read(told, 4096)):
            return 0
        said += chunk
    return int(found[1])


def _commands_of(first: int) -> Iterator[int]:
    """Give the number outside of the command whose sandbox has this first process."""
    for name in os.listdir("/proc"):
        if name.isdigit() and _parent(int(name)) == first and _numbers(int(name))[-1:] == [_COMMAND]:
            yield int(name)


def _open_child(pid: int, *, of: int) -> int:
    """Give a descriptor of a process that is surely the child of another; -1 when it is not, any more."""
    try:
        fd = os.pidfd_open(pid)
    except OSError:
        return -1
    if _parent(pid) == of:
        return fd
    os.close(fd)
    return -1


def _send(fd: int, number: int) -> None:
    try:
        signal.pidfd_send_signal(fd, number)
    except ProcessLookupError:
        return


def _parent(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return 0
    return int(text[text.rindex(b")") + 2 :].split()[1])


def _numbers(pid: int) -> list[str]:
    """Give the numbers of a process in each namespace it is in, the innermost last."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return []
    return next((line.split()[1:] for line in lines if line.startswith("NSpid:")), [])
