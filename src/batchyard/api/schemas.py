"""The JSON schemas of the YAML files, at URLs that stay."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from batchyard.api.told import told
from batchyard.domain.errors import NotFound
from batchyard.wire.file_schemas import NAMES, file_schema

router = APIRouter()


@router.get("/schemas", **told(answer="object"))
def list_schemas() -> JSONResponse:
    """List the schemas with their paths."""
    return JSONResponse({name: f"/schemas/{name}.json" for name in NAMES})


@router.get("/schemas/{name}.json", **told(404, answer="application/schema+json"))
def show_schema(name: str) -> JSONResponse:
    """Show the schema of a noun's YAML file."""
    if name not in NAMES:
        raise NotFound(f"There is no schema {name[:80]!r}. There are: {', '.join(NAMES)}.")
    return JSONResponse(file_schema(name), media_type="application/schema+json")
