"""Logging in with a client's secret, as `ClientSecretCredential(authority=…, disable_instance_discovery=True)` does."""

from __future__ import annotations

from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from batchyard.api.rooms import BaseUrl, RoomsIn
from batchyard.api.told import TEXT, told
from batchyard.domain.errors import CallerError

TOKEN = "/{tenant}/oauth2/v2.0/token"
CONFIGURATION = "/{tenant}/v2.0/.well-known/openid-configuration"
# Azure: with the tenant `adfs` its library leaves out the version, and asks nobody else what it should trust.
ADFS_CONFIGURATION = "/adfs/.well-known/openid-configuration"

_LONGEST_FORM = 16_384
_FORM = (
    "application/x-www-form-urlencoded",
    {
        "type": "object",
        "required": ["grant_type", "client_secret"],
        "properties": {
            "grant_type": {"type": "string", "enum": ["client_credentials"]},
            "client_secret": TEXT,
            "scope": TEXT,
            "resource": TEXT,
        },
    },
)

router = APIRouter()


@router.get(ADFS_CONFIGURATION, **told(answer="object"))
async def describe_adfs(base_url: BaseUrl) -> JSONResponse:
    """Tell where tokens are given, for the tenant `adfs`."""
    return _configuration(f"{base_url}/adfs", f"{base_url}/adfs/oauth2/v2.0")


@router.get(CONFIGURATION, **told(answer="object"))
async def describe(tenant: str, base_url: BaseUrl) -> JSONResponse:
    """Tell where tokens are given. # Azure: any tenant, since there is one."""
    return _configuration(f"{base_url}/{tenant}/v2.0", f"{base_url}/{tenant}/oauth2/v2.0")


@router.post(TOKEN, **told(400, 401, body=_FORM, answer="object"))
async def issue_token(request: Request, rooms: RoomsIn) -> JSONResponse:
    """Give a token to a client whose secret is the token of this server; its id may be anything."""
    form = parse_qs((await _body(request)).decode("utf-8", errors="replace"))
    if _field(form, "grant_type") != "client_credentials":
        raise CallerError("grant_type must be 'client_credentials'; people log in elsewhere.")
    audience = _field(form, "scope").split(" ")[0].removesuffix("/.default") or _field(form, "resource")
    token = rooms.identity.client_secret_token(_field(form, "client_secret"), audience, now=rooms.clock())
    left_s = token.expires_at - int(rooms.clock())
    return JSONResponse(
        {"token_type": "Bearer", "expires_in": left_s, "ext_expires_in": left_s, "access_token": token.text},
        headers={"Cache-Control": "no-store"},
    )


def _configuration(issuer: str, oauth: str) -> JSONResponse:
    return JSONResponse(
        {
            "issuer": issuer,
            "token_endpoint": f"{oauth}/token",
            "authorization_endpoint": f"{oauth}/authorize",
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
            "response_types_supported": ["token"],
        }
    )


async def _body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LONGEST_FORM:
            raise CallerError(f"The form is longer than {_LONGEST_FORM} bytes.")
    return body


def _field(form: dict[str, list[str]], name: str) -> str:
    values = form.get(name, [])
    return values[0] if len(values) == 1 else ""
