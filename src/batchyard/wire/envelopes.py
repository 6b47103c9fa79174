"""The envelope that every resource shares: id, name, type, properties, systemData; pages; times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from batchyard.domain.resource_ids import PROVIDER, Scope


@dataclass(frozen=True, slots=True)
class StoredMeta:
    """What the database knows of a document, as plain values. Times: seconds since the epoch, UTC."""

    revision: int
    etag: str
    created_at: float
    created_by: str
    modified_at: float
    modified_by: str


def iso(epoch: float) -> str:
    """Give a time as `2026-11-22T10:00:00.123456+00:00`."""
    return datetime.fromtimestamp(epoch, tz=UTC).isoformat(timespec="microseconds")


def system_data(meta: StoredMeta) -> dict[str, object]:
    """Give ARM's systemData: who made and last changed it, and when."""
    return {
        "createdAt": iso(meta.created_at),
        "createdBy": meta.created_by,
        "createdByType": "User",
        "lastModifiedAt": iso(meta.modified_at),
        "lastModifiedBy": meta.modified_by,
        "lastModifiedByType": "User",
    }


def arm_envelope(
    scope: Scope,
    *segments: str,
    properties: Mapping[str, object] | None,
    meta: StoredMeta | None = None,
    tags: Mapping[str, str] | None = None,
    location: str | None = None,
) -> dict[str, object]:
    """Wrap properties in ARM's envelope.

    segments: collection and name in turn, such as "models", "m", "versions", "1"; none for the workspace itself.
    """
    kinds = ("workspaces", *segments[::2])
    envelope: dict[str, object] = {
        "id": scope.child(*segments) if segments else scope.arm_id,
        "name": segments[-1] if segments else scope.workspace,
        "type": "/".join((PROVIDER, *kinds)),
        "properties": None if properties is None else dict(properties),
    }
    if location is not None:
        envelope["location"] = location
    if tags is not None:
        envelope["tags"] = dict(tags)
    if meta is not None:
        envelope["systemData"] = system_data(meta)
        envelope["etag"] = meta.etag
    return envelope


def page_to_arm(values: Sequence[Mapping[str, object]], next_link: str | None) -> dict[str, object]:
    """Give one page of a list; next_link: absolute URL of the next one, None on the last."""
    return {"value": list(values), "nextLink": next_link}
