"""What PUT of a deployment promised: its environment built, its script imported in it once, here and not at night."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import TextIO

from batchyard.control import calibrations, provisioning
from batchyard.domain.assets import EnvironmentBuild
from batchyard.domain.errors import CallerError, SandboxUnavailable, ScriptError
from batchyard.domain.resource_ids import AssetId
from batchyard.engine.rooms import Rooms
from batchyard.engine.scratch import clear_scratch, scratch_of
from batchyard.ports.records import Operation

log = logging.getLogger(__name__)


def provision(rooms: Rooms, operation: Operation, out: TextIO) -> None:
    """Take a claimed operation to its end: Succeeded with a build, or Failed with a reason.

    out: the log that a user reads when it failed. Raises: LeaseLost; PlatformError, after which it is tried again.
    """
    with rooms.records.reading() as tx:
        work = provisioning.look_up(tx, operation)
        pipeline = provisioning.look_up_pipeline(tx, operation, read=rooms.read_component)
    if pipeline is not None:
        _provision_pipeline(rooms, operation, pipeline, out)
        return
    try:
        if work is None:
            raise CallerError("The deployment was changed or deleted meanwhile.")
        build = rooms.environments.build(work.environment, out)
        with scratch_of(rooms, operation.id) as scratch:
            _import_once(rooms, build, work, out, scratch=scratch)
    except (CallerError, ScriptError, SandboxUnavailable) as exc:
        print(exc, file=out)
        _fail(rooms, operation, code=exc.code, message=str(exc))
        return
    with rooms.records.writing() as tx:
        provisioning.complete(tx, operation, build=build, now=rooms.now())
    log.info("deployment provisioned", extra={"operation": operation.id, "deployment": operation.key.name})


def _provision_pipeline(rooms: Rooms, operation: Operation, work: provisioning.PipelineWork, out: TextIO) -> None:
    """Build the environments of all steps, and tell every one that cannot be built, by its step."""
    builds: dict[AssetId, EnvironmentBuild] = {}
    failures: list[tuple[str, str]] = []
    for step, environment in work.environments.items():
        print(f"Step {step!r}: environment '{environment.name}:{environment.version}'", file=out)
        try:
            builds[AssetId(environment.name, environment.version)] = rooms.environments.build(environment, out)
        except (CallerError, ScriptError) as exc:
            message = f"The environment of step {step!r} could not be built: {exc}"
            failures.append((exc.code, message))
            print(message, file=out)
    if failures:
        _fail(rooms, operation, code=failures[0][0], message="\n".join(message for _, message in failures))
        return
    with rooms.records.writing() as tx:
        provisioning.complete_pipeline(tx, operation, builds=builds, now=rooms.now())
    log.info("deployment provisioned", extra={"operation": operation.id, "deployment": operation.key.name})


def give_up(rooms: Rooms, operation: Operation, message: str) -> None:
    """End an operation whose process died again and again."""
    clear_scratch(rooms, operation.id)
    with rooms.records.writing() as tx:
        if operation.calibration is None:
            provisioning.fail(tx, operation, code="ProvisioningCrashed", message=message, now=rooms.now())
        else:
            calibrations.fail(tx, operation, code="CalibrationCrashed", message=message, now=rooms.now())


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


def _fail(rooms: Rooms, operation: Operation, *, code: str, message: str) -> None:
    with rooms.records.writing() as tx:
        provisioning.fail(tx, operation, code=code, message=message, now=rooms.now())
    log.warning("provisioning failed", extra={"operation": operation.id, "deployment": operation.key.name})
