"""What the script of a parallel step is told as arguments: values of its inputs, and where its outputs are written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from batchyard.domain.errors import PlatformError
from batchyard.domain.job_specs import ParallelStep, StepData
from batchyard.domain.jobs import Job
from batchyard.domain.pipelines.arguments import outputs_named, words_of
from batchyard.domain.pipelines.components import PortType, text_of
from batchyard.engine.prepare import Staged
from batchyard.engine.rooms import Rooms
from batchyard.engine.steps.data import data_for_step
from batchyard.ports.instance import OUTPUT_FOLDER
from batchyard.ports.web import is_web


def inputs_in_place(rooms: Rooms, job: Job, staged: Staged, *, meanwhile: Callable[[], None]) -> dict[str, Path]:
    """Give where the data of each input of a step is, by name; none for a job that is no step.

    What lies in the web is fetched into the job's home, and what is to be downloaded copied for this owner; what is cut
    into mini-batches is read in place. meanwhile: called between files; what it raises ends that.
    Raises: InvalidInput; NotFound for an input that is not there any more; PlatformError.
    """
    found, step, folder = dict[str, Path](), job.scoring.step, f"inputs-{job.fence}"
    for name, given in step.inputs.items() if step is not None else ():
        if not isinstance(given, StepData):
            continue
        if step is not None and name == step.input_data:
            found[name] = staged.source
            continue
        if not is_web(given.source.uri) and given.source.sealed is None:
            rooms.datastores.check_input(given.source)
        try:
            found[name] = data_for_step(rooms, staged.home, given, name=name, folder=folder, meanwhile=meanwhile)
        except OSError as exc:
            raise PlatformError(f"The input {name!r} of job {job.name!r} cannot be copied: {exc}.") from exc
    return found


def arguments_of(step: ParallelStep, places: Mapping[str, Path]) -> tuple[str, ...]:
    """Give the words of `sys.argv` behind the script; an output is a place of the worker. places: of the inputs.

    Raises: InvalidInput.
    """
    values: dict[tuple[str, ...], str | None] = {("inputs", name): None for name in step.signature.inputs}
    for name, given in step.inputs.items():
        values["inputs", name] = str(places[name]) if isinstance(given, StepData) else text_of(given)
    values |= {("outputs", name): f"{OUTPUT_FOLDER}/{name}" for name in step.outputs}
    return words_of(step.program_arguments, values)


def folders_to_write(step: ParallelStep) -> tuple[str, ...]:
    """Give the outputs that the script finds as folders: those that its arguments name."""
    named = outputs_named(step.program_arguments)
    return tuple(sorted(name for name in named if step.outputs[name].type is not PortType.URI_FILE))
