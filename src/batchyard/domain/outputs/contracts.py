"""Contracts of a deployment: what an item must look like before it is scored, and what the script must give for it.

Both are off unless declared. Here is what may be declared; the runtime checks items and results one mini-batch at a
time, and `engine.whole_output` what concerns all rows together.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from batchyard.domain.errors import Mistake

PLAIN_TYPES = (
    "bool",
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
    "float32",
    "float64",
    "string",
    "binary",
    "date",
    "timestamp[us]",
    "timestamp[us, UTC]",
    "object",
)
_LIST = re.compile(r"list<(.+)>")
_TYPES = "one of " + ", ".join(PLAIN_TYPES) + ", or list<T> of one of them"
# What stands in a text, and can be told apart there.
_TYPES_OF_TEXT = tuple(name for name in PLAIN_TYPES if name not in ("binary", "object"))


class RowsPerItem(Enum):
    """How many rows a script must give for its items; ANY takes fewer than one too, so that a script may filter."""

    ONE = "one"
    AT_LEAST_ONE = "at_least_one"
    ANY = "any"


class ExtraColumns(Enum):
    """Whether a result may have columns that the contract does not name."""

    ALLOW = "allow"
    REFUSE = "refuse"


class InputFormat(Enum):
    """What an item's file must be; how far that is looked into is told in docs/contracts.md."""

    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"
    JSON = "json"
    IMAGE = "image"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class OutputContract:
    """What the results of `run()` must be.

    rows_per_item: None for Azure's rule alone: items without a row have failed, more rows are welcome.
    columns: name -> type that must be there. nulls: the columns that may be null; None for all of them, () for none.
    key_column: a column of the script's own that says which item (with rows_per_item one or at_least_one) or what else
    a row is about; unique_key: no two rows of the whole output have the same.
    """

    rows_per_item: RowsPerItem | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    extra_columns: ExtraColumns = ExtraColumns.ALLOW
    nulls: tuple[str, ...] | None = None
    key_column: str | None = None
    unique_key: bool = False

    @property
    def names_columns(self) -> bool:
        """Whether it asks for anything but a number of rows."""
        return bool(self.columns) or self.nulls is not None or self.key_column is not None

    @property
    def keys_name_items(self) -> bool:
        """Whether the key of a row must be the name of one of the mini-batch's items."""
        return self.key_column is not None and self.rows_per_item in (RowsPerItem.ONE, RowsPerItem.AT_LEAST_ONE)


@dataclass(frozen=True, slots=True)
class InputContract:
    """What each item's file must be. columns: name -> type, of tables alone; a file may have more."""

    format: InputFormat
    columns: Mapping[str, str] = field(default_factory=dict)


def output_contract_mistakes(
    contract: OutputContract, *, prefix: str, is_text: bool, is_summary: bool
) -> list[Mistake]:
    """Name everything wrong with a declared output contract.

    prefix: where it stands, `settings.output_contract.`. is_text: the output is Azure's text, which has no columns that
    could be read again. is_summary: rows are only counted.
    """
    found = _column_mistakes(contract.columns, prefix, is_type, _TYPES)
    key = contract.key_column
    if contract.extra_columns is ExtraColumns.REFUSE and not contract.columns:
        allowed = "allow, or columns beside it"
        found.append(Mistake(prefix + "extra_columns", "'refuse' without columns", allowed, "Name those that may be."))
    if contract.columns and contract.extra_columns is ExtraColumns.REFUSE:
        for place, name in _named(contract):
            if name not in contract.columns:
                found.append(Mistake(prefix + place, repr(name), "one of columns, as extra_columns is refuse"))
    if key == "":
        found.append(Mistake(prefix + "key_column", "''", "the name of a column"))
    if key is not None and key in (contract.nulls or ()):
        found.append(Mistake(prefix + "nulls", repr(key), "columns without key_column: a key is never null"))
    if contract.unique_key and key is None:
        found.append(Mistake(prefix + "unique_key", "True without key_column", "key_column beside it, or false"))
    if key and is_text and not is_summary:
        allowed = "output_format csv, jsonl or parquet beside it: keys cannot be told from azure_text"
        found.append(Mistake(prefix + "key_column", repr(key), allowed))
    if is_summary and contract.names_columns:
        allowed = "rows_per_item alone with output_action summary_only: rows are counted and not looked into"
        place = "columns" if contract.columns else "nulls" if contract.nulls is not None else "key_column"
        found.append(Mistake(prefix + place, "given", allowed))
    return found


def clash_mistakes(contract: OutputContract, added: Collection[str], *, prefix: str) -> list[Mistake]:
    """Name the columns that the script must give and the worker puts in front as well: no result could have both.

    added: the names in `output_columns`. prefix: where the settings stand in the user's document.
    """
    own = {*contract.columns, *([contract.key_column] if contract.key_column else [])}
    both = [name for name in added if name in own]
    allowed = "names that output_contract does not give to columns of the script's own"
    return [Mistake(prefix + "output_columns", ", ".join(both), allowed, "Rename the script's.")] if both else []


def input_contract_mistakes(contract: InputContract, *, prefix: str) -> list[Mistake]:
    """Name everything wrong with a declared input contract. prefix: where it stands, `settings.input_contract.`."""
    if contract.columns and contract.format in (InputFormat.JSON, InputFormat.IMAGE, InputFormat.TEXT):
        allowed = f"no columns with format {contract.format.value}: only csv, jsonl and parquet have them"
        return [Mistake(prefix + "columns", ", ".join(map(repr, contract.columns)), allowed)]
    if contract.format is InputFormat.CSV:
        return _column_mistakes(
            contract.columns, prefix, _TYPES_OF_TEXT.__contains__, "one of " + ", ".join(_TYPES_OF_TEXT)
        )
    return _column_mistakes(contract.columns, prefix, is_type, _TYPES)


def is_type(name: str) -> bool:
    """Whether a name is one of the types that columns have."""
    inner = _LIST.fullmatch(name)
    return is_type(inner[1]) if inner else name in PLAIN_TYPES


def _named(contract: OutputContract) -> Iterable[tuple[str, str]]:
    """Give where columns are named beside `columns`, and which."""
    if contract.key_column:
        yield "key_column", contract.key_column
    for name in contract.nulls or ():
        yield "nulls", name


def _column_mistakes(
    columns: Mapping[str, str], prefix: str, is_right: Callable[[str], bool], allowed: str
) -> list[Mistake]:
    wrong = [
        Mistake(f"{prefix}columns.{name}", repr(kind), allowed) for name, kind in columns.items() if not is_right(kind)
    ]
    return wrong + [Mistake(prefix + "columns", "''", "a name for each column") for name in columns if not name]
