"""Parquet files: every type of a column, the same bytes each time, files by size, flat memory."""

from __future__ import annotations

import datetime
import json
import math
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from batchyard.domain.errors import Conflict
from batchyard.domain.outputs.schemas import Columns
from batchyard.parquet.files import ParquetFiles
from batchyard.ports.tables import TableFile

UTC = datetime.timezone.utc  # noqa: UP017 - what pyarrow's values compare with


def write(folder: Path, columns: Columns, lines: Iterable[bytes], *, most_bytes: int | None = None) -> list[TableFile]:
    return ParquetFiles().write(columns, lines, folder, most_bytes=most_bytes, reach=tuple)


def lines_of(*rows: object) -> list[bytes]:
    return [json.dumps(row).encode() + b"\n" for row in rows]


def test_rows_without_columns_are_refused_rather_than_lost(tmp_path: Path) -> None:
    with pytest.raises(Conflict, match="no columns"):
        write(tmp_path, (), lines_of({}, {}))
    (file,) = write(tmp_path, (), [])
    assert file.rows == 0


@pytest.mark.parametrize(
    ("kind", "values", "read"),
    [
        ("bool", [True, False, None], [True, False, None]),
        ("int8", [-128, 127], [-128, 127]),
        ("int64", [-(2**63), 2**63 - 1], [-(2**63), 2**63 - 1]),
        ("uint64", [2**64 - 1, 0], [2**64 - 1, 0]),
        ("float64", [0.1, 1, 1e308, None], [0.1, 1.0, 1e308, None]),
        ("float32", [0.5, None], [0.5, None]),
        ("string", ['a\n"b",\u20ac\U0001f600', "", None], ['a\n"b",\u20ac\U0001f600', "", None]),
        ("binary", ["aGkA", None], [b"hi\0", None]),
        ("date", ["2026-11-23", None], [datetime.date(2026, 11, 23), None]),
        ("timestamp[us]", ["2026-11-23T01:02:03.000004"], [datetime.datetime(2026, 11, 23, 1, 2, 3, 4)]),
        (
            "timestamp[us, UTC]",
            ["2026-11-23T01:02:03.000004Z", "2026-11-23T01:02:03+00:00"],
            [datetime.datetime(2026, 11, 23, 1, 2, 3, 4, UTC), datetime.datetime(2026, 11, 23, 1, 2, 3, 0, UTC)],
        ),
        ("null", [None, None], [None, None]),
        ("list<int64>", [[1, None], [], None], [[1, None], [], None]),
        ("list<date>", [["2026-11-23", None]], [[datetime.date(2026, 11, 23), None]]),
        ("object", [{"a": [1, "\u20ac"]}, None], ['{"a": [1, "\u20ac"]}', None]),
    ],
)
def test_values_of_every_type_come_back(tmp_path: Path, kind: str, values: list[object], read: list[object]) -> None:
    (file,) = write(tmp_path, (("x", kind), ("n", "int32")), lines_of(*({"x": v, "n": 1} for v in values)))
    table = parquet.read_table(file.path)
    assert table.column("x").to_pylist() == read
    assert table.column("n").to_pylist() == [1] * len(values)
    assert file.rows == len(values)


def test_infinity_is_a_value_of_a_float(tmp_path: Path) -> None:
    columns = (("x", "float64"), ("y", "list<float32>"), ("t", "timestamp[us, UTC]"), ("n", "int8"))
    first = {"x": "Infinity", "t": "2026-11-23T01:02:03Z"}
    rows = lines_of(first, {"x": "-Infinity", "y": ["Infinity", None]}, {"x": 1, "n": 3})
    (file,) = write(tmp_path, columns, rows)
    table = parquet.read_table(file.path)
    assert table.column("x").to_pylist() == [math.inf, -math.inf, 1.0]
    assert table.column("y").to_pylist() == [None, [math.inf, None], None]
    assert table.column("t").to_pylist() == [datetime.datetime(2026, 11, 23, 1, 2, 3, 0, UTC), None, None]
    assert table.column("n").to_pylist() == [None, None, 3]


def test_a_column_that_a_row_lacks_is_null_and_columns_keep_their_order(tmp_path: Path) -> None:
    (file,) = write(tmp_path, (("b", "int64"), ("d", "date"), ("a", "string")), lines_of({"a": "x"}, {"b": 1}))
    table = parquet.read_table(file.path)
    assert table.to_pylist() == [{"b": None, "d": None, "a": "x"}, {"b": 1, "d": None, "a": None}]
    assert table.column_names == ["b", "d", "a"]


@pytest.mark.parametrize("columns", [(), (("a", "int64"),)])
def test_no_rows_are_one_file_without_rows(tmp_path: Path, columns: Columns) -> None:
    (file,) = write(tmp_path, columns, [], most_bytes=1000)
    assert (file.rows, parquet.read_table(file.path).num_rows) == (0, 0)


def test_a_value_that_does_not_fit_its_column_is_a_conflict_that_names_both(tmp_path: Path) -> None:
    with pytest.raises(Conflict, match=r"'x' is int8.*300"):
        write(tmp_path, (("x", "int8"),), lines_of({"x": 300}))


def many(rows: int) -> Iterator[bytes]:
    for k in range(rows):
        yield b'{"k": %d, "score": %r, "label": "label %d"}\n' % (k, k / 7, k % 100)


MANY = (("k", "int64"), ("score", "float64"), ("label", "string"))


@pytest.mark.parametrize("most_bytes", [None, 100_000])
def test_the_same_rows_give_the_same_bytes_however_they_come_in(tmp_path: Path, most_bytes: int | None) -> None:
    whole = b"".join(many(60_000))
    chunks = [whole[at : at + 999_983] for at in range(0, len(whole), 999_983)]
    one = write(tmp_path / "one", MANY, many(60_000), most_bytes=most_bytes)
    other = write(tmp_path / "other", MANY, chunks, most_bytes=most_bytes)
    assert [file.path.read_bytes() for file in one] == [file.path.read_bytes() for file in other]


def test_files_by_size_hold_all_rows_in_order_and_are_no_larger_than_asked(tmp_path: Path) -> None:
    files = write(tmp_path, MANY, many(60_000), most_bytes=100_000)
    assert len(files) > 5
    sizes = [file.path.stat().st_size for file in files]
    assert max(sizes) < 110_000
    assert min(sizes[:-1]) > 50_000
    tables = [parquet.read_table(file.path) for file in files]
    assert [table.num_rows for table in tables] == [file.rows for file in files]
    assert pa.concat_tables(tables).column("k").to_pylist() == list(range(60_000))


_PEAK_SCRIPT = """
import sys
from pathlib import Path
from tests.contract.tables.test_parquet_files import MANY, many, write
from tests.support.processes import peak_kib
write(Path(sys.argv[1]), MANY, many(int(sys.argv[2])))
print(peak_kib())
"""


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    root = Path(__file__).parents[3]
    peaks = []
    for rows in (1_000_000, 3_000_000):
        command = [sys.executable, "-c", _PEAK_SCRIPT, str(tmp_path / str(rows)), str(rows)]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout) / 1024)
    assert peaks[1] < peaks[0] + 30, f"MiB at one and at three million rows: {peaks}"


_MISSING_SCRIPT = """
import sys
sys.path[:0] = [sys.argv[1]]
from batchyard.parquet.files import ParquetFiles
print(ParquetFiles().mistake())
"""


def test_what_is_missing_is_said_with_what_to_do() -> None:
    assert ParquetFiles().mistake() is None
    command = [sys.executable, "-S", "-c", _MISSING_SCRIPT, str(Path(__file__).parents[3] / "src")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "pip install 'batchyard[parquet]'" in done.stdout
