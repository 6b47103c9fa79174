"""Verification of a job that ran a command: what it published, by the hash of each file that was sealed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from batchyard.domain.errors import BatchyardError
from batchyard.domain.item_names import item_text
from batchyard.domain.job_specs import InputKind, InputSource
from batchyard.domain.jobs import Job
from batchyard.domain.outputs.tree_files import TreeFile
from batchyard.domain.outputs.verification import Event, compare_bytes, ok, read_through, unchecked, wrong
from batchyard.domain.pipelines.components import PortType
from batchyard.engine.home_checks import check_spec
from batchyard.engine.steps.outputs import SealedOutput, sealed_outputs
from batchyard.ports.datastore import Datastores
from batchyard.ports.job_home import JobHomes


def verify_outputs(homes: JobHomes, datastores: Datastores, job: Job) -> Iterator[Event]:
    """Look at the home and the outputs of a command, and name every file that is not as it was published."""
    if not homes.exists(job.name):
        yield wrong("outputs", "", expected="the home of the job", found="nothing: it is missing")
        return
    home = homes.open(job.name)
    yield check_spec(home, job)
    if not job.generation:
        yield unchecked("outputs", "", f"The job is {job.status.value}: nothing was published.")
        return
    outputs = sealed_outputs(job, home)
    if outputs is None:
        expected = f"the record of the outputs, sha256 {job.ledger_sha256}, and the list of the files of each"
        yield wrong("outputs", "", expected=expected, found="nothing, or others")
        return
    yield ok("outputs", "", f"sealed under sha256 {job.ledger_sha256}")
    for output in outputs:
        yield from _output(datastores, output)


def _output(datastores: Datastores, output: SealedOutput) -> Iterator[Event]:
    is_file = output.type is PortType.URI_FILE
    try:
        place = datastores.input_path(InputSource(InputKind.FILE if is_file else InputKind.FOLDER, str(output.place)))
    except BatchyardError as exc:
        yield wrong("outputs", output.name, expected=f"an output at {output.place}", found=str(exc))
        return
    if not (place.is_file() if is_file else place.is_dir()):
        yield wrong("outputs", output.name, expected=f"what was published at {output.place}", found="nothing")
        return
    for file in output.files:
        path = place if is_file else Path(os.fsdecode(os.path.join(os.fsencode(place), file.path)))
        yield from _file(output.name, path, file)
    known = {file.path for file in output.files}
    for name in sorted(_names(os.fsencode(place)) - known if not is_file else ()):
        shown = f"{output.name}/{item_text(name)}"
        yield wrong("outputs", shown, expected="no such file", found="a file that the step has not made")


def _file(output: str, path: Path, file: TreeFile) -> Iterator[Event]:
    name = f"{output}/{item_text(file.path)}"
    try:
        with path.open("rb") as stream:
            found = yield from read_through(stream, "outputs", name)
    except OSError as exc:
        yield wrong("outputs", name, expected="a file that can be read", found=str(exc.strerror or exc))
        return
    yield compare_bytes("outputs", name, expected=(file.sha256, file.size_bytes), found=found)


def _names(top: bytes) -> set[bytes]:
    return {os.path.relpath(os.path.join(at, name), top) for at, _, names in os.walk(top) for name in names}
