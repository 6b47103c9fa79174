"""What a worker's frames say, checked: anything that cannot be true of the lease is a bad frame, never a result."""

from __future__ import annotations

import re
from array import array
from typing import Any

from batchyard.domain.jobs import ErrorClass
from batchyard.domain.scoring.events import Failure, Lease, LeaseReported, Segment, Worker
from batchyard_runtime.frames import BadFrame

_FOLDER = re.compile(r"[^/]+/[0-9]+")


def read_done(header: dict[str, Any], body: bytes, *, worker: Worker, lease: Lease, part: str) -> LeaseReported:
    """Give the event for a `done` frame. lease: the worker's oldest that is not reported yet. Raises: BadFrame.

    The mini-batches of segments and failures together are the first ones of the lease, each once.
    """
    try:
        if header["lease"] != lease.id:
            raise BadFrame(f"lease {header['lease']!r} is reported, lease {lease.id} was due")
        segments = _segments(header["segments"], body, part)
        failures = tuple(_failure(values) for values in header["failures"])
        event = LeaseReported(worker, lease.id, segments, failures, float(header["seconds"]))
        _check_coverage(event, lease)
    except (KeyError, TypeError, ValueError, IndexError) as exc:
        raise BadFrame(f"the report of lease {lease.id} cannot be read: {exc!r}") from exc
    return event


def read_ready(header: dict[str, Any]) -> float:  # Any: JSON
    """Give the seconds that import and `init()` took, from a `ready` frame. Raises: BadFrame."""
    try:
        return float(header["init_s"])
    except (KeyError, TypeError, ValueError) as exc:
        raise BadFrame(f"a ready worker's report cannot be read: {exc!r}") from exc


def read_start_failure(header: dict[str, Any]) -> Failure:
    """Give the failure that a `start_failed` frame tells. Raises: BadFrame."""
    try:
        stage = str(header["stage"])
        message = str(header["message"])
        return Failure(
            mini_batch=-1,
            error_class=ErrorClass(header["class"]),
            error=str(header["error"]),
            message=f"init() failed: {message}" if stage == "init" else f"The script's {stage} failed: {message}",
            stack=str(header["stack"]),
        )
    except (KeyError, ValueError) as exc:
        raise BadFrame(f"a failed start cannot be read: {exc!r}") from exc


def reported(event: LeaseReported) -> int:
    """How many mini-batches of the lease were tried."""
    return sum(segment.count for segment in event.segments) + len(event.failures)


def _segments(values: list[Any], body: bytes, part: str) -> tuple[Segment, ...]:  # Any: JSON
    lengths = array("Q")
    lengths.frombytes(body)
    segments = []
    at = 0
    ends: dict[int, int] = {}
    for first, count, offset, crc, rows, succeeded, short, files, number in values:
        own = tuple(lengths[at : at + count])
        if len(own) != count or min(count - 1, offset - ends.get(number, 0), rows, succeeded, number - 1) < 0:
            raise ValueError("segments and row lengths do not fit together")
        at += count
        ends[number] = offset + sum(own)
        segments.append(
            Segment(
                first=int(first),
                part=part_file(part, int(number)),
                offset=int(offset),
                lengths=own,
                crc=int(crc),
                rows=int(rows),
                succeeded=int(succeeded),
                short=tuple((int(m), int(n)) for m, n in short),
                files=tuple((int(m), _own_folder(str(f), part)) for m, f in files),
            )
        )
    if at != len(lengths):
        raise ValueError("there are more row lengths than mini-batches")
    return tuple(segments)


def _own_folder(name: str, part: str) -> str:
    """Give the folder of an attempt's files, as told: one of the worker's own, or we would publish what is not."""
    if not _FOLDER.fullmatch(name) or name.partition("/")[0] != part.partition(".")[0]:
        raise ValueError(f"the folder {name!r} of files is not the worker's own")
    return name


def part_file(first: str, number: int) -> str:
    """Give the name of a worker's part file by its number; rows with columns may need several."""
    return first if number == 1 else f"{first.removesuffix('.part')}.{number}.part"


def _failure(values: list[Any]) -> Failure:  # Any: JSON
    mini_batch, kind, error, message, stack = values
    return Failure(int(mini_batch), ErrorClass(kind), str(error), str(message), str(stack))


def _check_coverage(event: LeaseReported, lease: Lease) -> None:
    spans = [(s.first, s.first + s.count) for s in event.segments]
    spans += [(f.mini_batch, f.mini_batch + 1) for f in event.failures]
    due = lease.first
    for start, stop in sorted(spans):
        if start != due:
            raise BadFrame(f"lease {lease.id} is reported with mini-batch {start} where {due} was due")
        due = stop
    if due > lease.first + lease.count:
        raise BadFrame(f"lease {lease.id} is reported with mini-batches it does not have")
