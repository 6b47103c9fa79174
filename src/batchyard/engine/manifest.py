"""The manifest of an output: what was run on what, and what came out."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any  # JSON values

from batchyard.domain.assets import Sealed as Seal
from batchyard.domain.item_names import item_fields
from batchyard.domain.job_specs import ScoringSpec
from batchyard.domain.jobs import Counts, Job
from batchyard.domain.outputs.manifests import FORMAT, manifest_bytes
from batchyard.domain.outputs.tree_files import TreeFile
from batchyard.domain.scoring.ledger import Planned
from batchyard.engine.plain_json import to_json
from batchyard.ports.datastore import Trees

# Of larger trees the one hash has to do: a manifest is read by people, and whole by programs.
_MOST_FILES = 1000


def said_by_record(job: Job, *, generation: int) -> dict[str, Any]:
    """Give what a manifest says that the job's record says as well, as JSON. generation: of the output."""
    spec = job.scoring
    document = {
        "generation": generation,
        "job": job.name,
        "endpoint": spec.endpoint,
        "deployment": spec.deployment,
        "deployment_revision": spec.deployment_revision,
        "routed_by": spec.routed_by,
        "model": _model(spec),
        "code": {
            "name": spec.code.name,
            "version": spec.code.version,
            "sha256": spec.code_seal.sha256,
            "scoring_script": spec.scoring_script,
        },
        "environment": {
            "name": spec.environment.name,
            "version": spec.environment.version,
            "sha256": spec.build.sha256 if spec.build else None,
            "python_version": spec.build.python_version if spec.build else None,
        },
        "input": {"uri": spec.source.uri, "kind": spec.source.kind.value},
        "settings": asdict(job.settings),
    }
    return dict(json.loads(to_json(document)))


def make_manifest(
    job: Job, trees: Trees, *, planned: Planned, counts: Counts, ledger_sha256: str, outputs: Sequence[dict[str, Any]]
) -> bytes:
    """Give the manifest of the generation that is published now; no host and no time that the ledger does not hold.

    outputs: an entry for each file but the manifest.
    """
    said = said_by_record(job, generation=job.generation + 1)
    of_input = {
        "items": counts.items,
        "listing_sha256": planned.listing_sha256,
        "skipped_items": [item_fields(os.fsencode(name)) for name in planned.skipped_names],
    }
    document = {
        **said,
        "format": FORMAT,
        "model": {**said["model"], "files": _files(trees, seal)} if (seal := job.scoring.model_seal) else None,
        "code": {**said["code"], "files": _files(trees, job.scoring.code_seal)},
        "input": {**said["input"], **of_input},
        "counts": asdict(counts),
        "outputs": outputs,
        "ledger_sha256": ledger_sha256,
    }
    return manifest_bytes(json.loads(to_json(document)))


def _model(spec: ScoringSpec) -> dict[str, Any] | None:
    """Give the model that scores; None of a step, whose script says itself what it reads."""
    if spec.model is None or spec.model_seal is None:
        return None
    return {"name": spec.model.name, "version": spec.model.version, "sha256": spec.model_seal.sha256}


def _files(trees: Trees, seal: Seal) -> list[dict[str, Any]] | None:
    """Give the hash of each file of a tree; None of a very large one, and where nobody kept them."""
    files = trees.files(seal) if seal.files <= _MOST_FILES else None
    return None if files is None else [_file(file) for file in files]


def _file(file: TreeFile) -> dict[str, Any]:
    fields = {
        ("path" if key == "item" else "path_percent_encoded"): text for key, text in item_fields(file.path).items()
    }
    executable = {"is_executable": True} if file.is_executable else {}
    return {**fields, "size_bytes": file.size_bytes, "sha256": file.sha256, **executable}
