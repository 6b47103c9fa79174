"""Workspaces in YAML and in ARM's dialect."""

from __future__ import annotations

import pytest

from batchyard.domain.errors import InvalidInput
from batchyard.domain.resource_ids import Scope
from batchyard.wire.workspaces import (
    workspace_cli_from_arm,
    workspace_from_arm,
    workspace_from_yaml,
    workspace_notes,
    workspace_to_arm,
    workspace_to_arm_body,
)

WITHIN = Scope("sub-1", "research", "any")
DOCUMENT: dict[str, object] = {
    "name": "team",
    "display_name": "The team",
    "description": "ours",
    "location": "westeurope",
    "tags": {"a": "b"},
}


def test_what_a_file_says_comes_back_from_the_body_it_becomes() -> None:
    wanted = workspace_from_yaml(DOCUMENT, within=WITHIN)
    assert wanted.scope == Scope("sub-1", "research", "team")
    assert workspace_from_arm(wanted.scope, "", workspace_to_arm_body(wanted)) == wanted


def test_a_file_may_name_its_resource_group() -> None:
    wanted = workspace_from_yaml({**DOCUMENT, "resource_group": "other"}, within=WITHIN)
    assert wanted.scope.resource_group == "other"


def test_all_that_is_wrong_with_a_file_is_told_at_once() -> None:
    with pytest.raises(InvalidInput) as refusal:
        workspace_from_yaml({"tags": "none", "loction": "westeurope"}, within=WITHIN)
    assert {mistake.field for mistake in refusal.value.mistakes} == {"name", "tags", "loction"}


def test_what_has_no_effect_here_is_said() -> None:
    notes = workspace_notes({**DOCUMENT, "storage_account": "/subscriptions/x"})
    assert len(notes) == 1
    assert "storage_account" in notes[0]


def test_what_is_printed_says_where_the_workspace_is() -> None:
    wanted = workspace_from_yaml(DOCUMENT, within=WITHIN)
    printed = workspace_cli_from_arm(workspace_to_arm(wanted, base_url="https://localhost:8443"))
    assert list(printed) == sorted(printed)
    assert (printed["subscription"], printed["resource_group"], printed["name"]) == ("sub-1", "research", "team")
    assert printed["id"] == Scope("sub-1", "research", "team").arm_id
