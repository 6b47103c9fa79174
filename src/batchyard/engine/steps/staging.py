"""Staging of a step: its environment, code and inputs are put in place, and its command is given its values."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from batchyard.control import references
from batchyard.domain.assets import AssetKind, EnvironmentBuild
from batchyard.domain.errors import InvalidInput, PlatformError, ScriptError
from batchyard.domain.job_specs import CommandSpec, StepData, StepOutput
from batchyard.domain.jobs import Job
from batchyard.domain.pipelines.components import PortType, text_of
from batchyard.domain.pipelines.expressions import ShellCommand, render_command
from batchyard.engine.plain_json import to_json
from batchyard.engine.prepare import clear, copy_writable
from batchyard.engine.rooms import Rooms
from batchyard.engine.steps.data import data_for_step
from batchyard.engine.steps.models import check_models
from batchyard.ports.job_home import JobHome

log = logging.getLogger(__name__)

BUILD_LOG = "logs/environment.txt"
COMMAND_LOG = "user_logs/std_log.txt"
OF_ONE_OWNER = ("code-", "scratch-", "inputs-", "outputs-")


@dataclass(frozen=True, slots=True)
class StagedCommand:
    """What the command of this owner needs. inputs: data by name; outputs: where each is to be written."""

    python: Path
    build: EnvironmentBuild
    code_dir: Path
    command: ShellCommand
    inputs: Mapping[str, Path]
    outputs: Mapping[str, Path]


def stage_command(rooms: Rooms, job: Job, home: JobHome, *, meanwhile: Callable[[], None]) -> StagedCommand:
    """Stage what the command of this owner needs; what an earlier owner's command left must be killed before.

    meanwhile: called between files that are copied or fetched; what it raises ends that.
    Raises: InvalidInput, NotFound for an input that is not there; ScriptError for an environment that cannot be built;
    Conflict where an output's place is taken, or the version that it registers; PlatformError.
    """
    spec = job.command
    if not home.exists("spec.json"):
        home.create("spec.json", to_json(asdict(spec)))
    clear(home, [f"{kind}{fence}" for fence in range(1, job.fence) for kind in OF_ONE_OWNER])
    for output in spec.outputs.values():
        rooms.datastores.check_free(output.place, is_file=output.type is PortType.URI_FILE)
    check_models(rooms, job)
    build = _build(rooms, job, spec)
    python = rooms.environments.python(build)
    meanwhile()
    try:
        code_dir = _code(rooms, job, home)
        inputs = {
            name: data_for_step(rooms, home, given, name=name, folder=f"inputs-{job.fence}", meanwhile=meanwhile)
            for name, given in spec.inputs.items()
            if isinstance(given, StepData)
        }
        outputs = make_outputs(home, spec.outputs, job.fence)
        home.path(f"scratch-{job.fence}").mkdir(mode=0o700, exist_ok=True)
    except OSError as exc:
        raise PlatformError(f"Could not stage the step of job {job.name!r}: {exc}.") from exc
    return StagedCommand(python, build, code_dir, _command(spec, inputs, outputs), inputs, outputs)


def staged_outputs(home: JobHome, outputs: Mapping[str, StepOutput], fence: int) -> Mapping[str, Path]:
    """Say where each output of an owner is before it is published; a file has the name that it is published under."""
    found = {}
    for name, output in outputs.items():
        folder = home.path(f"outputs-{fence}/{name}")
        file_name = output.place.path.rstrip("/").rpartition("/")[2]
        found[name] = folder / file_name if output.type is PortType.URI_FILE else folder
    return found


def make_outputs(home: JobHome, outputs: Mapping[str, StepOutput], fence: int) -> Mapping[str, Path]:
    """Make the folders that outputs are written to, and say where each is to be. Raises: OSError."""
    staged = staged_outputs(home, outputs, fence)
    for name, path in staged.items():
        folder = path.parent if outputs[name].type is PortType.URI_FILE else path
        folder.mkdir(parents=True, exist_ok=True)
    return staged


def _command(spec: CommandSpec, inputs: Mapping[str, Path], outputs: Mapping[str, Path]) -> ShellCommand:
    values: dict[tuple[str, ...], str | None] = {("inputs", name): None for name in spec.signature.inputs}
    values |= {
        ("inputs", name): text_of(given) for name, given in spec.inputs.items() if not isinstance(given, StepData)
    }
    values |= {("inputs", name): os.fspath(path) for name, path in inputs.items()}
    values |= {("outputs", name): os.fspath(path) for name, path in outputs.items()}
    return render_command(spec.command, values)


def _build(rooms: Rooms, job: Job, spec: CommandSpec) -> EnvironmentBuild:
    """Give the environment of the step, built now where nobody has, or where it is gone since. Raises: ScriptError."""
    if spec.build is not None and _is_there(rooms, spec.build):
        return spec.build
    with rooms.records.reading() as tx:
        found = references.find_version(
            tx, AssetKind.ENVIRONMENT, spec.environment.name, version=spec.environment.version
        )
    path = rooms.logs_of(job.name) / BUILD_LOG
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a", buffering=1, encoding="utf-8") as out:
        try:
            return rooms.environments.build(found.document, out)
        except InvalidInput as exc:
            raise ScriptError(str(exc)) from exc


def _is_there(rooms: Rooms, build: EnvironmentBuild) -> bool:
    try:
        rooms.environments.python(build)
    except PlatformError as exc:
        log.warning("environment is built again", extra={"sha256": build.sha256, "reason": str(exc)})
        return False
    return True


def _code(rooms: Rooms, job: Job, home: JobHome) -> Path:
    """Copy the code for this owner alone; without code, an empty folder."""
    target, seal = home.path(f"code-{job.fence}"), job.command.code_seal
    if seal is None:
        target.mkdir(exist_ok=True)
        return target
    source = rooms.sealed.path(seal)
    if not source.is_dir():
        raise PlatformError(f"The sealed code of job {job.name!r} is gone from {source}.")
    shutil.copytree(source, target, copy_function=copy_writable)
    return target
