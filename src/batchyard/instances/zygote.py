"""A zygote as its agent holds it: a process that has imported the script, and workers forked from it on request.

`batchyard_runtime.zygote` has the messages and tells why workers are forked twice. Decides nothing but that a zygote
which does not answer is no zygote.
"""

from __future__ import annotations

import array
import ctypes
import json
import os
import select
import signal
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from batchyard.domain.errors import PlatformError
from batchyard.instances.launch import Child, launch
from batchyard.instances.sessions import kill_sessions, record_session

_PR_SET_CHILD_SUBREAPER = 36
_LONGEST_ANSWER_MS = 5000
_LARGEST_MESSAGE = 1 << 16


class NoWorkerForked(Exception):
    """The zygote gave no worker; the message says why. It is not asked again."""


class Zygote:
    """One zygote process. `socket_fd` is readable when it has told something, or ended.

    is_open: it has imported the script and forks. refusal: why it never will, "" as long as it may.
    """

    def __init__(
        self,
        name: str,
        *,
        python: Path,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        scratch: Path,
        sessions: Path,
    ) -> None:
        """Start the process and record its session. arguments: behind the agent's pid.

        scratch: where it runs. It outlives the process: workers know it from their import.
        Raises: OSError; PlatformError.
        """
        self.is_open = False
        self.refusal = ""
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        streams = [
            os.open(scratch / stream, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            for stream in ("stdout", "stderr")
        ]
        try:
            self._process = launch(
                python,
                ["--zygote", str(theirs.fileno()), str(os.getpid()), *arguments],
                environment=environment,
                folder=scratch,
                output=streams[0],
                errors=streams[1],
                keep=[theirs.fileno()],
            )
        except OSError:
            self._ours.close()
            raise
        finally:
            theirs.close()
            for fd in streams:
                os.close(fd)
        try:
            record_session(sessions, name=name, pid=self._process.pid)
        except (OSError, PlatformError):
            self.close()
            raise

    @property
    def socket_fd(self) -> int:
        """The descriptor to be watched until `hear` was called."""
        return self._ours.fileno()

    def hear(self) -> None:
        """Take in what the zygote told after its import; the end of its socket is a refusal."""
        told = self._read()
        if told.get("kind") == "open":
            self.is_open = True
        else:
            self.refusal = str(told.get("reason", "the process that imported it ended"))

    def fork(self, environment: Mapping[str, str], descriptors: Sequence[int]) -> Child:
        """Give a new worker, our child and leader of a session. environment: what it has for itself.

        descriptors: commands, reports, stamp page, stdout, stderr. Raises: NoWorkerForked.
        """
        message = json.dumps({"environment": dict(environment)}).encode("ascii")
        rights = array.array("i", descriptors)
        with _as_subreaper():
            try:
                self._ours.sendmsg([message], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
            except OSError as exc:
                raise NoWorkerForked(f"the process that has imported the script is gone ({exc.strerror})") from exc
            told = self._answer()
        if told.get("kind") != "forked":
            raise NoWorkerForked(str(told.get("reason", "the process that has imported the script ended")))
        pid = int(told["pid"])
        try:
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            raise NoWorkerForked("a forked worker did not become a child of the agent") from None
        return ForkedChild(pid)

    def kill(self) -> None:
        """Begin the process's end."""
        os.kill(self._process.pid, signal.SIGKILL)

    def close(self) -> None:
        """Kill the process and all that its import started. Raises: PlatformError when something does not die."""
        self._ours.close()
        self.kill()
        kill_sessions({self._process.pid})
        self._process.wait()

    def _answer(self) -> dict[str, Any]:
        poll = select.poll()
        poll.register(self._ours, select.POLLIN)
        if not poll.poll(_LONGEST_ANSWER_MS):
            return {"reason": f"the process that has imported the script did not answer for {_LONGEST_ANSWER_MS} ms"}
        return self._read()

    def _read(self) -> dict[str, Any]:
        try:
            message = self._ours.recv(_LARGEST_MESSAGE)
            told = json.loads(message) if message else {}
        except (OSError, ValueError):
            return {}
        return told if isinstance(told, dict) else {}


class ForkedChild:
    """A worker that was forked by a zygote and is our child all the same."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def wait(self) -> int:
        """Reap it; give its exit code, negative for a signal."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


@contextmanager
def _as_subreaper() -> Iterator[None]:
    """Be the parent of what the zygote leaves behind, and only as long: other orphans are not for us to reap."""
    prctl = ctypes.CDLL(None).prctl
    prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
