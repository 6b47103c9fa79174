"""The installed command in processes of their own, without the third of a second that one takes to begin."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.forks import fork

PROGRAM = Path(sys.executable).with_name("batchyard")
# What the command line has, and what commands import of others when they need it.
_IMPORTS = (
    *("batchyard.cli", "batchyard.wire", "batchyard.domain"),
    *("anyio.to_thread", "encodings.idna", "h11", "httpcore2", "httpx2", "pydantic.deprecated.class_validators"),
)


def run_command(
    arguments: Sequence[str], *, variables: Mapping[str, str], folder: Path, timeout_s: float
) -> subprocess.CompletedProcess[str]:
    """Run `batchyard` with exactly these variables, in that folder, and give what it printed.

    Raises: subprocess.TimeoutExpired, after the command was killed.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        streams = {"out": out.fileno(), "err": err.fileno()}
        forked = fork(
            "batchyard.cli.entry:main", arguments, imports=_IMPORTS, variables=variables, folder=folder, **streams
        )
        try:
            code = forked.wait(timeout_s)
        except subprocess.TimeoutExpired:
            os.kill(forked.pid, signal.SIGKILL)
            raise
        printed = [_all_of(descriptor).decode() for descriptor in streams.values()]
    return subprocess.CompletedProcess([str(PROGRAM), *arguments], code, *printed)


def _all_of(descriptor: int) -> bytes:
    with open(descriptor, "rb", closefd=False) as stream:
        stream.seek(0)
        return stream.read()
