"""Instances on this machine: agents in the process of the job, one for each node, behind one selector."""

from __future__ import annotations

import selectors
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from batchyard.domain.errors import PlatformError
from batchyard.domain.forecast.unfit_items import UnfitItem
from batchyard.domain.scoring.events import InstanceEvent, Lease, LeaseReported, Worker
from batchyard.instances.agent import Agent
from batchyard.instances.contracts import unfit_items
from batchyard.instances.cores import usable_cores
from batchyard.instances.durable import Durability
from batchyard.instances.memory import OOMKills
from batchyard.instances.sandbox import Sandbox
from batchyard.instances.sessions import kill_strays_below
from batchyard.instances.stacks import tell_stacks
from batchyard.instances.usage import free_memory_bytes, usage_of
from batchyard.instances.workers import error_log
from batchyard.ports.instance import Capacity, FrozenListing, Usage, WorkerPlan

_TICK_S = 0.05
_SETTLE_S = 0.001
_LAST_WORDS_S = 10.0
_TEND_NS = 2_000_000  # Whoever lists a folder calls for each small folder in it.


class LocalInstances:
    """Nodes n0, n1, … of one job run; see the port. Its workers die with the thread that started them."""

    def __init__(self, plan: WorkerPlan, oom_kills: OOMKills | None = None, sandbox: Sandbox | None = None) -> None:
        """Make the job's folders; nothing is started. oom_kills: None for the kernel's. sandbox: None for none.

        Raises: PlatformError; SandboxUnavailable where there is to be one and is none.
        """
        if sandbox is not None:
            sandbox.check()
        self._plan = plan
        self._events: deque[InstanceEvent] = deque()
        self._watched = _Watched()
        self._agents = {
            node: Agent(plan, node, tell=self._tell, watch=self._watched, oom_kills=oom_kills, sandbox=sandbox)
            for node in (f"n{number}" for number in range(plan.nodes))
        }
        self._durability = Durability(parts_dir=plan.parts_dir, files_dir=plan.files_dir)
        self._starts = 0
        self._ticked_ns = self._tended_ns = 0
        self._is_winding_down = self._is_closed = False
        try:
            for folder in (plan.parts_dir, plan.files_dir, plan.logs_dir, plan.scratch_dir):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise PlatformError(f"The folders of job {plan.job!r} cannot be made: {exc}") from exc

    def start(self) -> None:
        """Start one worker in each slot of each node. Raises: PlatformError."""
        for node in self._agents:
            for slot in range(self._plan.slots):
                self.restart(node, slot)

    def open_listing(self, listing: FrozenListing) -> None:
        """Tell every worker, those to come too, what is scored."""
        for agent in self._agents.values():
            agent.open_listing(listing)

    def restart(self, node: str, slot: int) -> None:
        """Start a new worker in a slot. Raises: PlatformError."""
        worker = Worker(node, slot, self._starts)
        self._starts += 1
        self._agents[node].start(worker)

    def assign(self, worker: Worker, lease: Lease) -> None:
        """Send a lease to a worker; nothing if the worker is gone."""
        self._agents[worker.node].assign(worker, lease)

    def take_back(self, worker: Worker) -> None:
        """Keep a worker from starting more of its leases; TakenBack tells."""
        self._agents[worker.node].take_back(worker)

    def cut_off(self, worker: Worker) -> None:
        """End a worker at once; WorkerEnded tells."""
        self._agents[worker.node].cut_off(worker)

    def tell_stacks(self, workers: Sequence[Worker]) -> None:
        """Write the stacks of these workers into their error logs; takes half a second at most."""
        living = [worker for worker in workers if worker in self._agents[worker.node].workers]
        processes = {error_log(self._plan, worker): self._agents[worker.node].process(worker) for worker in living}
        tell_stacks(processes, "The job makes no progress.", cap_bytes=self._plan.log_cap_bytes)

    def tend(self) -> None:
        """Take in what workers tell of their starts; events wait for `poll`. Raises: PlatformError."""
        if time.monotonic_ns() - self._tended_ns >= _TEND_NS:
            self._look(0.0)
            self._tended_ns = time.monotonic_ns()

    def check_items(self, paths: Mapping[str, str]) -> Sequence[UnfitItem]:
        """Hold items against the input contract."""
        return unfit_items(self._plan.input_contract, paths)

    def usage(self, worker: Worker) -> Usage:
        """Tell what a worker has used so far."""
        agent = self._agents[worker.node]
        return usage_of(agent.process(worker).pid) if worker in agent.workers else Usage()

    def capacity(self) -> Capacity:
        """Tell what the workers of one node may use: here all nodes are this machine."""
        return Capacity(usable_cores(), free_memory_bytes())

    def poll(self, timeout_s: float) -> Sequence[InstanceEvent]:
        """Wait up to timeout_s for events, enforcing limits meanwhile. Raises: PlatformError."""
        deadline = time.monotonic() + timeout_s
        while not self._is_closed:
            # What is here already must not keep the limits from being looked at, nor the channels from being read.
            left_s = 0.0 if self._events else deadline - time.monotonic()
            self._look(max(0.0, min(left_s, self._longest_wait_s())))
            if self._events or left_s <= 0:
                break
        events = tuple(self._events)
        self._events.clear()
        return events

    def sync_parts(self, parts: Sequence[str]) -> None:
        """Make what was reported so far of these part files durable. Raises: PlatformError."""
        self._durability.sync(parts)

    def wind_down(self) -> None:
        """Let every worker run `shutdown()` and end by itself. Safe to repeat."""
        if not self._is_winding_down:
            self._is_winding_down = True
            for agent in self._agents.values():
                agent.end()

    def close(self, *, is_early: bool) -> None:
        """End all workers; returns when no process of any of their sessions is left. Raises: PlatformError."""
        if self._is_closed:
            return
        try:
            if not is_early:
                self._let_end()
        finally:  # Also when this process is told to end while it waits: what scripts started outlives their worker.
            self._end_all()

    def _let_end(self) -> None:
        self.wind_down()
        deadline = time.monotonic() + _LAST_WORDS_S
        while any(agent.workers for agent in self._agents.values()) and time.monotonic() < deadline:
            self.poll(_TICK_S)

    def _end_all(self) -> None:
        left = [(agent, worker) for agent in self._agents.values() for worker in agent.workers]
        for agent, worker in left:
            agent.process(worker).kill()
        failed: PlatformError | None = None
        steps: list[Callable[[], object]] = [agent.stop_starting for agent in self._agents.values()]
        steps += [partial(agent.bury, worker) for agent, worker in left]
        steps.append(partial(kill_strays_below, self._plan.scratch_dir))
        steps += [agent.clear for agent in self._agents.values()]
        for step in steps:
            try:
                step()
            except PlatformError as exc:
                failed = exc
        self._is_closed = True
        self._watched.close()
        self._durability.close()
        self._events.clear()
        if failed is not None:
            raise failed

    def _look(self, wait_s: float) -> None:
        """Wait once, and take in what is there: reports before ends, so that ends find less to drain."""
        for act in self._watched.wait(wait_s):
            act()
        now_ns = time.monotonic_ns()
        if now_ns - self._ticked_ns >= _TICK_S * 5e8 or self._is_settling:
            self._ticked_ns = now_ns
            for agent in self._agents.values():
                agent.tick(now_ns)

    def _tell(self, event: InstanceEvent) -> None:
        if isinstance(event, LeaseReported) and any(segment.files for segment in event.segments):
            self._durability.note_files()
        self._events.append(event)

    def _longest_wait_s(self) -> float:
        return _SETTLE_S if self._is_settling else _TICK_S

    @property
    def _is_settling(self) -> bool:
        return any(agent.is_settling for agent in self._agents.values())


class _Watched:
    """The descriptors of all agents, behind one selector."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()

    def add(self, fd: int, act: Callable[[], None], *, is_end: bool = False) -> None:
        """Have `act` called whenever the descriptor is readable. is_end: after all others."""
        self._selector.register(fd, selectors.EVENT_READ, (is_end, act))

    def remove(self, fd: int) -> None:
        """Watch no longer; nothing when it is not watched."""
        if fd in self._selector.get_map():
            self._selector.unregister(fd)

    def wait(self, timeout_s: float) -> Iterator[Callable[[], None]]:
        """Give what is to be called now: reports before ends, so that ends find less to drain."""
        ready = [(key.fd, key.data) for key, _ in self._selector.select(timeout_s)]
        for fd, (_, act) in sorted(ready, key=lambda found: bool(found[1][0])):
            # What was called before may have ended the watch.
            if fd in self._selector.get_map():
                yield act

    def close(self) -> None:
        """Let go of the selector."""
        self._selector.close()
