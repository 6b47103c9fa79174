"""Looks at a scoring script: imports it once, in a child under the interpreter it will run in."""

from __future__ import annotations

import os
import selectors
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from batchyard.domain.errors import PlatformError
from batchyard.domain.sandboxes import Places
from batchyard.instances.launch import Child, Confinement, launch, make_environment, parent_of
from batchyard.instances.sandbox import Sandbox
from batchyard.instances.sessions import kill_sessions, kill_strays
from batchyard.ports.instance import ScriptReport
from batchyard_runtime.frames import BadFrame, Decoder

_MOST_OUTPUT_BYTES = 64 << 10
_MOST_REPORT_BYTES = 1 << 20
_READ_BYTES = 1 << 16


@dataclass(slots=True)
class _Heard:
    """What a child has written so far; `output` keeps the first 64 KiB."""

    report: bytearray = field(default_factory=bytearray)
    output: bytearray = field(default_factory=bytearray)


class LocalScripts:
    """Checks scripts in children of this process."""

    def __init__(self, sandbox: Sandbox | None = None) -> None:
        """sandbox: in which the child is run, None for none."""
        self._sandbox = sandbox

    def check(
        self,
        python: Path,
        code_dir: Path,
        script: str,
        *,
        scratch: Path,
        timeout_s: float,
        environment_variables: Mapping[str, str] | None = None,
        model_dir: Path | None = None,
    ) -> ScriptReport:
        """Import the script and look for `run`; see the port. Nothing is written to code_dir.

        environment_variables: the deployment's own, for scripts that read them on import. model_dir: an empty folder
        stands in for it when it is not given. Raises: PlatformError when the child cannot be started.
        """
        if self._sandbox is not None:
            self._sandbox.check()
        try:
            for name in ("model", "output"):
                (scratch / name).mkdir()
        except OSError as exc:
            raise PlatformError(f"The script cannot be looked at: {exc}") from exc
        environment = make_environment(
            python,
            scratch=scratch,
            chosen=environment_variables or {},
            fixed={
                "AZUREML_MODEL_DIR": str(model_dir or scratch / "model"),
                "AZUREML_BI_OUTPUT_PATH": str(scratch / "output"),
            },
        )
        confined = None
        if self._sandbox is not None:
            reads = (str(code_dir), *([str(model_dir)] if model_dir else []))
            confined = Confinement(self._sandbox, Places(reads=reads, writes=(str(scratch),)))
        return _check(
            python,
            code_dir,
            script,
            environment=environment,
            scratch=scratch,
            timeout_s=timeout_s,
            confined=confined,
        )


def _check(
    python: Path,
    code_dir: Path,
    script: str,
    *,
    environment: dict[str, str],
    scratch: Path,
    timeout_s: float,
    confined: Confinement | None,
) -> ScriptReport:
    report_read, report_write = os.pipe2(os.O_CLOEXEC)
    output_read, output_write = os.pipe2(os.O_CLOEXEC)
    try:
        process = launch(
            python,
            ["--check", str(report_write), str(parent_of(confined)), os.fspath(code_dir), script],
            environment=environment,
            folder=scratch,
            output=output_write,
            errors=output_write,
            keep=(report_write,),
            confined=confined,
        )
    except OSError as exc:
        os.close(report_read)
        os.close(output_read)
        raise PlatformError(f"The interpreter {os.fspath(python)!r} cannot be started: {exc}") from exc
    finally:
        os.close(report_write)
        os.close(output_write)
    heard = _Heard()
    try:
        in_time = _listen(process, {report_read: heard.report, output_read: heard.output}, timeout_s=timeout_s)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        kill_sessions({process.pid})
        kill_strays(scratch / "output")
        code = process.wait()
        os.close(report_read)
        os.close(output_read)
    return _report(heard, code=code, in_time=in_time, timeout_s=timeout_s)


def _listen(process: Child, sinks: dict[int, bytearray], *, timeout_s: float) -> bool:
    """Collect what the child writes until it has ended and nothing is left to read; False when time runs out."""
    deadline = time.monotonic() + timeout_s
    pidfd = os.pidfd_open(process.pid)
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(pidfd, selectors.EVENT_READ)
            for fd in sinks:
                os.set_blocking(fd, False)
                selector.register(fd, selectors.EVENT_READ)
            while (left_s := deadline - time.monotonic()) > 0:
                ready = [key.fd for key, _ in selector.select(left_s)]
                for fd in sinks:
                    if fd in ready and not _collect(fd, sinks[fd]):
                        selector.unregister(fd)
                # What the child wrote before its end is in the pipes by then; its own children are not waited for.
                if ready == [pidfd]:
                    return True
            return False
    finally:
        os.close(pidfd)


def _collect(fd: int, sink: bytearray) -> bool:
    """Read what is there, keeping no more than is ever looked at; False at the end."""
    try:
        chunk = os.read(fd, _READ_BYTES)
    except BlockingIOError:
        return True
    if len(sink) < _MOST_REPORT_BYTES:
        sink += chunk
    return bool(chunk)


def _report(heard: _Heard, *, code: int, in_time: bool, timeout_s: float) -> ScriptReport:
    output = bytes(heard.output[:_MOST_OUTPUT_BYTES]).decode("utf-8", "replace")
    decoder = Decoder()
    decoder.feed(bytes(heard.report))
    try:
        frame = decoder.take()
        if frame is not None:
            found = frame[0]
            return ScriptReport(str(found["error"]), str(found["message"]), str(found["stack"]), output)
    except (BadFrame, KeyError) as exc:
        return ScriptReport("WorkerDied", f"The script's import left a report that cannot be read: {exc}", "", output)
    if not in_time:
        message = f"Importing the script exceeded the time limit of {timeout_s:g} s."
        return ScriptReport("TimeoutError", message, "", output)
    how = f"exited with code {code}" if code >= 0 else f"was killed by signal {-code}"
    return ScriptReport("WorkerDied", f"The process {how} while it imported the script.", "", output)
