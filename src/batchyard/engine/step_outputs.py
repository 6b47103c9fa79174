"""Outputs of a step: sealed when its command has ended, then published one by one, by anybody (rules 10, 11).

What was sealed stands in the job home: `outputs/<fence>.json`, whose hash the record has, and for each output the list
of its files. An output's place holds what the command wrote and nothing else, as a later step may read it as a folder.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any  # JSON values

from batchyard.domain.assets import Sealed
from batchyard.domain.errors import CallerError, Conflict
from batchyard.domain.jobs import Job
from batchyard.domain.outputs.manifests import manifest_bytes
from batchyard.domain.outputs.tree_files import TreeFile, read_tree_text, tree_seal, tree_text
from batchyard.domain.pipelines.components import PortType
from batchyard.domain.resource_ids import DatastorePath
from batchyard.engine.command_staging import staged_outputs
from batchyard.engine.patience import patiently
from batchyard.engine.plain_json import to_json
from batchyard.engine.rooms import Rooms
from batchyard.engine.settling import Settling
from batchyard.ports.job_home import JobHome

FORMAT = "batchyard step 1"


@dataclass(frozen=True, slots=True)
class SealedOutput:
    """One output, which never changes again. staged: where it is until it is published. files: sorted."""

    name: str
    staged: Path
    place: DatastorePath
    type: PortType
    seal: Sealed
    files: Sequence[TreeFile]


def seal_outputs(job: Job, home: JobHome, *, check: Callable[[], None]) -> str:
    """Look at what the command wrote, make it durable, and give the hash of the record of it.

    Raises: ScriptError naming every output that cannot be published; PlatformError.
    """
    spec, settling, seals = job.command, Settling(check), dict[str, Sealed]()
    for name, path in staged_outputs(home, spec, job.fence).items():
        files = settling.settle(name, path, is_file=spec.outputs[name].type is PortType.URI_FILE)
        if spec.outputs[name].registers and spec.outputs[name].type is PortType.MLFLOW_MODEL:
            settling.need_file(name, files, b"MLmodel")
        if not settling.complaints:
            seals[name] = tree_seal(files)
            home.create(_list_of(job.fence, name), tree_text(files))
    settling.end()
    if seals:
        home.sync_tree(f"outputs-{job.fence}")
    content = manifest_bytes(json.loads(to_json(_document(job, seals))))
    home.create(f"outputs/{job.fence}.json", content)
    return hashlib.sha256(content).hexdigest()


def sealed_outputs(job: Job, home: JobHome) -> Sequence[SealedOutput] | None:
    """Give what was sealed; None when the home has not the record whose hash the job's has, or not the lists of it."""
    spec = job.command
    for fence, document in _documents(home, job.ledger_sha256):
        staged, found = staged_outputs(home, spec, fence), []
        for name, said in document["outputs"].items():
            seal = Sealed(said["sha256"], said["files"], said["size_bytes"])
            files = _files(home, fence, name, seal)
            if files is None:
                return None
            output = spec.outputs[name]
            found.append(SealedOutput(name, staged[name], output.place, output.type, seal, files))
        return found
    return None


def unpublished(rooms: Rooms, job: Job, home: JobHome) -> str | None:
    """Give the hash of what an earlier run of the job has sealed and could not publish, where all of it is there still.

    An output is there where it was staged; one that is not has been published, if its place holds anything. Whether
    that is the output, publishing it again tells.
    """
    runs = (rerun.before.ledger_sha256 for rerun in reversed(job.reruns))
    sha256 = next((one for one in runs if one is not None), None)
    outputs = None if sha256 is None else sealed_outputs(replace(job, ledger_sha256=sha256), home)
    return sha256 if outputs and all(_is_there(rooms, output) for output in outputs) else None


def _is_there(rooms: Rooms, output: SealedOutput) -> bool:
    if os.path.lexists(output.staged):
        return True
    try:
        rooms.datastores.check_free(output.place, is_file=output.type is PortType.URI_FILE)
    except Conflict:
        return True
    except CallerError:  # Its datastore is gone; staging tells that by name.
        return False
    return False


def publish_outputs(rooms: Rooms, job: Job, outputs: Sequence[SealedOutput], *, check: Callable[[], None]) -> None:
    """Put every output in its place. Safe to repeat, also by two processes at once.

    Raises: Conflict where a place is taken; PlatformError.
    """
    rooms.faults.reach("command.publishing")
    for output in outputs:
        check()
        _publish(rooms, job, output)
        rooms.faults.reach("command.published_one")


def _publish(rooms: Rooms, job: Job, output: SealedOutput) -> None:
    patiently(lambda: rooms.datastores.publish_tree(output.staged, output.place, output.files, job=job.name))


def _documents(home: JobHome, sha256: str | None) -> Iterator[tuple[int, dict[str, Any]]]:
    for name in home.list("outputs"):
        fence, _, kind = name.partition(".")
        if kind != "json":
            continue
        with home.read(f"outputs/{name}") as stream:
            content = stream.read()
        if hashlib.sha256(content).hexdigest() == sha256:
            yield int(fence), json.loads(content)


def _files(home: JobHome, fence: int, name: str, seal: Sealed) -> Sequence[TreeFile] | None:
    if not home.exists(_list_of(fence, name)):
        return None
    with home.read(_list_of(fence, name)) as stream:
        return read_tree_text(stream.read(), seal)


def _list_of(fence: int, name: str) -> str:
    return f"outputs/{fence}.{name}.files"


def _document(job: Job, seals: Mapping[str, Sealed]) -> dict[str, Any]:
    """Say what was run on what, and what came of it; no host and no time."""
    spec = job.command
    return {
        "format": FORMAT,
        "job": job.name,
        "fence": job.fence,
        "component": str(spec.component),
        "command": spec.command,
        "code": None if spec.code_seal is None else spec.code_seal.sha256,
        "environment": str(spec.environment),
        "outputs": {
            name: {
                "place": str(spec.outputs[name].place),
                "type": spec.outputs[name].type.value,
                "sha256": seal.sha256,
                "files": seal.files,
                "size_bytes": seal.size_bytes,
            }
            for name, seal in seals.items()
        },
    }
