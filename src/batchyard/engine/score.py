"""Scoring: the one loop between the state machine, the instances and the ledger.

The only place with traffic both ways: `for event in inbox: for instruction in state.handle(event): carry_out`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from batchyard.domain.errors import PlatformError
from batchyard.domain.scoring.events import (
    Append,
    Assign,
    CancelRequested,
    CutOff,
    Durable,
    Event,
    Instruction,
    LeaseReported,
    PauseRequested,
    Restart,
    Stop,
    TakeBack,
    TellStacks,
    WindDown,
    WorkerReady,
)
from batchyard.domain.scoring.machine import Rules, Scoring
from batchyard.engine.group_sync import GroupSync
from batchyard.engine.lease import JobLease
from batchyard.engine.ledger_file import LedgerFile
from batchyard.engine.progress import ProgressWatch
from batchyard.engine.ticks import Ticks
from batchyard.ports.faults import Faults
from batchyard.ports.instance import Instances
from batchyard.ports.job_leases import Wish

_POLL_S = 0.05
# What a pause waits for the mini-batches that run; what takes longer is cut off and goes back uncharged.
DRAIN_S = 30.0


def score(
    rules: Rules,
    ledger: LedgerFile,
    instances: Instances,
    lease: JobLease,
    *,
    faults: Faults,
    watch: ProgressWatch,
    monotonic: Callable[[], float],
    on_ready: Callable[[], None],
) -> None:
    """Score until the ledger holds a verdict, or until the job is to pause. All workers are gone on return, also by
    an exception.

    instances: started, with their listing opened. on_ready: called once, when the first worker can score.
    Raises: LeaseLost; PlatformError (full disk, broken ledger): nothing more may be written by this owner.
    """
    state = Scoring(rules, ledger.tally)
    driver = _Driver(state, ledger, instances, monotonic, on_ready)
    is_early = True
    try:
        faults.reach("score.started")
        driver.carry_out(state.begin())
        while not (state.is_over or state.is_drained or driver.is_drain_over):
            lease.check()
            driver.turn(lease.wish, faults=faults)
            watch.tell()
        driver.settle()
        is_early = driver.is_early
    finally:
        driver.stop()
        instances.close(is_early=is_early)


class _Driver:
    """Carries instructions out and turns what happens into events."""

    def __init__(
        self,
        state: Scoring,
        ledger: LedgerFile,
        instances: Instances,
        monotonic: Callable[[], float],
        on_ready: Callable[[], None],
    ) -> None:
        self._on_ready: Callable[[], None] | None = on_ready
        self._state, self._ledger, self._instances, self._monotonic = state, ledger, instances, monotonic
        self._sync = GroupSync(ledger, instances.sync_parts)
        self._inbox: deque[Event] = deque()
        self._told = Wish.GO_ON
        self._drain_until: float | None = None
        self._ticks = Ticks(monotonic)
        self.is_early = False

    @property
    def is_drain_over(self) -> bool:
        """Whether a pause has waited long enough for what runs."""
        return self._drain_until is not None and self._monotonic() > self._drain_until

    def turn(self, wish: Wish, *, faults: Faults) -> None:
        """Wait a moment for events and take all of them."""
        if wish is not self._told:
            self._told = wish
            if wish is Wish.PAUSE:
                self._drain_until = self._monotonic() + DRAIN_S
            self._inbox.append(CancelRequested() if wish is Wish.CANCEL else PauseRequested())
        durable = self._sync.durable(now=self._monotonic(), is_idle=self._state.is_idle)
        if durable:
            self._inbox.append(Durable(durable))
        wait_s = 0.0 if self._inbox else _POLL_S
        self._inbox.extend(self._instances.poll(wait_s))
        tick = self._ticks.due()
        if tick is not None:
            self._inbox.append(tick)  # After what has come: what was settled meanwhile counts first.
        while self._inbox:
            event = self._inbox.popleft()
            if isinstance(event, LeaseReported):
                faults.reach("score.reported")
            elif self._on_ready is not None and isinstance(event, WorkerReady):
                self._on_ready()
                self._on_ready = None
            self.carry_out(self._state.handle(event))
        if self._state.platform_message:
            raise PlatformError(f"A worker could not write its rows: {self._state.platform_message}")

    def settle(self) -> None:
        """Make durable what was reported before the end. Raises: as `turn`."""
        while durable := self._sync.durable(now=self._monotonic(), is_idle=True):
            self.carry_out(self._state.handle(Durable(durable)))

    def stop(self) -> None:
        """Write nothing any more."""
        self._sync.stop()

    def carry_out(self, instructions: list[Instruction]) -> None:
        """Do what the state machine says, in order."""
        for instruction in instructions:
            if isinstance(instruction, Assign):
                self._instances.assign(instruction.worker, instruction.lease)
            elif isinstance(instruction, Append):
                self._ledger.append(instruction.records, now=self._monotonic())
            elif isinstance(instruction, TakeBack):
                self._instances.take_back(instruction.worker)
            elif isinstance(instruction, CutOff):
                self._instances.cut_off(instruction.worker)
            elif isinstance(instruction, TellStacks):
                self._instances.tell_stacks(instruction.workers)
            elif isinstance(instruction, Restart):
                self._instances.restart(instruction.node, instruction.slot)
            elif isinstance(instruction, WindDown):
                self._instances.wind_down()
            elif isinstance(instruction, Stop):
                self.is_early = instruction.is_early
