"""The application: every router in its place, behind the door."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection

from fastapi import FastAPI

from batchyard.api import operations
from batchyard.api.arm import assets, codes, computes, deployments, endpoints, jobs, schedules, workspaces
from batchyard.api.arm import datastores as datastore_routes
from batchyard.api.arm_paths import DATA, HISTORY, INVOKE, MANAGEMENT_FRONTEND, ArmPaths
from batchyard.api.blob import gateway
from batchyard.api.blob.arriving import MOST_AT_ONCE
from batchyard.api.caller import Doorkeeper
from batchyard.api.errors import UnexpectedErrors, install_error_handlers
from batchyard.api.history import endpoint_jobs, items, partial, runs
from batchyard.api.login import client_secrets, clouds, managed_identity
from batchyard.api.rooms import Rooms
from batchyard.api.scoring import invocations
from batchyard.domain.resource_ids import Scope
from batchyard.ports.blobs import BlobMetadata, StagedBlocks
from batchyard.ports.datastore import Datastores, SealedStore
from batchyard.ports.environment import Environments
from batchyard.ports.identity import Identity
from batchyard.ports.item_history import ItemHistories
from batchyard.ports.job_home import JobHomes
from batchyard.ports.partial import PartialOutputs
from batchyard.ports.records import Records

_ARM = (workspaces, datastore_routes, computes, assets, codes, endpoints, deployments, jobs, schedules, operations)


def make_app(
    records: Records,
    identity: Identity,
    datastores: Datastores,
    sealed: SealedStore,
    environments: Environments,
    scope: Scope,
    *,
    homes: JobHomes,
    partial_outputs: PartialOutputs,
    item_histories: ItemHistories,
    blob_metadata: BlobMetadata,
    blocks: StagedBlocks,
    allowed_hosts: Collection[str],
    clock: Callable[[], float],
    new_id: Callable[[], str],
) -> FastAPI:
    """Build the application of one workspace.

    allowed_hosts: `name:port` as it stands in the Host header of a good request. clock: epoch seconds, UTC.
    new_id: a fresh name part, letters, digits and '-', unguessable.
    """
    app = FastAPI(title="batchyard", openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.rooms = Rooms(
        records,
        identity,
        datastores,
        sealed,
        blob_metadata,
        blocks,
        environments,
        homes,
        partial_outputs,
        item_histories,
        scope,
        clock,
        new_id,
    )
    app.state.uploads = asyncio.Semaphore(MOST_AT_ONCE)
    install_error_handlers(app)
    for noun in _ARM:
        app.include_router(noun.router, prefix=scope.arm_id)
    app.include_router(workspaces.open_router)
    app.include_router(invocations.router, prefix=INVOKE + scope.arm_id)
    app.include_router(runs.router, prefix=HISTORY + scope.arm_id)
    app.include_router(partial.router, prefix=HISTORY + scope.arm_id)
    app.include_router(items.router, prefix=HISTORY + scope.arm_id)
    app.include_router(runs.data_router, prefix=DATA + scope.arm_id)
    app.include_router(endpoint_jobs.router, prefix=MANAGEMENT_FRONTEND + scope.arm_id)
    app.include_router(gateway.router)
    for way_in in (managed_identity, client_secrets, clouds):
        app.include_router(way_in.router)
    # The one added last is met first.
    app.add_middleware(ArmPaths, scope=scope)
    app.add_middleware(Doorkeeper, identity=identity, allowed_hosts=allowed_hosts, clock=clock)
    app.add_middleware(UnexpectedErrors)
    return app
