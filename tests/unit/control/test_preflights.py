"""Preflight as use cases: what is looked at of an invocation, a deployment and a draft, with nothing changed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from batchyard.control import preflights
from batchyard.domain.assets import Environment
from batchyard.domain.deployments import Overrides
from batchyard.domain.errors import NotFound
from batchyard.domain.forecast.preflight import Finding, Level, has_passed
from batchyard.domain.job_specs import InputKind, InputSource
from batchyard.domain.resource_ids import DatastorePath

from .bench import DRAFT, INVOCATION, OWNER, Bench
from .fakes import FakeEnvironments, refused

CHECKS = ["deployment", "model", "code", "script", "environment", "compute", "input", "output"]


def by_check(findings: list[Finding]) -> dict[str, Level]:
    return {finding.check: finding.level for finding in findings}


def test_an_invocation_that_would_run_passes_with_the_spec_of_its_job(ready: Bench) -> None:
    before = ready.tx.snapshot()
    findings, spec = ready.preflight()
    assert by_check(findings) == dict.fromkeys(CHECKS, Level.OK)
    assert spec is not None
    assert (spec.deployment, spec.job) == ("blue", "look")
    assert ready.tx.snapshot() == before


def test_what_cannot_be_reached_is_all_that_is_told(ready: Bench) -> None:
    findings, spec = ready.preflight(replace(INVOCATION, deployment="none"))
    assert (by_check(findings), spec) == ({"deployment": Level.ERROR}, None)
    assert "blue" in findings[0].found


def test_everything_wrong_is_told_each_under_its_check(ready: Bench) -> None:
    wrong = replace(
        INVOCATION,
        source=InputSource(InputKind.FOLDER, "azureml://datastores/none/paths/x"),
        overrides=Overrides(mini_batch_size=0, instance_count=99),
        output_path=DatastorePath("workspaceblobstore", "../x"),
    )
    findings, spec = ready.preflight(wrong)
    found = by_check(findings)
    assert spec is None
    assert [found[check] for check in ("input", "settings", "compute", "output")] == [Level.ERROR] * 4
    assert all(finding.remedy for finding in findings if finding.level is Level.ERROR)


def test_the_output_of_an_unfinished_job_is_reserved(ready: Bench) -> None:
    there = replace(INVOCATION, output_path=DatastorePath("workspaceblobstore", "out"))
    job = ready.invoke(there)
    findings, spec = ready.preflight(there)
    assert (by_check(findings)["output"], spec) == (Level.ERROR, None)
    assert job.name in next(finding.found for finding in findings if finding.check == "output")


def test_the_name_of_another_job_is_refused(ready: Bench) -> None:
    job = ready.invoke()
    findings, spec = ready.preflight(replace(INVOCATION, job_name=job.name))
    assert (by_check(findings)["job name"], spec) == (Level.ERROR, None)


def test_instances_that_others_hold_mean_later(ready: Bench) -> None:
    ready.invoke(replace(INVOCATION, overrides=Overrides(instance_count=2)))
    findings, spec = ready.preflight()
    assert by_check(findings)["compute"] is Level.WARNING
    assert has_passed(findings) and spec is not None


def test_an_environment_that_is_gone_from_the_cache_is_an_error(ready: Bench) -> None:
    findings, _ = ready.preflight(environments=FakeEnvironments(is_gone=True))
    assert by_check(findings)["environment"] is Level.ERROR


def look_at(bench: Bench, name: str = "blue") -> list[Finding]:
    return preflights.of_deployment(
        bench.tx, OWNER, "digits", name, sealed=bench.sealed, environments=FakeEnvironments()
    )


def test_a_deployment_is_looked_at_without_an_input_and_says_what_was_not_checked(ready: Bench) -> None:
    found = by_check(look_at(ready))
    assert found["input, output, sample"] is Level.NOT_CHECKED
    assert {level for check, level in found.items() if check != "input, output, sample"} == {Level.OK}


def test_a_deployment_that_was_never_provisioned_cannot_take_jobs(bench: Bench) -> None:
    bench.put()
    assert by_check(look_at(bench))["deployment"] is Level.ERROR


def test_an_update_that_is_not_ready_is_a_warning(ready: Bench) -> None:
    ready.code("src", "2", files={"score.py": "run = len"})
    ready.put(replace(DRAFT, code=replace(DRAFT.code, version="2") if DRAFT.code else None))
    assert by_check(look_at(ready))["deployment"] is Level.WARNING


def test_files_that_the_store_has_lost_are_an_error(ready: Bench) -> None:
    ready.sealed.trees.clear()
    found = by_check(look_at(ready))
    assert (found["model"], found["code"]) == (Level.ERROR, Level.ERROR)


def test_a_deployment_that_does_not_exist_is_not_found(ready: Bench) -> None:
    with refused(ready.tx, NotFound):
        look_at(ready, "none")


@pytest.mark.parametrize(
    ("image", "is_built", "level"),
    [("", True, Level.OK), ("", False, Level.NOT_CHECKED), ("impossible", True, Level.ERROR)],
)
def test_the_environment_of_a_draft_is_built_can_be_or_never(
    bench: Bench, image: str, is_built: bool, level: Level
) -> None:
    draft = preflights.Draft("digits", compute="cpu", environment=Environment("env", "1", image=image))
    found = preflights.of_draft(bench.tx, OWNER, draft, environments=FakeEnvironments(is_built=is_built))
    assert by_check(found) == {"endpoint": Level.OK, "compute": Level.OK, "environment": level}


def test_a_draft_on_nothing_names_each_thing_to_make_first(bench: Bench) -> None:
    found = preflights.of_draft(
        bench.tx, OWNER, preflights.Draft("none", compute="neither"), environments=FakeEnvironments()
    )
    assert by_check(found) == {"endpoint": Level.ERROR, "compute": Level.ERROR}
    assert [finding.remedy.split("`")[1].split()[:2] for finding in found] == [
        ["batchyard", "batch-endpoint"],
        ["batchyard", "compute"],
    ]
