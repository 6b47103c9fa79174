"""The lineage of a job: what it was made of, and where a row, a file or an item of it belongs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any  # JSON values

from batchyard.domain.assets import Sealed
from batchyard.domain.errors import InvalidInput, Mistake
from batchyard.domain.item_names import item_fields
from batchyard.domain.jobs import Job
from batchyard.domain.outputs.lineage import Origin, Trace, TracedItem
from batchyard.domain.resource_ids import AssetId
from batchyard.wire.item_history import spellings_of

_MOST_DIGITS = 18


def row_number(text: str) -> int:
    """Read the number of a row. Raises: InvalidInput."""
    if not text.isascii() or not text.isdecimal() or len(text) > _MOST_DIGITS:
        raise InvalidInput("request", [Mistake("row", repr(text), "the number of a row, from 0 on")])
    return int(text)


def only_one(given: dict[str, str]) -> str:
    """Give the name of what is asked for, "" for the job alone. Raises: InvalidInput for more than one."""
    named = [name for name, text in given.items() if text]
    if len(named) > 1:
        raise InvalidInput("request", [Mistake(" and ".join(named), "given together", "one of them")])
    return named[0] if named else ""


def item_spellings(item: str, encoded: str) -> list[bytes]:
    """Give the paths that may be meant. Raises: InvalidInput."""
    return spellings_of(item, encoded)


def lineage_to_history(job: Job, traces: Sequence[Trace]) -> dict[str, Any]:
    """Give what a job was made of, and what was traced, as JSON."""
    spec = job.scoring
    return {
        "job": job.name,
        "generation": job.generation,
        "endpoint": spec.endpoint,
        "deployment": spec.deployment,
        "deploymentRevision": spec.deployment_revision,
        "routedBy": spec.routed_by,
        "model": _asset(spec.model, spec.model_seal),
        "code": _asset(spec.code, spec.code_seal),
        "scoringScript": spec.scoring_script,
        "environment": {
            "name": spec.environment.name,
            "version": spec.environment.version,
            "sha256": spec.build.sha256 if spec.build else None,
            "pythonVersion": spec.build.python_version if spec.build else None,
        },
        "input": {"uri": spec.source.uri, "kind": spec.source.kind.value},
        "ledgerSha256": job.ledger_sha256,
        "traced": [_trace(trace) for trace in traces],
    }


def _asset(asset: AssetId | None, seal: Sealed | None) -> dict[str, str] | None:
    """Give a version of an asset with its hash; None of what a step has none of, a model."""
    return {"name": asset.name, "version": asset.version, "sha256": seal.sha256} if asset and seal else None


def _trace(trace: Trace) -> dict[str, Any]:
    return {
        "attribution": trace.attribution.value,
        "items": [_item(item) for item in trace.items],
        "matches": trace.matches,
        "origins": [_origin(origin) for origin in trace.origins],
        "outcome": trace.outcome,
        "note": trace.note,
    }


def _item(item: TracedItem) -> dict[str, Any]:
    fields = {("itemPercentEncoded" if k != "item" else k): v for k, v in item_fields(item.path).items()}
    return {**fields, "position": item.position}


def _origin(origin: Origin) -> dict[str, Any]:
    return {
        "miniBatch": origin.mini_batch,
        "miniBatches": origin.stop - origin.mini_batch,
        "attempt": origin.attempt,
        "worker": origin.worker,
        "fence": origin.fence,
        "firstRow": origin.first_row,
        "rows": origin.rows,
    }
