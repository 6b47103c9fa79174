"""The files of a job's published output, by the names that its manifest has for them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import BinaryIO, Protocol

from batchyard.domain.errors import NotFound
from batchyard.domain.job_specs import OutputTarget, ParallelStep
from batchyard.domain.jobs import Job
from batchyard.domain.pipelines.components import PortType
from batchyard.engine.steps.publication import FAILED_ITEMS, MANIFEST
from batchyard.ports.datastore import Datastores
from batchyard.ports.job_home import JobHome, JobHomes


class OutputOfJob(Protocol):
    """What a job has published, wherever it lies. manifest: the name of the manifest."""

    @property
    def manifest(self) -> str:
        """The manifest's name."""

    def names(self) -> Iterable[str]:
        """Give the names of all files."""

    def open(self, name: str) -> BinaryIO:
        """Open a file. Raises: NotFound; OSError; CallerError."""


def output_of(datastores: Datastores, homes: JobHomes, job: Job) -> OutputOfJob:
    """Give what a job has published."""
    step = job.scoring.step
    if step is None:
        return PublishedFiles(datastores, job.scoring.output)
    return StepFiles(datastores, homes.open(job.name), step)


class StepFiles:
    """`OutputOfJob` of a parallel step: `<output>/<file>` in the place of the output, the rest in the job's home."""

    manifest = f"_{MANIFEST}"

    def __init__(self, datastores: Datastores, home: JobHome, step: ParallelStep) -> None:
        self._datastores, self._home, self._step = datastores, home, step

    def names(self) -> Iterable[str]:
        yield from (f"_{kept}" for kept in (FAILED_ITEMS, MANIFEST) if self._home.exists(kept))
        for name, output in self._step.outputs.items():
            if output.type is PortType.URI_FILE:
                yield name
                continue
            prefix = output.place.path.strip("/") + "/"
            for entry in self._datastores.get(output.place.datastore).list(prefix):
                yield f"{name}/{entry.path[len(prefix) :]}"

    def open(self, name: str) -> BinaryIO:
        if name in (self.manifest, f"_{FAILED_ITEMS}"):
            return self._home.read(name[1:])
        output_name, _, rest = name.partition("/")
        output = self._step.outputs.get(output_name)
        if output is None:
            raise NotFound(f"There is no file {name!r} in the outputs.")
        store = self._datastores.get(output.place.datastore)
        path = "/".join(filter(None, [output.place.path.strip("/"), rest]))
        if store.stat(path) is None:  # As below.
            raise NotFound(f"There is no file {name!r} in the outputs.")
        return store.open(path)


class PublishedFiles:
    """`domain.outputs.checks.OutputFiles` of an output in a datastore."""

    def __init__(self, datastores: Datastores, target: OutputTarget) -> None:
        self._store = datastores.get(target.place.datastore)
        self._folder = target.place.path.strip("/")
        self._target = target

    @property
    def manifest(self) -> str:
        """The manifest's name: a plain one in a folder of its own."""
        return f"{self._target.file_name}.manifest.json" if self._target.into_existing else "_manifest.json"

    def names(self) -> Iterable[str]:
        """Give what is in the output's own folder; beside other files, what is in that of the script's files alone."""
        prefix = f"{self._folder}/" if self._folder else ""
        own = f"{self._target.file_name}.files/" if self._target.into_existing else ""
        for entry in self._store.list(prefix + own):
            yield entry.path[len(prefix) :]

    def open(self, name: str) -> BinaryIO:
        """Open a file. Raises: NotFound; OSError; CallerError for a name that leads out of the datastore."""
        path = f"{self._folder}/{name}" if self._folder else name
        if self._store.stat(path) is None:  # A pipe in its place would keep the reader for ever.
            raise NotFound(f"There is no file {name!r} in the output.")
        return self._store.open(path)
