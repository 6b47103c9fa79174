"""How one job is scored: events in, instructions out; every decision on who scores what lives here.

A driver (`engine.score`) carries the instructions out and reports what happened; nothing waits in here, and time comes
in only as seconds: those that workers measured, and those that passed (`Tick`). What is counted is what the ledger has:
a report becomes `Append`, and only `Durable` changes the counts.

The life of a mini-batch: waiting -> leased -> reported -> committed, or, after an attempt that failed, waiting again as
a retry until its attempts are used up. What a worker had not started goes back uncharged. A mini-batch whose attempts
are used up may go on in parts (`isolation`).
"""

from __future__ import annotations

from collections.abc import Iterable

from batchyard.domain.job_states import JobStatus
from batchyard.domain.scoring.attempts import Attempts
from batchyard.domain.scoring.budgets import Limits
from batchyard.domain.scoring.duration_cap import DurationCap
from batchyard.domain.scoring.events import (
    Append,
    Assign,
    CancelRequested,
    CutOff,
    Durable,
    Event,
    Instruction,
    Lease,
    LeaseReported,
    PauseRequested,
    Restart,
    Stop,
    TakeBack,
    TakenBack,
    TellStacks,
    Tick,
    WindDown,
    Worker,
    WorkerEnded,
    WorkerReady,
    WritesFailed,
)
from batchyard.domain.scoring.isolation import Isolation
from batchyard.domain.scoring.lease_sizes import LeaseSizes
from batchyard.domain.scoring.ledger import Record, RunLimited, Slice, Verdict
from batchyard.domain.scoring.minibatches import RangeSet
from batchyard.domain.scoring.outcomes import given_up
from batchyard.domain.scoring.progress_guard import ProgressGuard
from batchyard.domain.scoring.retries import Retries, Retry
from batchyard.domain.scoring.rules import Rules as Rules
from batchyard.domain.scoring.run_items import RunItems
from batchyard.domain.scoring.seats import Seat
from batchyard.domain.scoring.slots import Slots
from batchyard.domain.scoring.speculation import Double, Speculation
from batchyard.domain.scoring.tally import Tally
from batchyard.domain.scoring.verdicts import verdict_of
from batchyard.domain.scoring.waiting import Waiting

LEASES_PER_WORKER = 2  # One running, one waiting in the pipe: that hides the round trip, more gains nothing.


class Scoring:
    """One job's scoring. Give events to `handle`, carry out what it returns, in order.

    tally: what the ledger says already (a plan at least); its open attempts and settled mini-batches are honoured.
    """

    def __init__(self, rules: Rules, tally: Tally) -> None:
        self._rules = rules
        self.tally = tally
        self._waiting = Waiting(tally.settled.gaps(rules.cut.mini_batches), rules.heaviest)
        self._retries = Retries()
        self._seats: dict[Worker, Seat] = {}
        self._slots = Slots()
        self._limits = Limits(rules, items=rules.cut.items, mini_batches=rules.cut.mini_batches)
        self._sizes = LeaseSizes(one_by_one=rules.one_by_one)
        self._speculation = Speculation(is_on=rules.is_speculative)
        self._unstarted: list[Restart] = []
        self._guard = ProgressGuard(rules.no_progress_timeout_s, rules.cut, run_timeout_s=rules.run_timeout_s)
        self._cap = DurationCap(rules.max_duration_s, tally.ran_s, folder=rules.local_folder)
        self._elapsed_s = 0.0
        self._isolation = Isolation(rules.cut, tally, is_on=rules.isolates)
        self._run_items = RunItems(rules.cut, rules.run_items, tally.counts.run_items)
        self._attempts = Attempts(rules, tally, self._isolation, self._run_items, self._retries)
        self._next_lease = 1
        self._unsettled_appends = 0
        self._is_held = False  # Nothing new is begun while a budget depends on what probing finds.
        self._is_draining = False  # Nothing new is begun: the job pauses once what runs has ended.
        self._is_winding_down = False  # All is scored: workers may go while the last records become durable.
        self.verdict: Verdict | None = tally.verdict
        self.platform_message = ""

    @property
    def is_over(self) -> bool:
        """Whether the verdict is durable and nothing is left to hand out."""
        return self.tally.verdict is not None

    @property
    def is_drained(self) -> bool:
        """Whether the job is to pause and nothing runs, nor waits for the ledger, any more."""
        return self._is_draining and self.verdict is None and self.is_idle and not self._unsettled_appends

    @property
    def is_idle(self) -> bool:
        """Whether everything waits for the ledger alone: no worker has a lease, or the verdict is given."""
        return self.verdict is not None or not any(seat.leases for seat in self._seats.values())

    def begin(self) -> list[Instruction]:
        """What is to be done before any event: open attempts of an earlier owner are tried again or given up."""
        out: list[Instruction] = []
        if self._run_items.limit and not self.tally.counts.run_items:
            self._append([RunLimited(self._run_items.limit)], out)
        for mini_batch, failed in sorted(self.tally.open_attempts.items()):
            self._waiting.remove(mini_batch, mini_batch + 1)
            self._append(self._attempts.after(failed), out)
        for mini_batch, parts in sorted(self.tally.parts.items()):
            for items, part in sorted(parts.open.items()):
                self._waiting.remove(mini_batch, mini_batch + 1)
                if part.failed is None:
                    self._retries.add(Retry(mini_batch, part.attempt, items=items))
                else:
                    self._append(self._attempts.after(part.failed), out)
        return self._settle(out)

    def handle(self, event: Event) -> list[Instruction]:
        """Take one event and say what to do now. After the verdict only `Durable` still counts."""
        if self.verdict is not None and not isinstance(event, Durable):
            return []
        out: list[Instruction] = []
        if isinstance(event, LeaseReported):
            self._reported(event, out)
        elif isinstance(event, Durable):
            self._durable(event)
        elif isinstance(event, WorkerReady):
            self._slots.ready(event.worker)
            self._seats[event.worker] = Seat()
        elif isinstance(event, TakenBack):
            self._taken_back(event)
        elif isinstance(event, WorkerEnded):
            self._ended(event, out)
        elif isinstance(event, CancelRequested):
            self._judge(Verdict(JobStatus.CANCELED.value, "Canceled", event.reason), out)
        elif isinstance(event, PauseRequested):
            self._is_draining = True
            self._take_back_all(out)
        elif isinstance(event, Tick):
            self._ticked(event, out)
        elif isinstance(event, WritesFailed):
            self.platform_message = event.message
        return self._settle(out)

    # What happened ------------------------------------------------------------------------------------------------

    def _reported(self, event: LeaseReported, out: list[Instruction]) -> None:
        seat = self._seats.get(event.worker)
        if seat is not None and seat.is_cut_off:
            return
        if seat is None or not seat.leases or seat.leases[0].id != event.lease:
            raise ValueError(f"{event.worker.name} reported lease {event.lease}, which is not its oldest")
        lease, missing = seat.reported(now_s=self._elapsed_s)
        for segment in event.segments:
            missing.remove(segment.first, segment.first + segment.count)
            double = self._speculation.won(event.worker, segment.first, segment.count)
            if double is not None:
                self._cut_off(double, out)
        for failure in event.failures:
            missing.remove(failure.mini_batch, failure.mini_batch + 1)
        failures = [f for f in event.failures if not self._speculation.goes_on(event.worker, f.mini_batch)]
        self._give_back(lease, self._speculation.without_doubled(event.worker, missing))
        if lease.items is None:
            ran = sum(segment.count for segment in event.segments) + len(event.failures)
            if not self._waiting.is_heavy(lease.first):  # Those tell nothing of all others.
                self._sizes.measured(ran, event.seconds)
            self._speculation.reported(ran, event)
        records: list[Record] = []
        for segment in event.segments:
            records += self._attempts.finished(segment, lease, event.worker)
        for failure in failures:
            records += self._attempts.charge(failure, lease, event.worker, is_worker_gone=False)
        self._append(records, out)

    def _taken_back(self, event: TakenBack) -> None:
        seat = self._seats.get(event.worker)
        lease = next((x for x in seat.leases if x.id == event.lease), None) if seat else None
        if seat is None or lease is None:
            return
        stop = event.first + event.count
        seat.taken.setdefault(lease.id, RangeSet()).add(event.first, stop)
        self._give_back(lease, self._speculation.without_doubled(event.worker, RangeSet([(event.first, stop)])))

    def _ended(self, event: WorkerEnded, out: list[Instruction]) -> None:
        seat = self._seats.pop(event.worker, None)
        restart = Restart(event.worker.node, event.worker.slot)
        if self._is_winding_down:
            return
        if seat is None:
            self._start_failed(event, out)
        elif seat.is_cut_off:
            self._unstarted.append(restart)  # Where nothing is left to do, nobody should wait for its `init()`.
            return
        else:
            self._take_leases_of(event, seat, out)
            end = self._slots.ended(event, has_worked=event.running is not None or not seat.is_fresh)
            if end is not None:
                self._judge(end, out)
        if self.verdict is None and self._begins_more:
            out.append(restart)

    def _start_failed(self, event: WorkerEnded, out: list[Instruction]) -> None:
        """Death in import or init() charges no item; a slot that cannot start ends the job with the script's error."""
        end = self._slots.start_failed(event)
        if end is not None:
            record, verdict = end
            self._append([record], out)
            self._judge(verdict, out)

    def _take_leases_of(self, event: WorkerEnded, seat: Seat, out: list[Instruction]) -> None:
        running = event.running.mini_batch if event.running else None
        for lease in seat.leases:
            left = self._speculation.without_doubled(event.worker, seat.left_of(lease))
            if event.running is not None and running is not None and running in left:
                left.remove(running, running + 1)
                running = None
                self._append(self._attempts.charge(event.running, lease, event.worker, is_worker_gone=True), out)
            self._give_back(lease, left)

    def _durable(self, event: Durable) -> None:
        self._unsettled_appends -= len(event.records)
        for record in event.records:
            self.tally.apply(record)

    def _ticked(self, event: Tick, out: list[Instruction]) -> None:
        self._elapsed_s += event.seconds
        ran = self._cap.passed(event.seconds)
        if ran is not None:
            self._record([ran], out)
            if self._cap.is_reached:
                self._take_back_all(out)
        self._speculate(out)
        end = self._guard.passed(event.seconds, self._seats, now_s=self._elapsed_s)
        if end is not None:
            out.append(TellStacks(tuple(worker for worker, seat in self._seats.items() if seat.leases)))
            self._judge(end, out)

    def _cut_off(self, double: Double, out: list[Instruction]) -> None:
        """Another worker was faster: end the slower one uncharged, and hand out again what else it held."""
        seat = self._seats[double.other]
        for lease in seat.leases:
            left = seat.left_of(lease)
            left.remove(double.mini_batch, double.mini_batch + 1)
            self._give_back(lease, left)
        seat.leases.clear()
        seat.is_cut_off = True
        out.append(CutOff(double.other))

    # What is to be done -------------------------------------------------------------------------------------------

    def _settle(self, out: list[Instruction]) -> list[Instruction]:
        """After every event: judge, hand out, and take back for idle workers."""
        if self.verdict is None:
            self._judge_counts(out)
        if self.verdict is None and self._cap.is_reached and self.is_idle and not self._unsettled_appends:
            self._judge(self._cap.verdict(self.tally.counts), out)
        self._is_held = False
        if self.verdict is not None or not self._begins_more:
            return out
        if self._isolation.has_parked:
            self._append(self._unparked(), out)
        if self.verdict is None:
            self._hand_out(out)
            if self._unstarted and (self._waiting or self._retries):
                out += self._unstarted
                self._unstarted.clear()
            if not (self._is_winding_down or self._has_work or self._isolation.has_parked):
                self._is_winding_down = True
                out.append(WindDown())
        return out

    def _unparked(self) -> list[Record]:
        """Decide on what waits for the job's first success: there was one, or it is not worth waiting for."""
        isolation, counts = self._isolation, self.tally.counts
        if counts.succeeded:
            return [record for failed in isolation.unpark() for record in self._attempts.divided_or_given_up(failed)]
        is_tolerable = not isolation.is_full and self._limits.breach(isolation.with_parked(counts)) is None
        self._is_held = not is_tolerable
        if isolation.is_probing or (is_tolerable and (self._has_work or self._unsettled_appends)):
            return []
        probed = isolation.probe()
        if probed is not None:
            return self._attempts.divided_or_given_up(probed)
        return [given_up(failed, items=isolation.items_of(failed)) for failed in isolation.unpark()]

    @property
    def _begins_more(self) -> bool:
        """Whether anything may still be handed out."""
        return not (self._is_draining or self._cap.is_reached)

    @property
    def _has_work(self) -> bool:
        return bool(self._waiting or self._retries or any(seat.leases for seat in self._seats.values()))

    def _judge_counts(self, out: list[Instruction]) -> None:
        self._judge(verdict_of(self.tally.counts, self._limits, is_settled=not self._unsettled_appends), out)

    def _judge(self, verdict: Verdict | None, out: list[Instruction]) -> None:
        if verdict is None or self.verdict is not None:
            return
        self.verdict = verdict
        out.append(Stop(is_early=verdict.status != JobStatus.COMPLETED.value))
        self._append([verdict], out)

    def _hand_out(self, out: list[Instruction]) -> None:
        """Fill the workers' pipes, emptiest first, so that no worker waits while another holds two leases."""
        for depth in range(LEASES_PER_WORKER):
            for worker, seat in self._seats.items():
                if len(seat.leases) == depth and seat.may_get_more:
                    lease = self._next(seat, is_prefetch=depth > 0)
                    if lease is not None:
                        seat.give(lease, now_s=self._elapsed_s)
                        out.append(Assign(worker, lease))
        self._ask_back_for_idle(out)

    def _next(self, seat: Seat, *, is_prefetch: bool) -> Lease | None:
        retry = self._retries.take(is_fresh=seat.is_fresh and not seat.leases)
        if retry is not None:
            return self._lease(retry.mini_batch, 1, retry.attempt, retry.items)
        if not self._waiting or self._is_held:
            return None
        if is_prefetch and (not self._sizes.is_prefetch_worth_it or self._waiting.is_long(seat.leases)):
            return None
        found = self._waiting.take(self._sizes.next_count(len(self._waiting), self._rules.slots))
        return None if found is None else self._lease(found[0], found[1] - found[0], 1)

    def _lease(self, first: int, count: int, attempt: int, items: Slice | None = None) -> Lease:
        lease = Lease(self._next_lease, first, count, attempt, items, self._run_items.limit)
        self._next_lease += 1
        return lease

    def _ask_back_for_idle(self, out: list[Instruction]) -> None:
        """An idle worker and nothing waiting: take back what others have not started (a slow mini-batch blocks it)."""
        if self._waiting or not any(seat.is_idle for seat in self._seats.values()):
            return
        out += [TakeBack(worker) for worker, seat in self._seats.items() if seat.ask_back()]

    def _take_back_all(self, out: list[Instruction]) -> None:
        """Take back what was not started: what runs is to be the last."""
        out += [TakeBack(worker) for worker, seat in self._seats.items() if seat.ask_back()]

    def _speculate(self, out: list[Instruction]) -> None:
        """Lease the longest-running mini-batches to workers for which nothing waits."""
        if self._is_held or not self._begins_more:
            return
        for worker, seat in self._seats.items():
            straggler = self._speculation.straggler(self._seats, now_s=self._elapsed_s) if seat.is_idle else None
            if straggler is not None:
                lease = self._lease(straggler.mini_batch, 1, straggler.lease.attempt)
                seat.give(lease, now_s=self._elapsed_s)
                self._speculation.doubled(straggler, by=worker, lease=lease)
                out.append(Assign(worker, lease))

    def _give_back(self, lease: Lease, ranges: Iterable[tuple[int, int]]) -> None:
        """What was not started is handed out again, uncharged; a retry keeps its number."""
        for start, stop in ranges:
            if lease.attempt == 1:
                self._waiting.add(start, stop)
            else:
                self._retries.give_back(Retry(start, lease.attempt, items=lease.items))

    def _append(self, records: list[Record], out: list[Instruction]) -> None:
        if records:
            self._guard.progressed()
            self._record(records, out)

    def _record(self, records: list[Record], out: list[Instruction]) -> None:
        self._unsettled_appends += len(records)
        out.append(Append(tuple(records)))
