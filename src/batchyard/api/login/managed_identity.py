"""The managed identity of this home: `DefaultAzureCredential` asks here for its tokens."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from batchyard.api.caller import is_local
from batchyard.api.rooms import RoomsIn
from batchyard.api.told import TEXT, told
from batchyard.domain.errors import Forbidden

PATH = "/msi/token"

router = APIRouter()

_QUERY = (("resource", "The audience of the token.", TEXT),)
_HEADERS = (("X-IDENTITY-HEADER", "The secret of this home.", TEXT),)


@router.get(PATH, **told(400, 401, 403, query=_QUERY, headers=_HEADERS, answer="object"))
async def issue_token(request: Request, rooms: RoomsIn, resource: str = "") -> JSONResponse:
    """Give a token for `resource` to a process of this machine that sends the home's X-IDENTITY-HEADER.

    # Azure: the protocol of App Service (`IDENTITY_ENDPOINT`, api-version 2019-08-01); `expires_on` is text.
    """
    # Whoever comes through a proxy logs in by other means.
    if not is_local(request.scope):
        raise Forbidden("Tokens of the managed identity are given to processes of this machine alone.")
    header = request.headers.get("x-identity-header", "")
    token = rooms.identity.managed_identity_token(header, resource, now=rooms.clock())
    return JSONResponse(
        {
            "access_token": token.text,
            "expires_on": str(token.expires_at),
            "resource": resource,
            "token_type": "Bearer",
        },
        headers={"Cache-Control": "no-store"},
    )
