"""What a script returned from `run()`, as columns with names and types; `encoding` makes text of them.

The whole result, and one row:

    DataFrame, pyarrow.Table        its columns, by their names and dtypes (those of polars and pyarrow by their values)
    Series, array of one axis       one column, the Series' name or `prediction`
    array of two axes               column_0, column_1, …; a structured array its fields; also what numpy takes for an
                                    array, such as a tensor
    any other iterable              each element is a row; a generator is drained
    mapping, named tuple, Series,   its keys are names of columns, in the order in which they first appear
    dataclass
    tuple, list, array              column_0, column_1, …
    everything else                 the column `prediction`

numpy and pandas are recognised where the script imported them, never imported here. Types are those of `schema`, and
`values` makes them.
"""

from __future__ import annotations

from batchyard_runtime.results import is_a, refuse_non_rows
from batchyard_runtime.values import MISSING, NoCommonType, array_column, as_array, column, series_column
from batchyard_runtime.violations import Violation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator

    Column = tuple[str, list[Any]]  # Any: values of the column's type

ONLY_COLUMN = "prediction"
_CHUNK_ROWS = 8192


class Table:
    """Rows as columns: of each its name, its type (see `schema`) and its values, `rows` of them.

    A value is None, MISSING (the row has no such key), bool, int, float, str, bytes, date, datetime, a scalar of
    numpy's float32, or a list or dict of these.
    """

    __slots__ = ("columns", "names", "rows", "types")

    def __init__(self, names: list[str], columns: list[Column], rows: int) -> None:
        """Raises: Violation when two columns have one name."""
        self.names = names
        self.types = [kind for kind, _ in columns]
        self.columns = [values for _, values in columns]
        self.rows = rows
        if len({*names}) < len(names):
            twice = sorted({name for name in names if names.count(name) > 1})
            raise Violation("UnexpectedColumn", "two columns have one name: %s" % ", ".join(map(repr, twice)))

    def chunks(self) -> Iterator[Table]:
        """Give its rows a few thousand at a time: text of a large frame takes many times its memory."""
        if self.rows <= _CHUNK_ROWS:
            yield self
            return
        for start in range(0, self.rows, _CHUNK_ROWS):
            stop = min(start + _CHUNK_ROWS, self.rows)
            parts = [values[start:stop] for values in self.columns]
            yield Table(self.names, list(zip(self.types, parts)), stop - start)  # noqa: B905 - newer than Python 3.8


def table_of(result: Any, *, mixes: bool) -> Table:  # Any: whatever a script returned
    """Give a result as a table.

    mixes: a column may hold values that have no type in common; else it is refused.
    Raises: TypeError for what has no rows, Violation, and whatever the script's objects raise.
    """
    if result is None:
        return Table([], [], 0)
    refuse_non_rows(result)
    if is_a(result, "pandas", "DataFrame"):
        return _of_frame(result, mixes=mixes)
    if is_a(result, "pandas", "Series"):
        return Table([_text(result.name, ONLY_COLUMN)], [_series(result, ONLY_COLUMN, mixes)], len(result))
    if is_a(result, "polars", "DataFrame"):
        return _of_rows(result.to_dicts(), mixes=mixes)
    if is_a(result, "pyarrow", "Table") or is_a(result, "pyarrow", "RecordBatch"):
        return _of_rows(result.to_pylist(), mixes=mixes)
    array = as_array(result)
    if array is not None:
        return _of_array(array, mixes=mixes)
    return _of_rows(list(result), mixes=mixes)


def joined(tables: list[Table], *, mixes: bool) -> Table:
    """Give the rows of several tables as those of one."""
    if len(tables) == 1:
        return tables[0]
    names = list(dict.fromkeys(name for table in tables for name in table.names))
    columns = []
    for name in names:
        values: list[Any] = []  # Any: see Table
        for table in tables:
            has = name in table.names
            values += table.columns[table.names.index(name)] if has else [MISSING] * table.rows
        columns.append(_column(values, name, mixes))
    return Table(names, columns, sum(table.rows for table in tables))


def _of_frame(frame: Any, *, mixes: bool) -> Table:  # Any: a DataFrame, which cannot be imported for its type
    names = [_text(name, "column_%d" % at) for at, name in enumerate(frame.columns)]
    columns = [_series(frame.iloc[:, at], name, mixes) for at, name in enumerate(names)]
    return Table(names, columns, len(frame))


def _of_array(array: Any, *, mixes: bool) -> Table:  # Any: a numpy array
    if array.dtype.names:
        names = list(array.dtype.names)
        parts = [array[name] for name in names]
    elif array.ndim < 2:
        names, parts = [ONLY_COLUMN], [array]
    else:
        names = ["column_%d" % at for at in range(array.shape[1])]
        parts = [array[:, at] for at in range(array.shape[1])]
    columns = [_array(part, name, mixes) for name, part in zip(names, parts)]  # noqa: B905 - newer than Python 3.8
    return Table(names, columns, len(array))


def _of_rows(rows: list[Any], *, mixes: bool) -> Table:  # Any: whatever a script returned
    kinds = {*map(type, rows)}
    if kinds <= {dict}:
        return _of_dicts(rows, mixes=mixes)
    if kinds <= {str, int, float, bool, bytes}:
        return Table([ONLY_COLUMN], [_column(rows, ONLY_COLUMN, mixes)], len(rows))
    return _of_dicts([_named(row) for row in rows], mixes=mixes)


def _of_dicts(rows: list[dict[Any, Any]], *, mixes: bool) -> Table:  # Any: whatever a script returned
    keys = list(rows[0]) if rows else []
    if all(row.keys() == rows[0].keys() for row in rows):
        found = [[row[key] for row in rows] for key in keys]
    else:
        keys = list(dict.fromkeys(key for row in rows for key in row))
        found = [[row.get(key, MISSING) for row in rows] for key in keys]
    names = [_text(key, "column_%d" % at) for at, key in enumerate(keys)]
    columns = [_column(values, name, mixes) for name, values in zip(names, found)]  # noqa: B905
    return Table(names, columns, len(rows))


def _named(row: Any) -> dict[Any, Any]:  # Any: whatever a script returned
    """Give one row as a mapping of names to cells."""
    if isinstance(row, dict) or (hasattr(type(row), "keys") and hasattr(type(row), "__getitem__")):
        return {key: row[key] for key in row.keys()}  # noqa: SIM118 - a Series iterates its values
    if isinstance(row, tuple) and hasattr(row, "_asdict"):
        return dict(row._asdict())
    if is_a(row, "numpy", "void") and row.dtype.names:
        return {name: row[name] for name in row.dtype.names}
    array = None if is_a(row, "numpy", "generic") else as_array(row)
    if isinstance(row, (tuple, list)) or (array is not None and array.ndim):
        return {"column_%d" % at: cell for at, cell in enumerate(row if array is None else array)}
    fields = getattr(type(row), "__dataclass_fields__", None)
    if fields is not None:
        return {name: getattr(row, name) for name in fields if hasattr(row, name)}
    return {ONLY_COLUMN: row}


def _text(name: Any, default: str) -> str:  # Any: a label of pandas, a key of a dict
    if name is None:
        return default
    if isinstance(name, tuple):
        return ".".join(str(part) for part in name if part != "")
    return str(name)


def _column(values: list[Any], name: str, mixes: bool) -> Column:
    try:
        return column(values, mixes=mixes)
    except NoCommonType as exc:
        raise _mixed(name, exc) from None


def _series(series: Any, name: str, mixes: bool) -> Column:
    try:
        return series_column(series, mixes=mixes)
    except NoCommonType as exc:
        raise _mixed(name, exc) from None


def _array(array: Any, name: str, mixes: bool) -> Column:
    try:
        return array_column(array, mixes=mixes)
    except NoCommonType as exc:
        raise _mixed(name, exc) from None


def _mixed(name: str, exc: NoCommonType) -> Violation:
    return Violation("WrongType", "column %r has no one type: %s. Give all rows values of one type." % (name, exc))
