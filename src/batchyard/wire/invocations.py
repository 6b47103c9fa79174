"""Invocations: the body POSTed to an endpoint's scoring URI, and the invoke file; overrides are in `overrides`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import model_validator

from batchyard.domain.deployments import Overrides
from batchyard.domain.errors import Mistake
from batchyard.domain.job_specs import InputKind
from batchyard.domain.jobs import Invocation
from batchyard.domain.names import file_name_mistake, name_mistake
from batchyard.domain.resource_ids import DatastorePath, Scope, parse_arm_id, parse_datastore_uri
from batchyard.wire.invocation_inputs import KINDS, ONE_INPUT, DatasetArm, InputArm, KindWord, source_from_arm
from batchyard.wire.mistakes import merged, shown
from batchyard.wire.overrides import (
    InvokeExtras,
    OverridesArm,
    OverridesYaml,
    output_folder,
    overrides_from_arm,
    overrides_from_set,
    overrides_to_arm,
    read_overrides,
)
from batchyard.wire.shapes import (
    ArmShape,
    NoEffect,
    Text,
    TextMap,
    YamlShape,
    notes_of,
    raise_mistakes,
    read_shape,
)
from batchyard.wire.trees import without_empty

__all__ = [
    "InvokeExtras",
    "InvokeFile",
    "invocation_from_body",
    "invocation_to_body",
    "invoke_file_from_yaml",
    "overrides_from_set",
]

_ARMKINDS = {InputKind.FOLDER: "UriFolder", InputKind.FILE: "UriFile"}


@dataclass(frozen=True, slots=True)
class InvokeFile:
    """An invoke file (`-f`). Paths as written: local ones relative to the working directory, or `azureml://` URIs.

    input_path: None when the file has no `inputs`. output_path: None when not given; output_is_file: whether it
    names the predictions file itself.
    """

    input_path: str | None
    input_kind: InputKind
    output_path: str | None = None
    output_is_file: bool = False
    job_name: str | None = None
    experiment_name: str | None = None
    deployment_name: str | None = None
    overrides: Overrides = field(default_factory=Overrides)
    tags: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class _Output(ArmShape):
    job_output_type: KindWord | None = None
    uri: Text | None = None


class _OutputDataset(ArmShape):
    datastore_id: Text | None = None
    path: Text | None = None


class _Inner(ArmShape):
    experiment_name: Text | None = None


class InvocationProperties(OverridesArm):
    """What is asked of an endpoint."""

    input_data: dict[str, InputArm] | None = None
    # Azure: what bodies had in the place of inputData before 2022; the REST samples still send it.
    dataset: DatasetArm | None = None
    output_data: dict[str, _Output] | None = None
    output_dataset: _OutputDataset | None = None
    name: Text | None = None
    properties: _Inner | None = None
    tags: TextMap | None = None


class InvocationBody(ArmShape):
    """The body of a POST to a scoring URI."""

    properties: InvocationProperties | None = None


class _InputYaml(YamlShape):
    """An input; its path alone may stand for it."""

    type: KindWord | None = None
    path: Text | None = None
    mode: NoEffect = None
    # A literal's value, which only pipeline deployments take.
    default: object = None
    value: object = None

    @model_validator(mode="before")
    @classmethod
    def _from_path(cls, value: object) -> object:
        return {"path": value} if isinstance(value, str) else value


class _OutputYaml(YamlShape):
    type: KindWord | None = None
    path: Text | None = None
    mode: NoEffect = None


class InvocationFile(OverridesYaml):
    """The YAML of `batch-endpoint invoke --file`."""

    inputs: dict[str, _InputYaml] | None = None
    outputs: dict[str, _OutputYaml] | None = None
    deployment_name: Text | None = None


def invocation_from_body(
    endpoint: str, deployment: str | None, request_id: str | None, body: Mapping[str, object], scope: Scope
) -> Invocation:
    """Read the body of an invocation.

    deployment: from the header `azureml-model-deployment`; request_id: from `repeatability_request-id`.
    scope: the workspace that was asked; ids of another one are mistakes.
    Raises: InvalidInput with all mistakes, fields as ARM names them.
    """
    shape, mistakes = read_shape(InvocationBody, body)
    given = shape.properties or InvocationProperties()
    found: list[Mistake] = []
    source = source_from_arm(given.input_data, given.dataset, scope, found)
    output_path, output_is_file = _output(given, scope, found)
    overrides, override_mistakes = overrides_from_arm(given)
    if given.name:
        job_name = name_mistake("job", given.name, field="properties.name")
        found += [job_name] if job_name else []
    surplus = _surplus(given.output_data or {}, field="properties.outputData")
    raise_mistakes(f"Invocation of endpoint {endpoint!r}", surplus + merged(mistakes, found + override_mistakes))
    return Invocation(
        endpoint=endpoint,
        source=source,
        deployment=deployment or None,
        overrides=overrides,
        job_name=given.name or None,
        request_id=request_id or None,
        output_path=output_path,
        output_is_file=output_is_file,
        experiment_name=(given.properties.experiment_name or None) if given.properties else None,
        tags=given.tags or {},
    )


def invocation_to_body(invocation: Invocation) -> dict[str, object]:
    """Give the body that the command line POSTs; deployment and request id go in headers."""
    kind = _ARMKINDS[invocation.source.kind]
    properties: dict[str, object] = {
        "inputData": {kind: {"jobInputType": kind, "uri": invocation.source.uri}},
        **overrides_to_arm(invocation.overrides),
        **without_empty(
            {
                "name": invocation.job_name,
                "properties": without_empty({"experimentName": invocation.experiment_name}),
                "tags": dict(invocation.tags),
            }
        ),
    }
    if invocation.output_path is not None:
        output = "UriFile" if invocation.output_is_file else "UriFolder"
        properties["outputData"] = {"score": {"jobOutputType": output, "uri": str(invocation.output_path)}}
    return {"properties": properties}


def invoke_file_from_yaml(document: Mapping[str, object]) -> InvokeFile:
    """Read an invoke file. Raises: InvalidInput with all mistakes."""
    shape, mistakes = read_shape(InvocationFile, document)
    found: list[Mistake] = []
    inputs, outputs = shape.inputs or {}, shape.outputs or {}
    kind, path = _input_of_file(inputs, found) if inputs else (InputKind.FOLDER, None)
    surplus = _surplus(outputs, field="outputs")
    for name, output in outputs.items():
        if output.type is not None and output.type not in KINDS:
            found.append(Mistake(f"outputs.{name}.type", shown(output.type), "uri_folder or uri_file"))
    output = next(iter(outputs.values()), _OutputYaml())
    overrides, extras, override_mistakes = read_overrides(shape)
    raise_mistakes("Invoke file", surplus + merged(mistakes, found + override_mistakes))
    nested = [notes_of(part, prefix=f"inputs.{name}.") for name, part in inputs.items()]
    nested += [notes_of(part, prefix=f"outputs.{name}.") for name, part in outputs.items()]
    return InvokeFile(
        input_path=path,
        input_kind=kind,
        output_path=output.path or extras.output_uri,
        output_is_file=output.path is not None and output.type == "urifile",
        job_name=extras.job_name,
        experiment_name=extras.experiment_name,
        deployment_name=shape.deployment_name,
        overrides=overrides,
        tags=extras.tags,
        notes=sum(nested, ()),
    )


def _output(given: InvocationProperties, scope: Scope, found: list[Mistake]) -> tuple[DatastorePath | None, bool]:
    """Read where the output goes: (path, whether it is the file itself); None for the default place."""
    outputs = given.output_data or {}
    if given.output_dataset is not None and outputs:
        found.append(Mistake("properties.outputDataset", "outputData beside it", "one of them"))
    if given.output_dataset is not None:
        return _dataset_output(given.output_dataset, scope, found), False
    targets = [_target(output, f"properties.outputData.{name}", found) for name, output in outputs.items()]
    return targets[0] if targets else (None, False)


def _target(output: _Output, field: str, found: list[Mistake]) -> tuple[DatastorePath | None, bool]:
    kind = output.job_output_type
    if kind is not None and kind not in KINDS:
        found.append(Mistake(f"{field}.jobOutputType", shown(kind), "UriFile or UriFolder"))
    if not output.uri:
        return None, False
    place = parse_datastore_uri(output.uri)
    if place is None:
        found.append(Mistake(f"{field}.uri", shown(output.uri), "azureml://datastores/NAME/paths/PATH"))
        return None, False
    is_file = kind == "urifile"
    path = place.path.rstrip("/")
    mistake = file_name_mistake(path.rsplit("/", 1)[-1], field=f"{field}.uri") if is_file else None
    found += [mistake] if mistake else []
    return DatastorePath(place.datastore, path), is_file


def _surplus(outputs: Mapping[str, object], *, field: str) -> list[Mistake]:
    """Say that there is more than one output; told beside what is wrong inside them, so never merged with it."""
    return [Mistake(field, ", ".join(sorted(outputs)), "at most one output")] if len(outputs) > 1 else []


def _dataset_output(dataset: _OutputDataset, scope: Scope, found: list[Mistake]) -> DatastorePath | None:
    field = "properties.outputDataset.datastoreId"
    named = parse_arm_id(dataset.datastore_id or "")
    if named is not None and named[0].arm_id.lower() != scope.arm_id.lower():
        found.append(Mistake(field, shown(dataset.datastore_id), f"a datastore of workspace {scope.workspace!r}"))
        return None
    place = output_folder(dataset.datastore_id or "", dataset.path or "", field=field)
    if isinstance(place, DatastorePath):
        return place
    found.append(place)
    return None


def _input_of_file(inputs: Mapping[str, _InputYaml], found: list[Mistake]) -> tuple[InputKind, str | None]:
    if len(inputs) != 1:
        found.append(Mistake("inputs", ", ".join(sorted(inputs)), ONE_INPUT))
        return InputKind.FOLDER, None
    name, given = next(iter(inputs.items()))
    kind = KINDS.get(given.type or "urifolder")
    if kind is None or given.default is not None or given.value is not None:
        remedy = "Literals are for deployments of pipeline components."
        found.append(Mistake(f"inputs.{name}.type", shown(given.type), "uri_folder or uri_file", remedy))
    elif not given.path:
        found.append(Mistake(f"inputs.{name}.path", "nothing", "a local path, or an azureml:// URI"))
    return kind or InputKind.FOLDER, given.path
