"""Jobs of pipelines and of commands: what is theirs of ARM's shape, and of ours beside it."""

from __future__ import annotations

from collections.abc import Mapping

from batchyard.domain.job_specs import CommandSpec, Given, PipelineSpec, StepData, StepOutput
from batchyard.domain.jobs import Job
from batchyard.domain.resource_ids import AssetId, Scope
from batchyard.wire.pipelines.deployments import settings_map
from batchyard.wire.trees import without_empty

_INPUT_MODES = {"ro_mount": "ReadOnlyMount", "download": "Download", "direct": "Direct"}
_OUTPUT_MODES = {"rw_mount": "ReadWriteMount", "upload": "Upload"}


def properties_of(scope: Scope, spec: PipelineSpec | CommandSpec) -> dict[str, object]:
    """Give the properties that say what a job is to do. # Azure: types of inputs and outputs in snake_case here."""
    ports = {
        "inputs": {name: _input(given) for name, given in spec.inputs.items()},
        "outputs": {name: _output(given) for name, given in spec.outputs.items()},
        "componentId": _id(scope, "components", spec.component),
    }
    compute = scope.child("computes", spec.compute) if spec.compute else None
    if isinstance(spec, PipelineSpec):
        settings = settings_map(spec.settings)
        return {"jobType": "Pipeline", "computeId": compute, **ports, "jobs": {}, "settings": settings}
    return {
        "jobType": "Command",
        "computeId": compute,
        **ports,
        "command": spec.command,
        "codeId": _id(scope, "codes", spec.code) if spec.code else None,
        "environmentId": _id(scope, "environments", spec.environment),
        "environmentVariables": dict(spec.environment_variables),
        "resources": {"instanceCount": spec.instance_count},
    }


def reuse_of(job: Job) -> dict[str, str]:
    """Give the properties that say whose result a step has. # Azure: so do runs of its pipelines."""
    if job.reused_from is None:
        return {}
    return {"azureml.isreused": "true", "azureml.reusedrunid": job.reused_from}


def ours_of(spec: PipelineSpec | CommandSpec) -> dict[str, object]:
    """Give what is under `properties.batchyard` of these jobs alone."""
    common: dict[str, object] = {
        "component": f"azureml:{spec.component}",
        "inputs": {name: _given(given) for name, given in spec.inputs.items()},
        "outputs": {name: _place(output) for name, output in spec.outputs.items()},
    }
    if isinstance(spec, PipelineSpec):
        return common
    environment: dict[str, object] = {"id": f"azureml:{spec.environment}"}
    if spec.build is not None:
        environment |= {"sha256": spec.build.sha256, "pythonVersion": spec.build.python_version}
    code = None
    if spec.code is not None and spec.code_seal is not None:
        code = {"id": f"azureml:{spec.code}", "sha256": spec.code_seal.sha256}
    return {**common, "environment": environment, **({} if code is None else {"code": code})}


def _input(given: Given) -> dict[str, object]:
    if not isinstance(given, StepData):
        return {"jobInputType": "literal", "value": _text(given)}
    return {"jobInputType": given.type.value, "uri": given.source.uri, "mode": _INPUT_MODES[given.mode.value]}


def _output(output: StepOutput) -> dict[str, object]:
    registers = output.registers
    asset = {"assetName": registers.name, "assetVersion": registers.version} if registers is not None else {}
    return {
        "jobOutputType": output.type.value,
        "uri": str(output.place),
        "mode": _OUTPUT_MODES[output.mode.value],
        **without_empty(asset),
    }


def _given(given: Given) -> dict[str, object]:
    if not isinstance(given, StepData):
        return {"value": given}
    asset = f"azureml:{given.source.asset}" if given.source.asset is not None else ""
    return without_empty({"type": given.type.value, "uri": given.source.uri, "asset": asset, "mode": given.mode.value})


def _place(output: StepOutput) -> Mapping[str, object]:
    registers = f"azureml:{output.registers}" if output.registers is not None else ""
    return without_empty(
        {
            "type": output.type.value,
            "uri": str(output.place),
            "datastore": output.place.datastore,
            "path": output.place.path,
            "registers": registers,
        }
    )


def _text(value: object) -> str:
    """Give a literal as text, as Azure's clients read it of a job."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _id(scope: Scope, kind: str, asset: AssetId) -> str:
    return scope.child(kind, asset.name, "versions", asset.version)
