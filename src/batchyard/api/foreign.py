"""References to another workspace in a body: told as mistakes, before they could be taken for ours of the same name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from batchyard.api.blob.paths import account_of_url
from batchyard.domain.errors import InvalidInput, Mistake
from batchyard.domain.resource_ids import parse_arm_id, workspace_of_uri
from batchyard.domain.workspaces import Workspace, is_same, workspace_of_account

# What users write there is theirs, and leads nowhere; `value` is that of a literal input.
_NOT_READ = frozenset({"tags", "description", "displayname", "friendlyname", "environmentvariables", "value"})


def refuse_foreign(body: Mapping[str, object], here: Workspace) -> None:
    """See that every id and every URI in a body's `properties` leads into this workspace. Raises: InvalidInput."""
    allowed = f"something of the workspace {here.scope.workspace!r} itself"
    remedy = "Register it here first, or ask the other workspace."
    found = [
        Mistake(f"properties.{field}", repr(text), allowed, remedy)
        for key, value in body.items()
        if key.lower() == "properties" and isinstance(value, Mapping)
        for field, text in _texts(value, "")
        if _leads_elsewhere(text, here)
    ]
    if found:
        raise InvalidInput("request", found)


def _texts(value: object, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            # A mapping of properties inside of properties is the user's own.
            if key.lower() not in _NOT_READ and key.lower() != "properties":
                yield from _texts(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _texts(item, f"{path}.{number}")


def _leads_elsewhere(text: str, here: Workspace) -> bool:
    arm = parse_arm_id(text)
    if arm is not None:
        return not is_same(arm[0], here.scope)
    named = workspace_of_uri(text)
    if named is not None:
        return not is_same(named, here.scope)
    account = account_of_url(text)
    return account is not None and workspace_of_account(account) != (None if here.is_default else here.id)
