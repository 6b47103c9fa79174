"""What a verification tells, as JSON lines: one for each check, signs of life between, and an end that counts them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any  # JSON values

from batchyard.domain.outputs.verification import Check, Event, Progress, Result


def verification_lines(events: Iterable[Event]) -> Iterator[bytes]:
    """Give a line for each event, and at last how many checks had which result: without that they are not all."""
    counts = dict.fromkeys(Result, 0)
    for event in events:
        if isinstance(event, Progress):
            yield _line({"progress": {"subject": event.subject, "file": event.file, "doneBytes": event.done_bytes}})
        else:
            counts[event.result] += 1
            yield _line({"check": check_to_json(event)})
    yield _line({"end": {result.value: count for result, count in counts.items()}})


def check_to_json(check: Check) -> dict[str, Any]:
    """Give one check as a row of the command's result."""
    return {**asdict(check), "result": check.result.value}


def read_verification(line: bytes) -> dict[str, Any]:
    """Read a line: one of `check`, `progress`, `end`. Raises: ValueError for anything else."""
    found = json.loads(line)
    if not isinstance(found, dict) or len(found) != 1 or not {"check", "progress", "end"} & found.keys():
        raise ValueError(f"no line of a verification: {line[:80]!r}")
    return found


def _line(document: dict[str, Any]) -> bytes:
    return json.dumps(document).encode() + b"\n"
