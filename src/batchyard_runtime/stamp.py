"""The stamp page: 64 bytes that a worker and its agent share, telling what runs right now and what must not start.

Eight native u64. The worker writes `sequence` (odd while it writes the next three), `ticket`, `mini_batch` and
`started_ns` (CLOCK_MONOTONIC at the start of `run()`, 0 when nothing runs); the agent writes `stop_before`.

Tickets count the mini-batches handed to this worker, from 1, in the order of hand-out: unlike mini-batch numbers they
only rise, so `stop_before` cuts cleanly even where a retry of a low mini-batch comes late.

Taking back. The worker, for each mini-batch: (W1) writes its ticket, (W2) reads `stop_before`, and does not start
when ticket >= stop_before. The agent: (A1) writes stop_before, (A2) waits at least 1 ms, (A3) reads the ticket. What
lies at or above max(ticket + 1, stop_before) is surely never started. Proof: say the worker starts ticket t. Then its
W2 did not see A1, so W2 was done before A1 became visible. W1 comes before W2 in its program. Neither x86-64 nor ARM64
promises that W1 becomes *visible* before W2 reads (a store may wait in the store buffer, and there is no fence in
Python). But it waits there for nanoseconds, not for 1 ms: a processor drains its store buffer as fast as the cache
allows, and always on an interrupt or a switch of processes; and a load runs ahead of an earlier store only within the
few hundred instructions in flight. So at A3 the ticket read is at least t, and t is below the cut. If the worker is
suspended between W1 and W2, it sees A1 when it goes on and skips t, which the agent counted as perhaps running: that
mini-batch is in no report of the lease, and the agent tells it then. Erring is only ever to this side.

Reading. x86-64 keeps stores in order and loads in order, so an even, unchanged sequence means one whole stamp. On
ARM64 they may pass each other within those few hundred instructions, fewer than Python takes from one to the next; the
agent also reads twice before it kills by a stamp.
"""

from __future__ import annotations

import mmap
import os

SEQUENCE = 0
TICKET = 1
MINI_BATCH = 2
STARTED_NS = 3
STOP_BEFORE = 4

SIZE_BYTES = 64
NEVER = (1 << 64) - 1
_TRIES = 100


def open_page(fd: int) -> memoryview:
    """Map the page behind a file descriptor, which is closed; words are read and written by index, atomically.

    A process that the script forks does not get the page (it would stamp in the worker's name): touching it there ends
    that process.
    """
    page = mmap.mmap(fd, SIZE_BYTES)
    os.close(fd)
    if hasattr(mmap, "MADV_DONTFORK") and hasattr(page, "madvise"):
        page.madvise(mmap.MADV_DONTFORK)
    return memoryview(page).cast("Q")


def create_page() -> tuple[memoryview, int]:
    """Make a fresh page in memory; give it and a file descriptor of it for the worker. Used by the agent."""
    fd = os.memfd_create("batchyard-stamp", os.MFD_CLOEXEC)
    os.ftruncate(fd, SIZE_BYTES)
    page = memoryview(mmap.mmap(fd, SIZE_BYTES)).cast("Q")
    page[STOP_BEFORE] = NEVER
    return page, fd


def read_stamp(page: memoryview) -> tuple[int, int, int] | None:
    """Give (ticket, mini_batch, started_ns) as they were together, or None while the worker is writing them."""
    for _ in range(_TRIES):
        before = page[SEQUENCE]
        if before % 2:
            continue
        stamp = (page[TICKET], page[MINI_BATCH], page[STARTED_NS])
        if page[SEQUENCE] == before:
            return stamp
    return None
