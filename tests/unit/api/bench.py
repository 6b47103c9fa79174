"""A workspace behind an application, and short ways to what most tests need first."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path
from typing import Any, ClassVar, TextIO
from urllib.parse import unquote

from fastapi import APIRouter
from fastapi.testclient import TestClient

from batchyard.api.app import make_app
from batchyard.api.rooms import Rooms
from batchyard.bootstrap.places import root_of
from batchyard.control import provisioning, references
from batchyard.datastores.blob_metadata import LocalBlobMetadata
from batchyard.datastores.blocks import LocalStagedBlocks
from batchyard.datastores.job_home import LocalJobHomes
from batchyard.datastores.local import LocalDatastores
from batchyard.datastores.sealed import LocalSealedStore
from batchyard.domain.assets import AssetKind, Environment, EnvironmentBuild, Sealed
from batchyard.domain.errors import Mistake, PlatformError
from batchyard.domain.job_states import JobStatus
from batchyard.domain.jobs import Owner
from batchyard.domain.outputs.verification import Events, ok
from batchyard.domain.resource_ids import DEFAULT_SCOPE, AssetId
from batchyard.domain.workspaces import Workspace
from batchyard.engine.item_history import LedgerItemHistories
from batchyard.engine.lineage import JobLineages
from batchyard.engine.partial import LedgerPartials
from batchyard.engine.verification import JobVerifications
from batchyard.identity.tokens import HomeIdentity
from batchyard.parquet.files import ParquetFiles
from batchyard.ports.job_leases import JobChange
from batchyard.records.database import open_records
from batchyard.wire.pipelines.definitions import read_definition

HOST = "localhost:8443"
BASE = f"https://{HOST}"
WS = DEFAULT_SCOPE.arm_id
BLOBS = "/blob/workspaceblobstore.blob.core.windows.net/azureml-blobstore"
LOGS = "/blob/workspaceartifactstore.blob.core.windows.net/azureml"
INPUT = "azureml://datastores/workspaceblobstore/paths/in"
SCRIPT = "def run(mini_batch):\n    return mini_batch\n"
BUILD = EnvironmentBuild("b" * 64, "3.11.7")
START = 1_800_000_000.0


class FakeEnvironments:
    """Environments that can all be built, except those whose image is `impossible`."""

    def mistakes(self, environment: Environment) -> list[Mistake]:
        """Name the impossible image."""
        bad = environment.image == "impossible"
        return [Mistake("image", "'impossible'", "a possible one")] if bad else []

    def build(self, environment: Environment, log: TextIO) -> EnvironmentBuild:
        """Give the same build always."""
        return BUILD

    def built(self, environment: Environment) -> EnvironmentBuild | None:
        """Give the build, as all are there."""
        return BUILD

    def python(self, build: EnvironmentBuild) -> Path:
        """Never needed here."""
        raise PlatformError("no interpreter")

    def check(self, build: EnvironmentBuild) -> Events:
        """Find nothing wrong."""
        return [ok("environment")]


class Bench:
    """One application and a client that comes over loopback with the owner's token."""

    _routes: ClassVar[APIRouter | None] = None

    def __init__(self, home: Path) -> None:
        self.home = home
        self._ticks = itertools.count()
        self._ids = itertools.count(1)
        self.records = open_records(f"sqlite:///{home / 'batchyard.db'}", DEFAULT_SCOPE)
        self.identity = HomeIdentity(home)
        self._rooms: dict[str, Rooms] = {}
        self.app = make_app(self.rooms_of, allowed_hosts=[HOST])
        # Every application has the same routes; what FastAPI works out at their first use takes longer than most tests.
        Bench._routes = self.app.router = Bench._routes or self.app.router
        self.token = (home / "token").read_text()
        self.client = self.client_from("127.0.0.1", {"Authorization": f"Bearer {self.token}"})
        self.stranger = self.client_from("127.0.0.1", {})

    def rooms_of(self, workspace: Workspace) -> Rooms:
        """Give the rooms of a workspace, as the doors do."""
        if workspace.id not in self._rooms:
            self._rooms[workspace.id] = self._build(workspace)
        return self._rooms[workspace.id]

    def _build(self, workspace: Workspace) -> Rooms:
        root = root_of(self.home, workspace)
        datastores = LocalDatastores(self.home, root=root)
        homes = LocalJobHomes(root / "jobs")
        sealed, environments = LocalSealedStore(self.home / "sealed", datastores), FakeEnvironments()
        return Rooms(
            records=self.records.of(workspace),
            identity=self.identity,
            datastores=datastores,
            sealed=sealed,
            blob_metadata=LocalBlobMetadata(root / "blob-metadata"),
            blocks=LocalStagedBlocks(root / "blob-blocks"),
            environments=environments,
            tables=ParquetFiles(),
            homes=homes,
            partial=LedgerPartials(homes),
            item_histories=LedgerItemHistories(homes),
            lineages=JobLineages(homes, datastores),
            verifications=JobVerifications(homes, datastores, sealed, environments),
            workspace=workspace,
            clock=self.clock,
            new_id=lambda: f"id-{next(self._ids)}",
        )

    def clock(self) -> float:
        """Give a time that goes on by a second with each look."""
        return START + next(self._ticks)

    def client_from(self, address: str, headers: dict[str, str]) -> TestClient:
        """Give a client of another peer address or with other headers."""
        return TestClient(
            self.app, base_url=BASE, headers=headers, client=(address, 50000), raise_server_exceptions=False
        )

    def raw(
        self, method: str, raw_path: bytes, body: bytes = b"", *, breaks_off: bool = False, query: bytes | None = None
    ) -> int:
        """Send a path as it stands, which no client would, and give the status of the answer.

        breaks_off: the connection ends after the body, which was to be longer. query: of a signed URL, sent in place of
        the token.
        """
        sent: list[Any] = []
        pieces = [{"type": "http.request", "body": body, "more_body": breaks_off}]

        async def receive() -> dict[str, Any]:
            return pieces.pop(0) if pieces else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        token = [(b"authorization", f"Bearer {self.token}".encode())] if query is None else []
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "https",
            "path": unquote(raw_path.decode("ascii")),
            "raw_path": raw_path,
            "query_string": query or b"",
            "root_path": "",
            "headers": [(b"host", HOST.encode()), *token],
            "client": ("127.0.0.1", 50000),
            "server": ("127.0.0.1", 8443),
            "state": {},
        }
        asyncio.run(self.app(scope, receive, send))
        return int(sent[0]["status"])

    def upload(self, path: str, text: str) -> None:
        """Put a file into the default datastore."""
        assert self.client.put(f"{BLOBS}/{path}", content=text.encode()).status_code == 201

    def put(self, path: str, properties: dict[str, Any], **named: Any) -> Any:
        """PUT below the workspace; the answer must be a success."""
        answer = self.client.put(WS + path, json={"location": "local", "properties": properties}, **named)
        assert answer.status_code in (200, 201), answer.text
        return answer

    def compute(self, name: str = "cpu", most: int = 2) -> Any:
        """Make a compute."""
        scale = {"minNodeCount": 0, "maxNodeCount": most, "nodeIdleTimeBeforeScaleDown": "PT2M"}
        inner = {"vmSize": "Standard_DS3_v2", "scaleSettings": scale}
        return self.put(f"/computes/{name}", {"computeType": "AmlCompute", "properties": inner})

    def model(self, name: str = "net", version: str = "1", text: str = "weights") -> Any:
        """Upload and register a model of one file."""
        self.upload(f"models/{name}/{version}/net.bin", text)
        uri = f"azureml://datastores/workspaceblobstore/paths/models/{name}/{version}/net.bin"
        return self.put(f"/models/{name}/versions/{version}", {"modelType": "custom_model", "modelUri": uri})

    def sealed_model(self, name: str) -> Sealed:
        """Give the seal of a model's newest version."""
        with self.records.reading() as tx:
            found: Sealed = references.find_version(tx, AssetKind.MODEL, name).document.sealed
        return found

    def code(self, name: str = "src", version: str = "1", script: str = SCRIPT) -> Any:
        """Upload and register a folder with `score.py`, the way the SDK does it."""
        pending = self.client.post(f"{WS}/codes/{name}/versions/{version}/startPendingUpload", json={}).json()
        reference = pending["blobReferenceForConsumption"]
        place, _, query = reference["credential"]["sasUri"].partition("?")
        sent = self.stranger.put(f"{place}/code/score.py?{query}", content=script.encode())
        assert sent.status_code == 201, sent.text
        return self.put(f"/codes/{name}/versions/{version}", {"codeUri": f"{reference['blobUri']}/code"})

    def environment(self, name: str = "env", version: str = "1", conda: str = "dependencies: []\n") -> Any:
        """Register an environment."""
        return self.put(f"/environments/{name}/versions/{version}", {"condaFile": conda})

    def step(self, **changed: Any) -> dict[str, Any]:
        """Give the definition of a component that runs a command, in the environment that it registers."""
        self.environment()
        return {
            "type": "command",
            "command": "echo",
            "environment": f"azureml:{WS}/environments/env/versions/1",
            **changed,
        }

    def data(self, name: str, path: str, version: str = "1", kind: str = "uri_folder") -> Any:
        """Register a name for what lies in the default datastore."""
        uri = f"azureml://datastores/workspaceblobstore/paths/{path}"
        return self.put(f"/data/{name}/versions/{version}", {"dataType": kind, "dataUri": uri})

    def endpoint(self, name: str = "digits", default: str | None = None, **named: Any) -> Any:
        """Make an endpoint, or switch its default."""
        properties = {"authMode": "aadToken", "defaults": {"deploymentName": default}}
        return self.put(f"/batchEndpoints/{name}", properties, **named)

    def deployment_body(self, **changed: Any) -> dict[str, Any]:
        """Give the properties of a deployment of what `prerequisites` makes."""
        return {
            "compute": f"{WS}/computes/cpu",
            "environmentId": f"{WS}/environments/env/versions/1",
            "model": {"referenceType": "Id", "assetId": f"{WS}/models/net/versions/1"},
            "codeConfiguration": {"codeId": f"{WS}/codes/src/versions/1", "scoringScript": "score.py"},
            "resources": {"instanceCount": 1},
            "miniBatchSize": 10,
            **changed,
        }

    def prerequisites(self) -> None:
        """Make everything a deployment needs."""
        self.compute()
        self.model()
        self.code()
        self.environment()
        self.endpoint()

    def deployment(self, name: str = "blue", **changed: Any) -> Any:
        """Make a deployment of endpoint `digits`, not yet provisioned."""
        return self.put(f"/batchEndpoints/digits/deployments/{name}", self.deployment_body(**changed))

    def provision(self) -> None:
        """End every operation that waits, as the engine would."""
        me = Owner("boot", 1, 1)
        with self.records.writing() as tx:
            while (operation := tx.operations.claim_next(me, lease_s=60)) is not None:
                pipeline = provisioning.look_up_pipeline(tx, operation, read=read_definition)
                if pipeline is None:
                    provisioning.complete(tx, operation, build=BUILD, now=self.clock())
                    continue
                ids = [AssetId(one.name, one.version) for one in pipeline.environments.values()]
                provisioning.complete_pipeline(tx, operation, builds=dict.fromkeys(ids, BUILD), now=self.clock())

    def complete(self, name: str) -> None:
        """Take the one queued job to its end, as the engine would."""
        with self.records.writing() as tx:
            job = tx.job_leases.claim_next(Owner("boot", 1, 1), lease_s=60, now=self.clock())
            assert job is not None and job.name == name
            for status in (JobStatus.RUNNING, JobStatus.FINALIZING, JobStatus.COMPLETED):
                tx.job_leases.advance(name, fence=job.fence, change=JobChange(status))

    def ready(self) -> None:
        """Make endpoint `digits` with the default deployment `blue`, and input at `INPUT`."""
        self.prerequisites()
        self.deployment()
        self.provision()
        self.endpoint(default="blue")
        self.upload("in/a.txt", "a")

    def invoke(self, uri: str = INPUT, headers: dict[str, str] | None = None, **properties: Any) -> Any:
        """POST to the scoring URI of `digits`; any answer is given back."""
        scoring_uri = self.client.get(f"{WS}/batchEndpoints/digits").json()["properties"]["scoringUri"]
        return self.client.post(scoring_uri, json=self.invocation(uri, **properties), headers=headers or {})

    def invocation(self, uri: str = INPUT, **properties: Any) -> dict[str, Any]:
        """Give the body of an invocation."""
        inputs = {"UriFolder": {"jobInputType": "UriFolder", "uri": uri}}
        return {"properties": {"inputData": inputs, **properties}}
