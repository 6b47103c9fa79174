"""The workspace and its datastores."""

from __future__ import annotations

import pytest

from batchyard.control import datastores, endpoints, workspaces
from batchyard.domain.endpoints import Endpoint
from batchyard.domain.errors import Conflict, InvalidInput, NotFound
from batchyard.domain.resource_ids import DEFAULT_SCOPE, Scope
from batchyard.domain.workspaces import Workspace

from .bench import NOW, OWNER, Bench
from .fakes import refused

TEAM = Scope("sub-1", "Group-A", "Team")


@pytest.fixture
def team(bench: Bench) -> Workspace:
    """Give a second workspace."""
    return workspaces.create_or_update(bench.tx, OWNER, Workspace(TEAM, "id-1"), now=NOW)


def test_a_workspace_is_found_whatever_the_case_of_its_names(bench: Bench, team: Workspace) -> None:
    wanted = Scope(DEFAULT_SCOPE.subscription, "LOCAL", "Default")
    assert workspaces.get(bench.tx, OWNER, wanted).scope == DEFAULT_SCOPE
    assert workspaces.get(bench.tx, OWNER, Scope("SUB-1", "group-a", "TEAM")) == team


def test_a_missing_workspace_is_told_with_those_that_exist_and_the_command_that_creates_it(bench: Bench) -> None:
    with pytest.raises(NotFound, match="'default'") as refusal:
        workspaces.get(bench.tx, OWNER, TEAM)
    assert "`batchyard workspace create -n Team -g Group-A --subscription sub-1`" in str(refusal.value)


def test_all_that_is_wrong_with_the_names_of_a_new_workspace_is_told_at_once(bench: Bench) -> None:
    with refused(bench.tx, InvalidInput) as refusal:
        workspaces.create_or_update(bench.tx, OWNER, Workspace(Scope("s/1", "g.", "-w"), "id"), now=NOW)
    assert all(field in refusal.text for field in ("name: ", "resource_group: ", "subscription: "))


def test_another_put_changes_what_may_change_and_keeps_names_and_id(bench: Bench, team: Workspace) -> None:
    wanted = Workspace(Scope("sub-1", "group-a", "team"), "id-2", description="ours", tags={"a": "b"})
    changed = workspaces.create_or_update(bench.tx, OWNER, wanted, now=NOW + 1)
    assert (changed.scope, changed.id, changed.description) == (TEAM, "id-1", "ours")
    assert (changed.created_at, changed.modified_at) == (NOW, NOW + 1)


def test_making_and_deleting_are_audited_in_the_workspace_itself(bench: Bench, team: Workspace) -> None:
    assert workspaces.delete(bench.tx, OWNER, TEAM, now=NOW, reason="gone")
    entries = bench.tx.of(team).audit.list()
    assert sorted((entry.action, entry.target) for entry in entries) == [
        ("workspaces/delete", "workspaces/Team"),
        ("workspaces/write", "workspaces/Team"),
    ]


def test_a_workspace_with_endpoints_or_unfinished_jobs_is_not_deleted(bench: Bench, team: Workspace) -> None:
    inside = bench.tx.of(team)
    endpoints.create_or_update(inside, OWNER, Endpoint("digits"), now=NOW)
    with refused(bench.tx, Conflict) as refusal:
        workspaces.delete(bench.tx, OWNER, TEAM, now=NOW)
    assert "endpoint 'digits'" in refusal.text
    endpoints.delete(inside, OWNER, "digits", now=NOW)
    assert workspaces.delete(bench.tx, OWNER, TEAM, now=NOW)
    assert not workspaces.delete(bench.tx, OWNER, TEAM, now=NOW)


def test_the_default_workspace_is_never_deleted(bench: Bench) -> None:
    with refused(bench.tx, Conflict) as refusal:
        workspaces.delete(bench.tx, OWNER, DEFAULT_SCOPE, now=NOW)
    assert "from the start" in refusal.text


def test_the_default_datastore_comes_first() -> None:
    assert [store.name for store in datastores.list_datastores(OWNER)] == [
        "workspaceblobstore",
        "workspaceartifactstore",
    ]
    assert datastores.get(OWNER, "workspaceblobstore").is_default


@pytest.mark.parametrize("verb", [datastores.get, datastores.open_for_reading, datastores.open_for_writing])
def test_a_missing_datastore_is_told_with_the_known_ones(verb: object) -> None:
    assert callable(verb)
    with pytest.raises(NotFound, match="'workspaceblobstore'"):
        verb(OWNER, "workspaceblobstor")
