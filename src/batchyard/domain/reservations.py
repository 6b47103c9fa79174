"""Which places of a datastore a job publishes to, and when two jobs would be in each other's way there."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from itertools import combinations

from batchyard.domain.job_specs import OutputTarget, PipelineSpec, ScoringSpec, StepOutput
from batchyard.domain.jobs import Job
from batchyard.domain.pipelines.components import PortType
from batchyard.domain.places import overlap, plain
from batchyard.domain.resource_ids import DatastorePath


def reserved_by(job: Job) -> tuple[OutputTarget, ...]:
    """Give every place that a job publishes to and nobody else may, until it has ended.

    A step reserves none: its places are in its pipeline's, or named after itself.
    """
    if job.step_of is not None:
        return ()
    if isinstance(job.spec, ScoringSpec):
        return (job.spec.output,)
    return targets_of(job.spec.outputs) if isinstance(job.spec, PipelineSpec) else ()


def targets_of(outputs: Mapping[str, StepOutput]) -> tuple[OutputTarget, ...]:
    """Give where outputs of a pipeline go as targets, in the order of their names."""
    return tuple(_target(outputs[name]) for name in sorted(outputs))


def extent(target: OutputTarget) -> DatastorePath:
    """Give what a target takes up: its folder with everything below, or the one file that it adds to a folder.

    One place has one spelling, however its slashes were written.
    """
    path = f"{target.place.path}/{target.file_name}" if target.into_existing else target.place.path
    return DatastorePath(target.place.datastore, plain(path))


def first_clash(targets: Sequence[OutputTarget]) -> tuple[OutputTarget, OutputTarget] | None:
    """Give two targets of one job that are in each other's way, or None."""
    pairs = combinations(targets, 2)
    return next((pair for pair in pairs if overlap(extent(pair[0]), extent(pair[1]))), None)


def described(target: OutputTarget) -> str:
    """Name a target as messages do: its file and its folder, or a place alone."""
    return f"output {target.file_name!r} in {target.place}" if target.file_name else f"output {target.place}"


def _target(output: StepOutput) -> OutputTarget:
    if output.type is not PortType.URI_FILE:
        return OutputTarget(output.place, "")
    folder, name = posixpath.split(output.place.path)
    return OutputTarget(DatastorePath(output.place.datastore, folder), name, into_existing=True)
