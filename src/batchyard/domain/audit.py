"""What an audit row says: one for every mutation, in the same transaction, append-only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One mutation. time: seconds since the epoch, UTC.

    before/after: hashes of the documents, None where there was none.
    action: such as `batchEndpoints/write`. target: path of the object, such as `batchEndpoints/digits`.
    details: small facts worth searching (`default_before`, `default_after`).
    """

    time: float
    actor: str
    action: str
    target: str
    before: str | None = None
    after: str | None = None
    reason: str = ""
    ticket: str = ""
    details: Mapping[str, str] = field(default_factory=dict)


DEFAULT_CHANGED = "batchEndpoints/defaults/write"
