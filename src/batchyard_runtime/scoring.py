"""The only loop in which user code runs: one lease, mini-batch by mini-batch."""

from __future__ import annotations

import time

from batchyard_runtime import logs, results, stamp
from batchyard_runtime.inputs import unreadable
from batchyard_runtime.output_contract import Contract
from batchyard_runtime.parts import WritesFailed
from batchyard_runtime.script import MiniBatchContext, bounded, describe
from batchyard_runtime.tally import Tally

TYPE_CHECKING = False
if TYPE_CHECKING:
    import logging
    from typing import Any, Callable, Iterator

    from batchyard_runtime.listing import Listing
    from batchyard_runtime.outputs import Outputs
    from batchyard_runtime.parts import PartFile
    from batchyard_runtime.schema_parts import SchemaParts
    from batchyard_runtime.script import Script
    from batchyard_runtime.structured import Rows
    from batchyard_runtime.tally import Segment

    Reach = Callable[[str], None]
    Attempt = Callable[[list[str], int], int]

_DEBUG = 10
_MANY = 256  # Mini-batches of a lease, each then so short that looking into a folder after it is felt.


class Scorer:
    """Everything the loop needs, opened once for the worker's life."""

    def __init__(
        self,
        *,
        page: memoryview,
        part: PartFile | SchemaParts,
        listing: Listing,
        outputs: Outputs,
        log: logging.Logger,
        start: dict[str, Any],
        reach: Reach | None,
        rows_of: Callable[[Listing, Contract], Rows] | None = None,
    ) -> None:
        """start: the start command. reach: told of fault points, or None.

        rows_of: makes what writes rows with columns; None for text.
        """
        self._page = page
        self._part = part
        self._listing = listing
        self._outputs = outputs
        self._log = log
        self._start = start
        self._reach = reach
        self._contract = Contract(start["output_contract"])
        self._check_items = _item_check(start["input_contract"], listing)
        self._rows = None if rows_of is None else rows_of(listing, self._contract)
        self._sequence = 0
        # After a MemoryError: what the script still holds may fail everything that follows, so this process ends.
        self.is_spent = False

    def score(self, script: Script, lease: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        """Score a lease, write its rows, give the frame that reports it. Raises: WritesFailed."""
        part = self._part
        tally = Tally(lease["first"], part.end)
        try:
            attempt = self._attempt_with(script, lease, tally)
            run_ns = self._score_each(attempt, lease, tally)
        finally:
            # From here on nothing of the script's runs: writing rows is not on its time.
            self._page[stamp.STARTED_NS] = 0
        crc = part.end_segment()
        self._at("worker.before_report")
        seconds = run_ns / 1e9
        frame = tally.report(lease["id"], crc=crc, seconds=seconds, places=part.places, is_spent=self.is_spent)
        self._log.debug("lease %d: first %d, finished %d, failed %d", lease["id"], lease["first"], *tally.outcome)
        return frame

    def _score_each(self, attempt: Attempt, lease: dict[str, Any], tally: Tally) -> int:
        """Try each mini-batch once, until the end of the lease or `stop_before`; give the nanoseconds spent in them.

        All of this is paid for every mini-batch, about 1 µs of it: names are local, the page's words are written by
        number (sequence, ticket, mini-batch, started; 4 is stop_before), and `stamp` tells why in this order.
        """
        if lease["run_items"]:
            self._outputs.unwatch()  # A piece may be given a new folder: what is asked below must outlive that.
        elif lease["count"] >= _MANY:
            self._outputs.watch()
        page, part, clock, segment = self._page, self._part, time.monotonic_ns, tally.segment
        is_touched, is_debug = self._outputs.is_touched, self._log.isEnabledFor(_DEBUG)
        ticket, first, sequence, run_ns = lease["ticket"], lease["first"], self._sequence, 0
        if ticket >= page[4]:
            return 0
        for mini_batch, names in enumerate(self._names_of(lease), first):
            items, end = len(names), part.end
            page[0] = sequence + 1
            page[1] = ticket
            page[2] = mini_batch
            page[3] = started_ns = clock()
            self._sequence = page[0] = sequence = sequence + 2
            if ticket >= page[4]:
                break
            ticket += 1
            try:
                rows = attempt(names, mini_batch)
            except WritesFailed:
                raise
            except BaseException as exc:  # noqa: BLE001 - whatever run() raises fails this attempt, SystemExit too
                run_ns += clock() - started_ns
                part.cut(end)
                self._fail(exc, mini_batch, lease, tally)
                segment, is_touched = tally.segment, self._outputs.is_touched
                self.is_spent = isinstance(exc, MemoryError)
                if self.is_spent:
                    break
                continue
            took_ns = clock() - started_ns
            run_ns += took_ns
            segment.lengths.append(part.end - end)
            segment.items += items
            if rows > items:
                segment.surplus += rows - items
            elif rows < items:
                if self._contract.may_lack_rows:
                    segment.surplus -= items - rows
                else:
                    self._set_apart(mini_batch, items, rows, end, tally)
                segment, is_touched = tally.segment, self._outputs.is_touched
            if is_touched(0):
                self._adopt(mini_batch, segment)
                is_touched = self._outputs.is_touched
            if is_debug:
                self._describe(mini_batch, lease, (items, rows), (started_ns, took_ns))
        return run_ns

    def _names_of(self, lease: dict[str, Any]) -> Iterator[list[str]]:
        """Give the paths of each mini-batch of a lease, or those of the part that it is about."""
        found = self._listing.mini_batches(lease["first"], lease["count"])
        if lease["items"] is None:
            return found
        start, stop = lease["items"]
        return iter([next(found)[start:stop]])

    def _attempt_with(self, script: Script, lease: dict[str, Any], tally: Tally) -> Attempt:
        """Give the function that runs one mini-batch of a lease, writes its rows and tells how many they are."""
        if self._rows is not None:
            return self._structured_attempt(script, lease, tally, self._rows)
        attempt = self._text_attempt(script, lease["attempt"])
        return self._in_pieces(attempt, lease["run_items"], tally) if lease["run_items"] else attempt

    def _structured_attempt(self, script: Script, lease: dict[str, Any], tally: Tally, rows: Rows) -> Attempt:
        """Give the function that does so where rows have columns; all pieces of a mini-batch lie in one part file."""
        run, number = script.run, lease["attempt"]
        part_start = lease["items"][0] if lease["items"] else 0
        taken = [0]

        def attempt_piece(names: list[str], mini_batch: int) -> int:
            # The script may change the list it is given.
            items, start = list(names), part_start + taken[0]
            taken[0] += len(items)
            self._at("worker.before_run")
            if self._check_items is not None:
                self._check_items(names)
            result = run(names, MiniBatchContext(mini_batch, number)) if script.takes_context else run(names)
            count = rows.take(result, items, mini_batch, start)
            self._at("worker.after_run")
            return count

        pieces = self._in_pieces(attempt_piece, lease["run_items"], tally) if lease["run_items"] else attempt_piece

        def attempt(names: list[str], mini_batch: int) -> int:
            rows.begin(part_start)
            taken[0] = 0
            count = pieces(names, mini_batch)
            rows.write(mini_batch, tally)
            return count

        return attempt

    def _text_attempt(self, script: Script, number: int) -> Attempt:
        run, append, reach = script.run, self._part.append, self._at
        check_items, contract = self._check_items, self._contract
        is_written = self._start["writes_rows"]

        def call(names: list[str], mini_batch: int) -> Any:  # Any: whatever a script returns
            return run(names, MiniBatchContext(mini_batch, number)) if script.takes_context else run(names)

        def attempt(names: list[str], mini_batch: int) -> int:
            result = call(names, mini_batch)
            return results.write(result, append) if is_written else results.count(result)

        def attempt_under_contract(names: list[str], mini_batch: int) -> int:
            if check_items is not None:
                check_items(names)
            # The script may change the list it is given.
            items = len(names)
            result = call(names, mini_batch)
            rows = results.write(result, append) if is_written else results.count(result)
            contract.check_count(rows, items)
            contract.check_frame(result)
            return rows

        def attempt_under_test(names: list[str], mini_batch: int) -> int:
            reach("worker.before_run")
            rows = chosen(names, mini_batch)
            reach("worker.after_run")
            return rows

        chosen = attempt_under_contract if check_items is not None or contract.is_declared else attempt
        if self._reach is not None:
            return attempt_under_test
        if chosen is attempt and is_written and not script.takes_context:
            write = results.write
            return lambda names, _: write(run(names), append)
        return chosen

    def _in_pieces(self, attempt: Attempt, size: int, tally: Tally) -> Attempt:
        """Give an attempt that calls `run()` on at most `size` items at a time; each call has its own time limit.

        Each has a folder of its own, too: files that a script names after the mini-batch must not hide each other.
        """

        def attempt_in_pieces(names: list[str], mini_batch: int) -> int:
            rows, folders = 0, []
            for at in range(0, len(names), size):
                if at:
                    if self._outputs.is_touched(0):
                        folders.append(self._take_folder())
                    self._page[stamp.STARTED_NS] = time.monotonic_ns()
                rows += attempt(names[at : at + size], mini_batch)
            for folder in folders:
                if folder is not None:
                    tally.segment.wrote_files(mini_batch, folder)
            return rows

        return attempt_in_pieces

    def _set_apart(self, mini_batch: int, items: int, rows: int, start: int, tally: Tally) -> None:
        """Report a short result as a segment of its own, with the files that were written for it."""
        crcs = self._part.end_segment_apart(start)
        own = tally.set_apart(mini_batch, items, rows, crcs=crcs, offset=start)
        if self._outputs.is_touched(0):
            self._adopt(mini_batch, own)

    def _fail(self, exc: BaseException, mini_batch: int, lease: dict[str, Any], tally: Tally) -> None:
        failure = self._blame_on_input(describe(exc), mini_batch, lease)
        tally.failed(mini_batch, failure, crc=self._part.end_segment(), offset=self._part.end)
        headline = "mini-batch %d, attempt %d" % (mini_batch, lease["attempt"])
        logs.append_error(self._start["error_log"], headline, failure[3], cap_bytes=self._start["log_cap_bytes"])
        self._log.warning("%s failed: %s: %s", headline, failure[1], failure[2])
        try:
            if self._outputs.is_touched(0):
                self._outputs.renew()
        except OSError as exc:
            raise WritesFailed("no folder can be made for the script's files: %s" % exc) from exc

    def _blame_on_input(
        self, failure: tuple[str, str, str, str], mini_batch: int, lease: dict[str, Any]
    ) -> tuple[str, str, str, str]:
        """Give the failure, as the data's where an item cannot be read: whatever the script made of that."""
        kind, error, message, stack = failure
        if kind in ("memory", "contract") or not self._listing.are_files:
            return failure
        # Read anew: the script may have changed the list it was given.
        start, stop = lease.get("items") or (0, None)
        found = unreadable(next(self._listing.mini_batches(mini_batch, 1))[start:stop])
        if found is None:
            return failure
        path, reason = found
        told = "%r cannot be read: %s. run() raised %s: %s"
        message = bounded(told % (self._listing.relative(path), reason.strerror, error, message))
        return "data", type(reason).__name__, message, stack

    def _adopt(self, mini_batch: int, segment: Segment) -> None:
        """Report the files that a finished mini-batch has written, and give the next one a new folder."""
        folder = self._take_folder()
        if folder is not None:
            segment.wrote_files(mini_batch, folder)

    def _take_folder(self) -> str | None:
        try:
            return self._outputs.take()
        except OSError as exc:
            raise WritesFailed("no folder can be made for the script's files: %s" % exc) from exc

    def _describe(
        self, mini_batch: int, lease: dict[str, Any], counts: tuple[int, int], times_ns: tuple[int, int]
    ) -> None:
        """Write the record of a finished mini-batch. counts: items, rows; times_ns: monotonic start, and how long."""
        (items, rows), (started_ns, took_ns) = counts, times_ns
        began = time.time() - (time.monotonic_ns() - started_ns) / 1e9
        first = self._listing.position(mini_batch) + (lease.get("items") or (0, 0))[0]
        self._log.debug(
            "mini-batch %d, attempt %d: positions %d to %d, items %d, succeeded %d, failed %d, rows %d, "
            "start %s, end %s, %.6f s",
            mini_batch,
            lease["attempt"],
            first,
            first + items - 1,
            items,
            min(rows, items),
            max(0, items - rows),
            rows,
            logs.moment(began),
            logs.moment(began + took_ns / 1e9),
            took_ns / 1e9,
        )

    def _at(self, point: str) -> None:
        if self._reach is None:
            return
        try:
            self._reach(point)
        except OSError as exc:
            raise WritesFailed("fault at %s: %s" % (point, exc)) from exc


def _item_check(contract: dict[str, Any] | None, listing: Listing) -> Callable[[list[str]], None] | None:
    """Give what checks the items of a mini-batch, None where nothing is declared; imported where it is."""
    if contract is None:
        return None
    from batchyard_runtime import input_contract

    return input_contract.checker(contract, listing.relative)
