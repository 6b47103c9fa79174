"""Rows with named columns: from what `run()` returned to lines of the worker's part files.

What must not live here: which types there are (`schema`), what text they become (`encoding`), which file they go to
(`schema_parts`).
"""

from __future__ import annotations

from batchyard_runtime.columns import Table, joined, table_of
from batchyard_runtime.encoding import csv_lines, json_lines
from batchyard_runtime.item_keys import item_text, items_by_key
from batchyard_runtime.violations import Violation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from batchyard_runtime.listing import Listing
    from batchyard_runtime.output_contract import Contract
    from batchyard_runtime.schema_parts import SchemaParts
    from batchyard_runtime.tally import Tally

# The columns that need to know which item a row is of, and those that do not.
_OF_ITEMS = ("item", "position")
_TYPES = {"item": "string", "position": "int64", "mini_batch": "int64", "deployment_revision": "int64"}


class Rows:
    """Takes in the results of a mini-batch, one or several, and writes their rows as those of one."""

    def __init__(self, plan: dict[str, Any], *, part: SchemaParts, listing: Listing, contract: Contract) -> None:
        """plan: `rows` of the start command: format ("csv" or "jsonl"), mixes (values without a common type are taken),
        columns (those put in front), constants (values of columns that are the same for all rows).
        contract: its key column says which item a row is of, where that is not clear by itself.
        """
        self._is_csv = plan["format"] == "csv"
        self._mixes = plan["mixes"]
        self._columns: list[str] = plan["columns"]
        self._constants: dict[str, Any] = plan["constants"]
        self._contract = contract
        self._key_column = contract.key_column
        self._keys_name_items = contract.keys_name_items
        self._looks = bool(self._columns) or contract.looks_at_columns
        self._needs_items = any(name in _OF_ITEMS for name in self._columns)
        self._part = part
        self._listing = listing
        self._held: list[Table] = []
        self._start = 0

    def begin(self, start: int) -> None:
        """Forget what was taken in for a mini-batch that failed. start: the first item of the part that comes, or 0."""
        self._held.clear()
        self._start = start

    def take(
        self, result: Any, names: list[str], mini_batch: int, start: int
    ) -> int:  # Any: whatever a script returned
        """Take in the rows of `run(names)`; give how many.

        names: paths of the items. start: position of the first one in the mini-batch.
        Raises: TypeError, Violation, and whatever the script's objects raise.
        """
        table = table_of(result, mixes=self._mixes)
        self._contract.check_count(table.rows, len(names))
        if table.rows and self._looks:
            items = [item_text(self._listing.relative(name)) for name in names]
            self._contract.check_columns(table, items)
            table = self._with_columns(table, items, mini_batch, start) if self._columns else table
        self._held.append(table)
        return table.rows

    def write(self, mini_batch: int, tally: Tally) -> None:
        """Append the rows that were taken in. Raises: WritesFailed, Violation."""
        table = joined(self._held, mixes=self._mixes)
        self._held = []
        part, place = self._part, (mini_batch, self._start)
        if not part.takes(table, place):
            # What was reported so far lies in another file: it is a segment of its own.
            tally.break_off(mini_batch, crc=part.end_segment(), offset=part.end)
            part.make_room(table, place)
        for chunk in table.chunks():
            part.append(csv_lines(chunk, part.names) if self._is_csv else json_lines(chunk))

    def _with_columns(self, table: Table, items: list[str], mini_batch: int, start: int) -> Table:
        """Put the columns that the deployment asks for in front. Raises: Violation."""
        clash = [name for name in table.names if name in self._columns]
        if clash:
            message = "run() returned the columns %s, which output_columns adds. Rename them, or take them out there."
            raise Violation("UnexpectedColumn", message % ", ".join(map(repr, clash)))
        own: dict[str, list[Any]] = {name: [value] * table.rows for name, value in self._constants.items()}
        own["mini_batch"] = [mini_batch] * table.rows
        if self._needs_items:
            order = self._items_of(table, items)
            first = self._listing.position(mini_batch) + start
            own["item"] = [items[at] for at in order]
            own["position"] = [first + at for at in order]
        columns = [(_TYPES.get(name, "string"), own[name]) for name in self._columns]
        columns += zip(table.types, table.columns)  # noqa: B905 - strict= is newer than Python 3.8
        return Table([*self._columns, *table.names], columns, table.rows)

    def _items_of(self, table: Table, items: list[str]) -> list[int]:
        """Say of each row of which of the items it is. Raises: Violation where nobody can know."""
        if self._keys_name_items:
            return items_by_key(table, items, self._key_column)
        if table.rows == len(items):
            return list(range(table.rows))
        if len(items) == 1:
            return [0] * table.rows
        if not self._key_column:
            message = (
                "run() returned %d rows for %d items, so nobody can tell which row is of which item, as the columns "
                "item and position must. Return one row for each item, name the column with their names in "
                "output_contract.key_column, or take these columns out of output_columns."
            )
            raise Violation("AmbiguousRows", message % (table.rows, len(items)))
        return items_by_key(table, items, self._key_column)
