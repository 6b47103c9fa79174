"""HEAD, GET, List, PUT and DELETE of blobs, streamed both ways; paths are confined by the datastore."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import BinaryIO
from urllib.parse import unquote

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse

from batchyard.api.blob import writing
from batchyard.api.blob.arriving import in_turn
from batchyard.api.blob.child_logs import logs_as_asked
from batchyard.api.blob.conditions import conditions_of, is_known
from batchyard.api.blob.listing import BlobQuery, list_page, page_to_xml
from batchyard.api.blob.notes import NOTE_PREFIX
from batchyard.api.blob.paths import BlobPath, blob_file_name, parse_blob_path
from batchyard.api.blob.ranges import ByteRange, UnsatisfiableError, wanted_range
from batchyard.api.blob.writing import version_headers
from batchyard.api.errors import blob_error
from batchyard.api.rooms import CallerIn, Rooms, RoomsIn
from batchyard.api.told import TEXT, told
from batchyard.control import datastores
from batchyard.control.sealed_places import sealed_by
from batchyard.domain.access import Action, Caller, authorise
from batchyard.domain.datastores import ARTIFACT_STORE, DATASTORES
from batchyard.domain.errors import Forbidden, InvalidInput, Mistake, NotFound
from batchyard.domain.resource_ids import DatastorePath
from batchyard.domain.sealed_places import CODE_CONTAINER
from batchyard.ports.datastore import Datastore, Entry

router = APIRouter()

_LISTING = (
    ("comp", "`list` with a container's own path: its blobs, as XML.", TEXT),
    ("restype", "`container` with `comp=list`.", TEXT),
    ("prefix", "Of the blobs to list.", TEXT),
    ("delimiter", "What ends a folder's name, `/`.", TEXT),
    ("marker", "From the page before.", TEXT),
    ("maxresults", "1 to 5000.", TEXT),
    ("include", "`metadata`, to have the notes too.", TEXT),
)
_WRITING = (
    ("comp", "`block`, `blocklist` or `metadata`; nothing to write the blob whole.", TEXT),
    ("blockid", "With `comp=block`: base64.", TEXT),
)
_WRITE_HEADERS = (
    ("x-ms-blob-type", "`BlockBlob`.", TEXT),
    ("If-None-Match", "`*`: only where nothing is.", TEXT),
    ("If-Match", "Only while the blob has this ETag.", TEXT),
    ("Content-MD5", "Of the body, base64.", TEXT),
)
_TOLD_OF_GET = told(
    *(200, 206, 304, 403, 404, 412, 416), query=_LISTING, answer="application/octet-stream application/xml"
)
_TOLD_OF_PUT = told(
    *(200, 201, 403, 404, 409, 412),
    query=_WRITING,
    headers=_WRITE_HEADERS,
    body=("application/octet-stream", {}),
    answer="nothing",
)

_CHUNK_BYTES = 1 << 20
_MOST_LISTED = 5000


@router.head("/blob/{rest:path}", **told(200, 304, 403, 404, 412))
def head_blob(request: Request, rooms: RoomsIn, caller: CallerIn) -> Response:
    """Show a blob's properties."""
    path = parse_blob_path(request.scope["raw_path"])
    store = _store(request, rooms, caller, path, is_write=False)
    # Azure: the SDK asks whether a folder is one blob, by its name with a '/' at the end, before it lists it.
    entry = None if path.name.endswith("/") else store.stat(blob_file_name(path))
    if entry is None:
        return blob_error(request.scope, 404, "")
    if is_known(conditions_of(request.headers), entry):
        return Response(status_code=304, headers=version_headers(entry))
    notes = rooms.blob_metadata.get(path.container, path.name, etag=entry.etag)
    return Response(headers={**_properties(entry, notes), "Content-Length": str(entry.size_bytes)})


@router.get("/blob/{rest:path}", **_TOLD_OF_GET)
def get_blob(request: Request, rooms: RoomsIn, caller: CallerIn) -> Response:
    """Read a blob or a range of it; on a container, list its blobs."""
    path = parse_blob_path(request.scope["raw_path"])
    store = _store(request, rooms, caller, path, is_write=False)
    if not path.name and request.query_params.get("comp") == "list":
        if request.state.is_signed:
            raise Forbidden("A signed URL opens what it names and never lists.")
        return _list(request, rooms, store, path)
    name = blob_file_name(path)
    if store.stat(name) is None:
        return blob_error(request.scope, 404, f"There is no blob {name!r}.")
    conditions = conditions_of(request.headers)
    # What is told of the bytes is of those that were opened: the name may get another file meanwhile.
    entry, stream = store.open_entry(name)
    try:
        if is_known(conditions, entry):
            stream.close()
            return Response(status_code=304, headers=version_headers(entry))
        notes = rooms.blob_metadata.get(path.container, name, etag=entry.etag)
        return _content(request, stream, entry.size_bytes, _properties(entry, notes))
    except BaseException:
        stream.close()
        raise


@router.put("/blob/{rest:path}", **_TOLD_OF_PUT)
async def put_blob(request: Request, rooms: RoomsIn, caller: CallerIn) -> Response:
    """Write a blob whole or not at all; with `comp=metadata`, only the notes on it."""
    return await in_turn(request, lambda: _put(request, rooms, caller))


def _put(request: Request, rooms: Rooms, caller: Caller) -> Response:
    path = parse_blob_path(request.scope["raw_path"])
    return writing.put(request, rooms, _store(request, rooms, caller, path, is_write=True), path)


@router.delete("/blob/{rest:path}", **told(202, 404, 409, 412))
def delete_blob(request: Request, rooms: RoomsIn, caller: CallerIn) -> Response:
    """Delete a blob."""
    path = parse_blob_path(request.scope["raw_path"])
    return writing.delete(request, rooms, _store(request, rooms, caller, path, is_write=True), path)


def _store(request: Request, rooms: Rooms, caller: Caller, path: BlobPath, *, is_write: bool) -> Datastore:
    """Give the datastore behind the container. Raises: Forbidden; NotFound."""
    info = next((info for info in DATASTORES if info.container == path.container), None)
    if request.state.is_signed:
        # Its bearer was let in for exactly this path, as long as nobody relies on what is there.
        _refuse_closed(rooms, path)
    else:
        if info is None:
            authorise(caller, Action.ASSET_WRITE)
        elif is_write:
            datastores.open_for_writing(caller, info.name)
        else:
            datastores.open_for_reading(caller, info.name)
    store = rooms.datastores.by_container(path.container)
    if store is None:
        known = ", ".join(repr(info.container) for info in DATASTORES)
        raise NotFound(f"There is no container {path.container!r}. Known: {known}.")
    if info is ARTIFACT_STORE and not is_write:
        return logs_as_asked(store, path.name or request.query_params.get("prefix", ""))
    return store


def _refuse_closed(rooms: Rooms, path: BlobPath) -> None:
    """Raises: Forbidden for a container whose code has been registered; the URL to upload it has done its work."""
    if not CODE_CONTAINER.fullmatch(path.container):
        return
    with rooms.records.reading() as tx:
        version = sealed_by(tx, DatastorePath(path.container, ""))
    if version is not None:
        raise Forbidden(f"The code was registered as {version}. Its upload URL is closed.")


def _properties(entry: Entry, notes: Mapping[str, str]) -> dict[str, str]:
    return {
        **version_headers(entry),
        **{NOTE_PREFIX + name: value for name, value in notes.items()},
        "x-ms-blob-type": "BlockBlob",
        "Content-Type": "application/octet-stream",
        "Accept-Ranges": "bytes",
        # A log may hold what a script was given; no browser may take it for a page of ours.
        "X-Content-Type-Options": "nosniff",
    }


def _content(request: Request, stream: BinaryIO, size: int, headers: dict[str, str]) -> Response:
    try:
        part = wanted_range(request.headers.get("x-ms-range") or request.headers.get("range"), size_bytes=size)
    except UnsatisfiableError:
        stream.close()
        message = "The range lies behind the end of the blob."
        return blob_error(request.scope, 416, message, headers={"Content-Range": f"bytes */{size}"})
    if part is not None:
        headers["Content-Range"] = f"bytes {part.first}-{part.last}/{size}"
    whole = part or ByteRange(0, size - 1)
    headers["Content-Length"] = str(whole.length)
    return StreamingResponse(_read(stream, whole), 200 if part is None else 206, headers)


def _read(stream: BinaryIO, part: ByteRange) -> Iterator[bytes]:
    left = part.length
    with stream:
        stream.seek(part.first)
        while left > 0:
            chunk = stream.read(min(_CHUNK_BYTES, left))
            if not chunk:
                return
            left -= len(chunk)
            yield chunk


def _list(request: Request, rooms: Rooms, store: Datastore, path: BlobPath) -> Response:
    query = request.query_params
    given = query.get("maxresults", str(_MOST_LISTED))
    if not (given.isascii() and given.isdecimal() and int(given[:9]) > 0):
        raise InvalidInput("list of blobs", [Mistake("maxresults", repr(given), f"1 to {_MOST_LISTED}")])
    wanted = BlobQuery(
        prefix=query.get("prefix", ""),
        delimiter=query.get("delimiter", ""),
        marker=unquote(query.get("marker", ""), errors="surrogateescape"),
        limit=min(int(given[:9]), _MOST_LISTED),
    )
    page = list_page(store, wanted)
    notes = None
    if "metadata" in query.get("include", "").split(","):
        notes = lambda entry: rooms.blob_metadata.get(path.container, entry.path, etag=entry.etag)  # noqa: E731
    return Response(page_to_xml(page, wanted, container=path.container, notes=notes), media_type="application/xml")
