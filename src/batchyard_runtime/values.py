"""Values of users' objects (Python's, numpy's, pandas') as plain ones with a type of `schema`.

    None, NaT, pandas.NA, a key that is not there    null
    NaN                     a float64, written as no value; beside values that are no numbers: null
    bool; int               bool; int64, uint64 from 2**63 on, object beyond 64 bits
    float; numpy's scalars  float64; by their dtype (float16 as float32, longdouble as float64)
    str; bytes, bytearray, memoryview       string; binary
    date; datetime, Timestamp, datetime64   date; timestamp[us], with a time zone timestamp[us, UTC]
    list, tuple, set, array, Series in a cell    list<T>
    mapping in a cell       object
    everything else         string: str(value), such as 1.10 for a Decimal

numpy and pandas are recognised where the script imported them, never imported here.
"""

from __future__ import annotations

import datetime
import sys

from batchyard_runtime.results import is_a
from batchyard_runtime.schema import INTEGERS, NULL, OBJECT, STRING, TIMESTAMP, TIMESTAMP_UTC, widen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Column = tuple[str, list[Any]]  # Any: values of the column's type

_LEAST, _MOST = -(1 << 63), (1 << 63) - 1
_UTC = datetime.timezone.utc
_PLAIN = {type(None): NULL, bool: "bool", str: STRING}
# pandas' own types of columns that may lack values, as `str(dtype)` has them in lower case.
_NAMED = {**{name: name for name in INTEGERS}, "boolean": "bool", "string": STRING, "str": STRING}


class NoCommonType(Exception):
    """Values of one column have no type in common."""


class _Missing:
    """The value of a column in a row that has no such key."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING = _Missing()


def column(values: list[Any], *, mixes: bool) -> Column:  # Any: whatever a script returned
    """Give the type of a column, and its values made plain. Raises: NoCommonType, and what the values raise."""
    kinds = {*map(type, values)} - {type(None)}
    if kinds == {str}:
        return STRING, values
    if kinds == {float}:
        return "float64", values
    if kinds == {bool}:
        return "bool", values
    if kinds == {int}:
        return _integers(values), values
    found, plain = NULL, []
    for value in values:
        kind, cell = _cell(value)
        wider = widen(found, kind, mixes=mixes)
        if not wider:
            raise NoCommonType("%s is %s, the values before it are %s" % (_shown(value), kind, found))
        found = wider
        plain.append(cell)
    return found, plain


def array_column(array: Any, *, mixes: bool = True) -> Column:  # Any: a numpy array
    """Give the type and the plain values of an array's elements; of more axes than one, each is a list."""
    dtype, kind = array.dtype, array.dtype.kind
    if array.ndim > 1 or kind == "O" or dtype.names:
        return column(list(array), mixes=mixes)
    if kind in "iub":
        return (dtype.name if kind != "b" else "bool"), array.tolist()
    if kind == "f":
        if dtype.itemsize == 8:
            return "float64", array.tolist()
        # An element of its own type has its shortest digits; as a Python float it has those of a float64.
        return (
            ("float32", list(array.astype("float32"))) if dtype.itemsize < 8 else ("float64", list(map(float, array)))
        )
    if kind == "M":
        is_date = str(dtype) in ("datetime64[D]", "datetime64[W]", "datetime64[M]", "datetime64[Y]")
        plain = array.astype("M8[D]" if is_date else "M8[us]").tolist()
        if int not in {*map(type, plain)}:
            return ("date" if is_date else TIMESTAMP), plain
        # A year that Python's dates cannot have; a number would be no date.
        return STRING, [None if text == "NaT" else text for text in map(str, array)]
    if kind in "US":
        return (STRING if kind == "U" else "binary"), array.tolist()
    return STRING, [None if text == "NaT" else text for text in map(str, array)]


def as_array(value: Any) -> Any:  # Any: whatever a script returned, a numpy array
    """Give what is an array, or says how it becomes one, as numpy's; None for everything else."""
    numpy = sys.modules.get("numpy")
    if numpy is None or isinstance(value, (list, tuple, str)) or not hasattr(type(value), "__array__"):
        return None
    return numpy.asarray(value)


def series_column(series: Any, *, mixes: bool) -> Column:  # Any: a pandas Series
    """Give the type and the plain values of a Series."""
    dtype = series.dtype
    is_numpy = type(dtype).__module__.startswith("numpy")
    if is_numpy and dtype.kind not in "MmO":
        return array_column(series.to_numpy())
    found, values = column(series.tolist(), mixes=mixes)
    name = str(dtype).lower()
    if is_numpy and dtype.kind == "M":
        return TIMESTAMP, values
    if name.startswith("datetime64[") and "," in name:
        return TIMESTAMP_UTC, values
    named = _NAMED.get(name)
    return (named if named is not None and found in (NULL, "int64", named) else found), values


def _integers(values: list[Any]) -> str:  # Any: int or None
    there = [value for value in values if value is not None]
    least, most = min(there), max(there)
    if least >= _LEAST and most <= _MOST:
        return "int64"
    return "uint64" if least >= 0 and most < 1 << 64 else OBJECT


def _cell(value: Any) -> tuple[str, Any]:  # Any: whatever a script returned
    """Give the type and the plain form of one value."""
    kind = type(value)
    if kind in _PLAIN:
        return _PLAIN[kind], value
    if value is MISSING or _is_nothing(value):
        return NULL, value if value is MISSING else None
    if is_a(value, "numpy", "generic"):
        return _scalar(value)
    if isinstance(value, float):
        return ("float64" if value == value else NULL), float(value)
    if isinstance(value, int):
        return _integers([int(value)]), int(value)
    if isinstance(value, str):
        return STRING, str.__str__(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return "binary", bytes(value)
    if isinstance(value, datetime.datetime):
        return (TIMESTAMP, value) if value.tzinfo is None else (TIMESTAMP_UTC, value.astimezone(_UTC))
    if isinstance(value, datetime.date):
        return "date", value
    return _compound(value)


def _compound(value: Any) -> tuple[str, Any]:  # Any: whatever a script returned
    array = None if is_a(value, "pandas", "Series") else as_array(value)
    if array is not None:
        if not array.ndim:
            return _cell(array[()])
        kind, values = array_column(array)
        return "list<%s>" % kind, values
    if isinstance(value, (list, tuple, set, frozenset)) or is_a(value, "pandas", "Series"):
        kind, values = column(list(value), mixes=True)
        return "list<%s>" % kind, values
    if isinstance(value, dict):
        return OBJECT, {str(key): _cell(cell)[1] for key, cell in value.items()}
    return STRING, str(value)


def _scalar(value: Any) -> tuple[str, Any]:  # Any: a scalar of numpy's
    dtype = value.dtype
    if dtype.kind == "f" and value != value:
        return NULL, float(value)
    if dtype.kind == "M" and str(value) == "NaT":
        return NULL, None
    if dtype.kind in "V" and dtype.names:
        return OBJECT, {name: _cell(value[name])[1] for name in dtype.names}
    kind, (plain,) = array_column(value.reshape(1))
    return kind, plain


def _is_nothing(value: Any) -> bool:  # Any: whatever a script returned
    pandas = sys.modules.get("pandas")
    return pandas is not None and (value is getattr(pandas, "NA", None) or value is getattr(pandas, "NaT", None))


def _shown(value: Any) -> str:  # Any: whatever a script returned
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
