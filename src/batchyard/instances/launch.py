"""How a child that runs user code is started: its made-up environment, its own session, nothing inherited."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

import batchyard_runtime
from batchyard.domain.sandboxes import Places
from batchyard.instances.sandbox import Sandbox

RUNTIME = Path(batchyard_runtime.__file__).parent / "__main__.py"
# Libraries that tell their makers how they are used, unless told not to. What scores others' data is silent; and ONNX
# Runtime does it in a thread that its import starts, which would forbid forking (PR 27379 of microsoft/onnxruntime).
NO_TELEMETRY = {
    "DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "ORT_DISABLE_TELEMETRY": "1",
}


class Child(Protocol):
    """A child of this process that runs user code, leader of a session."""

    @property
    def pid(self) -> int:
        """Its number, ours to use until it is reaped."""

    def wait(self) -> int:
        """Reap it; give its exit code, negative for a signal."""


@dataclass(frozen=True, slots=True)
class Confinement:
    """A sandbox, and what a child sees in it beside programs and its own interpreter."""

    sandbox: Sandbox
    places: Places


def parent_of(confined: Confinement | None) -> int:
    """Give the number of its parent as a child sees it, which ends when that does: the first process of a sandbox."""
    return os.getpid() if confined is None else 1


def make_environment(
    python: Path, *, scratch: Path, chosen: Mapping[str, str], fixed: Mapping[str, str]
) -> dict[str, str]:
    """Give the environment of a child, built from nothing.

    python: its folder leads PATH. scratch: gets `home` and `tmp`. chosen: the deployment's own variables, which win
    over everything but `fixed`, on which the contract with the script rests.
    """
    home, temporary = scratch / "home", scratch / "tmp"
    home.mkdir(parents=True, exist_ok=True)
    temporary.mkdir(parents=True, exist_ok=True)
    return {
        "PATH": f"{python.parent}:/usr/bin:/bin",
        "HOME": str(home),
        "TMPDIR": str(temporary),
        "LANG": "C.UTF-8",
        **NO_TELEMETRY,
        **chosen,
        **fixed,
    }


def launch(
    python: Path,
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str],
    folder: Path,
    output: IO[bytes] | int,
    errors: IO[bytes] | int,
    keep: Sequence[int],
    confined: Confinement | None = None,
) -> Child:
    """Start the runtime under an interpreter, as leader of a new session, in `folder`.

    output, errors: where it prints. keep: descriptors it gets under the same numbers, beside 0 (/dev/null), 1 and 2.
    confined: None for a child that sees what we see. Raises: OSError.
    """
    command = [os.fspath(python), os.fspath(RUNTIME), *arguments]
    if confined is not None:
        places = confined.places.with_more(Places(reads=(str(RUNTIME.parent),)))
        return confined.sandbox.start(
            command,
            places=confined.sandbox.with_python(python, places),
            environment=environment,
            folder=folder,
            output=output,
            errors=errors,
            keep=keep,
        )
    return subprocess.Popen(
        command,
        env=dict(environment),
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=errors,
        close_fds=True,
        pass_fds=tuple(keep),
        start_new_session=True,
    )
