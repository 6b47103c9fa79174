"""A node's agent: owns the worker processes of one node, enforces their limits, tells what happened to them.

One thread. It waits for nothing: whoever runs it waits on its descriptors, then calls what it was
given for each of them, and `tick`.
"""

from __future__ import annotations

import signal
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from batchyard.domain.jobs import ErrorClass
from batchyard.domain.scoring.events import (
    Failure,
    InstanceEvent,
    Lease,
    Worker,
    WorkerEnded,
    WorkerReady,
    WritesFailed,
)
from batchyard.instances.memory import OOMKills
from batchyard.instances.nursery import Nursery, Watch
from batchyard.instances.reports import read_ready, read_start_failure
from batchyard.instances.sandbox import Sandbox
from batchyard.instances.seats import Seat
from batchyard.instances.stacks import LastWords, main_thread
from batchyard.instances.workers import Frame, WorkerProcess, error_log
from batchyard.ports.instance import FrozenListing, WorkerPlan
from batchyard_runtime.frames import PROTOCOL, BadFrame

# A worker that owes a report, runs nothing and says nothing is stopped or stuck in writing: it has its time limit for
# that too, but not less than this.
_LEAST_SILENCE_S = 5.0
_LOGS_EVERY_NS = 1_000_000_000
_LAST_BREATH_S = 1.0


class Agent:
    """The workers of one node. Events go to `tell` in the order in which they happened."""

    def __init__(
        self,
        plan: WorkerPlan,
        node: str,
        *,
        tell: Callable[[InstanceEvent], None],
        watch: Watch,
        oom_kills: OOMKills | None = None,
        sandbox: Sandbox | None = None,
    ) -> None:
        """watch: is given the descriptors that tell when something is to be heard. oom_kills: None for the kernel's.

        sandbox: in which each worker is run, None for none.
        """
        self._plan = plan
        self._tell = tell
        self._watch = watch
        self._nursery = Nursery(plan, node, watch, sandbox)
        self._unborn: deque[tuple[Worker, int]] = deque()
        self._seats: dict[Worker, Seat] = {}
        self._listing: FrozenListing | None = None
        self._is_ending = False
        self._logs_due_ns = 0
        self._oom_kills = OOMKills() if oom_kills is None else oom_kills

    def start(self, worker: Worker) -> None:
        """Start a worker, as soon as it is known where it comes from. Raises: PlatformError."""
        self._nursery.prepare()
        self._unborn.append((worker, time.monotonic_ns()))
        self._bear()

    def open_listing(self, listing: FrozenListing) -> None:
        """Tell every worker, those to come too, what is scored."""
        self._listing = listing
        for seat in self._seats.values():
            seat.process.open_listing(listing)

    def assign(self, worker: Worker, lease: Lease) -> None:
        """Hand a lease to a worker; nothing if it is gone."""
        if worker in self._seats:
            self._seats[worker].assign(lease)

    def take_back(self, worker: Worker) -> None:
        """Take back what the worker has not started; `tick` tells what, a millisecond later."""
        if worker in self._seats:
            self._seats[worker].take_back()

    def cut_off(self, worker: Worker) -> None:
        """End a worker that runs what another one has finished; nothing if it is gone."""
        if worker in self._seats:
            self._kill(self._seats[worker], "another worker finished its mini-batch first")

    def tick(self, now_ns: int) -> None:
        """Settle what is being taken back, enforce limits, trim logs. Called at least every 50 ms."""
        self._enforce_import(now_ns)
        for seat in self._seats.values():
            seat.settle(now_ns)
            if seat.last_words is not None:
                self._await_last_words(seat, seat.last_words, now_ns)
            elif not seat.is_killed:
                self._enforce(seat, now_ns)
        if now_ns >= self._logs_due_ns:
            self._logs_due_ns = now_ns + _LOGS_EVERY_NS
            for seat in self._seats.values():
                seat.process.trim_logs()
            self._oom_kills.look(now_ns)

    def bury(self, worker: Worker) -> None:
        """Drain a worker whose process has ended, kill its session, and tell. Raises: PlatformError."""
        seat = self._seats[worker]
        self._watch.remove(seat.process.report_fd)
        self._watch.remove(seat.process.pidfd)
        code = seat.process.finish()
        if not self._is_ending:  # In the end this is done for all at once: it takes a look at every process there is.
            seat.process.kill_strays()
        try:
            if seat.is_trusted:
                seat.process.drain()
                self._take_all(seat)
        except BadFrame as exc:
            seat.reason = seat.reason or f"its report was malformed: {exc}"
        if seat.last_words is not None:
            self._keep_last_words(seat, seat.last_words)
        del self._seats[worker]
        is_memory = code == -signal.SIGKILL and not seat.reason and self._oom_kills.rose_lately(time.monotonic_ns())
        failure = self._failure(seat, _how(code, seat.reason, is_memory=is_memory), is_memory=is_memory)
        seat.process.close()
        if seat.is_ready:
            self._tell(WorkerEnded(worker, running=failure))
        else:
            self._tell(WorkerEnded(worker, start_failure=failure))

    def end(self) -> None:
        """Start no worker any more, and let every one run `shutdown()` and exit by itself; waits for nothing."""
        self._stop_starting()
        for seat in self._seats.values():
            seat.process.send({"kind": "end"})

    def stop_starting(self) -> None:
        """Start no worker any more; nothing is told of those that were to come. Raises: PlatformError."""
        self._stop_starting()
        self._nursery.close()

    def clear(self) -> None:
        """Delete what outlives single workers, when all are buried."""
        self._nursery.clear()

    @property
    def workers(self) -> tuple[Worker, ...]:
        """The workers that are not buried."""
        return tuple(self._seats)

    @property
    def is_settling(self) -> bool:
        """Whether `tick` is wanted in a millisecond."""
        return any(seat.is_settling for seat in self._seats.values())

    def process(self, worker: Worker) -> WorkerProcess:
        """Give the process of a worker that is not buried."""
        return self._seats[worker].process

    def _stop_starting(self) -> None:
        self._is_ending = True
        self._unborn.clear()
        self._nursery.retire()

    def _bear(self) -> None:
        """Start the workers that wait, if nothing is waited for. Raises: PlatformError."""
        while self._unborn and self._nursery.is_ready:
            worker, began_ns = self._unborn.popleft()
            process = WorkerProcess(worker, self._plan, self._nursery)
            if self._listing is not None:
                process.open_listing(self._listing)
            seat = Seat(worker, process, part=process.part, tell=self._tell)
            seat.began_ns = began_ns  # Import and init() have one limit together, wherever the import is done.
            self._seats[worker] = seat
            self._watch.add(process.report_fd, partial(self._hear, worker))
            self._watch.add(process.pidfd, partial(self.bury, worker), is_end=True)

    def _hear(self, worker: Worker) -> None:
        """Take in what a worker has reported. Fails closed: a malformed report ends the worker."""
        seat = self._seats[worker]
        is_open = seat.process.receive()
        try:
            self._take_all(seat)
        except BadFrame as exc:
            seat.is_trusted = False
            is_open = False
            self._kill(seat, f"its report was malformed: {exc}")
        # A dying process closes its channel a moment before its end shows; one that lives on is of no use any more.
        if not is_open and not seat.is_killed and not seat.process.has_ended(within_s=_LAST_BREATH_S):
            self._kill(seat, "it closed its report channel")
        if not is_open:
            self._watch.remove(seat.process.report_fd)

    def _take_all(self, seat: Seat) -> None:
        while (frame := seat.process.take()) is not None:
            self._take(seat, frame)

    def _take(self, seat: Seat, frame: Frame) -> None:
        header, body = frame
        kind = header["kind"]
        if kind == "done" and seat.is_ready:
            seat.report(header, body)
        elif kind == "ready" and not seat.is_ready and header.get("protocol") == PROTOCOL:
            init_s = read_ready(header)
            seat.is_ready = True
            seat.sign_ns = time.monotonic_ns()
            self._tell(WorkerReady(seat.worker, init_s))
        elif kind == "start_failed" and not seat.is_ready:
            seat.start_failure = read_start_failure(header)
            self._kill(seat, "its start failed")
        elif kind == "writes_failed":
            seat.is_out_of_space = True
            self._tell(WritesFailed(seat.worker, str(header.get("message"))))
            self._kill(seat, "it could not write")
        else:
            raise BadFrame(f"a frame {kind!r} is unknown, of another protocol, or came at a wrong time")

    def _enforce_import(self, now_ns: int) -> None:
        """Bear who waits; give up on a zygote whose import takes longer than a worker's start may."""
        if self._unborn and not self._nursery.is_ready:
            took_s = (now_ns - self._unborn[0][1]) / 1e9
            if took_s <= self._plan.start_timeout_s:
                return
            self._nursery.give_up()
            worker, _ = self._unborn.popleft()
            failure = _timeout(-1, "Import and init()", self._plan.start_timeout_s, took_s)
            self._tell(WorkerEnded(worker, start_failure=failure))
        self._bear()

    def _enforce(self, seat: Seat, now_ns: int) -> None:
        if not seat.is_ready:
            took_s = (now_ns - seat.began_ns) / 1e9
            if took_s > self._plan.start_timeout_s:
                seat.start_failure = _timeout(-1, "Import and init()", self._plan.start_timeout_s, took_s)
                self._ask_last_words(seat, now_ns, "its start took too long")
            return
        stamp = seat.process.stamp
        if stamp is None or not stamp[2]:
            silent_s = (now_ns - seat.sign_ns) / 1e9
            if seat.is_busy and silent_s > max(self._plan.timeout_s, _LEAST_SILENCE_S):
                self._kill(seat, f"it gave no sign of life for {silent_s:.1f} s")
            return
        seat.sign_ns = now_ns
        took_s = (now_ns - stamp[2]) / 1e9
        # The stamp is read again before anything is done to the worker: it may have gone on meanwhile.
        if took_s > self._plan.timeout_s and seat.process.stamp == stamp:
            seat.over_ticket = stamp[0]
            seat.over = _timeout(stamp[1], "run() on one mini-batch", self._plan.timeout_s, took_s)
            self._ask_last_words(seat, now_ns, "run() took too long")

    def _ask_last_words(self, seat: Seat, now_ns: int, reason: str) -> None:
        """Let a worker that is to be killed for hanging tell where it hangs; others are not kept waiting for it."""
        seat.reason = reason
        seat.last_words = LastWords(seat.process, now_ns=now_ns)

    def _await_last_words(self, seat: Seat, last_words: LastWords, now_ns: int) -> None:
        if seat.over is not None and not seat.holds(seat.over_ticket):
            # It was about to finish, and has reported: what is reported counts, and it may go on.
            seat.over, seat.last_words, seat.reason = None, None, ""
        elif seat.is_killed or last_words.has_come(now_ns):
            self._keep_last_words(seat, last_words)
            self._kill(seat, seat.reason)

    def _keep_last_words(self, seat: Seat, last_words: LastWords) -> None:
        seat.last_words = None
        if seat.over is not None:
            seat.over = self._with_stack(seat, seat.over, last_words)
        elif seat.start_failure is not None:
            seat.start_failure = self._with_stack(seat, seat.start_failure, last_words)

    def _with_stack(self, seat: Seat, failure: Failure, last_words: LastWords) -> Failure:
        """Keep the stacks of all threads in the log, and the main one's in what is told."""
        if not last_words.stacks:
            return failure
        what = f"mini-batch {failure.mini_batch}: " if failure.mini_batch >= 0 else ""
        last_words.keep(error_log(self._plan, seat.worker), what + failure.message, cap_bytes=self._plan.log_cap_bytes)
        log = f"logs/user/error/{seat.worker.node}/{seat.worker.name}.txt"
        message = f"{failure.message} The stacks of its threads are in {log}."
        return replace(failure, message=message, stack=main_thread(last_words.stacks))

    def _kill(self, seat: Seat, reason: str) -> None:
        if not seat.is_killed:
            seat.is_killed = True
            seat.reason = reason
            seat.process.kill()

    def _failure(self, seat: Seat, how: str, *, is_memory: bool) -> Failure | None:
        """Give what the worker's end is charged to: its start, the attempt it was killed for, or the one that ran."""
        log = f"logs/user/stderr/{seat.worker.node}/{seat.worker.name}.stderr.txt"
        if not seat.is_ready:
            message = f"The worker {how} before the script was imported and init() had returned; see {log}."
            kind = ErrorClass.PLATFORM if seat.is_out_of_space else ErrorClass.SCRIPT
            return seat.start_failure or Failure(-1, kind, "WorkerDied", message)
        if seat.over is not None:
            return seat.over if seat.holds(seat.over_ticket) else None
        stamp = seat.process.stamp
        if stamp is None or not stamp[2] or not seat.holds(stamp[0]):
            return None
        message = f"The worker {how} during run(); see {log}."
        kind = ErrorClass.MEMORY if is_memory else ErrorClass.SCRIPT
        return Failure(stamp[1], kind, "WorkerDied", message)


def _how(code: int, reason: str, *, is_memory: bool) -> str:
    """Say in words how a process ended. code: exit code, negative for a signal. reason: why we killed it, or ""."""
    if reason:
        return f"was ended by its agent because {reason}"
    if code >= 0:
        return f"exited with code {code}"
    name = signal.Signals(-code).name if -code in signal.valid_signals() else "unknown"
    guess = ", perhaps by the kernel for lack of memory," if -code == signal.SIGKILL else ""
    guess = ", by the kernel for lack of memory," if is_memory else guess
    return f"was killed by signal {-code} ({name}){guess}"


def _timeout(mini_batch: int, what: str, limit_s: float, took_s: float) -> Failure:
    message = f"{what} exceeded the time limit of {limit_s:g} s (measured {took_s:.2f} s)."
    return Failure(mini_batch, ErrorClass.TIMEOUT, "TimeoutError", message)
