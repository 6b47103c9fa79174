"""Definitions of components in both dialects: YAML, and what azure-ai-ml sends."""

from __future__ import annotations

from typing import Any

import pytest

from batchyard.domain.deployments import LoggingLevel
from batchyard.domain.errors import Mistake
from batchyard.domain.pipelines.components import InputMode, OutputMode, PortType
from batchyard.domain.pipelines.definitions import (
    PARALLEL_DEFAULTS,
    CommandDefinition,
    Definition,
    ParallelDefinition,
    ParallelSettings,
    PipelineDefinition,
    TabularFormat,
    definition_mistakes,
    over,
)
from batchyard.domain.pipelines.graphs import Fixed, FixedData, FromPipeline, FromStep
from batchyard.domain.resource_ids import DEFAULT_SCOPE, Reference
from batchyard.wire.pipelines.definitions import read_definition

WS = DEFAULT_SCOPE.arm_id
COMMAND: dict[str, Any] = {  # Any, here and below: YAML
    "type": "command",
    "inputs": {
        "data": {"type": "uri_folder", "mode": "download"},
        "rate": {"type": "number", "default": 0.5, "min": 0, "max": 1},
        "kind": {"type": "string", "enum": ["a", "b"], "optional": True},
    },
    "outputs": {"out": {"type": "uri_folder", "mode": "upload"}},
    "command": "python x.py ${{inputs.data}} ${{inputs.rate}} $[[-k ${{inputs.kind}}]] ${{outputs.out}}",
    "code": "azureml:src:1",
    "environment": "azureml:env:1",
    "environment_variables": {"A": 1},
    "resources": {"instance_count": 2},
    "limits": {"timeout": 60},
}
TASK = {
    "type": "run_function",
    "code": f"azureml:{WS}/codes/src/versions/1",
    "entry_script": "./score.py",
    "environment": "azureml:env:1",
    "append_row_to": "${{outputs.rows}}",
    "program_arguments": "--rate ${{inputs.rate}}",
}
PARALLEL: dict[str, Any] = {
    "type": "parallel",
    "inputs": {"data": {"type": "uri_folder"}, "rate": {"type": "number"}},
    "outputs": {"rows": {"type": "uri_file"}},
    "task": TASK,
    "input_data": "${{inputs.data}}",
    "mini_batch_size": "10",
    "error_threshold": 5,
    "retry_settings": {"max_retries": 3, "timeout": 9},
    "logging_level": "DEBUG",
}
PIPELINE: dict[str, Any] = {
    "type": "pipeline",
    "inputs": {"data": {"type": "uri_folder"}, "rate": {"type": "number", "default": 0.5}},
    "outputs": {"scores": {"type": "uri_file"}},
    "jobs": {
        "prep": {
            "type": "command",
            "component": "azureml:prep:1",
            "inputs": {
                "data": {"type": "uri_folder", "path": "${{parent.inputs.data}}", "mode": "ro_mount"},
                "rate": 0.2,
            },
            "compute": "azureml:cpu",
            "environment_variables": {"B": "c"},
            "resources": {"instance_count": 2},
        },
        "score": {
            "component": "azureml:score:1",
            "inputs": {"data": "${{parent.jobs.prep.outputs.out}}", "rate": "${{parent.inputs.rate}}"},
            "outputs": {"rows": "${{parent.outputs.scores}}"},
        },
    },
}
# The same as azure-ai-ml 1.35 sends it.
SENT: dict[str, Any] = {
    "name": "both",
    "version": "1",
    "$schema": "https://azuremlschemas.azureedge.net/latest/pipelineComponent.schema.json",
    "inputs": {"data": {"type": "uri_folder"}, "rate": {"type": "number", "default": "0.5"}},
    "outputs": {"scores": {"type": "uri_file"}},
    "type": "pipeline",
    "jobs": {
        "prep": {
            "resources": {"instance_count": 2},
            "environment_variables": {"B": "c"},
            "name": "prep",
            "type": "command",
            "computeId": f"{WS}/computes/cpu",
            "inputs": {
                "data": {"value": "${{parent.inputs.data}}", "job_input_type": "literal", "mode": "ReadOnlyMount"},
                "rate": {"value": "0.2", "job_input_type": "literal"},
            },
            "outputs": {"out": {"job_output_type": "uri_folder"}},
            "_source": "REMOTE.WORKSPACE.COMPONENT",
            "componentId": f"{WS}/components/prep/versions/1",
        },
        "score": {
            "type": "parallel",
            "name": "score",
            "task": TASK,
            "input_data": "${{inputs.data}}",
            "mini_batch_size": 10,
            "retry_settings": {"timeout": 9, "max_retries": 3},
            "inputs": {
                "data": {"value": "${{parent.jobs.prep.outputs.out}}", "job_input_type": "literal"},
                "rate": {"value": "${{parent.inputs.rate}}", "job_input_type": "literal"},
            },
            "outputs": {"rows": {"value": "${{parent.outputs.scores}}", "type": "literal"}},
            "componentId": f"{WS}/components/score/versions/1",
            "_source": "YAML.JOB",
        },
    },
    "_source": "YAML.COMPONENT",
    "sourceJobId": None,
}
REGISTERED = {"prep": COMMAND, "score": PARALLEL, "both": PIPELINE}


def read(spec: dict[str, Any]) -> Definition:
    definition, found = read_definition(spec)
    assert found == []
    assert definition is not None
    return definition


def definition_of(reference: Reference) -> Definition | Mistake:
    if reference.name not in REGISTERED:
        return Mistake("component", repr(reference.name), "a registered component")
    return read(REGISTERED[reference.name])


def told(spec: dict[str, Any]) -> dict[str, Mistake]:
    """Give all mistakes of a definition, those of reading first."""
    definition, found = read_definition(spec)
    if definition is not None:
        found += definition_mistakes(definition, definition_of)
    return {mistake.field: mistake for mistake in reversed(found)}


def test_a_command_is_read_with_its_types_defaults_bounds_and_modes() -> None:
    command = read(COMMAND)

    assert isinstance(command, CommandDefinition)
    data, rate, kind = command.signature.inputs.values()
    assert (data.type, data.mode, data.is_required) == (PortType.URI_FOLDER, InputMode.DOWNLOAD, True)
    assert (rate.default, rate.least, rate.most) == (0.5, 0, 1)
    assert (kind.allowed, kind.may_lack) == (("a", "b"), True)
    assert command.signature.outputs["out"].mode is OutputMode.UPLOAD
    assert (command.code, command.environment) == (
        Reference("codes", "src", "1"),
        Reference("environments", "env", "1"),
    )
    assert (command.environment_variables, command.instance_count, command.timeout_s) == ({"A": "1"}, 2, 60.0)
    assert told(COMMAND) == {}


def test_numbers_as_text_are_what_the_types_say() -> None:
    sent = {"type": "integer", "default": "3", "max": "9", "min": "1"}
    flag = {"type": "boolean", "default": "True"}
    command = read({**COMMAND, "command": "x", "inputs": {"n": sent, "b": flag}, "outputs": {}})
    assert [port.default for port in command.signature.inputs.values()] == [3, True]


def test_a_parallel_step_is_read_and_has_the_defaults_of_parallel_steps() -> None:
    step = read(PARALLEL)

    assert isinstance(step, ParallelDefinition)
    assert (step.task.entry_script, step.task.append_row_to, step.input_data) == ("score.py", "rows", "data")
    settings = over(PARALLEL_DEFAULTS, step.settings)
    assert (settings.mini_batch_size, settings.error_threshold, settings.mini_batch_error_threshold) == (10, 5, -1)
    assert (settings.max_retries, settings.timeout_s, settings.logging_level) == (3, 9.0, LoggingLevel.DEBUG)
    assert settings.append_row_file_name == "parallel_run_step.txt"
    assert told(PARALLEL) == {}


@pytest.mark.parametrize(
    ("written", "items", "size_bytes"), [("10", 10, None), (7, 7, None), ("10kb", None, 10240), ("2MB", None, 2 << 20)]
)
def test_a_mini_batch_is_a_number_of_files_or_a_size(
    written: object, items: int | None, size_bytes: int | None
) -> None:
    step = read({**PARALLEL, "mini_batch_size": written, "input_format": "csv"})
    assert isinstance(step, ParallelDefinition)
    assert (step.settings.mini_batch_size, step.settings.mini_batch_bytes) == (items, size_bytes)
    assert step.settings.input_format is TabularFormat.CSV


def test_a_size_that_a_client_repeats_as_a_number_of_bytes_stays_a_size() -> None:
    settings = over(ParallelSettings(mini_batch_bytes=10240), ParallelSettings(mini_batch_size=10240))
    assert (settings.mini_batch_size, settings.mini_batch_bytes) == (None, 10240)
    other = over(ParallelSettings(mini_batch_size=5), ParallelSettings(mini_batch_bytes=10240))
    assert (other.mini_batch_size, other.mini_batch_bytes) == (None, 10240)


@pytest.mark.parametrize("spec", [PIPELINE, SENT], ids=["yaml", "sdk"])
def test_a_pipeline_says_the_same_in_both_dialects(spec: dict[str, Any]) -> None:
    pipeline = read(spec)

    assert isinstance(pipeline, PipelineDefinition)
    prep, score = pipeline.steps.values()
    assert (prep.component.name, prep.component.version, prep.compute) == ("prep", "1", "cpu")
    assert prep.inputs["data"] == FromPipeline("data")
    assert prep.inputs["rate"] in (Fixed(0.2), Fixed("0.2"))
    assert (prep.input_modes, prep.environment_variables) == ({"data": InputMode.RO_MOUNT}, {"B": "c"})
    assert prep.instance_count == 2
    assert score.inputs == {"data": FromStep("prep", "out"), "rate": FromPipeline("rate")}
    assert score.outputs == {"rows": "scores"}
    assert told(spec) == {}


def test_a_step_may_name_data_and_a_nested_pipeline() -> None:
    data = {"type": "uri_folder", "path": "azureml:iris:1"}
    inner = {"type": "pipeline", "component": "azureml:both:1", "inputs": {"data": data}}
    spec = {"type": "pipeline", "jobs": {"inner": inner}}

    pipeline = read(spec)

    assert isinstance(pipeline, PipelineDefinition)
    assert pipeline.steps["inner"].inputs == {"data": FixedData(PortType.URI_FOLDER, "azureml:iris:1")}
    assert told(spec) == {}


def test_what_azure_has_and_nothing_here_does_is_refused_by_name() -> None:
    refused = {"distribution": {"type": "mpi"}, "identity": {"type": "managed"}, "queue_settings": {"job_tier": "spot"}}
    found = told({**COMMAND, **refused})
    assert set(found) == set(refused)

    kinds = ("sweep", "spark", "automl", "data_transfer", "import", "do_while", "if_else", "parallel_for")
    jobs = {kind: {"type": kind} for kind in kinds}
    found = told({"type": "pipeline", "jobs": jobs})
    assert set(found) == {f"jobs.{kind}.type" for kind in kinds}
    assert told({"type": "sweep"})["type"].allowed == "command or parallel or pipeline"
    table = told({**COMMAND, "command": "x", "inputs": {"t": {"type": "mltable"}}})
    assert "input_format" in table["inputs.t.type"].remedy


def test_every_mistake_of_a_command_is_told_at_once() -> None:
    found = told(
        {
            "type": "command",
            "inputs": {
                "a-b": {"type": "string"},
                "n": {"type": "integer", "default": "x", "mode": "eval_mount"},
                "o": 3,
            },
            "outputs": {"s": {"type": "string"}},
            "comand": "x",
            "code": "./src",
            "environment": {"image": "x"},
            "resources": {"instance_count": 0},
            "limits": {"timeout": 0},
            "environment_variables": {"A=B": "x"},
        }
    )
    assert set(found) == {
        "comand",
        "command",
        "inputs.a-b",
        "inputs.n.default",
        "inputs.n.mode",
        "inputs.o",
        "inputs.o.type",
        "outputs.s.type",
        "code",
        "environment",
        "resources.instance_count",
        "limits.timeout",
        "environment_variables",
    }
    assert "component create" in found["environment"].remedy


def test_every_mistake_of_a_parallel_step_is_told_at_once() -> None:
    task = {**TASK, "type": "model", "entry_script": "../x.py", "append_row_to": "${{outputs.row}}", "model": "x"}
    settings = {"mini_batch_size": "10 kb", "retry_settings": {"timeout": 0}, "error_threshold": -2}
    found = told({**PARALLEL, "task": task, "input_data": "${{inputs.rate}}", **settings, "partition_keys": ["k"]})
    assert set(found) == {
        "task.type",
        "task.entry_script",
        "task.append_row_to",
        "task.model",
        "input_data",
        "mini_batch_size",
        "retry_settings.timeout",
        "error_threshold",
        "input_format",
    }


def test_sizes_and_keys_need_a_format_and_exclude_each_other() -> None:
    assert set(told({**PARALLEL, "mini_batch_size": "1mb"})) == {"mini_batch_size"}
    keyed = {**PARALLEL, "partition_keys": '["k"]', "input_format": "parquet"}
    assert set(told(keyed)) == {"mini_batch_size"}
    assert told({**keyed, "mini_batch_size": None}) == {}


def test_every_mistake_of_a_pipeline_is_told_at_once_by_the_names_of_its_steps() -> None:
    found = told(
        {
            "type": "pipeline",
            "outputs": {"scores": {"type": "uri_folder"}},
            "jobs": {
                "a": {"component": "azureml:nobody:1"},
                "b": {"component": "azureml:prep@latest", "inputs": {"data": "x"}},
                "c": {"component": "./prep.yml"},
                "d": {"command": "x", "environment": "azureml:env:1"},
                "e": {"component": "azureml:prep:1", "inputs": {"data": "${{parent.job.a}}", "n": None, "rate": 7}},
                "f": {"type": "parallel", "component": "azureml:prep:1", "inputs": {"data": "${{parent.inputs.x}}"}},
                "g": {"component": "azureml:score:1", "compute": "a/b", "outputs": {"rows": {"path": "azureml://x"}}},
                "h-i": {},
                "j": "x",
            },
        }
    )
    assert set(found) == {
        "jobs.a.component",
        "jobs.b.component",
        "jobs.b.inputs.data",
        "jobs.c.component",
        "jobs.d.component",
        "jobs.e.inputs.data",
        "jobs.e.inputs.rate",
        "jobs.f.type",
        "jobs.f.inputs.data",
        "jobs.g.compute",
        "jobs.g.inputs.data",
        "jobs.g.inputs.rate",
        "jobs.g.outputs.rows",
        "jobs.h-i",
        "jobs.j",
        "outputs.scores",
    }


def test_a_step_has_no_settings_of_another_kind() -> None:
    jobs = {
        "p": {
            "component": "azureml:both:1",
            "inputs": {"data": "${{parent.inputs.d}}"},
            "resources": {"instance_count": 2},
        },
        "s": {
            **SENT["jobs"]["score"],
            "inputs": {"data": "${{parent.inputs.d}}", "rate": 1},
            "outputs": {},
            "task": {**TASK, "program_arguments": "--other"},
        },
    }
    found = told({"type": "pipeline", "inputs": {"d": {"type": "uri_folder"}}, "jobs": jobs})
    assert set(found) == {"jobs.p.resources.instance_count", "jobs.s.task"}


@pytest.mark.parametrize("text", ["a\0b", "a\ud800b"])
@pytest.mark.parametrize("field", ["command", "append_row_file_name", "description"])
def test_text_that_no_process_can_be_given_is_refused_by_name(field: str, text: str) -> None:
    definition, mistakes = read_definition(
        {"type": "command", "command": "true", "environment": "azureml:e:1", field: text}
    )
    assert definition is None
    assert [mistake.field for mistake in mistakes] == [field]
