"""Mini-batches of bounded bytes: where they begin, and how long a job of very unlike ones takes (O13)."""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchyard.domain.scoring.events import (
    Append,
    Assign,
    Durable,
    Event,
    Lease,
    LeaseReported,
    Segment,
    TakeBack,
    TakenBack,
    Worker,
    WorkerReady,
)
from batchyard.domain.scoring.ledger import Planned
from batchyard.domain.scoring.machine import Rules, Scoring
from batchyard.domain.scoring.minibatches import Cut
from batchyard.domain.scoring.packing import Packing
from batchyard.domain.scoring.tally import Tally
from batchyard.domain.scoring.waiting import Waiting

KB, MB, GB = 10**3, 10**6, 10**9
BYTES_A_SECOND = 100 * MB


def packed(sizes: Sequence[int], *, most_items: int, most_bytes: int, workers: int) -> tuple[Cut, tuple[int, ...]]:
    packing = Packing(most_items=most_items, most_bytes=most_bytes)
    starts = packing.take(sizes)
    return Cut(len(sizes), most_items, [*starts, len(sizes)]), packing.heaviest(workers=workers)


@given(
    st.lists(st.integers(0, 30), max_size=60), st.integers(1, 5), st.integers(1, 40), st.sampled_from([1, 2, 7, 1000])
)
def test_mini_batches_hold_at_most_so_many_items_and_bytes_and_no_two_could_be_one(
    sizes: list[int], most_items: int, most_bytes: int, slice_: int
) -> None:
    packing = Packing(most_items=most_items, most_bytes=most_bytes)
    starts = [s for at in range(0, len(sizes), slice_) for s in packing.take(sizes[at : at + slice_])]
    bounds = list(zip(starts, [*starts[1:], len(sizes)], strict=bool(sizes)))
    assert packing.mini_batches == len(starts)
    assert [size for a, b in bounds for size in sizes[a:b]] == sizes
    for a, b in bounds:
        assert b - a == 1 or (b - a <= most_items and sum(sizes[a:b]) <= most_bytes)
    for a, b in bounds[:-1]:
        assert b - a == most_items or sum(sizes[a : b + 1]) > most_bytes


def test_heaviest_come_largest_first_and_small_ones_are_not_among_them() -> None:
    cut, heaviest = packed([1] * 500 + [300, 400, 300], most_items=100, most_bytes=100, workers=2)
    assert cut.mini_batches == 8
    assert heaviest == (6, 5, 7, 0, 1, 2, 3, 4)
    _, heaviest = packed([1] * 5000 + [400], most_items=100, most_bytes=100, workers=2)
    assert heaviest == (50,)


def test_what_is_given_back_of_the_heaviest_comes_first_again() -> None:
    waiting = Waiting([(0, 10)], heaviest=(7, 2))
    assert [waiting.take(4), waiting.take(4), waiting.take(4)] == [(7, 8), (2, 3), (0, 2)]
    waiting.add(7, 8)
    waiting.add(7, 8)
    assert (len(waiting), waiting.is_heavy_next) == (7, True)
    assert waiting.take(4) == (7, 8)
    waiting.add(2, 3)
    waiting.remove(2, 5)
    assert (len(waiting), waiting.take(9), waiting.take(9)) == (4, (5, 7), (8, 10))
    assert not waiting


@dataclass
class Held:
    """A lease that a simulated worker has. at: the next mini-batch to start; stop: where it ends, as not taken back."""

    lease: Lease
    at: int
    stop: int


@dataclass
class Hand:
    """A simulated worker: its leases, and since when it has nothing to do."""

    leases: deque[Held] = field(default_factory=deque)
    is_busy: bool = False


class Simulation:
    """Workers that take time in proportion to bytes, and a ledger that is durable at once."""

    def __init__(self, cut: Cut, heaviest: tuple[int, ...], costs_s: Sequence[float], workers: int) -> None:
        tally = Tally(lambda _: cut)
        tally.apply(Planned(cut.items, cut.size, "0" * 64, 0.0, starts="s", mini_batches=cut.mini_batches))
        rules = Rules(cut, 1, -1, one_by_one=False, slots=workers, heaviest=heaviest)
        self.state = Scoring(rules, tally)
        self.cut, self.costs_s, self.now_s = cut, costs_s, 0.0
        self.hands = {Worker("n0", slot, slot): Hand() for slot in range(workers)}
        self.due: list[tuple[float, int, Worker]] = []

    def run(self) -> float:
        """Give the seconds until the last mini-batch has ended."""
        self.state.begin()
        for worker in self.hands:
            self.tell(WorkerReady(worker, 0.0))
        while self.due:
            self.now_s, _, worker = heapq.heappop(self.due)
            self.hands[worker].is_busy = False
            self.go_on(worker)
        assert self.state.is_over
        return self.now_s

    def tell(self, event: Event) -> None:
        for instruction in self.state.handle(event):
            if isinstance(instruction, Append):
                self.tell(Durable(instruction.records))
            elif isinstance(instruction, Assign):
                lease = instruction.lease
                held = Held(lease, lease.first, lease.first + lease.count)
                self.hands[instruction.worker].leases.append(held)
                self.go_on(instruction.worker)
            elif isinstance(instruction, TakeBack):
                for held in self.hands[instruction.worker].leases:
                    first, count, held.stop = held.at, held.stop - held.at, held.at
                    if count:
                        self.tell(TakenBack(instruction.worker, held.lease.id, first, count))

    def go_on(self, worker: Worker) -> None:
        """Report what is through, and start what is next."""
        hand = self.hands[worker]
        while hand.leases and not hand.is_busy:
            held = hand.leases[0]
            if held.at < held.stop:
                hand.is_busy = True
                heapq.heappush(self.due, (self.now_s + self.costs_s[held.at], worker.slot, worker))
                held.at += 1
                return
            hand.leases.popleft()
            first, count = held.lease.first, held.at - held.lease.first
            items = self.cut.items_in(first, count)
            segments = (Segment(first, "p", 0, (2,) * count, 0, items, items),) if count else ()
            seconds = sum(self.costs_s[first : held.at])
            self.tell(LeaseReported(worker, held.lease.id, segments, (), seconds))


def drawn(seed: int) -> list[int]:
    chance = random.Random(seed)
    return [int(chance.lognormvariate(10, 2.5)) for _ in range(3000)]


SKEWS = {
    "10,000 of 1 kB, then one of 5 GB": [KB] * 10_000 + [5 * GB],
    "half of all in the last one": [MB] * 2000 + [2 * GB],
    "a few large ones at the end": [100 * KB] * 10_000 + [300 * MB, 200 * MB, 100 * MB, 50 * MB],
    "drawn 1": drawn(1),
    "drawn 2": drawn(2),
}


def makespan_and_ideal(sizes: list[int], *, workers: int, is_heaviest_first: bool = True) -> tuple[float, float]:
    cut, heaviest = packed(sizes, most_items=1000, most_bytes=4 * MB, workers=workers)
    costs = [sum(sizes[a:b]) / BYTES_A_SECOND for a, b in map(cut.bounds, range(cut.mini_batches))]
    took = Simulation(cut, heaviest if is_heaviest_first else (), costs, workers).run()
    return took, max(sum(costs) / workers, *costs)


@pytest.mark.parametrize("workers", [2, 4, 8])
@pytest.mark.parametrize("sizes", SKEWS.values(), ids=SKEWS.keys())
def test_makespan_of_very_unlike_items_is_near_the_ideal(sizes: list[int], workers: int) -> None:
    took, ideal = makespan_and_ideal(sizes, workers=workers)
    assert took <= 1.15 * ideal


def test_in_the_order_of_the_input_the_large_one_would_be_waited_for() -> None:
    took, ideal = makespan_and_ideal(SKEWS["half of all in the last one"], workers=2, is_heaviest_first=False)
    assert took > 1.4 * ideal


def test_runs_are_as_few_as_bytes_allow() -> None:
    sizes = SKEWS["10,000 of 1 kB, then one of 5 GB"]
    cut, _ = packed(sizes, most_items=100_000, most_bytes=100 * KB, workers=2)
    assert cut.mini_batches <= 1.05 * (10_000 * KB / (100 * KB) + 1)
