"""Domain values to JSON text and back; knows no table.

Text is ASCII with sorted keys: equal values give equal text, and any character (also NUL and bytes of file names that
are not UTF-8) can be stored. Fields that a stored value lacks take their defaults; fields that this version does not
know are refused, since saving the value again would lose them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from batchyard.domain.assets import CodeVersion, Component, DataAsset, Environment, Model
from batchyard.domain.computes import Compute
from batchyard.domain.deployments import Deployment
from batchyard.domain.endpoints import Endpoint
from batchyard.domain.errors import PlatformError
from batchyard.domain.schedules import Schedule
from batchyard.domain.scoring.run_items import RunLimit
from batchyard.domain.sealed_places import SealedPlace
from batchyard.ports.records import Kind

T = TypeVar("T")

DOCUMENT_TYPES: Mapping[Kind, type] = {
    Kind.ENDPOINT: Endpoint,
    Kind.DEPLOYMENT: Deployment,
    Kind.COMPUTE: Compute,
    Kind.MODEL: Model,
    Kind.ENVIRONMENT: Environment,
    Kind.CODE: CodeVersion,
    Kind.DATA: DataAsset,
    Kind.COMPONENT: Component,
    Kind.SCHEDULE: Schedule,
    Kind.SEALED_PLACE: SealedPlace,
    Kind.RUN_LIMIT: RunLimit,
}
_ADAPTERS: dict[type, TypeAdapter[Any]] = {}  # Any: each is for its own type


def encode(value: object) -> str:
    """Give a frozen dataclass (or a mapping of plain values) as JSON text."""
    return json.dumps(_adapter(type(value)).dump_python(value, mode="json"), sort_keys=True, separators=(",", ":"))


def decode(kind: type[T], text: str) -> T:
    """Give the value of a stored text.

    Raises: PlatformError when it does not fit, naming what is unknown; a newer version has written it then.
    """
    try:
        value: T = _adapter(kind).validate_python(json.loads(text), extra="forbid")
    except ValidationError as exc:
        wrong = "; ".join(f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in exc.errors())
        raise PlatformError(
            f"A stored {kind.__name__} cannot be read by this version of batchyard ({wrong}). "
            "A newer version has written it: run that version or a later one."
        ) from exc
    return value


def encode_list(values: Iterable[object]) -> str:
    """Give frozen dataclasses as the text of a JSON array."""
    return f"[{','.join(map(encode, values))}]"


def decode_list(kind: type[T], text: str) -> tuple[T, ...]:
    """Give the values of a stored array, all of one type."""
    return tuple(decode(kind, json.dumps(value)) for value in json.loads(text))


def encode_document(kind: Kind, document: object) -> str:
    """Give a document's text. Raises: TypeError when it is not of its kind's type."""
    expected = DOCUMENT_TYPES[kind]
    if not isinstance(document, expected):
        raise TypeError(f"a {kind.value} is stored as {expected.__name__}, not {type(document).__name__}")
    return encode(document)


def decode_document(kind: Kind, text: str) -> object:
    """Give the document of a stored text."""
    return decode(DOCUMENT_TYPES[kind], text)


def encode_mapping(values: Mapping[str, object]) -> str:
    """Give a mapping of JSON scalars as text."""
    return json.dumps(dict(values), sort_keys=True, separators=(",", ":"))


def decode_texts(text: str) -> dict[str, str]:
    """Give a stored mapping of texts."""
    return {str(name): str(value) for name, value in json.loads(text).items()}


def decode_numbers(text: str) -> dict[str, float]:
    """Give a stored mapping of numbers."""
    return {str(name): float(value) for name, value in json.loads(text).items()}


def _adapter(kind: type[T]) -> TypeAdapter[T]:
    # Built when first needed and kept: building one costs milliseconds, using it microseconds.
    adapter = _ADAPTERS.get(kind)
    if adapter is None:
        adapter = _ADAPTERS[kind] = TypeAdapter(kind)
    return adapter
