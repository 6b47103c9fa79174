"""Save, delete and record: the only way use cases change a document, so that no change goes without its audit row."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from enum import Enum
from typing import Any  # what a document is, its key's kind says

from batchyard.domain.access import Action
from batchyard.domain.audit import AuditEntry
from batchyard.ports.records import Key, Kind, Stored, Transaction

_COLLECTIONS = {
    Kind.ENDPOINT: "batchEndpoints",
    Kind.COMPUTE: "computes",
    Kind.MODEL: "models",
    Kind.ENVIRONMENT: "environments",
    Kind.CODE: "codes",
    Kind.DATA: "data",
    Kind.COMPONENT: "components",
    Kind.SCHEDULE: "schedules",
    Kind.SEALED_PLACE: "sealedPlaces",
    Kind.RUN_LIMIT: "runLimits",
}


@dataclass(frozen=True, slots=True)
class Act:
    """Who does what, when and why. details: small facts worth searching, kept in the audit row."""

    actor: str
    action: Action
    now: float
    reason: str = ""
    ticket: str = ""
    details: Mapping[str, str] = field(default_factory=dict)


def save(tx: Transaction, act: Act, key: Key, document: object, *, if_match: str | None = None) -> Stored[Any]:
    """Store a new revision of a document and append the audit row of it.

    Raises: PreconditionFailed as `Documents.save` does; then nothing was written.
    """
    before = tx.documents.get(key)
    stored = tx.documents.save(key, document, actor=act.actor, now=act.now, if_match=if_match)
    record(tx, act, target(key), before=None if before is None else before.document, after=document)
    return stored


def delete(tx: Transaction, act: Act, key: Key, *, last: object | None = None, if_match: str | None = None) -> bool:
    """Take a document out of sight and append the audit row; False, without a row, when there was none.

    last: stored as the final revision before, None for none. Raises: PreconditionFailed; then nothing was written.
    """
    before = tx.documents.get(key)
    if before is None:
        return False
    if last is not None:
        if_match = tx.documents.save(key, last, actor=act.actor, now=act.now, if_match=if_match).etag
    tx.documents.delete(key, if_match=if_match)
    record(tx, act, target(key), before=before.document, after=None)
    return True


def record(tx: Transaction, act: Act, target: str, *, before: object | None, after: object | None) -> None:
    """Append one audit row; before and after are kept as fingerprints, None where there was nothing."""
    tx.audit.append(
        AuditEntry(
            time=act.now,
            actor=act.actor,
            action=act.action.value,
            target=target,
            before=None if before is None else fingerprint(before),
            after=None if after is None else fingerprint(after),
            reason=act.reason,
            ticket=act.ticket,
            details=act.details,
        )
    )


def target(key: Key) -> str:
    """Give the path that audit rows name a document by, such as `batchEndpoints/digits/deployments/blue`."""
    if key.kind is Kind.DEPLOYMENT:
        return f"batchEndpoints/{key.parent}/deployments/{key.name}"
    path = f"{_COLLECTIONS[key.kind]}/{key.name}"
    return f"{path}/versions/{key.version}" if key.version else path


def job_target(job: str) -> str:
    """Give the path that audit rows name a job by."""
    return f"jobs/{job}"


def default_change(before: str | None, after: str | None) -> dict[str, str]:
    """Give the details of an audit row that tells a switch of the default; None is left out."""
    both = {"default_before": before, "default_after": after}
    return {name: deployment for name, deployment in both.items() if deployment is not None}


def fingerprint(document: object) -> str:
    """Give the sha256 (hex) of a document's canonical JSON: equal documents have equal fingerprints, on any machine."""
    text = json.dumps(_plain(document), sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: object) -> object:
    # dataclasses.asdict deep-copies mappings that are not dicts, which fails for read-only views.
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted(str(_plain(item)) for item in value)
    return value
