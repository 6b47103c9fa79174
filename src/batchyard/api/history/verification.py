"""Verification of a job that has ended, told line by line while everything of it is read."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from batchyard.api.rooms import CallerIn, RoomsIn
from batchyard.api.told import told
from batchyard.control import jobs
from batchyard.wire.verification import verification_lines

router = APIRouter()

_LINES = "application/x-ndjson"


@router.get("/runs/{name}/verification", **told(409, answer=_LINES))
def verify_job(name: str, rooms: RoomsIn, caller: CallerIn) -> StreamingResponse:
    """Read output, ledger, model, code and environment of a job and say of each whether it is as it was.

    Each line is had in one short step of a thread, so that a large output keeps nobody waiting; who stops reading stops
    the verification.
    """
    with rooms.records.reading() as tx:
        job = jobs.read_ended(tx, caller, name)
    return StreamingResponse(verification_lines(rooms.verifications.verify(job)), media_type=_LINES)
