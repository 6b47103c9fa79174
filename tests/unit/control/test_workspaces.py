"""The workspace and its datastores."""

from __future__ import annotations

import pytest

from batchyard.control import datastores, workspaces
from batchyard.domain.errors import NotFound
from batchyard.domain.resource_ids import DEFAULT_SCOPE, Scope

from .bench import OWNER


def test_the_workspace_is_found_whatever_the_case_of_its_id() -> None:
    assert workspaces.get(OWNER, Scope(DEFAULT_SCOPE.subscription, "LOCAL", "Default")) == DEFAULT_SCOPE


def test_another_workspace_is_not_found() -> None:
    with pytest.raises(NotFound, match="workspaces/default"):
        workspaces.get(OWNER, Scope(DEFAULT_SCOPE.subscription, "local", "other"))


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
