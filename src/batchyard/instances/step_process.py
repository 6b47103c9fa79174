"""A step's command as a local process: started when it is recorded, listened to, ended with all that it started."""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import signal
import time
from collections.abc import Callable, Sequence

from batchyard.domain.errors import InvalidInput, Mistake, PlatformError
from batchyard.domain.sandboxes import Places
from batchyard.instances.launch import Child, Confinement, launch, make_environment, parent_of
from batchyard.instances.sandbox import Sandbox
from batchyard.instances.sessions import kill_sessions, kill_strays, record_session
from batchyard.instances.step_log import StepLog
from batchyard.ports.step_process import StepPlan

_TICK_S = 0.2
_READ_BYTES = 1 << 16
_MOST_READS_AT_END = 32
_NAME = "command"
# Programs that write to a pipe keep their lines for long; who looks at the log wants to see how far they are.
_CHOSEN = {"PYTHONUNBUFFERED": "1"}


class LocalStepProcess:
    """`ports.step_process.StepProcess` on this machine."""

    def __init__(self, plan: StepPlan, sandbox: Sandbox | None = None) -> None:
        """Start the command. sandbox: None for a command that sees what we see.

        Raises: InvalidInput for one that the kernel does not take; SandboxUnavailable; PlatformError.
        """
        if sandbox is not None:
            sandbox.check()
        self._sandbox = sandbox
        self._marker = plan.scratch_dir / "output"
        self._child: Child | None = None
        self._log = StepLog(plan.log, cap_bytes=plan.log_cap_bytes)
        self._output, self._pidfd = -1, -1
        self._exit_code: int | None = None
        try:
            self._start(plan)
        except OSError as exc:
            self.close()
            if exc.errno == errno.E2BIG:
                raise InvalidInput("The step", [_too_long(plan)]) from exc
            raise PlatformError(f"The command of job {plan.job!r} cannot be started: {exc}") from exc
        except PlatformError:
            self.close()
            raise

    def wait(self, *, timeout_s: float | None, meanwhile: Callable[[], None]) -> int | None:
        until = None if timeout_s is None else time.monotonic() + timeout_s
        with selectors.DefaultSelector() as selector:
            selector.register(self._pidfd, selectors.EVENT_READ)
            selector.register(self._output, selectors.EVENT_READ)
            is_open = True
            while True:
                meanwhile()
                left_s = _TICK_S if until is None else min(_TICK_S, until - time.monotonic())
                if left_s <= 0:
                    return None
                ready = {key.fd for key, _ in selector.select(left_s)}
                if is_open and self._output in ready and not self._read():
                    selector.unregister(self._output)
                    is_open = False
                if self._pidfd in ready:
                    return self._end()

    def last_lines(self) -> Sequence[str]:
        return self._log.last_lines()

    def close(self) -> None:
        if self._child is not None and self._exit_code is None:
            self._end()
        for fd in (self._output, self._pidfd):
            if fd >= 0:
                os.close(fd)
        self._output = self._pidfd = -1
        self._log.close()

    def _start(self, plan: StepPlan) -> None:
        """Start the process behind a gate, which opens once it is recorded. Raises: OSError; PlatformError."""
        environment = make_environment(
            plan.python,
            scratch=plan.scratch_dir,
            chosen={**_CHOSEN, **plan.environment_variables},
            # The last one is how we know what the command starts, also in sessions of its own.
            fixed={**plan.variables, "AZUREML_RUN_ID": plan.job, "AZUREML_BI_OUTPUT_PATH": str(self._marker)},
        )
        confined = None if self._sandbox is None else Confinement(self._sandbox, _places(plan))
        gate_read, gate_write = os.pipe2(os.O_CLOEXEC)
        try:
            self._output, output = os.pipe2(os.O_CLOEXEC)
            try:
                self._child = launch(
                    plan.python,
                    ["--command", str(gate_read), str(parent_of(confined)), plan.command],
                    environment=environment,
                    folder=plan.code_dir,
                    output=output,
                    errors=output,
                    keep=(gate_read,),
                    confined=confined,
                )
            finally:
                os.close(output)
            os.set_blocking(self._output, False)
            self._pidfd = os.pidfd_open(self._child.pid)
            record_session(plan.sessions, name=_NAME, pid=self._child.pid)
            with contextlib.suppress(BrokenPipeError):  # It died: then its exit code tells.
                os.write(gate_write, b"g")
        finally:
            os.close(gate_read)
            os.close(gate_write)

    def _end(self) -> int:
        """Kill what is left, leader last to be reaped, so that its number cannot mean another session; read the rest.

        Raises: PlatformError when something does not die.
        """
        if self._child is None:
            return 0
        self._kill_leader()
        kill_sessions({self._child.pid})
        code = self._child.wait()
        self._exit_code = code
        kill_strays(self._marker)
        # No more than a pipe holds, and some: what has hidden from us may be writing still.
        for _ in range(_MOST_READS_AT_END):
            if self._output < 0 or not self._read():
                break
        return code

    def _kill_leader(self) -> None:
        if self._pidfd >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def _read(self) -> bool:
        """Take what has been written; False when there is nothing now."""
        try:
            chunk = os.read(self._output, _READ_BYTES)
        except BlockingIOError:
            return False
        self._log.take(chunk)
        return bool(chunk)


def _places(plan: StepPlan) -> Places:
    """Give what a command sees. Its copy of the code is for it alone, and where it starts: it may write there."""
    writes = [plan.code_dir, plan.scratch_dir, *(path for path in plan.writes if path.exists())]
    return Places(reads=tuple(map(str, plan.reads)), writes=tuple(map(str, writes)))


def _too_long(plan: StepPlan) -> Mistake:
    found = f"{len(plan.command.encode())} bytes, or values of about as many"
    return Mistake("command", found, "less than 128 KiB of each", "Put what is long into a file of the code.")
