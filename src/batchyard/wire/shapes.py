"""How the documents of both dialects are read: two kinds of pydantic models, their field types, and one reader.

Fields are optional throughout: a missing value is a matter of the noun, which tells it together with its other
mistakes. What a pydantic model cannot say (a reference *or* a mapping) is typed `object` and read by the noun's file.
"""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, TypeVar, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema, model_validator
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo

from batchyard.domain.errors import InvalidInput, Mistake
from batchyard.domain.names import RULES
from batchyard.domain.places import plain
from batchyard.domain.resource_ids import DatastorePath, parse_datastore_uri
from batchyard.wire.durations import seconds_from_iso
from batchyard.wire.mistakes import mistake_of, refusal, shown
from batchyard.wire.removals import Removal

_WHOLE = re.compile(r"[-+]?[0-9]{1,18}", re.ASCII)
# What every store and every machine word can hold; no setting comes near it.
_MOST = 10**18
_DECIMAL = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?", re.ASCII)


class YamlShape(BaseModel):
    """A mapping of a YAML file: unknown keys are mistakes."""

    # Built at first use: a command that reads no deployment does not pay for its schema.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    # Any: for editors alone, never looked at.
    schema_url: Any = Field(default=None, alias="$schema")

    @model_validator(mode="before")
    @classmethod
    def _without_marks(cls, value: object) -> object:
        """Take a marked removal for nothing; an unknown key is a mistake all the same."""
        if not isinstance(value, Mapping):
            return value
        return {key: None if item is Removal.NOT_THERE else item for key, item in value.items()}


class ArmShape(BaseModel):
    """An object of an ARM body: camelCase, unknown keys are ignored, and so is the case of a key's letters."""

    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True, alias_generator=to_camel)

    @model_validator(mode="before")
    @classmethod
    def _spell_keys(cls, value: object) -> object:
        """Spell known keys as the shape does (REST samples write `InputData`, the SDK `inputData`)."""
        if not isinstance(value, Mapping):
            return value
        spelling = {key.lower(): key for key in keys_of(cls)}
        return {spelling.get(str(key).lower(), str(key)): item for key, item in value.items()}


S = TypeVar("S", bound=BaseModel)
E = TypeVar("E", bound=Enum)

NO_EFFECT = "no effect here"
READ_ONLY = "read-only"


def one_of(enum: type[E]) -> Callable[[object], E]:
    """Make a validator that reads a member however its words are cased or joined: AppendRow, append_row, APPEND_ROW."""
    members = {_squeezed(str(member.value)): member for member in enum}
    allowed = " or ".join(str(member.value) for member in enum)

    def read(value: object) -> E:
        if isinstance(value, enum):
            return value
        found = members.get(_squeezed(value)) if isinstance(value, str) else None
        if found is None:
            raise refusal(allowed)
        return found

    return read


def _squeezed(text: str) -> str:
    return re.sub(r"[-_\s]", "", text).lower()


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and math.isfinite(value):
        return format(Decimal(repr(value)), "f")
    if isinstance(value, str | int):
        return str(value)
    raise refusal("text")


def _truth(value: object) -> bool:
    text = value.strip().lower() if isinstance(value, str) else value
    if text not in (True, False, "true", "false") or (isinstance(text, int | float) and not isinstance(text, bool)):
        raise refusal("true or false")
    return text in (True, "true")


def _whole_number(value: object) -> int:
    number = value
    if (isinstance(value, str) and _WHOLE.fullmatch(value.strip())) or (
        isinstance(value, float) and value.is_integer()
    ):
        number = int(value)
    if not isinstance(number, int) or isinstance(number, bool):
        raise refusal("a whole number")
    if abs(number) >= _MOST:
        raise refusal("a whole number of at most 18 digits")
    return number


def _seconds(value: object) -> float:
    number = value
    if isinstance(value, str) and _DECIMAL.fullmatch(value.strip()):
        number = float(value)
    # Compared, not converted: Python's whole numbers have no end, and `float()` of such a one fails.
    if isinstance(number, int | float) and not isinstance(number, bool) and abs(number) < _MOST:
        return float(number)
    raise refusal("a number of seconds")


def _number(value: object) -> float:
    try:
        return _seconds(value)
    except ValueError as exc:
        raise refusal("a number") from exc


def _duration(value: object) -> float:
    seconds = seconds_from_iso(value) if isinstance(value, str) else None
    if seconds is not None:
        return seconds
    try:
        return _seconds(value)
    except ValueError as exc:
        raise refusal("an ISO-8601 duration such as PT30S") from exc


def listed(value: object) -> object:
    """Give a list as it is, and the parts of a text between its commas, as `--set` writes a list."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _text_map(value: object) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise refusal("a mapping of names to text")
    wrong = sorted(str(key) for key, item in value.items() if isinstance(item, Mapping | list | tuple))
    if wrong:
        raise refusal("text for each name", f"Make {', '.join(map(repr, wrong))} plain text.")
    given = {key: item for key, item in value.items() if item is not Removal.NOT_THERE}
    return {str(key): "" if item is None else _text(item) for key, item in given.items()}


def _place(value: object) -> DatastorePath:
    if isinstance(value, DatastorePath):
        return value
    found = parse_datastore_uri(value) if isinstance(value, str) else None
    if found is None:
        raise refusal("azureml://datastores/<datastore>/paths/<path>")
    return DatastorePath(found.datastore, plain(found.path))


# What the readers above take, for the schemas of files and bodies: numbers may stand as text, text as numbers.
_WHOLE_SCHEMA = {"anyOf": [{"type": "integer"}, {"type": "string", "pattern": r"^\s*[-+]?[0-9]{1,18}\s*$"}]}
_NUMBER_SCHEMA = {
    "anyOf": [
        {"type": "number"},
        {"type": "string", "pattern": r"^\s*[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]{1,3})?\s*$"},
    ]
}
_DURATION_SCHEMA = {"anyOf": [*_NUMBER_SCHEMA["anyOf"], {"type": "string", "pattern": "^-?P"}]}
_TRUTH_SCHEMA = {
    "anyOf": [{"type": "boolean"}, {"type": "string", "pattern": r"^\s*([tT][rR][uU][eE]|[fF][aA][lL][sS][eE])\s*$"}]
}
_TEXT_SCHEMA: dict[str, Any] = {"type": ["string", "number", "boolean"]}  # Any: a JSON schema
_TEXT_MAP_SCHEMA = {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean", "null"]}}

Text = Annotated[str, BeforeValidator(_text), WithJsonSchema(_TEXT_SCHEMA)]
WholeNumber = Annotated[int, BeforeValidator(_whole_number), WithJsonSchema(_WHOLE_SCHEMA)]
Truth = Annotated[bool, BeforeValidator(_truth), WithJsonSchema(_TRUTH_SCHEMA)]
Number = Annotated[float, BeforeValidator(_number), WithJsonSchema(_NUMBER_SCHEMA)]
Seconds = Annotated[float, BeforeValidator(_seconds), WithJsonSchema(_NUMBER_SCHEMA)]
Duration = Annotated[float, BeforeValidator(_duration), WithJsonSchema(_DURATION_SCHEMA)]
TextMap = Annotated[dict[str, str], BeforeValidator(_text_map), WithJsonSchema(_TEXT_MAP_SCHEMA)]
Place = Annotated[DatastorePath, BeforeValidator(_place), WithJsonSchema({"type": "string"})]
# Any: accepted whatever stands there, since nothing is done with it.
NoEffect = Annotated[Any, NO_EFFECT, WithJsonSchema({"description": "Accepted, without effect here."})]
ReadOnly = Annotated[Any, READ_ONLY, WithJsonSchema({"readOnly": True, "description": "Left out when read."})]


def read_shape(shape: type[S], document: object, *, prefix: str = "") -> tuple[S, list[Mistake]]:
    """Read what can be read of a document, with every mistake; a wrong value counts as missing.

    prefix: where the document stands in the caller's, such as `model.`; fields of mistakes begin with it.
    """
    if not isinstance(document, Mapping):
        return shape.model_validate({}), [Mistake(prefix.rstrip("."), shown(document), "a mapping")]
    rest = copy.deepcopy(dict(document))
    mistakes: list[Mistake] = []
    while True:
        try:
            return shape.model_validate(rest), mistakes
        except ValidationError as exc:
            errors = exc.errors(include_url=False)
            for error in errors:
                known = writable_keys_of(_shape_at(shape, error["loc"][:-1]))
                mistakes.append(mistake_of(error, prefix=prefix, known=known))
            dropped = [_drop(rest, error["loc"]) for error in errors]
            if not any(dropped):
                return shape.model_validate({}), mistakes


def given(shape: BaseModel, *names: str) -> dict[str, Any]:
    """Give those fields that have a value, by name. Any: each has its field's type, which pydantic has checked."""
    return {name: value for name in names if (value := getattr(shape, name)) is not None}


def name_missing(kind: str, name: str | None, *, field: str = "name") -> list[Mistake]:
    """Say that a name which must be given is not, with the rule for it. kind: a key of `domain.names.RULES`."""
    return [] if name else [Mistake(field, "nothing", RULES[kind].sentence)]


def raise_mistakes(subject: str, mistakes: Sequence[Mistake]) -> None:
    """Raise InvalidInput if there is any mistake."""
    if mistakes:
        raise InvalidInput(subject, mistakes)


def keys_of(shape: type[BaseModel]) -> list[str]:
    """Give the keys a shape knows, as documents write them, without `$schema`."""
    keys = (field.alias or name for name, field in shape.model_fields.items())
    return [key for key in keys if not key.startswith("$")]


def writable_keys_of(shape: type[BaseModel]) -> list[str]:
    """Give the keys that somebody may write: those of the shape without its read-only ones."""
    fixed = {field.alias or name for name, field in shape.model_fields.items() if READ_ONLY in field.metadata}
    return [key for key in keys_of(shape) if key not in fixed]


def notes_of(shape: BaseModel, *, prefix: str = "") -> tuple[str, ...]:
    """Give a sentence for each key that was accepted but does nothing here."""
    idle = [prefix + key for key, _field in _marked(shape, NO_EFFECT)]
    fixed = [prefix + key for key, _field in _marked(shape, READ_ONLY)]
    notes = [f"`{key}` is accepted but has no effect here." for key in idle]
    notes += [f"Read-only keys are left out: {', '.join(fixed)}."] if fixed else []
    for name in sorted(shape.model_fields_set):
        value = getattr(shape, name, None)
        if isinstance(value, BaseModel):
            notes += notes_of(value, prefix=f"{prefix}{name}.")
    return tuple(notes)


def _marked(shape: BaseModel, mark: str) -> Iterator[tuple[str, FieldInfo]]:
    for name, field in type(shape).model_fields.items():
        if mark in field.metadata and getattr(shape, name) is not None:
            yield field.alias or name, field


def _shape_at(shape: type[BaseModel], path: Sequence[str | int]) -> type[BaseModel]:
    """Find the shape of the mapping at a path; keys of a map of shapes have their value's shape."""
    found = shape
    for part in path:
        field = next((f for n, f in found.model_fields.items() if (f.alias or n) == part), None)
        found = _shape_in(field.annotation) or found if field is not None else found
    return found


def _shape_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((shape for arg in get_args(annotation) if (shape := _shape_in(arg))), None)


def _drop(document: object, path: Sequence[str | int]) -> bool:
    """Take the value at a path out of a document, its parent where the last part is not a key; False for nothing."""
    at = document
    for i, part in enumerate(path):
        if not isinstance(at, dict):
            return False
        key = next((k for k in at if k == part or str(k).lower() == str(part).lower()), None)
        if key is not None and (i + 1 == len(path) or not isinstance(at[key], dict)):
            del at[key]
            return True
        at = at.get(key)
    return False
