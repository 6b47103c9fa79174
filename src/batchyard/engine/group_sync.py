"""Making a group of records durable beside the loop that scores: a disk that takes its time starves no worker.

A group takes several milliseconds to sync, more than what a worker holds in leases. One group at a time, in a thread of
its own; what it raises is raised to the loop. Nothing is counted before the group is given back (rules 1 and 2).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from batchyard.domain.scoring.ledger import Record
from batchyard.engine.ledger_file import LedgerFile


class GroupSync:
    """One ledger's groups, made durable one after the other. Used from one thread."""

    def __init__(self, ledger: LedgerFile, sync_parts: Callable[[Sequence[str]], None]) -> None:
        """sync_parts: makes rows durable; called in a thread of ours."""
        self._ledger, self._sync_parts = ledger, sync_parts
        self._thread: threading.Thread | None = None
        self._group: tuple[Record, ...] = ()
        self._failure: BaseException | None = None

    def durable(self, *, now: float, is_idle: bool) -> tuple[Record, ...]:
        """Give the group that has become durable meanwhile, or (), and see to the next one if it is due.

        is_idle: nothing but the ledger is waited for; then it is waited for in here, and given at once.
        Raises: LeaseLost; PlatformError, after which this owner must end.
        """
        if self._thread is not None:
            if self._thread.is_alive() and not is_idle:
                return ()
            return self._finished()
        if not self._ledger.is_due(now=now, is_idle=is_idle):
            return ()
        if is_idle:
            return self._ledger.sync(self._sync_parts)
        self._group = self._ledger.take_group()
        self._thread = threading.Thread(target=self._sync, name="sync", daemon=True)
        self._thread.start()
        return ()

    def stop(self) -> None:
        """Wait until nothing is being written any more; what was, the next owner finds in the ledger, or not at all."""
        if self._thread is not None:
            self._thread.join()

    def _finished(self) -> tuple[Record, ...]:
        self.stop()
        self._thread = None
        if self._failure is not None:
            raise self._failure
        return self._group

    def _sync(self) -> None:
        try:
            self._ledger.write_group(self._group, self._sync_parts)
        except BaseException as exc:  # noqa: BLE001 - whatever it is, it is raised in the loop
            self._failure = exc
