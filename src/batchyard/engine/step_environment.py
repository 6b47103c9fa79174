"""The environment of a step that nobody has built before: built by the process of the step's own job."""

from __future__ import annotations

from pathlib import Path

from batchyard.control import references
from batchyard.domain.assets import AssetKind, Environment, EnvironmentBuild
from batchyard.domain.errors import BatchyardError, InvalidInput, Mistake, PlatformError
from batchyard.domain.resource_ids import AssetId
from batchyard.engine.rooms import Rooms


def built_environment(rooms: Rooms, environment: AssetId, logs: Path) -> EnvironmentBuild:
    """Build an environment, or give what is built already for the same lock.

    logs: of the job; the build tells what it does in `sys/build.txt`.
    Raises: InvalidInput when it can never be built as it is written, or was not to be had; PlatformError.
    """
    with rooms.records.reading() as tx:
        found = references.find_version(tx, AssetKind.ENVIRONMENT, environment.name, version=environment.version)
    document: Environment = found.document
    path = logs / "sys" / "build.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a", buffering=1) as log:
        try:
            return rooms.environments.build(document, log)
        except PlatformError:
            raise
        except BatchyardError as exc:
            allowed = "an environment that can be built"
            mistake = Mistake("environment", f"'{environment}'", allowed, f"{exc} See logs/sys/build.txt.")
            raise InvalidInput("The step", [mistake]) from exc
