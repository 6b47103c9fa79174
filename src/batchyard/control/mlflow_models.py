"""MLflow models without a script of their own: the script and the environment that are registered for them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

from batchyard.control import audit, mlflow_environment, references, registry
from batchyard.control.mlflow_code import CODE, SCRIPT, script_files
from batchyard.domain.assets import AssetKind, CodeVersion, Environment, Model, ModelType
from batchyard.domain.deployments import DeploymentDraft
from batchyard.domain.errors import Mistake
from batchyard.domain.resource_ids import Reference
from batchyard.ports.datastore import SealedStore
from batchyard.ports.records import Transaction

# Names of what is registered here. A client that changes a deployment sends them back; they then mean "not given".
ENVIRONMENT = "mlflow_model"
_ORIGIN = "batchyard"
_LARGEST_TEXT_BYTES = 1 << 20
_HASH_LENGTH = 16


def with_script(
    tx: Transaction, act: audit.Act, draft: DeploymentDraft, *, sealed: SealedStore
) -> tuple[DeploymentDraft, list[Mistake]]:
    """Give the draft of an MLflow model without a script with one that scores through `mlflow.pyfunc`; where it names
    no environment either, with the one that the model's own files ask for. Other drafts come back without what was
    registered here for another model.

    Returns: the draft, and what of the model's files stands in the way; with mistakes nothing was registered.
    """
    draft = _as_written(draft)
    model = _model(tx, draft)
    if model is None or draft.code is not None or draft.scoring_script:
        return draft, []
    root = _root(model, sealed)
    if root is None:
        wrong = f"model {model.name!r} without a file {mlflow_environment.DESCRIPTION_FILE!r}"
        return draft, [Mistake("model", wrong, "the folder that `mlflow` saved, with everything in it")]
    mistakes = _flavor_mistakes(model, root, sealed)
    if mistakes:
        return draft, mistakes
    environment = draft.environment or _environment(tx, act, model, root, sealed)
    if environment is None:
        return draft, [mlflow_environment.missing(f"model {model.name!r}")]
    return replace(draft, code=_code(tx, act, sealed), scoring_script=SCRIPT, environment=environment), []


def _as_written(draft: DeploymentDraft) -> DeploymentDraft:
    """Take out what was registered here: it belongs to the model that the deployment had, not to the one it gets."""
    if draft.code is not None and draft.code.name == CODE:
        draft = replace(draft, code=None, scoring_script=None)
    if draft.environment is not None and draft.environment.name == ENVIRONMENT:
        draft = replace(draft, environment=None)
    return draft


def _model(tx: Transaction, draft: DeploymentDraft) -> Model | None:
    """Give the MLflow model that a draft names, or None; a reference that leads nowhere is told by who follows it."""
    if draft.model is None:
        return None
    found = references.follow(tx, AssetKind.MODEL, draft.model, field="model")
    if isinstance(found, Mistake) or found.document.type is not ModelType.MLFLOW:
        return None
    model: Model = found.document
    return model


def _root(model: Model, sealed: SealedStore) -> str | None:
    """Give the folder of the model in its tree, ended by '/' or empty: the uppermost one with an MLmodel file."""
    found = [
        name for name in sealed.names(model.sealed) if name.rpartition("/")[2] == mlflow_environment.DESCRIPTION_FILE
    ]
    uppermost = min(found, key=lambda name: (name.count("/"), name), default=None)
    return None if uppermost is None else uppermost.removesuffix(mlflow_environment.DESCRIPTION_FILE)


def _flavor_mistakes(model: Model, root: str, sealed: SealedStore) -> list[Mistake]:
    described = mlflow_environment.describe(_reader(model, root, sealed)(mlflow_environment.DESCRIPTION_FILE) or "")
    return mlflow_environment.flavor_mistakes(described, f"model {model.name!r}")


def _environment(tx: Transaction, act: audit.Act, model: Model, root: str, sealed: SealedStore) -> Reference | None:
    """Give the environment that a model's files ask for, registered; None when they say nothing of one."""
    conda_file = mlflow_environment.conda_file_of(_reader(model, root, sealed))
    if conda_file is None:
        return None
    version = _hash(conda_file)
    if tx.documents.get(registry.asset_key(AssetKind.ENVIRONMENT, ENVIRONMENT, version)) is None:
        description = f"What the MLflow model {model.name}:{model.version} asks for."
        document = Environment(ENVIRONMENT, version, conda_file=conda_file, description=description, is_anonymous=True)
        audit.save(tx, act, registry.asset_key(AssetKind.ENVIRONMENT, ENVIRONMENT, version), document)
    return Reference(AssetKind.ENVIRONMENT.value, ENVIRONMENT, version)


def _reader(model: Model, root: str, sealed: SealedStore) -> mlflow_environment.ReadText:
    return lambda name: sealed.read_text(model.sealed, f"{root}{name}", limit_bytes=_LARGEST_TEXT_BYTES)


def _code(tx: Transaction, act: audit.Act, sealed: SealedStore) -> Reference:
    files = script_files()
    version = _hash(json.dumps(files, sort_keys=True))
    key = registry.asset_key(AssetKind.CODE, CODE, version)
    if tx.documents.get(key) is None:
        document = CodeVersion(
            CODE,
            version,
            uri="",
            sealed=sealed.add(files),
            description="Scores files with an MLflow model.",
            properties={"generated_by": _ORIGIN},
        )
        audit.save(tx, act, key, document)
    return Reference(AssetKind.CODE.value, CODE, version)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_HASH_LENGTH]
