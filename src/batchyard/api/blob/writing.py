"""PUT and DELETE of blobs: whole, in blocks, and the notes on them."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterator
from email.utils import formatdate

from fastapi import Request
from fastapi.responses import Response

from batchyard.api.blob.arriving import chunks
from batchyard.api.blob.blocks import block_id_of, limited, parse_block_list
from batchyard.api.blob.conditions import check_write, conditions_of
from batchyard.api.blob.notes import notes_of
from batchyard.api.blob.paths import BlobPath, blob_file_name
from batchyard.api.errors import blob_error
from batchyard.api.rooms import Rooms
from batchyard.control.sealed_places import sealed_by
from batchyard.domain.datastores import DATASTORES
from batchyard.domain.errors import CallerError, Conflict, InvalidInput, Mistake
from batchyard.domain.resource_ids import DatastorePath
from batchyard.ports.datastore import Datastore, Entry

# Content-MD5 is in no answer, on purpose: the storage SDK compares it with what it sent last, and retries for 80 s.

_COPY_SOURCE = "x-ms-copy-source"


def put(request: Request, rooms: Rooms, store: Datastore, path: BlobPath) -> Response:
    """Carry out a PUT, whichever operation its `comp` names. Raises: InvalidInput for one that is not known."""
    blob_file_name(path)
    if _COPY_SOURCE in request.headers:
        # Its body is empty: taken for a write it would empty the blob.
        found = repr(request.headers[_COPY_SOURCE].partition("?")[0])
        raise InvalidInput("blob", [Mistake(f"header {_COPY_SOURCE}", found, "nothing; send the bytes themselves")])
    operation = request.query_params.get("comp")
    match operation:
        case None:
            return _put_blob(request, rooms, store, path)
        case "block":
            return _put_block(request, rooms, path)
        case "blocklist":
            return _put_block_list(request, rooms, store, path)
        case "metadata":
            return _put_notes(request, rooms, store, path)
    # Others would silently do something else.
    allowed = "nothing, 'block', 'blocklist' or 'metadata'"
    raise InvalidInput("blob", [Mistake("comp", repr(operation), allowed)])


def delete(request: Request, rooms: Rooms, store: Datastore, path: BlobPath) -> Response:
    """Delete a blob."""
    name = blob_file_name(path)
    entry = store.stat(name)
    if entry is None:
        return blob_error(request.scope, 404, f"There is no blob {name!r}.")
    check_write(conditions_of(request.headers), entry)
    _refuse_sealed(rooms, path)
    store.delete(name)
    return Response(status_code=202)


def version_headers(entry: Entry) -> dict[str, str]:
    """Give the headers that tell one version of a blob from another."""
    return {"ETag": entry.etag, "Last-Modified": formatdate(entry.modified_at, usegmt=True)}


def _put_blob(request: Request, rooms: Rooms, store: Datastore, path: BlobPath) -> Response:
    kind = request.headers.get("x-ms-blob-type", "BlockBlob")
    if kind.lower() != "blockblob":
        raise InvalidInput("blob", [Mistake("header x-ms-blob-type", repr(kind), "'BlockBlob'")])
    return _store_blob(request, rooms, store, path, _checked_chunks(request))


def _put_block(request: Request, rooms: Rooms, path: BlobPath) -> Response:
    block_id = block_id_of(request.query_params.get("blockid"))
    rooms.blocks.put(path.container, path.name, block_id, limited(_checked_chunks(request)))
    return Response(status_code=201)


def _put_block_list(request: Request, rooms: Rooms, store: Datastore, path: BlobPath) -> Response:
    block_ids = parse_block_list(_checked_chunks(request))
    with rooms.blocks.committing(path.container, path.name) as staged:
        # A commit whose answer was lost is sent again, when its blocks are gone: the blob's own state is told first.
        check_write(conditions_of(request.headers), store.stat(path.name))
        return _store_blob(request, rooms, store, path, staged.joined(block_ids))


def _store_blob(request: Request, rooms: Rooms, store: Datastore, path: BlobPath, content: Iterator[bytes]) -> Response:
    conditions, notes = conditions_of(request.headers), notes_of(request.headers.items())

    def check(there: Entry | None) -> None:
        check_write(conditions, there)
        # Once more: it may have been registered while the bytes were arriving.
        _refuse_sealed(rooms, path)

    if _sealed_by(rooms, path) is None:
        entry = store.put(path.name, content, create_only=conditions.create_only, check=check)
    else:
        entry = _as_it_is(rooms, store, path, content)
        check_write(conditions, entry)
    if notes:
        rooms.blob_metadata.replace(path.container, path.name, etag=entry.etag, notes=notes)
    return Response(status_code=201, headers=version_headers(entry))


def _as_it_is(rooms: Rooms, store: Datastore, path: BlobPath, content: Iterator[bytes]) -> Entry:
    """Take the bytes that a sealed blob has already: clients that do not know that they are there send them again.

    Raises: Conflict for other bytes, once all have arrived.
    """
    if store.stat(path.name) is None:
        _refuse_sealed(rooms, path)
    entry, stream = store.open_entry(path.name)
    is_same = True
    with stream:
        for chunk in content:
            is_same = is_same and stream.read(len(chunk)) == chunk
        is_same = is_same and not stream.read(1)
    if not is_same:
        _refuse_sealed(rooms, path)
    return entry


def _refuse_sealed(rooms: Rooms, path: BlobPath) -> None:
    """Raises: Conflict for a place that a registered version was made of."""
    version = _sealed_by(rooms, path)
    if version is not None:
        raise Conflict(
            f"The blob {path.name!r} belongs to {version}, which never changes. Upload to another place, and register "
            "that as a new version."
        )


def _sealed_by(rooms: Rooms, path: BlobPath) -> str | None:
    datastore = next((info.name for info in DATASTORES if info.container == path.container), path.container)
    with rooms.records.reading() as tx:
        return sealed_by(tx, DatastorePath(datastore, path.name))


def _put_notes(request: Request, rooms: Rooms, store: Datastore, path: BlobPath) -> Response:
    notes = notes_of(request.headers.items())
    entry = store.stat(path.name)
    if entry is None:
        return blob_error(request.scope, 404, f"There is no blob {path.name!r}.")
    check_write(conditions_of(request.headers), entry)
    rooms.blob_metadata.replace(path.container, path.name, etag=entry.etag, notes=notes)
    return Response(headers=version_headers(entry))


def _checked_chunks(request: Request) -> Iterator[bytes]:
    """Give the body as it arrives; a wrong Content-MD5 ends it with an error, so that nothing is written."""
    header = request.headers.get("content-md5")
    if header is None:
        yield from chunks(request.stream())
        return
    expected, digest = _md5_of(header), hashlib.md5(usedforsecurity=False)
    for chunk in chunks(request.stream()):
        digest.update(chunk)
        yield chunk
    if digest.digest() != expected:
        raise CallerError("The body does not have the Content-MD5 that was sent with it. Send it again.")


def _md5_of(header: str) -> bytes:
    try:
        return base64.b64decode(header, validate=True)
    except (ValueError, binascii.Error) as exc:
        raise InvalidInput("blob", [Mistake("header Content-MD5", repr(header), "a digest in base64")]) from exc
