"""Which item a row is about, where a column of the script's own says so."""

from __future__ import annotations

import os

from batchyard_runtime.violations import Violation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from batchyard_runtime.columns import Table


def items_by_key(table: Table, items: list[str], column: str) -> list[int]:
    """Match rows to items by a column with their names: relative paths, or base names where these are unique.

    items: their names, as `item_text` gives them. Gives the number of each row's item. Raises: Violation.
    """
    if column not in table.names:
        found = ", ".join(map(repr, table.names))
        raise Violation("MissingColumn", "run() returned no column %r, only %s" % (column, found))
    places: dict[str, int] = {}
    for at, item in enumerate(items):
        base = os.path.basename(item)
        places[base] = -1 if base in places else at
    places.update({item: at for at, item in enumerate(items)})
    order = []
    for key in table.columns[table.names.index(column)]:
        at = places.get(item_text(key), -1) if isinstance(key, str) else -1
        if at < 0:
            message = "column %r holds %r, which names none of the mini-batch's items, such as %r"
            raise Violation("UnknownKey", message % (column, key, items[0]))
        order.append(at)
    return order


def item_text(path: str) -> str:
    """Give a path as the list of failed items has it: a byte that is not UTF-8 is shown as \\xff."""
    return path if path.isascii() else os.fsencode(path).decode("utf-8", "backslashreplace")
