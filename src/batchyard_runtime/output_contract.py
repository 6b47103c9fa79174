"""What the deployment declares of the results of `run()`, checked for each mini-batch before it counts as finished."""

from __future__ import annotations

from batchyard_runtime.violations import Violation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from batchyard_runtime.columns import Table

_EXPECTED = {"one": "one row for each item", "at_least_one": "at least one row for each item"}


class Contract:
    """A deployment's output contract, or the absence of one. is_declared: whether there is anything to check.

    may_lack_rows: items without a row have succeeded all the same. key_column: of the script's own, "" for none;
    keys_name_items: it must name the item of each row. looks_at_columns: whether more than rows are counted.
    """

    def __init__(self, declared: dict[str, Any] | None) -> None:
        """declared: the start command's `output_contract`, None for none."""
        self.is_declared = declared is not None
        self._declared = declared
        self._rows_per_item = None if declared is None else declared["rows_per_item"]
        self.may_lack_rows = self._rows_per_item == "any"
        self.key_column: str = "" if declared is None else declared["key_column"] or ""
        self.keys_name_items = declared is not None and declared["keys_name_items"]
        self.looks_at_columns = declared is not None and declared["names_columns"]

    def check_count(self, rows: int, items: int) -> None:
        """Compare the rows of a result with its items. Raises: Violation."""
        wanted = self._rows_per_item
        if (wanted == "one" and rows != items) or (wanted == "at_least_one" and rows < items):
            message = "run() gave %s for %s; output_contract.rows_per_item is %s: %s."
            told = (_counted(rows, "row"), _counted(items, "item"), wanted, _EXPECTED[wanted])
            raise Violation("RowCount", message % told)

    def check_columns(self, table: Table, items: list[str]) -> None:
        """Compare the columns of a result, and its keys with the names of its items. Raises: Violation."""
        if self.looks_at_columns and self._declared is not None:
            from batchyard_runtime import column_checks

            column_checks.check(table, items, self._declared)

    def check_frame(self, result: Any) -> None:  # Any: whatever a script returned
        """Compare the columns of a result that becomes Azure's text, in which none but a DataFrame has any.

        Raises: Violation.
        """
        if not self.looks_at_columns:
            return
        from batchyard_runtime.columns import table_of
        from batchyard_runtime.results import is_a

        if not is_a(result, "pandas", "DataFrame"):
            message = "run() returned a %s, whose rows have no named columns in Azure's text. Return a DataFrame, or "
            remedy = "let output_format be csv, jsonl or parquet."
            raise Violation("MissingColumn", message % type(result).__name__ + remedy)
        if len(result):
            self.check_columns(table_of(result, mixes=True), [])


def _counted(number: int, noun: str) -> str:
    return "%d %s%s" % (number, noun, "" if number == 1 else "s")
