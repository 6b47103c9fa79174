"""Scores on the caller's own terminal, in one process: for looking, breakpoints and debuggers, not for results.

Nothing is retried, timed or recorded; rows go to standard output, everything else to standard error. An exception of
the script is shown as Python shows it, and with pdb the debugger opens where it was raised.
"""

from __future__ import annotations

import os
import sys

from batchyard_runtime import results, script

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator


def inline(
    listing: str,
    mini_batch_size: int,
    code_dir: str,
    name: str,
    *,
    input_root: str,
    row_format: str = "azure_text",
    has_pdb: bool,
) -> int:
    """Import the script, call `init()`, `run()` for each mini-batch, `shutdown()`; give the exit code, 1 for a failure.

    listing: a file of absolute paths, each ended by a NUL. input_root: the folder that they are below.
    row_format: the job's; rows with columns are printed as lines of JSON.
    """
    has_columns = row_format != "azure_text"
    script.MiniBatchContext.of_job(input_root=input_root, has_columns=has_columns)
    try:
        scored = script.load(code_dir, name)
        if scored.init is not None:
            scored.init()
        for number, names in enumerate(_mini_batches(listing, mini_batch_size)):
            print("mini-batch %d: %d items" % (number, len(names)), file=sys.stderr)
            context = script.MiniBatchContext(number, 1)
            result = scored.run(names, context) if scored.takes_context else scored.run(names)
            rows = _print_json(result, row_format) if has_columns else results.write(result, _print)
            sys.stdout.flush()
            if rows < len(names):
                counts = (rows, len(names), len(names) - rows)
                print("  %d rows for %d items: %d items would fail" % counts, file=sys.stderr)
        if scored.shutdown is not None:
            scored.shutdown()
    except Exception as exc:  # noqa: BLE001 - the script's failure is what this is for
        sys.stdout.flush()
        sys.stderr.write(script.describe(exc)[3])
        if has_pdb:
            _debug(exc)
        return 1
    return 0


def _print(line: bytes) -> None:
    sys.stdout.buffer.write(line)


def _print_json(result: Any, row_format: str) -> int:  # Any: whatever a script returned
    from batchyard_runtime.columns import table_of
    from batchyard_runtime.encoding import json_lines

    table = table_of(result, mixes=row_format != "parquet")
    _print(json_lines(table))
    return table.rows


def _mini_batches(listing: str, size: int) -> Iterator[list[str]]:
    with open(listing, "rb") as stream:
        names = [os.fsdecode(name) for name in stream.read().split(b"\0")[:-1]]
    for start in range(0, len(names), size):
        yield names[start : start + size]


def _debug(exc: BaseException) -> None:
    import pdb  # noqa: T100 - it was asked for

    pdb.post_mortem(exc.__traceback__)
