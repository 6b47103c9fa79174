"""HEAD, GET, PUT and List of blobs, streamed both ways; paths are confined by the datastore."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterator, Mapping
from email.utils import formatdate
from typing import BinaryIO
from urllib.parse import unquote

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse

from batchyard.api.blob.arriving import chunks, in_turn
from batchyard.api.blob.listing import BlobQuery, page_to_xml, take_page
from batchyard.api.blob.notes import NOTE_PREFIX, notes_of
from batchyard.api.blob.paths import BlobPath, blob_file_name, parse_blob_path
from batchyard.api.blob.ranges import ByteRange, UnsatisfiableError, wanted_range
from batchyard.api.errors import blob_error
from batchyard.api.rooms import CallerIn, Rooms, RoomsIn
from batchyard.control import datastores
from batchyard.domain.access import Action, Caller, authorise
from batchyard.domain.datastores import DATASTORES
from batchyard.domain.errors import CallerError, InvalidInput, Mistake, NotFound
from batchyard.ports.datastore import Datastore, Entry

router = APIRouter()

_CHUNK_BYTES = 1 << 20
_MOST_LISTED = 5000


@router.head("/blob/{rest:path}")
def head_blob(request: Request, rooms: RoomsIn, caller: CallerIn) -> Response:
    """Show a blob's properties."""
    path = parse_blob_path(request.scope["raw_path"])
    store = _store(request, rooms, caller, path, is_write=False)
    # Azure: the SDK asks whether a folder is one blob, by its name with a '/' at the end, before it lists it.
    entry = None if path.name.endswith("/") else store.stat(blob_file_name(path))
    if entry is None:
        return blob_error(request.scope, 404, "")
    notes = rooms.blob_metadata.get(path.container, path.name, etag=entry.etag)
    return Response(headers={**_properties(entry, notes), "Content-Length": str(entry.size_bytes)})


@router.get("/blob/{rest:path}")
def get_blob(request: Request, rooms: RoomsIn, caller: CallerIn) -> Response:
    """Read a blob or a range of it; on a container, list its blobs."""
    path = parse_blob_path(request.scope["raw_path"])
    store = _store(request, rooms, caller, path, is_write=False)
    if not path.name and request.query_params.get("comp") == "list":
        return _list(request, store, path)
    name = blob_file_name(path)
    entry = store.stat(name)
    if entry is None:
        return blob_error(request.scope, 404, f"There is no blob {name!r}.")
    notes = rooms.blob_metadata.get(path.container, name, etag=entry.etag)
    return _content(request, store.open(name), _properties(entry, notes))


@router.put("/blob/{rest:path}")
async def put_blob(request: Request, rooms: RoomsIn, caller: CallerIn) -> Response:
    """Write a blob whole or not at all; with `comp=metadata`, only the notes on it."""
    return await in_turn(request, lambda: _put(request, rooms, caller))


def _put(request: Request, rooms: Rooms, caller: Caller) -> Response:
    path = parse_blob_path(request.scope["raw_path"])
    store = _store(request, rooms, caller, path, is_write=True)
    name, notes = blob_file_name(path), notes_of(request.headers.items())
    if request.query_params.get("comp") == "metadata":
        return _put_notes(request, rooms, store, path, notes)
    _refuse_other_puts(request)
    create_only = request.headers.get("if-none-match", "").strip() == "*"
    entry = store.put(name, _checked_chunks(request), create_only=create_only)
    if notes:
        rooms.blob_metadata.replace(path.container, name, etag=entry.etag, notes=notes)
    # Content-MD5 is left out on purpose: the storage SDK compares it with what it sent last, and retries for 80 s.
    return Response(status_code=201, headers=_version(entry))


def _put_notes(request: Request, rooms: Rooms, store: Datastore, path: BlobPath, notes: dict[str, str]) -> Response:
    entry = store.stat(path.name)
    if entry is None:
        return blob_error(request.scope, 404, f"There is no blob {path.name!r}.")
    rooms.blob_metadata.replace(path.container, path.name, etag=entry.etag, notes=notes)
    return Response(headers=_version(entry))


def _store(request: Request, rooms: Rooms, caller: Caller, path: BlobPath, *, is_write: bool) -> Datastore:
    """Give the datastore behind the container. Raises: Forbidden; NotFound."""
    info = next((info for info in DATASTORES if info.container == path.container), None)
    # The bearer of a signed URL was let in for exactly this path.
    if not request.state.is_signed:
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
    return store


def _properties(entry: Entry, notes: Mapping[str, str]) -> dict[str, str]:
    return {
        **_version(entry),
        **{NOTE_PREFIX + name: value for name, value in notes.items()},
        "x-ms-blob-type": "BlockBlob",
        "Content-Type": "application/octet-stream",
        "Accept-Ranges": "bytes",
        # A log may hold what a script was given; no browser may take it for a page of ours.
        "X-Content-Type-Options": "nosniff",
    }


def _version(entry: Entry) -> dict[str, str]:
    return {"ETag": entry.etag, "Last-Modified": formatdate(entry.modified_at, usegmt=True)}


def _content(request: Request, stream: BinaryIO, headers: dict[str, str]) -> Response:
    # The size of what was opened: the name may have got another file since it was looked at.
    size = stream.seek(0, 2)
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


def _list(request: Request, store: Datastore, path: BlobPath) -> Response:
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
    page = take_page(store.list(wanted.prefix), wanted)
    return Response(page_to_xml(page, wanted, container=path.container), media_type="application/xml")


def _refuse_other_puts(request: Request) -> None:
    """Only Put Blob of whole block blobs is known; the others would silently do something else."""
    operation = request.query_params.get("comp")
    if operation is not None:
        mistake = Mistake("comp", repr(operation), "nothing: a blob is put whole")
        raise InvalidInput("blob", [mistake])
    kind = request.headers.get("x-ms-blob-type", "BlockBlob")
    if kind.lower() != "blockblob":
        raise InvalidInput("blob", [Mistake("header x-ms-blob-type", repr(kind), "'BlockBlob'")])


def _checked_chunks(request: Request) -> Iterator[bytes]:
    """Give the body as it arrives; a wrong Content-MD5 ends it with an error, so that nothing is written."""
    expected = request.headers.get("content-md5")
    digest = hashlib.md5(usedforsecurity=False)
    for chunk in chunks(request.stream()):
        digest.update(chunk)
        yield chunk
    if expected is not None and digest.digest() != _md5_of(expected):
        raise CallerError("The body does not have the Content-MD5 that was sent with it. Send it again.")


def _md5_of(header: str) -> bytes:
    try:
        return base64.b64decode(header, validate=True)
    except (ValueError, binascii.Error) as exc:
        raise InvalidInput("blob", [Mistake("header Content-MD5", repr(header), "a digest in base64")]) from exc
