"""Every verb refuses a caller without the action, and says which action is missing."""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Callable
from importlib import import_module

import pytest

import batchyard.control
from batchyard.control import (
    assets,
    calibrations,
    components,
    computes,
    datastores,
    deployments,
    endpoints,
    jobs,
    operations,
    pipeline_invocations,
    pipeline_jobs,
    preflights,
    schedules,
    workspaces,
)
from batchyard.domain.access import Caller
from batchyard.domain.assets import (
    AssetKind,
    CodeDraft,
    Component,
    DataAsset,
    DataType,
    Environment,
    ModelDraft,
    ModelType,
)
from batchyard.domain.computes import Compute
from batchyard.domain.deployments import PipelineSettings
from batchyard.domain.endpoints import Endpoint
from batchyard.domain.errors import Forbidden, PlaceRefused
from batchyard.domain.job_notes import JobEdit
from batchyard.domain.pipelines.invocations import PipelineInvocation, PipelineWish
from batchyard.domain.resource_ids import DEFAULT_SCOPE, Scope
from batchyard.domain.schedules import Schedule
from batchyard.domain.workspaces import Workspace
from batchyard.ports.records import JobFilter

from .bench import DRAFT, INVOCATION, NOBODY, NOW, OWNER, READER, Bench, read_nothing
from .fakes import FakeEnvironments, refused

MODEL = ModelDraft("net", "9", ModelType.CUSTOM, "azureml://datastores/workspaceblobstore/paths/up")
CODE = CodeDraft("src", "9", "azureml://datastores/workspaceblobstore/paths/up")
SCHEDULE = Schedule("nightly", {"a": 1}, {"b": 2})
DATA = DataAsset("in", "9", DataType.FOLDER, "azureml://datastores/workspaceblobstore/paths/in")

READS: dict[str, tuple[str, Callable[[Bench, Caller], object]]] = {
    "schedules.get": ("schedules/read", lambda b, c: schedules.get(b.tx, c, "nightly")),
    "schedules.list_schedules": ("schedules/read", lambda b, c: schedules.list_schedules(b.tx, c)),
    "workspaces.get": ("workspaces/read", lambda b, c: workspaces.get(b.tx, c, DEFAULT_SCOPE)),
    "workspaces.list_workspaces": ("workspaces/read", lambda b, c: workspaces.list_workspaces(b.tx, c)),
    "datastores.get": ("datastores/read", lambda b, c: datastores.get(c, "workspaceblobstore")),
    "datastores.list_datastores": ("datastores/read", lambda b, c: datastores.list_datastores(c)),
    "computes.get": ("computes/read", lambda b, c: computes.get(b.tx, c, "cpu")),
    "computes.list_computes": ("computes/read", lambda b, c: computes.list_computes(b.tx, c)),
    "assets.get_version": ("assets/read", lambda b, c: assets.get_version(b.tx, c, AssetKind.MODEL, "net")),
    "assets.list_versions": ("assets/read", lambda b, c: assets.list_versions(b.tx, c, AssetKind.MODEL, "net")),
    "assets.list_containers": ("assets/read", lambda b, c: assets.list_containers(b.tx, c, AssetKind.MODEL)),
    "assets.container": ("assets/read", lambda b, c: assets.container(b.tx, c, AssetKind.MODEL, "net")),
    "assets.code_by_hash": ("assets/read", lambda b, c: assets.code_by_hash(b.tx, c, "0")),
    "endpoints.get": ("batchEndpoints/read", lambda b, c: endpoints.get(b.tx, c, "digits")),
    "endpoints.list_endpoints": ("batchEndpoints/read", lambda b, c: endpoints.list_endpoints(b.tx, c)),
    "endpoints.deployments_of": ("deployments/read", lambda b, c: endpoints.deployments_of(b.tx, c, "digits")),
    "endpoints.default_history": ("batchEndpoints/read", lambda b, c: endpoints.default_history(b.tx, c, "digits")),
    "deployments.get": ("deployments/read", lambda b, c: deployments.get(b.tx, c, "digits", "blue")),
    "deployments.list_deployments": (
        "deployments/read",
        lambda b, c: deployments.list_deployments(b.tx, c, "digits"),
    ),
    "deployments.revisions": ("deployments/read", lambda b, c: deployments.revisions(b.tx, c, "digits", "blue")),
    "preflights.of_deployment": (
        "deployments/read",
        lambda b, c: preflights.of_deployment(
            b.tx, c, "digits", "blue", sealed=b.sealed, environments=FakeEnvironments()
        ),
    ),
    "preflights.of_draft": (
        "deployments/read",
        lambda b, c: preflights.of_draft(b.tx, c, preflights.Draft("digits"), environments=FakeEnvironments()),
    ),
    "operations.get": ("deployments/read", lambda b, c: operations.get(b.tx, c, "op1")),
    "jobs.get": ("jobs/read", lambda b, c: jobs.get(b.tx, c, "job1")),
    "jobs.steps": ("jobs/read", lambda b, c: jobs.steps(b.tx, c, "job1")),
    "jobs.list_jobs": ("jobs/read", lambda b, c: jobs.list_jobs(b.tx, c, JobFilter())),
}
MORE_THAN_READER: dict[str, tuple[str, Callable[[Bench, Caller], object]]] = {
    "jobs.read_logs": ("jobs/logs/read", lambda b, c: jobs.read_logs(b.tx, c, "job1")),
    "jobs.read_output": ("jobs/outputs/read", lambda b, c: jobs.read_output(b.tx, c, "job1")),
    "jobs.read_rows": ("jobs/outputs/read", lambda b, c: jobs.read_rows(b.tx, c, "job1")),
    "jobs.read_ended": ("jobs/outputs/read", lambda b, c: jobs.read_ended(b.tx, c, "job1")),
    "jobs.read_partial": ("jobs/outputs/read", lambda b, c: jobs.read_partial(b.tx, c, "job1")),
    "jobs.edit": ("jobs/write", lambda b, c: jobs.edit(b.tx, c, "job1", JobEdit(is_archived=True), now=NOW)),
    "datastores.open_for_writing": (
        "datastores/write",
        lambda b, c: datastores.open_for_writing(c, "workspaceblobstore"),
    ),
    "computes.create_or_update": (
        "computes/write",
        lambda b, c: computes.create_or_update(b.tx, c, Compute("cpu"), now=NOW),
    ),
    "computes.delete": ("computes/delete", lambda b, c: computes.delete(b.tx, c, "spare", read=read_nothing, now=NOW)),
    "assets.register_model": (
        "assets/write",
        lambda b, c: assets.register_model(b.tx, c, MODEL, sealed=b.sealed, now=NOW),
    ),
    "assets.set_archived": (
        "assets/write",
        lambda b, c: assets.set_archived(b.tx, c, AssetKind.MODEL, "net", is_archived=True, now=NOW),
    ),
    "assets.register_environment": (
        "assets/write",
        lambda b, c: assets.register_environment(b.tx, c, Environment("env", "9"), mistakes=lambda _: [], now=NOW),
    ),
    "assets.register_code": (
        "assets/write",
        lambda b, c: assets.register_code(b.tx, c, CODE, sealed=b.sealed, now=NOW),
    ),
    "assets.register_data": (
        "assets/write",
        lambda b, c: assets.register_data(b.tx, c, DATA, now=NOW),
    ),
    "components.register": (
        "assets/write",
        lambda b, c: components.register(
            b.tx, c, Component("step", "1", {"type": "command"}), read=lambda _: (None, []), now=NOW
        ),
    ),
    "schedules.create_or_update": (
        "schedules/write",
        lambda b, c: schedules.create_or_update(b.tx, c, SCHEDULE, now=NOW),
    ),
    "schedules.delete": ("schedules/delete", lambda b, c: schedules.delete(b.tx, c, "nightly", now=NOW)),
    "endpoints.create_or_update": (
        "batchEndpoints/write",
        lambda b, c: endpoints.create_or_update(b.tx, c, Endpoint("digits"), now=NOW),
    ),
    "endpoints.delete": ("batchEndpoints/delete", lambda b, c: endpoints.delete(b.tx, c, "digits", now=NOW)),
    "deployments.create_or_update": (
        "deployments/write",
        lambda b, c: deployments.create_or_update(
            b.tx, c, DRAFT, sealed=b.sealed, tables=b.tables, now=NOW, new_id="op9"
        ),
    ),
    "deployments.create_or_update_pipeline": (
        "deployments/write",
        lambda b, c: deployments.create_or_update_pipeline(
            b.tx, c, DRAFT, read=lambda _: (None, []), now=NOW, new_id="o"
        ),
    ),
    "deployments.delete": (
        "deployments/delete",
        lambda b, c: deployments.delete(b.tx, c, "digits", "blue", now=NOW),
    ),
    "workspaces.create_or_update": (
        "workspaces/write",
        lambda b, c: workspaces.create_or_update(b.tx, c, Workspace(Scope("s", "g", "w"), "id"), now=NOW),
    ),
    "workspaces.delete": ("workspaces/delete", lambda b, c: workspaces.delete(b.tx, c, Scope("s", "g", "w"), now=NOW)),
    "jobs.invoke": ("batchEndpoints/jobs/write", lambda b, c: b.invoke(INVOCATION, caller=c)),
    "pipeline_jobs.create": (
        "jobs/write",
        lambda b, c: pipeline_jobs.create(
            b.tx,
            c,
            PipelineWish(),
            PipelineSettings(),
            component=None,
            spec={},
            steps={},
            datastores=b.datastores,
            read=lambda _: (None, []),
            now=NOW,
            new_name="job9",
        ),
    ),
    "pipeline_jobs.refuse_another": (
        "jobs/write",
        lambda b, c: pipeline_jobs.refuse_another(
            b.tx, c, b.tx.jobs.get("job1"), PipelineWish(), spec={}, steps={}, read=lambda _: (None, []), now=NOW
        ),
    ),
    "pipeline_invocations.is_meant": (
        "batchEndpoints/jobs/write",
        lambda b, c: pipeline_invocations.is_meant(b.tx, c, "digits", named=None, may_be_stale=False, request_id=None),
    ),
    "pipeline_invocations.invoke": (
        "batchEndpoints/jobs/write",
        lambda b, c: pipeline_invocations.invoke(
            b.tx,
            c,
            PipelineInvocation("digits", PipelineWish()),
            datastores=b.datastores,
            read=lambda _: (None, []),
            now=NOW,
            new_name="job9",
        ),
    ),
    "calibrations.begin": ("batchEndpoints/jobs/write", lambda b, c: b.calibrate(caller=c)),
    "preflights.of_invocation": ("batchEndpoints/jobs/write", lambda b, c: b.preflight(caller=c)),
    "calibrations.get": ("batchEndpoints/jobs/write", lambda b, c: calibrations.get(b.tx, c, "digits", "cal1")),
    "jobs.pause": ("jobs/pause", lambda b, c: jobs.pause(b.tx, c, "job1", now=NOW)),
    "jobs.continue_": ("jobs/continue", lambda b, c: jobs.continue_(b.tx, c, "job1", now=NOW)),
    "jobs.retry_failed": ("jobs/retryFailed", lambda b, c: b.retry_failed("job1", caller=c)),
    "jobs.resume": ("jobs/resume", lambda b, c: b.resume("job1", caller=c)),
    "jobs.note_refusal": (
        "batchEndpoints/jobs/write",
        lambda b, c: jobs.note_refusal(b.tx, c, "digits", PlaceRefused("x", []), now=NOW, reason="", ticket=""),
    ),
    "jobs.cancel": ("jobs/cancel", lambda b, c: jobs.cancel(b.tx, c, "job1", now=NOW)),
}
# Asks for the read action of the datastore first, then for that of what lies in it; tested by itself below.
VERBS = (
    READS
    | MORE_THAN_READER
    | {
        "datastores.open_for_reading": (
            "datastores/read",
            lambda b, c: datastores.open_for_reading(c, "workspaceblobstore"),
        ),
    }
)

# For the engine, which has no caller, and for use beside a verb that authorised.
WITHOUT_CALLER = {
    "deployments.serving",
    "pipeline_jobs.component_of",
    "deployments.failed_operation",
    "calibrations.add",
    "calibrations.complete",
    "calibrations.fail",
    "calibrations.findings",
    "calibrations.wish_mistakes",
    "provisioning.look_up",
    "provisioning.look_up_pipeline",
    "provisioning.complete_pipeline",
    "provisioning.complete",
    "provisioning.fail",
    "workspaces.by_id",
    "workspaces.find",
    "workspaces.is_here",
}
NOUNS = (
    "assets",
    "calibrations",
    "components",
    "computes",
    "datastores",
    "deployments",
    "endpoints",
    "jobs",
    "operations",
    "pipeline_invocations",
    "pipeline_jobs",
    "preflights",
    "provisioning",
    "workspaces",
    "schedules",
)
# What the verbs are made of; the doors call none of it.
PARTS = (
    "asset_versions",
    "audit",
    "definitions",
    "drafts",
    "invocations",
    "mlflow_code",
    "mlflow_environment",
    "mlflow_models",
    "outputs",
    "parallel_steps",
    "pinned_paths",
    "pipeline_drafts",
    "pipeline_runs",
    "pipeline_specs",
    "references",
    "step_trees",
    "registry",
    "reruns",
    "script_sources",
    "scripts",
    "sealed_places",
    "step_inputs",
    "step_models",
    "step_specs",
)


@pytest.fixture
def ready(bench: Bench) -> Bench:
    """Give a workspace in which every verb would succeed."""
    bench.deploy()
    bench.set_default("blue")
    bench.invoke()
    bench.put(DRAFT)
    bench.compute("spare")
    schedules.create_or_update(bench.tx, OWNER, SCHEDULE, now=NOW)
    bench.sealed.upload("up", {"file": "x"})
    return bench


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_a_caller_without_roles_is_refused_by_every_verb(ready: Bench, verb: str) -> None:
    action, call = VERBS[verb]
    with refused(ready.tx, Forbidden) as refusal:
        call(ready, NOBODY)
    assert repr(action) in refusal.text
    assert "nemo" in refusal.text


@pytest.mark.parametrize("verb", sorted(MORE_THAN_READER))
def test_a_reader_may_neither_change_anything_nor_read_results(ready: Bench, verb: str) -> None:
    action, call = MORE_THAN_READER[verb]
    with refused(ready.tx, Forbidden) as refusal:
        call(ready, READER)
    assert repr(action) in refusal.text


@pytest.mark.parametrize("verb", sorted(READS))
def test_a_reader_may_read_everything_else(ready: Bench, verb: str) -> None:
    READS[verb][1](ready, READER)


@pytest.mark.parametrize(
    ("store", "action"), [("workspaceblobstore", "jobs/outputs/read"), ("workspaceartifactstore", "jobs/logs/read")]
)
def test_bytes_of_a_datastore_need_the_action_for_what_lies_there(store: str, action: str) -> None:
    with pytest.raises(Forbidden, match=action):
        datastores.open_for_reading(READER, store)
    assert datastores.open_for_reading(OWNER, store).name == store


def test_refusal_comes_before_the_look_up(ready: Bench) -> None:
    with refused(ready.tx, Forbidden):
        endpoints.get(ready.tx, NOBODY, "no-such-endpoint")


def test_every_public_function_takes_part_in_these_tests() -> None:
    public = {
        f"{noun}.{name}"
        for noun in NOUNS
        for name, function in inspect.getmembers(import_module(f"batchyard.control.{noun}"), inspect.isfunction)
        if function.__module__ == f"batchyard.control.{noun}" and not name.startswith("_")
    }
    assert public == set(VERBS) | WITHOUT_CALLER


def test_every_module_is_a_noun_or_a_part() -> None:
    modules = {module.name for module in pkgutil.iter_modules(batchyard.control.__path__)}
    assert modules == set(NOUNS) | set(PARTS)


def test_functions_without_a_caller_take_none() -> None:
    for path in WITHOUT_CALLER:
        module, name = path.split(".")
        function = getattr(import_module(f"batchyard.control.{module}"), name)
        assert "caller" not in inspect.signature(function).parameters
