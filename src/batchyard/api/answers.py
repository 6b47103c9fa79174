"""What answers have in common: a stored document as a resource with its ETag, and the end of a DELETE."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi.responses import JSONResponse, Response

from batchyard.ports.records import Stored
from batchyard.wire.envelopes import StoredMeta


def meta_of(stored: Stored[Any]) -> StoredMeta:  # Any: whatever the document is
    """Give what `wire` shows of a document beside the document itself."""
    return StoredMeta(
        revision=stored.revision,
        etag=stored.etag,
        created_at=stored.created_at,
        created_by=stored.created_by,
        modified_at=stored.modified_at,
        modified_by=stored.modified_by,
    )


def resource(
    arm: Mapping[str, object],
    stored: Stored[Any],  # Any: whatever the document is
    *,
    is_put: bool = False,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Answer with a resource and its ETag: 201 where a PUT has just made it, else 200."""
    # A document has its first change at its making; one made anew after a delete begins again.
    status = 201 if is_put and stored.created_at == stored.modified_at else 200
    return JSONResponse(dict(arm), status, {"ETag": f'"{stored.etag}"', **(headers or {})})


def deleted(*, was_there: bool) -> Response:
    """Answer a DELETE: 200 when something was deleted, 204 when there was nothing."""
    return Response(status_code=200 if was_there else 204)
