"""A workspace to try use cases on: fakes, and short ways to what most tests need first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from batchyard.control import assets, calibrations, computes, deployments, endpoints, jobs, preflights, provisioning
from batchyard.domain.access import Caller
from batchyard.domain.assets import CodeDraft, CodeVersion, Environment, EnvironmentBuild, Model, ModelDraft, ModelType
from batchyard.domain.computes import Compute
from batchyard.domain.deployments import Deployment, DeploymentDraft, DeploymentKind, ExecutionSettings, Overrides
from batchyard.domain.endpoints import Endpoint
from batchyard.domain.errors import Mistake
from batchyard.domain.forecast.calibration import SampleWish
from batchyard.domain.forecast.preflight import Finding
from batchyard.domain.job_specs import InputKind, InputSource, ScoringSpec
from batchyard.domain.jobs import Invocation, Job
from batchyard.domain.pipelines.definitions import Definition
from batchyard.domain.resource_ids import Reference
from batchyard.ports.records import Operation, Stored

from .fakes import FakeDatastores, FakeEnvironments, FakeHomes, FakeSealedStore, FakeTables, FakeTransaction

OWNER = Caller("ada", frozenset({"Owner"}), is_owner=True)
READER = Caller("rae", frozenset({"Reader"}))
NOBODY = Caller("nemo", frozenset())

NOW = 1_800_000_000.0
BUILD = EnvironmentBuild("b" * 64, "3.11.7")
SCRIPT = "def run(mini_batch):\n    return mini_batch\n"
INPUT = "azureml://datastores/workspaceblobstore/paths/in"

DRAFT = DeploymentDraft(
    name="blue",
    endpoint="digits",
    kind=DeploymentKind.MODEL,
    compute="cpu",
    model=Reference("models", "net", "1"),
    code=Reference("codes", "src", "1"),
    scoring_script="score.py",
    environment=Reference("environments", "env", "1"),
)
INVOCATION = Invocation("digits", InputSource(InputKind.FOLDER, INPUT))


class Bench:
    """Endpoint `digits`, compute `cpu` (2 instances), model `net:1`, code `src:1`, environment `env:1`."""

    def __init__(self, *, largest_page: int = 1000) -> None:
        self.tx = FakeTransaction(largest_page=largest_page)
        self.sealed = FakeSealedStore()
        self.datastores = FakeDatastores()
        self.homes = FakeHomes()
        self.tables = FakeTables()
        self.datastores.inputs.add(INPUT)
        self.operations = 0
        self.jobs = 0
        self.compute("cpu")
        self.endpoint(Endpoint("digits"))
        self.model()
        self.code()
        self.environment()

    def compute(self, name: str, **fields: Any) -> Stored[Compute]:
        """Store a compute of two instances."""
        return computes.create_or_update(self.tx, OWNER, Compute(name, **({"max_instances": 2} | fields)), now=NOW)

    def endpoint(self, endpoint: Endpoint, *, now: float = NOW, **named: Any) -> Stored[Endpoint]:
        """Store an endpoint."""
        return endpoints.create_or_update(self.tx, OWNER, endpoint, now=now, **named)

    def set_default(self, deployment: str | None, **named: Any) -> Stored[Endpoint]:
        """Switch the default of `digits`."""
        return self.endpoint(Endpoint("digits", default_deployment=deployment), **named)

    def model(
        self, name: str = "net", version: str | None = "1", *, body: str = "weights", **fields: Any
    ) -> Stored[Model]:
        """Register a model whose one file holds `body`."""
        uri = self.sealed.upload(f"up/{name}/{body}", {"net.bin": body})
        draft = ModelDraft(name, version, fields.pop("type", ModelType.CUSTOM), uri, **fields)
        return assets.register_model(self.tx, OWNER, draft, sealed=self.sealed, now=NOW)

    def code(
        self, name: str = "src", version: str = "1", *, files: dict[str, str | bytes] | None = None, **fields: Any
    ) -> Stored[CodeVersion]:
        """Register a code folder."""
        uri = self.sealed.upload(f"code/{name}/{version}", files or {"score.py": SCRIPT})
        draft = CodeDraft(name, version, uri, **fields)
        return assets.register_code(self.tx, OWNER, draft, sealed=self.sealed, now=NOW)

    def environment(self, name: str = "env", version: str = "1", **fields: Any) -> Stored[Environment]:
        """Register an environment."""
        wanted = Environment(name, version, **fields)
        return assets.register_environment(self.tx, OWNER, wanted, mistakes=lambda _: [], now=NOW)

    def put(self, draft: DeploymentDraft = DRAFT, **named: Any) -> tuple[Stored[Deployment], Operation | None]:
        """Create or update a deployment, as the door does."""
        self.operations += 1
        named = {"now": NOW, "new_id": f"op{self.operations}", **named}
        return deployments.create_or_update(self.tx, OWNER, draft, sealed=self.sealed, tables=self.tables, **named)

    def provision(self, operation: Operation | None, *, build: EnvironmentBuild = BUILD) -> Stored[Deployment] | None:
        """Do what the engine does when the environment could be built."""
        assert operation is not None
        return provisioning.complete(self.tx, operation, build=build, now=NOW + 1)

    def fail(self, operation: Operation | None, message: str = "no such package") -> Stored[Deployment] | None:
        """Do what the engine does when it could not."""
        assert operation is not None
        return provisioning.fail(self.tx, operation, code="ScriptError", message=message, now=NOW + 1)

    def deploy(self, name: str = "blue", **fields: Any) -> Stored[Deployment]:
        """Create a deployment and provision it."""
        stored, operation = self.put(replace(DRAFT, name=name, **fields))
        if operation is None:
            return stored
        done = self.provision(operation)
        assert done is not None
        return done

    def invoke(self, invocation: Invocation = INVOCATION, *, caller: Caller = OWNER, **named: Any) -> Job:
        """Invoke, as the door does."""
        self.jobs += 1
        named = {"now": NOW, "new_name": f"job{self.jobs}", **named}
        return jobs.invoke(self.tx, caller, invocation, datastores=self.datastores, tables=self.tables, **named)

    def calibrate(
        self,
        invocation: Invocation = INVOCATION,
        wish: SampleWish | None = None,
        *,
        caller: Caller = OWNER,
        id: str = "",
    ) -> Operation:
        """Ask for a calibration, as the door does."""
        return calibrations.begin(
            self.tx,
            caller,
            invocation,
            wish or SampleWish(),
            datastores=self.datastores,
            tables=self.tables,
            now=NOW,
            new_id="cal1",
        )

    def preflight(
        self,
        invocation: Invocation = INVOCATION,
        *,
        caller: Caller = OWNER,
        environments: FakeEnvironments | None = None,
    ) -> tuple[list[Finding], ScoringSpec | None]:
        """Look at an invocation, as the door does."""
        return preflights.of_invocation(
            self.tx,
            caller,
            invocation,
            datastores=self.datastores,
            sealed=self.sealed,
            environments=environments or FakeEnvironments(),
            tables=self.tables,
            new_name="look",
        )

    def resume(self, name: str, *, caller: Caller = OWNER, **named: Any) -> Job:
        """Resume a job, as the door does."""
        places = {"datastores": self.datastores, "homes": self.homes}
        return jobs.resume(self.tx, caller, name, **{"overrides": Overrides(), "now": NOW + 9, **places, **named})

    def retry_failed(self, name: str, *, caller: Caller = OWNER, **named: Any) -> Job:
        """Retry a job's failed items, as the door does."""
        places = {"datastores": self.datastores, "homes": self.homes}
        return jobs.retry_failed(self.tx, caller, name, **{"overrides": Overrides(), "now": NOW + 9, **places, **named})

    def serving(self, name: str = "blue") -> int | None:
        """Give the serving revision of a deployment of `digits`."""
        stored = deployments.serving(self.tx, "digits", name)
        return None if stored is None else stored.revision

    @property
    def last_entry(self) -> Any:
        """The newest audit row."""
        return self.tx.entries[-1]


def read_nothing(spec: Mapping[str, object]) -> tuple[Definition | None, list[Mistake]]:
    """Read no definition: for a workspace without components."""
    raise AssertionError("there are no components")


def with_code(version: str) -> DeploymentDraft:
    """Give the draft of `blue` with another version of its code."""
    return replace(DRAFT, code=Reference("codes", "src", version))


def settings(**changes: Any) -> ExecutionSettings:
    """Give the default settings with some changed."""
    return ExecutionSettings(**changes)
