"""What a YAML file is by its `$schema`, and the command that takes it."""

from __future__ import annotations

from collections.abc import Mapping

from batchyard.domain.errors import InvalidInput, Mistake

_NOUNS = {
    "batchendpoint": "batch-endpoint",
    "batchdeployment": "batch-deployment",
    "modelbatchdeployment": "batch-deployment",
    "pipelinecomponentbatchdeployment": "batch-deployment",
    "model": "model",
    "environment": "environment",
    "data": "data",
    "compute": "compute",
    "amlcompute": "compute",
    "schedule": "schedule",
    "component": "component",
    "commandcomponent": "component",
    "parallelcomponent": "component",
    "pipelinecomponent": "component",
    "azureblob": "datastore",
    "azurefile": "datastore",
    "azuredatalakegen1": "datastore",
    "azuredatalakegen2": "datastore",
    "workspace": "workspace",
    "pipelinejob": "job",
    "commandjob": "job",
}
_NOT_HERE = {"sweepjob": "a sweep job"}


def noun_of_schema(schema: object) -> str | None:
    """Give the noun of a `$schema`, such as `batch-endpoint`; None where there is none, or it is of no noun of ours."""
    return _NOUNS.get(_stem(schema))


def check_noun(document: Mapping[str, object], noun: str, *, subject: str) -> None:
    """See that a file is about the noun of the command it was given to; one without `$schema` passes.

    subject: how messages call the file. Raises: InvalidInput naming what it is and the command that takes it.
    """
    schema = document.get("$schema")
    found = noun_of_schema(schema)
    if found is not None and found != noun:
        remedy = f"Give it to `batchyard {found} create --file`."
        raise InvalidInput(subject, [Mistake("", f"the YAML of {_a(found)}", _a(noun), remedy)])
    if found is None and (other := _NOT_HERE.get(_stem(schema))) is not None:
        remedy = "No command here takes it; `batchyard job create` takes pipeline and command jobs."
        raise InvalidInput(subject, [Mistake("", f"the YAML of {other}", _a(noun), remedy)])


def _stem(schema: object) -> str:
    last = str(schema or "").rsplit("/", 1)[-1].lower()
    return last.removesuffix(".json").removesuffix(".schema")


def _a(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun.replace('-', ' ')}"
