"""What an output contract says of the columns of one result: which there are, of which types, nulls, and keys.

Imported only where a contract says so. The first thing wrong is told, in the order of the rules in `check`.
"""

from __future__ import annotations

from batchyard_runtime.item_keys import items_by_key
from batchyard_runtime.schema import INTEGERS, OBJECT, widen
from batchyard_runtime.text_types import fits_json, shown
from batchyard_runtime.values import MISSING, column
from batchyard_runtime.violations import Violation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from batchyard_runtime.columns import Table

_LONGEST_LIST = 20
_MOST_OF_FLOAT32 = 1 << 24


def check(table: Table, items: list[str], declared: dict[str, Any]) -> None:
    """Compare a result with the start command's `output_contract`; columns get the types that were declared.

    items: names of the items it was made of, in order. Raises: Violation.
    """
    _check_names(table, declared)
    for name, wanted in declared["columns"].items():
        _check_type(table, name, wanted)
    key = declared["key_column"]
    allowed = declared["nulls"]
    for at, name in enumerate(table.names):
        if name == key or (allowed is not None and name not in allowed):
            _check_nulls(name, table.columns[at], items)
    if key is not None:
        _check_keys(table, items, declared)


def _check_names(table: Table, declared: dict[str, Any]) -> None:
    wanted, key = declared["columns"], declared["key_column"]
    missing = [name for name in wanted if name not in table.names]
    if key is not None and key not in table.names and key not in missing:
        missing.append(key)
    if missing:
        raise Violation("MissingColumn", "run() returned no %s; there is %s." % (_named(missing), _named(table.names)))
    extra = [name for name in table.names if name not in wanted] if declared["extra_columns"] == "refuse" else []
    if extra:
        message = "run() returned the %s, which output_contract does not name and extra_columns refuses."
        raise Violation("UnexpectedColumn", message % _named(extra))


def _check_type(table: Table, name: str, wanted: str) -> None:
    at = table.names.index(name)
    found, values = table.types[at], table.columns[at]
    if wanted == OBJECT or found == wanted:
        return
    if widen(wanted, found, mixes=False) != wanted:
        for row, value in enumerate(values):
            if not (_is_null(value) or _fits(value, wanted)):
                message = "column %r is %s, and not %s as output_contract says; row %d has %s."
                raise Violation("WrongType", message % (name, found, wanted, row + 1, shown(value)))
    # What it is declared as is what it is in all part files, though all of it be null here.
    table.types[at] = wanted


def _fits(value: Any, wanted: str) -> bool:
    """Whether a value is of a type; whole numbers of Python's are of every one that has room for them."""
    if isinstance(value, int) and not isinstance(value, bool) and wanted in INTEGERS:
        return fits_json(value, wanted)
    if isinstance(value, int) and not isinstance(value, bool) and wanted == "float32":
        return abs(value) <= _MOST_OF_FLOAT32
    return widen(wanted, column([value], mixes=True)[0], mixes=False) == wanted


def _check_nulls(name: str, values: list[Any], items: list[str]) -> None:
    if not ({*map(type, values)} - _NEVER_NULL):
        return
    for row, value in enumerate(values):
        if _is_null(value):
            of = " (item %r)" % items[row] if len(items) == len(values) else ""
            found = "nothing" if value is None or value is MISSING else "NaN"
            message = "column %r has %s in row %d of %d%s, and output_contract.nulls does not allow it."
            raise Violation("NullValue", message % (name, found, row + 1, len(values), of))


def _check_keys(table: Table, items: list[str], declared: dict[str, Any]) -> None:
    name = declared["key_column"]
    values = table.columns[table.names.index(name)]
    is_one = declared["rows_per_item"] == "one"
    seen: dict[Any, int] = {}
    for row, value in enumerate(values if declared["unique_key"] or (is_one and declared["keys_name_items"]) else ()):
        key = repr(value) if isinstance(value, (list, dict)) else value
        if key in seen:
            message = "column %r has %s more than once, in rows %d and %d of %d."
            raise Violation("DuplicateKey", message % (name, shown(value), seen[key] + 1, row + 1, len(values)))
        seen[key] = row
    if declared["keys_name_items"]:
        _check_order(items_by_key(table, items, name), values, items, is_one=is_one)


def _check_order(order: list[int], values: list[Any], items: list[str], *, is_one: bool) -> None:
    """order: of each row the number of its item."""
    there = {*order}
    lacking = [item for at, item in enumerate(items) if at not in there]
    if lacking:
        message = "run() gave no row whose key is item %r, and %d rows for %d items."
        raise Violation("RowCount", message % (lacking[0], len(order), len(items)))
    if is_one and len(order) != len(there):
        # Two ways of writing one item: its path, and its file name.
        raise Violation("DuplicateKey", "two rows are about the same item, such as row %d." % len(order))
    for row, at in enumerate(order if is_one else ()):
        if at != row:
            message = "row %d is about %s and not about %r: rows must stand in the order of the items."
            raise Violation("WrongOrder", message % (row + 1, shown(values[row]), items[row]))


def _is_null(value: Any) -> bool:
    return value is None or value is MISSING or bool(value != value)


_NEVER_NULL = {bool, int, str, bytes, list, dict}


def _named(names: list[str]) -> str:
    more = "" if len(names) <= _LONGEST_LIST else " and %d more" % (len(names) - _LONGEST_LIST)
    told = ", ".join(map(repr, names[:_LONGEST_LIST])) or "none"
    return "column%s %s%s" % ("" if len(names) == 1 else "s", told, more)
