"""Schemas of structured rows: what a part file says of its columns, and what the columns of several have in common.

A part file of structured rows begins with `PART_MAGIC`, then one line of JSON: `{"format": …, "columns": [[name, type],
…]}`; all its rows have these columns. `batchyard_runtime` writes it and widens by the same rules.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

PART_MAGIC = b"batchyard part 2\n"
OBJECT = "object"  #: a mapping, or values that have no type in common where a format can take them
_BITS_OF_FLOAT32 = 24  # Integers of so many bits are float32 without loss; wider ones become float64.
_LIST = re.compile(r"list<(.+)>")
_SIGNED = ("int8", "int16", "int32", "int64")
_UNSIGNED = ("uint8", "uint16", "uint32", "uint64")
_FLOATS = ("float32", "float64")

# (name, type) of each, in the order of the output.
Columns = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class PartSchema:
    """What a part file of structured rows holds. format: csv or jsonl, as its rows are written."""

    format: str
    columns: Columns


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Two schemas, by their place among those given, whose types of one column have nothing in common."""

    column: str
    first: int
    first_type: str
    second: int
    second_type: str


def part_schema(line: bytes) -> PartSchema:
    """Read the second line of a part file of structured rows. Raises: ValueError when it is none."""
    try:
        document = json.loads(line)
        columns = tuple((_without_surrogates(str(name)), str(kind)) for name, kind in document["columns"])
        return PartSchema(str(document["format"]), columns)
    except (KeyError, TypeError) as exc:
        raise ValueError(f"no schema of a part file: {line[:80]!r}") from exc


def _without_surrogates(name: str) -> str:
    # As the rows have it: what is no text in UTF-8 can be no key of JSON.
    return name.encode("utf-8", "backslashreplace").decode()


def widened(one: str, other: str) -> str | None:
    """Give the narrowest type that holds the values of both, None when there is none.

    Nothing is lost but digits of an integer above 2**53 beside a float.
    """
    if one == other or other == "null":
        return one
    if one == "null":
        return other
    if one in _SIGNED + _UNSIGNED + _FLOATS and other in _SIGNED + _UNSIGNED + _FLOATS:
        return _wider_number(one, other)
    lists = _LIST.fullmatch(one), _LIST.fullmatch(other)
    if lists[0] and lists[1]:
        inner = widened(lists[0][1], lists[1][1])
        return inner and f"list<{inner}>"
    return None


def _wider_number(one: str, other: str) -> str | None:
    if one in _FLOATS or other in _FLOATS:
        is_small = {"float32"} < {one, other} and all(_bits(kind) <= _BITS_OF_FLOAT32 for kind in (one, other))
        return "float32" if is_small else "float64"
    for family in (_SIGNED, _UNSIGNED):
        if one in family and other in family:
            return max(one, other, key=family.index)
    signed, unsigned = (one, other) if one in _SIGNED else (other, one)
    width = max(_SIGNED.index(signed), _UNSIGNED.index(unsigned) + 1)
    return _SIGNED[width] if width < len(_SIGNED) else None


def _bits(kind: str) -> int:
    return 0 if kind == "float32" else int(kind.lstrip("uintfloa"))


def unified(schemas: Sequence[Columns]) -> tuple[Columns, list[Mismatch]]:
    """Give the columns of all, in the order of their first appearance, each of the type that holds the values of all.

    A column for which there is none is an `OBJECT`, and has its first mismatch in the list.
    """
    kinds: dict[str, dict[str, int]] = {}
    for number, columns in enumerate(schemas):
        for name, kind in columns:
            kinds.setdefault(name, {}).setdefault(kind, number)
    types: dict[str, str] = {}
    mismatches: list[Mismatch] = []
    for name, found in kinds.items():
        types[name], mismatch = _one_type(name, found)
        mismatches += [mismatch] if mismatch else []
    return tuple(types.items()), sorted(mismatches, key=lambda mismatch: mismatch.second)


def _one_type(name: str, kinds: dict[str, int]) -> tuple[str, Mismatch | None]:
    """Give the type that holds all of these. kinds: type -> the place of the first schema with it."""
    # Floats first: int64 and uint64 have no type in common but beside one, and which comes first must not matter.
    (known, first), *others = sorted(kinds.items(), key=lambda entry: "float" not in entry[0])
    for kind, number in others:
        wider = widened(known, kind)
        if wider is None:
            (one, one_type), (other, other_type) = sorted([(first, known), (number, kind)])
            return OBJECT, Mismatch(name, one, one_type, other, other_type)
        if wider != known:
            known, first = wider, number
    return known, None
