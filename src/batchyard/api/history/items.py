"""Single items of a job: what became of them, with every attempt, its stack and its log."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from batchyard.api.arm.jobs import find_job
from batchyard.api.rooms import CallerIn, RoomsIn
from batchyard.api.told import TEXT, told
from batchyard.control import jobs
from batchyard.wire.item_history import found_to_history, spellings_of

router = APIRouter()

_QUERY = (
    ("item", "A path or the end of one.", TEXT),
    ("itemPercentEncoded", "The same with any bytes percent-encoded.", TEXT),
)


@router.get("/runs/{name}/items", **told(query=_QUERY, answer="object"))
def find_items(
    name: str,
    rooms: RoomsIn,
    caller: CallerIn,
    item: str = "",
    encoded: Annotated[str, Query(alias="itemPercentEncoded")] = "",
) -> JSONResponse:
    """Find items by path or by the end of one; `itemPercentEncoded` can name any bytes."""
    wanted = spellings_of(item, encoded)
    with rooms.records.reading() as tx:
        job, _ = find_job(tx, caller, name)
        jobs.read_logs(tx, caller, job.name)
    return JSONResponse(found_to_history(rooms.item_histories.find(job.name, wanted)))
