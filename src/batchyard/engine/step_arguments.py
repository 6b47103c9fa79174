"""What the script of a parallel step is told as arguments: values of its inputs, and where its outputs are written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from batchyard.domain.job_specs import ParallelStep, StepData
from batchyard.domain.pipelines.arguments import outputs_named, words_of
from batchyard.domain.pipelines.components import PortType, text_of
from batchyard.engine.input_places import place_of
from batchyard.engine.prepare import Staged
from batchyard.engine.rooms import Rooms
from batchyard.ports.instance import OUTPUT_FOLDER
from batchyard.ports.web import is_web


def inputs_in_place(rooms: Rooms, step: ParallelStep, staged: Staged) -> dict[str, Path]:
    """Give where the data of each input is, by name; what lies in the web is fetched into the job's home.

    Raises: InvalidInput; NotFound for an input that is not there any more.
    """
    found = {}
    for name, given in step.inputs.items():
        if isinstance(given, StepData):
            found[name] = staged.source if name == step.input_data else _path(rooms, staged, name, given)
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


def _path(rooms: Rooms, staged: Staged, name: str, given: StepData) -> Path:
    if is_web(given.source.uri):
        return rooms.web.fetch(given.source.uri, staged.home.path(f"input/{name}/x").parent, meanwhile=lambda: None)
    if given.source.sealed is None:
        rooms.datastores.check_input(given.source)
    return place_of(rooms, given.source)
