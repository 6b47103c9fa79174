"""Deployments of pipeline components are provisioned: the environments of all their steps, each once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from batchyard.control import assets, deployments, operations, provisioning, registry
from batchyard.domain.assets import AssetKind, EnvironmentBuild
from batchyard.domain.deployments import Deployment, DeploymentDraft, DeploymentKind, PipelineSettings
from batchyard.domain.endpoints import ProvisioningState
from batchyard.domain.pipelines.definitions import ParallelDefinition, ParallelTask
from batchyard.domain.resource_ids import AssetId, Reference
from batchyard.ports.records import Operation, OperationStatus, Stored

from .bench import BUILD, NOW, OWNER
from .pipeline_bench import COMMAND, Pipelines, component, step, with_definition

DRAFT = DeploymentDraft(
    name="steps",
    endpoint="digits",
    kind=DeploymentKind.PIPELINE,
    compute="",
    component=component("steps"),
    pipeline=PipelineSettings(default_compute="cpu"),
)


@pytest.fixture
def several(pipelines: Pipelines) -> Pipelines:
    """Give a pipeline whose steps run in three environments, of which one stands inside and one is named twice."""
    for version in ("2", "3"):
        pipelines.bench.environment("env", version)
    task = ParallelTask(Reference("codes", "src", "1"), "score.py", Reference("environments", "env", "2"))
    pipelines.component("other", with_definition(environment=Reference("environments", "env", "3")))
    pipelines.component("many", ParallelDefinition(COMMAND.signature, task, "data"))
    pipelines.pipeline("inside", one=step("other", outputs={"out": "result"}), two=step())
    pipelines.pipeline(a=step(), b=step("many"), c=step("inside", outputs={"result": "result"}))
    return pipelines


def put(pipelines: Pipelines, draft: DeploymentDraft = DRAFT) -> tuple[Stored[Deployment], Operation | None]:
    return deployments.create_or_update_pipeline(
        pipelines.tx, OWNER, draft, read=pipelines.read, now=NOW, new_id=f"op-{draft.name}"
    )


def complete(pipelines: Pipelines, operation: Operation) -> Stored[Deployment] | None:
    work = provisioning.look_up_pipeline(pipelines.tx, operation, read=pipelines.read)
    found = {} if work is None else work.environments
    builds = {AssetId(one.name, one.version): replace(BUILD, sha256=one.version) for one in found.values()}
    return provisioning.complete_pipeline(pipelines.tx, operation, builds=builds, now=NOW + 7)


def test_the_work_is_every_environment_once_with_the_first_step_that_names_it(several: Pipelines) -> None:
    stored, operation = put(several)

    assert stored.document.state is ProvisioningState.CREATING
    assert operation is not None
    work = provisioning.look_up_pipeline(several.tx, operation, read=several.read)
    assert work is not None
    assert {step: one.version for step, one in work.environments.items()} == {"a": "1", "b": "2", "c.one": "3"}
    assert provisioning.look_up(several.tx, operation) is None


def test_completing_keeps_each_build_with_its_environment_and_the_deployment_serves(several: Pipelines) -> None:
    _, operation = put(several)
    assert operation is not None
    assert registry.serving(several.tx, "digits", "steps") is None

    done = complete(several, operation)

    assert done is not None and done.document.state is ProvisioningState.SUCCEEDED
    assert registry.serving(several.tx, "digits", "steps") == done
    assert operations.get(several.tx, OWNER, operation.id).status is OperationStatus.SUCCEEDED
    for version in ("1", "2", "3"):
        kept = assets.get_version(several.tx, OWNER, AssetKind.ENVIRONMENT, "env", version).document
        assert kept.build == EnvironmentBuild(version, BUILD.python_version)


def test_a_deployment_whose_environments_are_built_is_succeeded_at_once(several: Pipelines) -> None:
    _, operation = put(several)
    assert operation is not None
    complete(several, operation)

    again, nothing = put(several, replace(DRAFT, name="other"))

    assert (again.document.state, nothing) == (ProvisioningState.SUCCEEDED, None)


def test_a_step_begins_with_the_build_that_provisioning_left(several: Pipelines) -> None:
    _, operation = put(several)
    assert operation is not None
    complete(several, operation)
    several.begin()
    several.tick()

    assert several.command("a").build == EnvironmentBuild("1", BUILD.python_version)


def test_a_failed_update_leaves_the_revision_before_it_serving(several: Pipelines) -> None:
    _, operation = put(several)
    assert operation is not None
    serving = complete(several, operation)
    several.bench.environment("env", "4")
    several.component("run", with_definition(environment=Reference("environments", "env", "4")))

    _, second = put(several)
    assert second is not None
    failed = provisioning.fail(several.tx, second, code="ScriptError", message="Step 'a'", now=NOW)

    assert failed is not None and failed.document.state is ProvisioningState.FAILED
    assert registry.serving(several.tx, "digits", "steps") == serving


def test_an_operation_whose_pipeline_deployment_changed_since_ends_superseded(several: Pipelines) -> None:
    _, operation = put(several)
    assert operation is not None
    put(several, replace(DRAFT, description="newer"))

    assert provisioning.look_up_pipeline(several.tx, operation, read=several.read) is None
