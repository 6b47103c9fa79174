"""The lineage of a job's output: from a row, a file or an item to what made it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from batchyard.api.rooms import CallerIn, Rooms, RoomsIn
from batchyard.api.told import TEXT, told
from batchyard.control import jobs
from batchyard.domain.jobs import Job
from batchyard.domain.outputs.lineage import Trace
from batchyard.wire.lineage import item_spellings, lineage_to_history, only_one, row_number

router = APIRouter()

_QUERY = (
    ("row", "Number of a published row, from 0 on.", TEXT),
    ("file", "Name of a published file.", TEXT),
    ("item", "Path of an item, or the end of one.", TEXT),
    ("itemPercentEncoded", "The same with any bytes percent-encoded.", TEXT),
)


@router.get("/runs/{name}/lineage", **told(409, query=_QUERY, answer="object"))
def show_lineage(
    name: str,
    rooms: RoomsIn,
    caller: CallerIn,
    row: str = "",
    file: str = "",
    item: str = "",
    encoded: Annotated[str, Query(alias="itemPercentEncoded")] = "",
) -> JSONResponse:
    """Say what a job's output was made of, and of one row, file or item which attempt on which items it is of."""
    asked = {"row": row, "file": file, "item": item, "itemPercentEncoded": encoded}
    only_one(asked)
    with rooms.records.reading() as tx:
        job = jobs.read_rows(tx, caller, name)
    return JSONResponse(lineage_to_history(job, _traces(rooms, job, asked)))


def _traces(rooms: Rooms, job: Job, asked: dict[str, str]) -> Sequence[Trace]:
    match only_one(asked):
        case "row":
            return [rooms.lineages.of_row(job, row_number(asked["row"]))]
        case "file":
            return [rooms.lineages.of_file(job, asked["file"])]
        case "item" | "itemPercentEncoded":
            return rooms.lineages.of_item(job, item_spellings(asked["item"], asked["itemPercentEncoded"]))
    return []
