"""Outputs of a step: sealed when its command has ended, then published one by one, by anybody (rules 10, 11).

What was sealed stands in the job home: `outputs/<fence>.json`, whose hash the record has, and for each output the list
of its files. Of a parallel step that ran, the record has the hash of the ledger, which stands in that file. An output's
place holds what the step wrote and nothing else, as a later step may read it as a folder.
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
from batchyard.domain.job_specs import CommandSpec, ScoringSpec
from batchyard.domain.jobs import Job
from batchyard.domain.outputs.manifests import manifest_bytes
from batchyard.domain.outputs.tree_files import TreeFile, read_tree_text, tree_seal, tree_text
from batchyard.domain.pipelines.components import PortType
from batchyard.domain.resource_ids import DatastorePath
from batchyard.engine.patience import patiently
from batchyard.engine.plain_json import to_json
from batchyard.engine.rooms import Rooms
from batchyard.engine.steps.models import outputs_of
from batchyard.engine.steps.settling import Settling
from batchyard.engine.steps.staging import staged_outputs
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
    outputs, settling, seals = outputs_of(job), Settling(check), dict[str, Sealed]()
    for name, path in staged_outputs(home, outputs, job.fence).items():
        files = settling.settle(name, path, is_file=outputs[name].type is PortType.URI_FILE)
        if outputs[name].registers and outputs[name].type is PortType.MLFLOW_MODEL:
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


def keep_outputs(job: Job, home: JobHome, outputs: Mapping[str, Sequence[TreeFile]]) -> None:
    """Keep what a parallel step is about to publish, which its ledger has decided. Safe to repeat.

    Raises: PlatformError.
    """
    seals = {name: tree_seal(files) for name, files in outputs.items()}
    texts = {_list_of(job.fence, name): tree_text(files) for name, files in outputs.items()}
    # The document is the last one: where it is, all of the lists are.
    texts[f"outputs/{job.fence}.json"] = manifest_bytes(json.loads(to_json(_document(job, seals))))
    for name, text in texts.items():
        if not home.exists(name):
            home.create(name, text)


def sealed_outputs(job: Job, home: JobHome) -> Sequence[SealedOutput] | None:
    """Give what was sealed; None when the home has not the record whose hash the job's has, or not the lists of it."""
    outputs = outputs_of(job)
    for fence, document in _documents(home, job):
        staged, found = staged_outputs(home, outputs, fence), []
        for name, said in document["outputs"].items():
            seal = Sealed(said["sha256"], said["files"], said["size_bytes"])
            files = _files(home, fence, name, seal)
            if files is None:
                return None
            output = outputs[name]
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


def _documents(home: JobHome, job: Job) -> Iterator[tuple[int, dict[str, Any]]]:
    for name in home.list("outputs"):
        fence, _, kind = name.partition(".")
        if kind != "json":
            continue
        with home.read(f"outputs/{name}") as stream:
            content = stream.read()
        if hashlib.sha256(content).hexdigest() == job.ledger_sha256:
            yield int(fence), json.loads(content)
        elif isinstance(job.spec, ScoringSpec) and job.ledger_sha256 is not None:
            document = json.loads(content)
            if document.get("ledger") == job.ledger_sha256:
                yield int(fence), document


def _files(home: JobHome, fence: int, name: str, seal: Sealed) -> Sequence[TreeFile] | None:
    if not home.exists(_list_of(fence, name)):
        return None
    with home.read(_list_of(fence, name)) as stream:
        return read_tree_text(stream.read(), seal)


def _list_of(fence: int, name: str) -> str:
    return f"outputs/{fence}.{name}.files"


def _document(job: Job, seals: Mapping[str, Sealed]) -> dict[str, Any]:
    """Say what was run on what, and what came of it; no host and no time."""
    spec = job.spec
    if isinstance(spec, CommandSpec):
        ran = {"component": str(spec.component), "command": spec.command}
    elif isinstance(spec, ScoringSpec) and spec.step is not None:
        ran = {"component": str(spec.step.component), "script": spec.scoring_script}
        ran |= {} if job.ledger_sha256 is None else {"ledger": job.ledger_sha256}
    else:
        raise TypeError(f"job {job.name!r} is no step")
    outputs = outputs_of(job)
    return {
        "format": FORMAT,
        "job": job.name,
        "fence": job.fence,
        **ran,
        "code": None if spec.code_seal is None else spec.code_seal.sha256,
        "environment": str(spec.environment),
        "outputs": {
            name: {
                "place": str(outputs[name].place),
                "type": outputs[name].type.value,
                "sha256": seal.sha256,
                "files": seal.files,
                "size_bytes": seal.size_bytes,
            }
            for name, seal in seals.items()
        },
    }
