"""This server as a cloud of its own, for clients that find theirs by `ARM_CLOUD_METADATA_URL`."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from batchyard.api.rooms import BaseUrl
from batchyard.api.told import told
from batchyard.wire.workspaces import cloud_to_arm

PATH = "/metadata/endpoints"

router = APIRouter()


@router.get(PATH, **told(answer="object"))
async def list_clouds(base_url: BaseUrl) -> JSONResponse:
    """List the one cloud that is here. # Azure: its SDK takes the one whose resourceManager is in the URL it asked."""
    return JSONResponse([cloud_to_arm(base_url=base_url)])
