"""The types that columns have, and how two of them become one.

    bool  int8 … int64  uint8 … uint64  float32  float64  string  binary  date  timestamp[us]  timestamp[us, UTC]
    null          no value so far; fits every other type
    list<T>       a sequence whose elements are of type T
    object        a mapping; or values that have no type in common, where a format can take them

Nothing is lost when types widen, but that an integer beyond 2**53 is rounded in a column of float64.
"""

from __future__ import annotations

NULL = "null"
OBJECT = "object"
STRING = "string"
TIMESTAMP = "timestamp[us]"
TIMESTAMP_UTC = "timestamp[us, UTC]"
_SIGNED = {"int8": 8, "int16": 16, "int32": 32, "int64": 64}
_UNSIGNED = {"uint8": 8, "uint16": 16, "uint32": 32, "uint64": 64}
INTEGERS = frozenset([*_SIGNED, *_UNSIGNED])
FLOATS = frozenset(["float32", "float64"])
# Integers of so many bits are float32 without loss; wider ones become float64.
_BITS_OF_FLOAT32 = 24


def widen(one: str, other: str, *, mixes: bool) -> str:
    """Give the narrowest type that holds values of both, "" where there is none.

    mixes: values without a type in common are an `object`; otherwise they have none.
    """
    if one == other or other == NULL:
        return one
    if one == NULL:
        return other
    return _number(one, other) or _sequence(one, other, mixes=mixes) or (OBJECT if mixes else "")


def _number(one: str, other: str) -> str:
    if one in FLOATS or other in FLOATS:
        exact, wide = (one, other) if other in FLOATS else (other, one)
        if exact in FLOATS:
            return "float64"
        if exact not in INTEGERS:
            return ""
        bits = _SIGNED.get(exact) or _UNSIGNED[exact]
        return wide if bits <= _BITS_OF_FLOAT32 else "float64"
    if one not in INTEGERS or other not in INTEGERS:
        return ""
    if one in _SIGNED and other in _SIGNED:
        return "int%d" % max(_SIGNED[one], _SIGNED[other])
    if one in _UNSIGNED and other in _UNSIGNED:
        return "uint%d" % max(_UNSIGNED[one], _UNSIGNED[other])
    signed, unsigned = (one, other) if one in _SIGNED else (other, one)
    bits = max(_SIGNED[signed], 2 * _UNSIGNED[unsigned])
    return "int%d" % bits if bits <= _SIGNED["int64"] else ""


def _sequence(one: str, other: str, *, mixes: bool) -> str:
    if not (one.startswith("list<") and other.startswith("list<")):
        return ""
    inner = widen(one[5:-1], other[5:-1], mixes=mixes)
    return "list<%s>" % inner if inner else ""
