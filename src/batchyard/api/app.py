"""The application: every router in its place, behind the door."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection

from fastapi import FastAPI

from batchyard.api import openapi, operations, schemas
from batchyard.api.arm import assets, codes, computes, deployments, endpoints, jobs, schedules, workspaces
from batchyard.api.arm import datastores as datastore_routes
from batchyard.api.arm_paths import DATA, HISTORY, INVOKE, MANAGEMENT_FRONTEND, WORKSPACE, ArmPaths
from batchyard.api.blob import gateway
from batchyard.api.blob.arriving import MOST_AT_ONCE
from batchyard.api.caller import Doorkeeper
from batchyard.api.errors import UnexpectedErrors, install_error_handlers
from batchyard.api.history import endpoint_jobs, items, lineage, partial, runs, verification
from batchyard.api.login import client_secrets, clouds, managed_identity
from batchyard.api.rooms import Rooms
from batchyard.api.scoring import calibrations, invocations, preflights
from batchyard.domain.workspaces import DEFAULT_WORKSPACE, Workspace

_ARM = (workspaces, datastore_routes, computes, assets, codes, endpoints, deployments, jobs, schedules, operations)


def make_app(rooms_of: Callable[[Workspace], Rooms], *, allowed_hosts: Collection[str]) -> FastAPI:
    """Build the application.

    rooms_of: gives the rooms of a workspace that exists, the same ones each time; called by many threads.
    allowed_hosts: `name:port` as it stands in the Host header of a good request.
    """
    app = FastAPI(title="batchyard", openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    rooms = rooms_of(DEFAULT_WORKSPACE)
    app.state.uploads = asyncio.Semaphore(MOST_AT_ONCE)
    install_error_handlers(app)
    for noun in _ARM:
        app.include_router(noun.router, prefix=WORKSPACE)
    for router in (workspaces.open_router, workspaces.list_router, openapi.router, schemas.router):
        app.include_router(router)
    app.include_router(invocations.router, prefix=INVOKE + WORKSPACE)
    app.include_router(calibrations.router, prefix=WORKSPACE)
    app.include_router(preflights.router, prefix=WORKSPACE)
    app.include_router(runs.router, prefix=HISTORY + WORKSPACE)
    app.include_router(partial.router, prefix=HISTORY + WORKSPACE)
    app.include_router(items.router, prefix=HISTORY + WORKSPACE)
    app.include_router(lineage.router, prefix=HISTORY + WORKSPACE)
    app.include_router(verification.router, prefix=HISTORY + WORKSPACE)
    app.include_router(runs.data_router, prefix=DATA + WORKSPACE)
    app.include_router(endpoint_jobs.router, prefix=MANAGEMENT_FRONTEND + WORKSPACE)
    app.include_router(gateway.router)
    for way_in in (managed_identity, client_secrets, clouds):
        app.include_router(way_in.router)
    # The one added last is met first.
    app.add_middleware(ArmPaths, rooms_of=rooms_of)
    app.add_middleware(Doorkeeper, identity=rooms.identity, allowed_hosts=allowed_hosts, clock=rooms.clock)
    app.add_middleware(UnexpectedErrors)
    return app
