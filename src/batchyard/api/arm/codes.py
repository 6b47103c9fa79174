"""Code versions: an upload place of their own, registered, found again by hash."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from batchyard.api.answers import meta_of, resource
from batchyard.api.arm.assets import with_datastore_uri
from batchyard.api.arm.sealing import seal_ahead
from batchyard.api.blob.paths import blob_url_path, signed_path
from batchyard.api.bodies import Body
from batchyard.api.paging import WantedPage, page_answer
from batchyard.api.reasons import ReasonsIn
from batchyard.api.rooms import BaseUrl, CallerIn, Rooms, RoomsIn
from batchyard.api.told import TEXT, told
from batchyard.control import assets
from batchyard.domain.access import Action, authorise
from batchyard.domain.assets import AssetKind
from batchyard.domain.workspaces import blob_account
from batchyard.ports.records import Stored
from batchyard.wire.codes import CodeBody, code_from_arm, code_to_arm

router = APIRouter()
_ONE = "/codes/{name}/versions/{version}"

_UPLOAD_LIFE_S = 24 * 3600.0


@router.get("/codes/{name}/versions", **told(query=[("hash", "Of the uploaded folder: gives all that have it.", TEXT)]))
def list_codes(name: str, request: Request, rooms: RoomsIn, caller: CallerIn, wanted: WantedPage) -> JSONResponse:
    """List the versions of a name; with `hash`, all of the workspace that have it, whatever their name.

    # Azure: the SDK asks for a hash below a name that it has just made up (sdk-wire.md 3).
    """
    sha256 = request.query_params.get("hash")
    with rooms.records.reading() as tx:
        if sha256 is not None:
            found, token = tuple(assets.code_by_hash(tx, caller, sha256)), None
        else:
            page = assets.list_versions(
                tx, caller, AssetKind.CODE, name, include_archived=True, limit=wanted.limit, token=wanted.token
            )
            found, token = page.items, page.next_token
    return page_answer(request, [_arm(rooms, stored) for stored in found], token)


@router.get(_ONE)
def show_code(name: str, version: str, rooms: RoomsIn, caller: CallerIn) -> JSONResponse:
    """Show one version."""
    with rooms.records.reading() as tx:
        stored = assets.get_version(tx, caller, AssetKind.CODE, name, version)
    return resource(_arm(rooms, stored), stored)


@router.put(_ONE, **told(409, body=CodeBody))
def put_code(name: str, version: str, body: Body, rooms: RoomsIn, caller: CallerIn, why: ReasonsIn) -> JSONResponse:
    """Register an uploaded folder."""
    draft = code_from_arm(name, version, with_datastore_uri(body, "codeUri"))
    sealed = seal_ahead(rooms, caller, AssetKind.CODE, draft.name, draft.version, draft.uri)
    with rooms.records.writing() as tx:
        stored = assets.register_code(
            tx, caller, draft, sealed=sealed, now=rooms.clock(), reason=why.reason, ticket=why.ticket
        )
    return resource(_arm(rooms, stored), stored, is_put=True)


@router.post(_ONE + "/startPendingUpload", **told(answer="object"))
def start_upload(rooms: RoomsIn, caller: CallerIn, base_url: BaseUrl) -> JSONResponse:
    """Give a fresh place to upload a folder of code to, and a URL that opens it without a token for a day, or until
    it is registered.

    Which version the upload is for is said when it is registered.
    """
    authorise(caller, Action.ASSET_WRITE)
    container = f"code-{rooms.new_id()}"
    path = blob_url_path(blob_account(rooms.workspace, "uploads"), container)
    expires_at = rooms.clock() + _UPLOAD_LIFE_S
    query = rooms.identity.sign_url(signed_path(path.encode()), expires_at=expires_at, permission="w", is_folder=True)
    reference = {
        "blobUri": base_url + path,
        "credential": {"credentialType": "SAS", "sasUri": f"{base_url}{path}?{query}"},
    }
    return JSONResponse(
        {
            "pendingUploadId": container,
            "pendingUploadType": "TemporaryBlobReference",
            "blobReferenceForConsumption": reference,
        }
    )


def _arm(rooms: Rooms, stored: Stored[Any]) -> dict[str, object]:  # Any: what `get_version` gives for all kinds
    return code_to_arm(rooms.scope, stored.document, meta_of(stored))
