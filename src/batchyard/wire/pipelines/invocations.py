"""Invocations of pipeline component deployments: the body POSTed to the scoring URI."""

from __future__ import annotations

from collections.abc import Mapping

from batchyard.domain.errors import Mistake
from batchyard.domain.names import name_mistake
from batchyard.domain.pipelines.invocations import PipelineInvocation, PipelineWish
from batchyard.domain.resource_ids import Scope
from batchyard.wire.mistakes import merged, shown
from batchyard.wire.overrides import OverridesArm, OverridesYaml
from batchyard.wire.pipelines.values import (
    inputs_from_arm,
    inputs_to_arm,
    outputs_from_arm,
    outputs_to_arm,
    split_unnamed,
    unnamed_to_arm,
)
from batchyard.wire.shapes import ArmShape, Text, TextMap, YamlShape, keys_of, raise_mistakes, read_shape
from batchyard.wire.trees import mapping_at, without_empty

_OF_STEPS = "nothing: each step of a pipeline has settings of its own"


class _Inner(ArmShape):
    experiment_name: Text | None = None


class PipelineInvocationFile(YamlShape):
    """The YAML of `batch-endpoint invoke --file` for a pipeline."""

    # Read one by one, so that each has its own mistakes.
    inputs: object = None
    outputs: object = None
    deployment_name: Text | None = None
    job_name: Text | None = None
    experiment_name: Text | None = None
    tags: TextMap | None = None


class _Properties(ArmShape):
    # Read one by one, so that each has its own mistakes.
    input_data: object = None
    output_data: object = None
    name: Text | None = None
    properties: _Inner | None = None
    tags: TextMap | None = None


def pipeline_invocation_from_body(
    endpoint: str, deployment: str | None, request_id: str | None, body: Mapping[str, object], scope: Scope
) -> PipelineInvocation:
    """Read the body of an invocation, with inputs and outputs by name; see `wire.invocations.invocation_from_body`.

    Raises: InvalidInput with all mistakes, fields as ARM names them.
    """
    written = next((value for key, value in body.items() if key.lower() == "properties"), None) or {}
    shape, mistakes = read_shape(_Properties, written, prefix="properties.")
    found = [*_for_models(mapping_at(written))]
    inputs, unnamed = split_unnamed(inputs_from_arm(shape.input_data, scope, "properties.inputData", found))
    outputs = outputs_from_arm(shape.output_data, scope, "properties.outputData", found)
    if shape.name:
        wrong = name_mistake("job", shape.name, field="properties.name")
        found += [wrong] if wrong else []
    raise_mistakes(f"Invocation of endpoint {endpoint!r}", merged(mistakes, found))
    wish = PipelineWish(
        inputs=inputs,
        outputs=outputs,
        unnamed=unnamed,
        job_name=shape.name or None,
        experiment_name=(shape.properties.experiment_name or None) if shape.properties else None,
        tags=shape.tags or {},
    )
    return PipelineInvocation(endpoint, wish, deployment=deployment or None, request_id=request_id or None)


def pipeline_invocation_to_body(wish: PipelineWish) -> dict[str, object]:
    """Give the body that the command line POSTs; deployment and request id go in headers."""
    inputs = unnamed_to_arm(wish.unnamed) if wish.unnamed is not None else inputs_to_arm(wish.inputs)
    said = {
        "outputData": outputs_to_arm(wish.outputs),
        "name": wish.job_name,
        "properties": without_empty({"experimentName": wish.experiment_name}),
        "tags": dict(wish.tags),
    }
    return {"properties": {"inputData": inputs, **without_empty(said)}}


def pipeline_file_from_yaml(document: Mapping[str, object]) -> tuple[PipelineWish, list[Mistake]]:
    """Read an invoke file without its inputs and outputs, with all mistakes."""
    settings = [key for key in keys_of(OverridesYaml) if key not in PipelineInvocationFile.model_fields]
    of_models = {key: value for key, value in document.items() if key in settings}
    found = [Mistake(key, shown(value), _OF_STEPS) for key, value in of_models.items()]
    rest = {key: value for key, value in document.items() if key not in of_models}
    shape, mistakes = read_shape(PipelineInvocationFile, rest)
    if shape.job_name is not None:
        wrong = name_mistake("job", shape.job_name, field="job_name")
        found += [wrong] if wrong else []
    wish = PipelineWish(job_name=shape.job_name, experiment_name=shape.experiment_name, tags=shape.tags or {})
    return wish, merged(mistakes, found)


def _for_models(written: Mapping[str, object]) -> list[Mistake]:
    """Name what only deployments of models take, where it says something."""
    overrides = {key.lower(): key for key in keys_of(OverridesArm)}
    found = [
        Mistake(f"properties.{overrides[key.lower()]}", shown(value), _OF_STEPS)
        for key, value in written.items()
        if key.lower() in overrides and value not in (None, {})
    ]
    older = {"dataset": "inputData, with the names of inputs", "outputdataset": "outputData, with the names of outputs"}
    spelled = {"dataset": "dataset", "outputdataset": "outputDataset"}
    for key, value in written.items():
        if key.lower() in older and value not in (None, {}):
            found.append(Mistake(f"properties.{spelled[key.lower()]}", shown(value), older[key.lower()]))
    return found
