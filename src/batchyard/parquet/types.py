"""The types of columns in Parquet files, and values from JSON where pyarrow's own reader does not give them."""

from __future__ import annotations

import base64
import datetime
import json
import re
from collections.abc import Callable, Sequence
from typing import Any  # pyarrow has no types, and values are JSON

_LIST = re.compile(r"list<(.+)>")
# Its reader of JSON refuses dates, takes binary for text, and cannot give an object as the text of it.
_FOREIGN = frozenset({"date", "binary", "object"})


def arrow_type(kind: str) -> Any:
    """Give pyarrow's type for one of ours. Raises: ValueError for one that is none of ours."""
    import pyarrow as pa

    inner = _LIST.fullmatch(kind)
    if inner:
        return pa.list_(arrow_type(inner[1]))
    others = {
        "bool": pa.bool_(),
        "string": pa.string(),
        "binary": pa.binary(),
        "date": pa.date32(),
        "timestamp[us]": pa.timestamp("us"),
        "timestamp[us, UTC]": pa.timestamp("us", "UTC"),
        "null": pa.null(),
        # Of any shape, so that no schema holds it: readers get its JSON.
        "object": pa.string(),
    }
    found = others.get(kind) or (getattr(pa, kind)() if re.fullmatch(r"u?int(8|16|32|64)|float(32|64)", kind) else None)
    if found is None:
        raise ValueError(f"{kind!r} is no type of a column")
    return found


def is_native(kind: str) -> bool:
    """Tell whether pyarrow's reader of JSON gives values of this type."""
    inner = _LIST.fullmatch(kind)
    return is_native(inner[1]) if inner else kind not in _FOREIGN


def column_values(columns: Sequence[tuple[str, str]], block: bytes) -> dict[str, Any]:
    """Give arrays of these columns, of any types, from lines of JSON, by name.

    Raises: ValueError, TypeError or pyarrow's errors, naming the column.
    """
    import pyarrow as pa

    makers = [(name, _maker(kind)) for name, kind in columns]
    values: dict[str, list[Any]] = {name: [] for name, _ in columns}
    for line in block.split(b"\n"):
        if line:
            row = json.loads(line)
            for name, make in makers:
                value = row.get(name)
                values[name].append(None if value is None else make(value))
    found = {}
    for name, kind in columns:
        try:
            found[name] = pa.array(values[name], arrow_type(kind))
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as exc:
            raise ValueError(f"column {name!r} is {kind}, but {exc}") from exc
    return found


def _maker(kind: str) -> Callable[[Any], Any]:
    """Give what makes a value of JSON one that pyarrow takes for this type."""
    inner = _LIST.fullmatch(kind)
    if inner:
        make = _maker(inner[1])
        return lambda values: [None if value is None else make(value) for value in values]
    makers: dict[str, Callable[[Any], Any]] = {
        "float32": float,
        "float64": float,
        "date": datetime.date.fromisoformat,
        "timestamp[us]": datetime.datetime.fromisoformat,
        "timestamp[us, UTC]": datetime.datetime.fromisoformat,
        "binary": base64.b64decode,
        "object": lambda value: json.dumps(value, ensure_ascii=False),
    }
    return makers.get(kind, lambda value: value)
