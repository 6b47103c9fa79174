"""The formats of an output's rows: which one settings ask for, and what cannot go together."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from batchyard.domain.errors import Mistake


class OutputFormat(Enum):
    """How the rows of an output are written. Azure knows its own text alone; the others are ours."""

    AZURE_TEXT = "azure_text"
    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


class OutputColumn(Enum):
    """A column that the worker puts in front of the script's own (ours)."""

    ITEM = "item"
    POSITION = "position"
    MINI_BATCH = "mini_batch"
    JOB = "job"
    DEPLOYMENT_REVISION = "deployment_revision"
    MODEL_VERSION = "model_version"


# Endings that promise a format. Azure: `predictions.csv` is its text, so `.csv` promises none of ours.
_PROMISED = {".jsonl": OutputFormat.JSONL, ".parquet": OutputFormat.PARQUET}
_DEFAULT_STEM = "predictions"
SMALLEST_SHARD_BYTES = 1024


def effective_format(asked: OutputFormat | None, file_name: str) -> OutputFormat:
    """Give the format of rows that are published under this name.

    asked: `output_format` of the settings; None lets the name's ending decide.
    """
    return asked or _promised(file_name) or OutputFormat.AZURE_TEXT


def is_structured(output_format: OutputFormat) -> bool:
    """Tell whether rows have named columns; Azure's text has none."""
    return output_format is not OutputFormat.AZURE_TEXT


def default_file_name(output_format: OutputFormat | None) -> str:
    """Give the name of an output's file where nobody says one."""
    ending = next((ending for ending, promised in _PROMISED.items() if promised is output_format), ".csv")
    return _DEFAULT_STEM + ending


def shard_name(file_name: str, number: int, *, of: int) -> str:
    """Give the name of one of several files of an output's rows, `predictions-00001-of-00032.parquet`; from 1."""
    stem, dot, ending = file_name.rpartition(".")
    return f"{stem or ending}-{number:05}-of-{of:05}{dot}{ending if stem else ''}"


def is_default_file_name(file_name: str) -> bool:
    """Tell whether this is the name that some format gives where nobody says one."""
    return any(file_name == default_file_name(one) for one in OutputFormat)


def format_mistakes(
    asked: OutputFormat | None, file_name: str, columns: Sequence[OutputColumn], *, prefix: str = ""
) -> list[Mistake]:
    """Name what contradicts itself: a format and the file's ending, columns where rows have none.

    prefix: where the settings stand in the user's document.
    """
    mistakes: list[Mistake] = []
    found = effective_format(asked, file_name)
    if _contradicts(found, file_name):
        stem = file_name.rpartition(".")[0] or _DEFAULT_STEM
        better = "" if found is OutputFormat.AZURE_TEXT else f"call the file {stem}.{found.value!s}, or "
        allowed = f"what an output_file_name of {file_name!r} promises"
        remedy = f"{better}leave output_format out."
        mistakes.append(Mistake(f"{prefix}output_format", repr(found.value), allowed, remedy[0].upper() + remedy[1:]))
    if columns and not is_structured(found):
        remedy = "Set output_format, or leave output_columns out: Azure's text has no columns and no header."
        allowed = "none with output_format azure_text, or one of csv, jsonl, parquet as the output_format"
        mistakes.append(Mistake(f"{prefix}output_columns", _shown(columns), allowed, remedy))
    twice = sorted({column.value for column in columns if columns.count(column) > 1})
    if twice:
        mistakes.append(Mistake(f"{prefix}output_columns", ", ".join(twice) + " more than once", "each column once"))
    return mistakes


def _promised(file_name: str) -> OutputFormat | None:
    return next((promised for ending, promised in _PROMISED.items() if file_name.lower().endswith(ending)), None)


def _contradicts(found: OutputFormat, file_name: str) -> bool:
    promised = _promised(file_name)
    if promised is not None:
        return promised is not found
    # A parquet file named `.csv` would be opened as text by everybody; both kinds of csv are text.
    return file_name.lower().endswith(".csv") and found in _PROMISED.values()


def _shown(columns: Sequence[OutputColumn]) -> str:
    return ", ".join(column.value for column in columns)
