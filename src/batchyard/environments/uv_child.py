"""Running uv: a child in a session of its own, its output line by line to the log, ended at the time limit."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, TextIO

from batchyard.domain.errors import PlatformError, ScriptError
from batchyard.environments.masking import mask

_KEPT_LINES = 25
_DISK_FULL = ("No space left on device", "os error 28", "Disk quota exceeded", "os error 122")
_NO_ANSWER = ("error sending request", "dns error", "tcp connect error", "Connection refused", "Connection reset")
_NO_WHEELS = ("building from source is disabled", "has no usable wheels", "no wheels with a matching")

# Makes the kernel end uv when we die, before it becomes uv: a killed builder must not leave one behind that goes on
# writing. prctl's 1 is PR_SET_PDEATHSIG; the parent is checked because it may have died before the call.
_BOUND = (
    "import ctypes, os, sys\n"
    "ctypes.CDLL(None).prctl(1, 9)\n"
    "os.getppid() == int(sys.argv[1]) or sys.exit(1)\n"
    "os.execv(sys.argv[2], sys.argv[2:])\n"
)


@dataclass(frozen=True, slots=True)
class UvChild:
    """How uv is run for one build.

    binary: the uv to run. environ: its whole environment. deadline: of time.monotonic(), for all calls together.
    kept_open: descriptors of turns that last as long as the child does.
    """

    binary: str
    environ: Mapping[str, str]
    log: TextIO
    deadline: float
    kept_open: tuple[int, ...] = ()

    def run(self, arguments: Sequence[str], *, doing: str) -> None:
        """Run uv to its end.

        doing: what fails when it fails ("Environment 'e:1' cannot be resolved for Python 3.11.7").
        Raises: ScriptError with uv's last lines, or at the time limit; PlatformError for a full disk or an index
        that does not answer.
        """
        run_child([self.binary, *arguments], self, doing=doing)


def run_child(command: Sequence[str], child: UvChild, *, doing: str) -> None:
    """Run any command of a build as `UvChild.run` runs uv."""
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _BOUND, str(os.getpid()), *command],
        env=dict(child.environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
        pass_fds=child.kept_open,
    )
    last: deque[str] = deque(maxlen=_KEPT_LINES)
    try:
        assert process.stderr is not None  # Narrows the type: it is a pipe.
        for raw in _lines(process.stderr, child.deadline):
            line = mask(raw.decode("utf-8", "replace").rstrip())
            last.append(line)
            child.log.write(line + "\n")
            child.log.flush()
        process.wait(max(0.0, child.deadline - time.monotonic()))
    except (TimeoutError, subprocess.TimeoutExpired):
        raise ScriptError(
            f"{doing}: the time limit passed. Raise BATCHYARD_ENVIRONMENT_BUILD_TIMEOUT_S or ask for less.\n"
            + "\n".join(last)
        ) from None
    finally:
        _end(process)
    if process.returncode != 0:
        raise _failure(doing, last)


def _lines(stream: IO[bytes], deadline: float) -> Iterator[bytes]:
    """Give lines as they come until the end of the stream. Raises: TimeoutError at the deadline."""
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        while True:
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise TimeoutError
            block = os.read(stream.fileno(), 65536)
            if not block:
                break
            *whole, rest = (rest + block).split(b"\n")
            yield from whole
    if rest:
        yield rest


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the child's session if it is still there; its id is ours until it has been waited for."""
    if process.returncode is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.stderr is not None:
        process.stderr.close()


def _failure(doing: str, last: Sequence[str]) -> ScriptError | PlatformError:
    text = "\n".join(last).strip()
    if any(sign in text for sign in _DISK_FULL):
        return PlatformError(f"{doing}: the disk is full.\n{text}")
    if any(sign in text for sign in _NO_ANSWER):
        return PlatformError(f"{doing}: the package index does not answer.\n{text}")
    if any(sign in text for sign in _NO_WHEELS):
        text += "\nOnly wheels are installed; BATCHYARD_ALLOW_SOURCE_BUILDS=1 lets the server build from source."
    return ScriptError(f"{doing}.\n{text}")
