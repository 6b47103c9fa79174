"""Models that steps make: the engine's side of outputs that become versions of a model."""

from __future__ import annotations

from batchyard.control import asset_versions, audit, references, registry
from batchyard.domain.access import Action
from batchyard.domain.assets import AssetKind, Model, ModelType, Sealed
from batchyard.domain.errors import Conflict
from batchyard.domain.job_specs import StepOutput
from batchyard.domain.jobs import Job
from batchyard.domain.pipelines.components import PortType
from batchyard.domain.resource_ids import AssetId
from batchyard.ports.records import Key, Stored, Transaction

_TYPES = {PortType.MLFLOW_MODEL: ModelType.MLFLOW}


def check_free(tx: Transaction, job: Job, name: str, id: AssetId) -> None:
    """Look whether a version can still be registered; one without a number always can. Raises: Conflict.

    One that this output of this job has become already, in an earlier run, passes: with the same bytes it is done.
    """
    stored = tx.documents.get(_key(id)) if id.version else None
    if stored is not None and not _is_of(stored, job, name):
        raise Conflict(_taken(id))


def register(tx: Transaction, job: Job, name: str, output: StepOutput, sealed: Sealed, *, now: float) -> Stored[Model]:
    """Store a published output as the version that it registers; again with the same bytes it is done already.

    name: of the output. A version that is not named is the next number, the same one whoever asks again.
    sealed: its bytes, under the name that the output's place ends with.
    Raises: Conflict when the version has other bytes.
    """
    if output.registers is None:
        raise TypeError(f"output {name!r} of job {job.name!r} registers nothing")
    id = output.registers if output.registers.version else _next(tx, job, name, output.registers.name, sealed)
    model = Model(
        name=id.name,
        version=id.version,
        type=_TYPES.get(output.type, ModelType.CUSTOM),
        uri=str(output.place),
        sealed=sealed,
        properties=_made_by(job, name),
    )
    act = audit.Act(job.created_by, Action.ASSET_WRITE, now, details={"job": job.name, "output": name})
    stored = tx.documents.get(_key(id))
    return asset_versions.store(tx, act, AssetKind.MODEL, model, stored, refusal=_taken(id))


def _next(tx: Transaction, job: Job, name: str, model: str, sealed: Sealed) -> AssetId:
    """Give the version that this output has become already, in an earlier run of the job even, or the next number."""
    for stored in references.versions_of(tx, AssetKind.MODEL, model):
        if stored.document.sealed == sealed and _is_of(stored, job, name):
            return AssetId(model, stored.key.version)
    return AssetId(model, asset_versions.next_of(tx, AssetKind.MODEL, model))


def _is_of(stored: Stored[Model], job: Job, name: str) -> bool:
    return {"job": job.name, "output": name}.items() <= stored.document.properties.items()


def _made_by(job: Job, name: str) -> dict[str, str]:
    return {"job": job.name, "output": name, "run": str(job.run)}


def _key(id: AssetId) -> Key:
    return registry.asset_key(AssetKind.MODEL, id.name, id.version)


def _taken(id: AssetId) -> str:
    return (
        f"Version {id.version!r} of model {id.name!r} is registered already, and versions never change. "
        "Let the output register another one."
    )
