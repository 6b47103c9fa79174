"""The object graph of the doors, by plain calls: the rooms of each workspace over one database."""

from __future__ import annotations

import time
import uuid

from batchyard.api.rooms import Rooms
from batchyard.bootstrap.environments import make_environments
from batchyard.bootstrap.home import Home
from batchyard.bootstrap.places import root_of
from batchyard.bootstrap.web import make_web_files
from batchyard.datastores.blob_metadata import LocalBlobMetadata
from batchyard.datastores.blocks import LocalStagedBlocks
from batchyard.datastores.job_home import LocalJobHomes
from batchyard.datastores.local import LocalDatastores
from batchyard.datastores.sealed import LocalSealedStore
from batchyard.domain.resource_ids import DEFAULT_SCOPE
from batchyard.domain.workspaces import Workspace
from batchyard.engine.item_history import LedgerItemHistories
from batchyard.engine.lineage import JobLineages
from batchyard.engine.partial import LedgerPartials
from batchyard.engine.verification import JobVerifications
from batchyard.parquet.files import ParquetFiles
from batchyard.records.database import open_records
from batchyard.settings import Settings


class DoorRooms:
    """Gives the rooms of each workspace, built when they are first asked for and kept.

    Sealed trees and environments are named by what is in them and belong to all workspaces; the rest is apart.
    """

    def __init__(self, home: Home, settings: Settings) -> None:
        self._home = home
        self._web = make_web_files(settings)
        self._environments = make_environments(settings)
        self._records = open_records(home.database_url, DEFAULT_SCOPE)
        self._known: dict[str, Rooms] = {}

    def of(self, workspace: Workspace) -> Rooms:
        """Give the rooms of a workspace."""
        known = self._known.get(workspace.id)
        if known is None or known.workspace != workspace:
            # Two threads may build the same ones at once: there is nothing in them that could differ.
            known = self._known[workspace.id] = self._build(workspace)
        return known

    def _build(self, workspace: Workspace) -> Rooms:
        home = self._home.path
        root = root_of(home, workspace)
        datastores = LocalDatastores(home, root=root, web=self._web)
        homes = LocalJobHomes(root / "jobs")
        sealed = LocalSealedStore(home / "sealed", datastores)
        return Rooms(
            records=self._records.of(workspace),
            identity=self._home.identity,
            datastores=datastores,
            sealed=sealed,
            blob_metadata=LocalBlobMetadata(root / "blob-metadata"),
            blocks=LocalStagedBlocks(root / "blob-blocks"),
            environments=self._environments,
            tables=ParquetFiles(),
            homes=homes,
            partial=LedgerPartials(homes),
            item_histories=LedgerItemHistories(homes),
            lineages=JobLineages(homes, datastores),
            verifications=JobVerifications(homes, datastores, sealed, self._environments),
            workspace=workspace,
            clock=time.time,
            new_id=lambda: str(uuid.uuid4()),
        )
