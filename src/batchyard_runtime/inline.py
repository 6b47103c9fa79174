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
    from typing import Iterator


def inline(listing: str, mini_batch_size: int, code_dir: str, name: str, *, input_root: str, has_pdb: bool) -> int:
    """Import the script, call `init()`, `run()` for each mini-batch, `shutdown()`; give the exit code, 1 for a failure.

    listing: a file of absolute paths, each ended by a NUL. input_root: the folder that they are below.
    """
    script.MiniBatchContext.of_job(input_root=input_root, has_columns=False)
    try:
        scored = script.load(code_dir, name)
        if scored.init is not None:
            scored.init()
        for number, names in enumerate(_mini_batches(listing, mini_batch_size)):
            print("mini-batch %d: %d items" % (number, len(names)), file=sys.stderr)
            context = script.MiniBatchContext(number, 1)
            result = scored.run(names, context) if scored.takes_context else scored.run(names)
            rows = results.write(result, _print)
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


def _mini_batches(listing: str, size: int) -> Iterator[list[str]]:
    with open(listing, "rb") as stream:
        names = [os.fsdecode(name) for name in stream.read().split(b"\0")[:-1]]
    for start in range(0, len(names), size):
        yield names[start : start + size]


def _debug(exc: BaseException) -> None:
    import pdb  # noqa: T100 - it was asked for

    pdb.post_mortem(exc.__traceback__)
