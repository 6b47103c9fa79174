"""What a job has scored so far: its counts, its committed rows and its failed items at one moment."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from fastapi import APIRouter
from fastapi.responses import JSONResponse, StreamingResponse

from batchyard.api.rooms import CallerIn, Rooms, RoomsIn
from batchyard.api.told import told
from batchyard.control import jobs
from batchyard.domain.access import Caller
from batchyard.domain.jobs import Job
from batchyard.wire.jobs import partial_answer

router = APIRouter()


@router.get("/runs/{name}/partial", **told(409, answer="object"))
def show_partial(name: str, rooms: RoomsIn, caller: CallerIn) -> JSONResponse:
    """Say what there is, and under which snapshot it is read."""
    job = _job(rooms, caller, name)
    found = rooms.partial.look(job)
    return JSONResponse(
        partial_answer(
            job,
            snapshot=found.snapshot,
            counts=found.counts,
            rows_bytes=found.rows_bytes,
            own_files_of=found.own_files_of,
        )
    )


@router.get("/runs/{name}/partial/{snapshot}/rows", **told(409, answer="application/octet-stream"))
def read_rows(name: str, snapshot: str, rooms: RoomsIn, caller: CallerIn) -> StreamingResponse:
    """Read the rows of a snapshot, in the order of the input."""
    return _streamed(rooms.partial.rows(_job(rooms, caller, name), snapshot))


@router.get("/runs/{name}/partial/{snapshot}/failedItems", **told(409, answer="application/octet-stream"))
def read_failed_items(name: str, snapshot: str, rooms: RoomsIn, caller: CallerIn) -> StreamingResponse:
    """Read the failed items of a snapshot, one JSON line each."""
    return _streamed(rooms.partial.failed_items(_job(rooms, caller, name), snapshot))


def _job(rooms: Rooms, caller: Caller, name: str) -> Job:
    with rooms.records.reading() as tx:
        return jobs.read_partial(tx, caller, name)


def _streamed(content: Iterator[bytes]) -> StreamingResponse:
    # The first piece is read before the answer begins, so that a refusal is an answer of its own.
    first = next(content, b"")
    return StreamingResponse(chain([first], content), media_type="application/octet-stream")
