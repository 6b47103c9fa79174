"""What PUT of a deployment promised: its environment built, its script imported in it once, here and not at night."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from batchyard.control import provisioning
from batchyard.domain.assets import EnvironmentBuild
from batchyard.domain.errors import BatchyardError, CallerError, PlatformError, ScriptError
from batchyard.engine.rooms import Rooms
from batchyard.ports.records import Operation

log = logging.getLogger(__name__)


def provision(rooms: Rooms, operation: Operation, out: TextIO) -> None:
    """Take a claimed operation to its end: Succeeded with a build, or Failed with a reason.

    out: the log that a user reads when it failed. Raises: LeaseLost; PlatformError, after which it is tried again.
    """
    with rooms.records.reading() as tx:
        work = provisioning.look_up(tx, operation)
    try:
        if work is None:
            raise CallerError("The deployment was changed or deleted meanwhile.")
        build = rooms.environments.build(work.environment, out)
        with _scratch(rooms, operation) as scratch:
            _import_once(rooms, build, work, out, scratch=scratch)
    except (CallerError, ScriptError) as exc:
        print(exc, file=out)
        _fail(rooms, operation, exc)
        return
    with rooms.records.writing() as tx:
        provisioning.complete(tx, operation, build=build, now=rooms.now())
    log.info("deployment provisioned", extra={"operation": operation.id, "deployment": operation.key.name})


def give_up(rooms: Rooms, operation: Operation, message: str) -> None:
    """End an operation whose process died again and again."""
    _clear(rooms.operation_dir(operation.id), rooms)
    with rooms.records.writing() as tx:
        provisioning.fail(tx, operation, code="ProvisioningCrashed", message=message, now=rooms.now())


@contextmanager
def _scratch(rooms: Rooms, operation: Operation) -> Iterator[Path]:
    """Give a new folder below the home, so that whoever comes after a process that was killed finds what it left."""
    folder = rooms.operation_dir(operation.id)
    _clear(folder, rooms)
    try:
        folder.mkdir(mode=0o700, parents=True)
        yield folder
    except OSError as exc:
        raise PlatformError(f"The script of {operation.key.name!r} cannot be looked at: {exc}.") from exc
    finally:
        _clear(folder, rooms)


def _clear(folder: Path, rooms: Rooms) -> None:
    """End what the import of a script started, and delete what it left."""
    rooms.kill_left_overs(folder / "workers.jsonl")
    shutil.rmtree(folder, ignore_errors=True)


def _import_once(rooms: Rooms, build: EnvironmentBuild, work: provisioning.Work, out: TextIO, *, scratch: Path) -> None:
    """Import the script in the environment it will run in, from a copy of the code. Raises: ScriptError; OSError."""
    script, code_dir = work.scoring_script, scratch / "code"
    shutil.copytree(rooms.sealed.path(work.code.sealed), code_dir)
    report = rooms.scripts.check(
        rooms.environments.python(build),
        code_dir,
        script,
        scratch=scratch,
        timeout_s=rooms.worker_start_timeout_s,
        environment_variables=work.deployment.settings.environment_variables,
        model_dir=rooms.sealed.path(work.model.sealed) if work.model else None,
    )
    out.write(report.output)
    if report.error:
        out.write(report.stack)
        raise ScriptError(f"The scoring script {script!r} could not be imported: {report.error}: {report.message}")


def _fail(rooms: Rooms, operation: Operation, exc: BatchyardError) -> None:
    with rooms.records.writing() as tx:
        provisioning.fail(tx, operation, code=exc.code, message=str(exc), now=rooms.now())
    log.warning("provisioning failed", extra={"operation": operation.id, "deployment": operation.key.name})
