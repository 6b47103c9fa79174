"""Endpoints: rules of their names, switches of the default and their history, deletion."""

from __future__ import annotations

from dataclasses import replace

import pytest

from batchyard.control import deployments, endpoints, jobs
from batchyard.domain.access import ROLES, Action, Caller
from batchyard.domain.endpoints import DefaultChange, Endpoint
from batchyard.domain.errors import Forbidden, InvalidInput, NotFound, PreconditionFailed

from .bench import NOW, OWNER, Bench, with_code
from .fakes import refused


def test_an_endpoint_lives_without_deployments(bench: Bench) -> None:
    stored = endpoints.get(bench.tx, OWNER, "digits")
    assert stored.document == Endpoint("digits")
    assert [s.key.name for s in endpoints.list_endpoints(bench.tx, OWNER).items] == ["digits"]


def test_all_mistakes_of_an_endpoint_are_told_at_once(bench: Bench) -> None:
    with refused(bench.tx, InvalidInput) as refusal:
        bench.endpoint(Endpoint("1x", auth_mode="key", default_deployment="blue"))
    assert refusal.fields == ["auth_mode", "defaults.deployment_name", "name"]


def test_a_missing_endpoint_is_not_found_with_near_names(bench: Bench) -> None:
    with refused(bench.tx, NotFound) as refusal:
        endpoints.get(bench.tx, OWNER, "digit")
    assert "'digits'" in refusal.text


def test_an_old_etag_is_refused(bench: Bench) -> None:
    with refused(bench.tx, PreconditionFailed):
        bench.endpoint(Endpoint("digits", description="new"), if_match="old")
    with refused(bench.tx, PreconditionFailed):
        endpoints.delete(bench.tx, OWNER, "digits", now=NOW, if_match="old")


def test_a_default_that_does_not_exist_is_refused_with_near_names(bench: Bench) -> None:
    bench.deploy("blue")
    with refused(bench.tx, InvalidInput) as refusal:
        bench.set_default("blu")
    assert refusal.fields == ["defaults.deployment_name"]
    assert "'blue'" in refusal.text


def test_a_default_that_cannot_take_jobs_yet_is_refused_with_its_state(bench: Bench) -> None:
    _, operation = bench.put()
    with refused(bench.tx, InvalidInput) as refusal:
        bench.set_default("blue")
    assert "is Creating" in refusal.text
    bench.fail(operation, "no such package: nunpy")
    with refused(bench.tx, InvalidInput) as refusal:
        bench.set_default("blue")
    assert "is Failed: no such package: nunpy" in refusal.text


def test_a_default_whose_update_failed_can_still_be_set(bench: Bench) -> None:
    bench.deploy("blue")
    bench.code("src", "2", files={"score.py": "run = print"})
    _, operation = bench.put(with_code("2"))
    bench.fail(operation)
    assert bench.set_default("blue").document.default_deployment == "blue"


def test_history_of_the_default_tells_who_when_from_to_why(bench: Bench) -> None:
    bench.deploy("blue")
    bench.deploy("green")
    bench.set_default("blue", now=NOW + 1, reason="first", ticket="T-1")
    bench.set_default("green", now=NOW + 2, reason="better", ticket="T-2")
    bench.set_default(None, now=NOW + 3)
    assert endpoints.default_history(bench.tx, OWNER, "digits") == [
        DefaultChange(NOW + 3, "ada", "green", None, "", ""),
        DefaultChange(NOW + 2, "ada", "blue", "green", "better", "T-2"),
        DefaultChange(NOW + 1, "ada", None, "blue", "first", "T-1"),
    ]


def test_a_change_of_anything_else_is_not_in_the_history(bench: Bench) -> None:
    bench.deploy("blue")
    bench.set_default("blue")
    bench.endpoint(Endpoint("digits", description="new", default_deployment="blue"))
    assert len(endpoints.default_history(bench.tx, OWNER, "digits")) == 1
    assert bench.last_entry.action == "batchEndpoints/write"


def test_history_is_of_one_endpoint_only(bench: Bench) -> None:
    bench.endpoint(Endpoint("other"))
    bench.deploy("blue")
    bench.set_default("blue")
    assert endpoints.default_history(bench.tx, OWNER, "other") == []


def test_history_of_a_missing_endpoint_is_not_found(bench: Bench) -> None:
    with refused(bench.tx, NotFound):
        endpoints.default_history(bench.tx, OWNER, "none")


def test_switching_the_default_needs_an_action_of_its_own(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ROLES, "Editor", frozenset({Action.ENDPOINT_WRITE}))
    editor = Caller("eddy", frozenset({"Editor"}))
    bench.deploy("blue")
    wanted = Endpoint("digits", default_deployment="blue")
    with refused(bench.tx, Forbidden) as refusal:
        endpoints.create_or_update(bench.tx, editor, wanted, now=NOW)
    assert "batchEndpoints/defaults/write" in refusal.text
    bench.set_default("blue")
    endpoints.create_or_update(bench.tx, editor, replace(wanted, description="new"), now=NOW)


def test_deleting_an_endpoint_takes_its_deployments_and_leaves_its_jobs(bench: Bench) -> None:
    bench.deploy("blue")
    bench.deploy("green")
    bench.set_default("blue")
    job = bench.invoke()
    assert endpoints.delete(bench.tx, OWNER, "digits", now=NOW, reason="done")
    assert endpoints.list_endpoints(bench.tx, OWNER).items == ()
    assert bench.serving("blue") is None
    assert jobs.get(bench.tx, OWNER, job.name) == job
    rows = [(row.action, row.target, row.reason) for row in bench.tx.entries[-3:]]
    assert rows == [
        ("batchEndpoints/delete", "batchEndpoints/digits", "done"),
        ("deployments/delete", "batchEndpoints/digits/deployments/blue", "done"),
        ("deployments/delete", "batchEndpoints/digits/deployments/green", "done"),
    ]


def test_an_endpoint_made_again_starts_empty(bench: Bench) -> None:
    bench.deploy("blue")
    endpoints.delete(bench.tx, OWNER, "digits", now=NOW)
    bench.endpoint(Endpoint("digits"))
    assert deployments.list_deployments(bench.tx, OWNER, "digits").items == ()


def test_deleting_what_does_not_exist_gives_false(bench: Bench) -> None:
    before = bench.tx.snapshot()
    assert endpoints.delete(bench.tx, OWNER, "none", now=NOW) is False
    assert bench.tx.snapshot() == before


def test_the_history_ends_with_the_deletion_and_begins_anew(bench: Bench) -> None:
    bench.deploy("blue")
    bench.set_default("blue")

    endpoints.delete(bench.tx, OWNER, "digits", now=NOW + 5, reason="moved", ticket="T-1")
    bench.endpoint(Endpoint("digits"), now=NOW + 6)

    newest = endpoints.default_history(bench.tx, OWNER, "digits")[0]
    assert newest == DefaultChange(NOW + 5, OWNER.name, "blue", None, "moved", "T-1")


def test_an_endpoint_lists_its_deployments(bench: Bench) -> None:
    bench.deploy("green")
    bench.deploy("blue")

    assert [d.name for d in endpoints.deployments_of(bench.tx, OWNER, "digits")] == ["blue", "green"]
