"""The key of a step: the hash of all that its result follows from. Two steps of one key give the same.

What inputs hold is known by what vouches for it: the version of a data asset, the seal of a registered model or of
another step's output. Of other data it is the names, sizes and times of all files that count, not their bytes.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any  # JSON values

from batchyard.domain.assets import EnvironmentBuild
from batchyard.domain.deployments import output_format_of
from batchyard.domain.errors import CallerError, PlatformError
from batchyard.domain.job_specs import (
    CommandSpec,
    Given,
    InputKind,
    InputSource,
    ParallelStep,
    PipelineSpec,
    ScoringSpec,
    Spec,
    StepData,
)
from batchyard.domain.job_states import JobStatus
from batchyard.domain.jobs import Job
from batchyard.domain.pipelines.components import PortType
from batchyard.engine.plain_json import to_json
from batchyard.engine.rooms import Rooms
from batchyard.engine.steps.models import outputs_of
from batchyard.engine.steps.outputs import SealedOutput, sealed_outputs
from batchyard.ports.records import Transaction
from batchyard.ports.web import is_web

log = logging.getLogger(__name__)

_FORMAT = "batchyard step key 1"
# Settings of a parallel step from which no row and no file follows, where nothing has failed.
_OF_NO_ROW = frozenset(
    {
        "instance_count",
        "max_concurrency_per_instance",
        "retry",
        "error_threshold",
        "mini_batch_error_threshold",
        "error_threshold_percent",
        "allowed_failed_percent",
        "logging_level",
        "no_progress_timeout_s",
        "max_duration_s",
        "speculative",
        "output_path",
    }
)


Looked = Mapping[str, Mapping[str, Any]]


def look_at_inputs(rooms: Rooms, job: Job, *, check: Callable[[], None]) -> Looked | None:
    """Say what each input is, before any of it is copied or read: what the step is given is that, or newer.

    Never older: what has changed since is then kept under a key that nothing has any more. None where the step has no
    key: its component is not deterministic, or it is not known of all files that it may read what they are.
    check: called before each file; what it raises ends that. Raises: PlatformError.
    """
    step = _step_of(job)
    if not step.is_deterministic:
        return None
    try:
        return {name: _input(rooms, job, given, check) for name, given in step.inputs.items()}
    except (_Unknown, OSError) as exc:
        log.info("step has no key", extra={"job": job.name, "reason": str(exc)})
    except CallerError as exc:  # An input is not there: staging tells that by name.
        log.info("step has no key", extra={"job": job.name, "reason": type(exc).__name__})
    return None


def step_key(
    job: Job,
    paths: Mapping[str, Path],
    build: EnvironmentBuild,
    looked: Looked | None,
    *,
    check: Callable[[], None],
) -> str | None:
    """Give the key of a step; None where it has none.

    paths: where the data of its inputs is, by name. build: of its environment. looked: of `look_at_inputs`.
    check: called before each file of the web that was fetched. Raises: PlatformError.
    """
    if looked is None:
        return None
    step, inputs = _step_of(job), dict(looked)
    try:
        for name, given in step.inputs.items():
            if isinstance(given, StepData) and given.source.asset is None and is_web(given.source.uri):
                check()
                with paths[name].open("rb") as stream:
                    inputs[name] = {**looked[name], "sha256": hashlib.file_digest(stream, "sha256").hexdigest()}
    except OSError as exc:
        raise PlatformError(f"The inputs of job {job.name!r} cannot be looked at: {exc}.") from exc
    document = {
        "format": _FORMAT,
        **_said_of(job.spec),
        "signature": asdict(step.signature),
        "environment": build.sha256,
        "inputs": inputs,
        "outputs": {name: output.type.value for name, output in step.outputs.items()},
    }
    return hashlib.sha256(to_json(document)).hexdigest()


def _step_of(job: Job) -> CommandSpec | ParallelStep:
    if isinstance(job.spec, ScoringSpec) and job.spec.step is not None:
        return job.spec.step
    return job.command


def _said_of(spec: Spec) -> dict[str, Any]:
    if isinstance(spec, ScoringSpec) and spec.step is not None:
        return _of_parallel(spec, spec.step)
    if isinstance(spec, CommandSpec):
        return _of_command(spec)
    raise TypeError(f"job {spec.job!r} is no step")


def _of_command(spec: CommandSpec) -> dict[str, Any]:
    return {
        "command": spec.command,
        "code": None if spec.code_seal is None else spec.code_seal.sha256,
        "variables": dict(spec.environment_variables),
    }


def _of_parallel(spec: ScoringSpec, step: ParallelStep) -> dict[str, Any]:
    """Say what is run and by which settings, less those that decide only how fast, and how much may fail."""
    settings = {name: value for name, value in asdict(spec.settings).items() if name not in _OF_NO_ROW}
    rows = step.outputs.get(step.append_row_to or "")
    if rows is None or rows.type is PortType.URI_FILE:  # The name is of a place then.
        del settings["output_file_name"]
    return {
        "script": spec.scoring_script,
        "code": spec.code_seal.sha256,
        "arguments": step.program_arguments,
        "cut": step.input_data,
        "tables": None if step.tables is None else asdict(step.tables),
        "rows": step.append_row_to,
        "row_format": output_format_of(spec.settings).value,
        "settings": settings,
    }


class _Unknown(Exception):
    """It is not known what an input holds."""


def _input(rooms: Rooms, job: Job, given: Given, check: Callable[[], None]) -> dict[str, Any]:
    if not isinstance(given, StepData):
        return {"value": given}
    told: dict[str, Any] = {"kind": given.source.kind.value}
    if given.source.sealed is not None:
        return {**told, "sealed": given.source.sealed.sha256}
    if given.source.asset is not None:
        return {**told, "asset": str(given.source.asset)}
    sha256 = _seal_of(rooms, job, given.source.uri, check)
    if sha256 is not None:
        return {**told, "sealed": sha256}
    if is_web(given.source.uri):  # It is fetched first.
        return told
    # The place itself, not a copy of it, which has times of its own.
    place = rooms.datastores.input_path(given.source)
    is_file = given.source.kind is InputKind.FILE
    return {**told, "uri": given.source.uri, "files": _fingerprint(place, check, is_file=is_file)}


def _fingerprint(place: Path, check: Callable[[], None], *, is_file: bool) -> str:
    digest, top = hashlib.sha256(), os.fsencode(place)
    for path in [top] if is_file else _paths(top):
        check()
        found = os.stat(path)
        told = b"%d %d %d %s\0" % (found.st_size, found.st_mtime_ns, found.st_ctime_ns, os.path.relpath(path, top))
        digest.update(told)
    return digest.hexdigest()


def _paths(top: bytes) -> Iterator[bytes]:
    for at, folders, names in os.walk(top, onerror=_refuse):
        folders.sort()
        for folder in folders:
            # What is behind it is not walked through, but a command may read it.
            if os.path.islink(os.path.join(at, folder)):
                raise _Unknown(f"{os.fsdecode(os.path.join(at, folder))!r} is a link to a folder")
        yield from (os.path.join(at, name) for name in sorted(names))


def _refuse(error: OSError) -> None:
    raise error


def _seal_of(rooms: Rooms, job: Job, uri: str, check: Callable[[], None]) -> str | None:
    """Give the hash of what another step of the same run published at a place, and is there; None where none did."""
    if job.step_of is None:
        return None
    with rooms.records.reading() as tx:
        makers = [maker for maker in _steps_below(tx, _root_of(tx, job.step_of.job)) if _gives(maker, uri)]
    for maker in makers:
        for output in sealed_outputs(maker, rooms.homes.open(maker.name)) or ():
            if str(output.place) == uri and _is_untouched(rooms, output, check, until=maker.phases.get("ended", 0.0)):
                return output.seal.sha256
    return None


def _is_untouched(rooms: Rooms, output: SealedOutput, check: Callable[[], None], *, until: float) -> bool:
    """Tell whether a place holds the files that were published there, none of them touched since.

    Their times tell, which nobody sets by hand; where they say otherwise the bytes may be the same all the same.
    """
    is_file = output.type is PortType.URI_FILE
    source = InputSource(InputKind.FILE if is_file else InputKind.FOLDER, str(output.place))
    place = os.fsencode(rooms.datastores.input_path(source))
    paths = [place] if is_file else list(_paths(place))
    names = [os.path.basename(place)] if is_file else sorted(os.path.relpath(path, place) for path in paths)
    for path in paths:
        check()
        if os.lstat(path).st_ctime > until:
            return False
    return names == [file.path for file in output.files]


def _root_of(tx: Transaction, name: str) -> str:
    pipeline = tx.jobs.get(name)
    return name if pipeline is None or pipeline.step_of is None else _root_of(tx, pipeline.step_of.job)


def _steps_below(tx: Transaction, pipeline: str) -> Iterator[Job]:
    for step in tx.jobs.steps_of(pipeline).values():
        yield step
        if isinstance(step.spec, PipelineSpec):
            yield from _steps_below(tx, step.name)


def _gives(maker: Job, uri: str) -> bool:
    if maker.status is not JobStatus.COMPLETED:
        return False
    return any(str(output.place) == uri for output in outputs_of(maker).values())
