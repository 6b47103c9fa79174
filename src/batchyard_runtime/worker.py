"""A worker's life: it starts the script, scores lease after lease as it is told, reports, and ends."""

from __future__ import annotations

import os
import sys
import time

from batchyard_runtime import faults, frames, logs, script, stacks, stamp
from batchyard_runtime.listing import Listing
from batchyard_runtime.outputs import Outputs
from batchyard_runtime.parts import PartFile, WritesFailed
from batchyard_runtime.scoring import Scorer

TYPE_CHECKING = False
if TYPE_CHECKING:
    import logging
    from typing import Any, Callable, NoReturn

    from batchyard_runtime.output_contract import Contract
    from batchyard_runtime.schema_parts import SchemaParts
    from batchyard_runtime.structured import Rows

    Values = dict[str, Any]  # Any: JSON of a frame's header

_EXIT_REPORTED = 1
_EXIT_ALONE = 3
_EXIT_SPENT = 4


def work(
    command_fd: int,
    report_fd: int,
    stamp_fd: int,
    imported: script.Script | None = None,
    on_start: Callable[[], None] | None = None,
) -> None:
    """Read the start command, import the script and call its `init()`, then score leases until told to end.

    imported: the script, where this process was forked from one that has imported it; prints are captured then too.
    on_start: called when the start command has come. The start command's keys: protocol, worker, origin (how this
    process came to be, for its log), code_dir, script; part (the file to create), writes_rows, rows (null for text,
    else see `structured.Rows`); output_contract, input_contract (what the deployment declares, or null); files_dir,
    files_link, files_prefix, files_folders (see `outputs`); arguments (of the script); stack_file (see `stacks`);
    error_log, own_log, log_cap_bytes, logging_level; fault, fault_log.
    Returns only after an `end` command, so that the script's own exit handlers run; leaves the process otherwise.
    """
    channel = frames.Channel(command_fd, report_fd)
    try:
        start = channel.read()
        if start is None:
            os._exit(_EXIT_ALONE)
        if on_start is not None:
            on_start()
        _refuse_other_protocol(start, channel)
        if imported is None:
            logs.capture(start["log_cap_bytes"])
        stacks.register(start["stack_file"])
        _serve(start, channel, stamp_fd, imported)
    except WritesFailed as exc:
        _leave(channel, {"kind": "writes_failed", "message": str(exc)})
    except BrokenPipeError:
        os._exit(_EXIT_ALONE)


def _serve(start: Values, channel: frames.Channel, stamp_fd: int, imported: script.Script | None) -> None:
    """Live from the start command to the end command. Raises: WritesFailed, BrokenPipeError."""
    log = logs.own_logger(start["own_log"], level=start["logging_level"], cap_bytes=start["log_cap_bytes"])
    scorer: Scorer | None = None
    try:
        outputs = Outputs(
            link=start["files_link"],
            root=start["files_dir"],
            prefix=start["files_prefix"],
            folders=start["files_folders"],
        )
        scorer_of = _opened(start, channel, stamp_fd, outputs, log)
    except (OSError, ValueError) as exc:
        raise WritesFailed("the worker %s cannot open its files: %s" % (start["worker"], exc)) from exc
    began = time.monotonic()
    scored = _load(start, channel, imported)
    init_s = time.monotonic() - began
    _change(outputs.begin_runs)
    log.info("worker %s was %s", start["worker"], start["origin"])
    log.info("worker %s is ready: Python %s, import and init %.3f s", start["worker"], sys.version, init_s)
    channel.write({"kind": "ready", "protocol": frames.PROTOCOL, "init_s": init_s})
    while True:
        command = channel.read()
        if command is None:
            os._exit(_EXIT_ALONE)
        if command["kind"] == "end":
            break
        if command["kind"] == "listing" and scorer is None:
            scorer = scorer_of(command)
            if command["has_rows"]:
                _give_frames(scored, command)
            continue
        if command["kind"] != "lease" or scorer is None:
            raise frames.BadFrame("the command %r is unknown, or came at a wrong time" % command["kind"])
        channel.write(*scorer.score(scored, command))
        if scorer.is_spent:
            logs.flush()
            os._exit(_EXIT_SPENT)
    _change(outputs.end_runs)
    _shut_down(scored, start)
    log.info("worker %s ends", start["worker"])


def _opened(
    start: Values, channel: frames.Channel, stamp_fd: int, outputs: Outputs, log: logging.Logger
) -> Callable[[Values], Scorer]:
    """Open what scoring needs; give what makes the scorer of a `listing` command. Raises: WritesFailed, OSError."""
    reach = faults.from_plan(start["fault"], start["fault_log"])
    part, rows_of = _part_of(start, reach)

    def fall_silent() -> None:
        # A process that the script forked must not speak, nor write rows, in this worker's name.
        channel.close()
        part.close()
        outputs.close()

    os.register_at_fork(after_in_child=fall_silent)
    page = stamp.open_page(stamp_fd)

    def scorer_of(command: Values) -> Scorer:
        listing = _listing(command)
        script.MiniBatchContext.of_job(input_root=command["input_root"], has_columns=rows_of is not None)
        return Scorer(
            page=page, part=part, listing=listing, outputs=outputs, log=log, start=start, reach=reach, rows_of=rows_of
        )

    return scorer_of


def _part_of(
    start: Values, reach: Callable[[str], None] | None
) -> tuple[PartFile | SchemaParts, Callable[[Listing, Contract], Rows] | None]:
    """Give where rows go, and for rows with columns what makes them of results. Raises: WritesFailed."""
    plan = start["rows"]
    if plan is None:
        return PartFile(start["part"], reach=reach), None
    # Imported only by workers that need them: all of it together takes as long as the rest of the runtime.
    from batchyard_runtime.schema_parts import SchemaParts
    from batchyard_runtime.structured import Rows

    part = SchemaParts(start["part"], row_format=plan["format"], mixes=plan["mixes"], reach=reach)
    return part, lambda listing, contract: Rows(plan, part=part, listing=listing, contract=contract)


def _listing(command: Values) -> Listing:
    """Open the listing that a `listing` command names. Raises: WritesFailed: nobody's mini-batch is to blame."""
    try:
        return _kind_of_listing(command)(
            root=command["input_root"],
            listing=command["paths"],
            index=command["index"],
            items=command["items"],
            mini_batch_size=command["mini_batch_size"],
            starts=command["starts"],
        )
    except (OSError, ValueError) as exc:
        raise WritesFailed("the listing %r cannot be read: %s" % (command["paths"], exc)) from exc


def _kind_of_listing(command: Values) -> type[Listing]:
    if not command["has_rows"]:
        return Listing
    from batchyard_runtime.table_rows import TableListing

    return TableListing


def _load(start: Values, channel: frames.Channel, imported: script.Script | None) -> script.Script:
    """Import the script, unless it is, and call `init()`; a failure is reported and ends the process."""
    stage = "import"
    try:
        if start["has_tables"]:
            from batchyard_runtime.table_rows import need_pandas

            need_pandas()
        if imported is None:
            scored = script.load(start["code_dir"], start["script"], start["arguments"])
        else:
            sys.argv[1:] = start["arguments"]
            scored = imported
        stage = "init"
        if scored.init is not None:
            scored.init()
    except BaseException as exc:  # noqa: BLE001 - whatever the script raises ends its start, SystemExit too
        failure = script.describe(exc)
        logs.append_error(start["error_log"], stage, failure[3], cap_bytes=start["log_cap_bytes"])
        _leave(channel, _start_failed(stage, failure))
    return scored


def _give_frames(scored: script.Script, command: Values) -> None:
    from batchyard_runtime.table_rows import give_frames

    try:
        give_frames(scored, command["paths"])
    except (OSError, ValueError) as exc:
        raise WritesFailed("the rows beside %r cannot be read: %s" % (command["paths"], exc)) from exc


def _shut_down(scored: script.Script, start: Values) -> None:
    """Call `shutdown()`; what it raises is written down and harms nothing: all rows are reported already."""
    if scored.shutdown is not None:
        try:
            scored.shutdown()
        except BaseException as exc:  # noqa: BLE001 - see above
            stack = script.describe(exc)[3]
            logs.append_error(start["error_log"], "shutdown", stack, cap_bytes=start["log_cap_bytes"])
    logs.flush()


def _refuse_other_protocol(start: Values, channel: frames.Channel) -> None:
    if start["kind"] == "start" and start.get("protocol") == frames.PROTOCOL:
        return
    message = "the runtime speaks protocol %d, the agent %r" % (frames.PROTOCOL, start.get("protocol"))
    _leave(channel, _start_failed("protocol", ("platform", "ProtocolError", message, "")))


def _start_failed(stage: str, failure: tuple[str, str, str, str]) -> Values:
    kind, error, message, stack = failure
    return {"kind": "start_failed", "stage": stage, "class": kind, "error": error, "message": message, "stack": stack}


def _change(step: Callable[[], None]) -> None:
    try:
        step()
    except OSError as exc:
        raise WritesFailed("no folder can be made for the script's files: %s" % exc) from exc


def _leave(channel: frames.Channel, report: Values) -> NoReturn:
    """Report and end at once: the script's threads and exit handlers have no say any more."""
    try:
        channel.write(report)
        logs.flush()
    finally:
        os._exit(_EXIT_REPORTED)
