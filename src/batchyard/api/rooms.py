"""What the handlers work with: the ports, handed over once by whoever builds the server, and what a request carries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from batchyard.domain.access import Caller
from batchyard.domain.errors import InvalidInput, Mistake
from batchyard.domain.resource_ids import Scope
from batchyard.domain.workspaces import Workspace
from batchyard.ports.blobs import BlobMetadata, StagedBlocks
from batchyard.ports.datastore import Datastores, SealedStore
from batchyard.ports.environment import Environments
from batchyard.ports.identity import Identity
from batchyard.ports.item_history import ItemHistories
from batchyard.ports.job_home import JobHomes
from batchyard.ports.lineage import Lineages
from batchyard.ports.partial import PartialOutputs
from batchyard.ports.records import Records
from batchyard.ports.tables import Tables
from batchyard.ports.verification import Verifications

_LONGEST_REASON = 2000


@dataclass(frozen=True, slots=True)
class Rooms:
    """The ports behind the door, of one workspace. clock: epoch seconds, UTC. new_id: a fresh, unguessable name part:
    letters, digits and '-'."""

    records: Records
    identity: Identity
    datastores: Datastores
    sealed: SealedStore
    blob_metadata: BlobMetadata
    blocks: StagedBlocks
    environments: Environments
    tables: Tables
    homes: JobHomes
    partial: PartialOutputs
    item_histories: ItemHistories
    verifications: Verifications
    lineages: Lineages
    workspace: Workspace
    clock: Callable[[], float]
    new_id: Callable[[], str]

    @property
    def scope(self) -> Scope:
        """The names of the workspace, as they are spelled."""
        return self.workspace.scope


# These are coroutines although they wait for nothing: FastAPI would send a plain function through a thread each.
async def _rooms(request: Request) -> Rooms:
    rooms: Rooms = request.state.rooms
    return rooms


async def _caller(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller


async def _base_url(request: Request) -> str:
    return base_url(request)


async def _if_match(request: Request) -> str | None:
    # Some clients send the ETag as the header had it, others as the body has it, without quotes. An empty one is not
    # an absent one: it matches nothing.
    return header_text(request, "if-match").removeprefix("W/").strip('"') if "if-match" in request.headers else None


RoomsIn = Annotated[Rooms, Depends(_rooms)]
CallerIn = Annotated[Caller, Depends(_caller)]
BaseUrl = Annotated[str, Depends(_base_url)]
IfMatch = Annotated[str | None, Depends(_if_match)]


def base_url(request: Request) -> str:
    """Give `https://host:port` as the caller reached us, so that one server works under each of its names."""
    return f"{request.scope['scheme']}://{host(request)}"


def host(request: Request) -> str:
    """Give the Host header, which the door has checked against its allow-list."""
    return request.headers["host"]


def header_text(request: Request, name: str) -> str:
    """Give a header as text, "" when absent. Clients send UTF-8; HTTP itself would read it as Latin-1.

    Raises: InvalidInput when it is longer than anything a person writes there.
    """
    text = request.headers.get(name, "").encode("latin-1").decode("utf-8", errors="replace").strip()
    if len(text) > _LONGEST_REASON:
        allowed = f"at most {_LONGEST_REASON} characters"
        raise InvalidInput("request", [Mistake(f"header {name}", f"{len(text)} characters", allowed)])
    return text
