"""The files of an output's rows, from part files: the order of the input, columns of all, sizes, the same each time."""

from __future__ import annotations

import csv
import io
import json
import random
from pathlib import Path

import pytest

from batchyard.datastores.job_home import LocalJobHome
from batchyard.domain.errors import PlatformError
from batchyard.domain.outputs.formats import OutputFormat
from batchyard.engine.rows import RowFiles, lay_out_lines
from tests.support.part_files import Part, gathered_of, write_parts

A_B = (("a", "int64"), ("b", "string"))


@pytest.fixture
def home(tmp_path: Path) -> LocalJobHome:
    return LocalJobHome(tmp_path / "home")


def laid_out(
    home: LocalJobHome, tmp_path: Path, output_format: OutputFormat, *, most_bytes: int | None = None
) -> RowFiles:
    work = tmp_path / "work"
    gathered = gathered_of(home, tmp_path)
    return lay_out_lines(home, gathered, work, output_format=output_format, most_bytes=most_bytes, reach=tuple)


def contents(found: RowFiles) -> list[bytes]:
    return [
        b"".join(
            piece.path.read_bytes()[piece.offset : piece.offset + piece.size_bytes] for piece in found.pieces(number)
        )
        for number in range(len(found.files))
    ]


def test_text_is_joined_in_the_order_of_the_input(home: LocalJobHome, tmp_path: Path) -> None:
    write_parts(home, [Part(None, {0: ["a"], 2: ["c"], 3: ["d"]}), Part(None, {1: ["b 1", "b 2"]})], items=4)
    found = laid_out(home, tmp_path, OutputFormat.AZURE_TEXT)
    assert contents(found) == [b"a\nb 1\nb 2\nc\nd\n"]
    assert [(file.rows, found.columns) for file in found.files] == [(5, None)]
    assert len(list(found.pieces(0))) == 3, "neighbours in one part file are one piece"


def test_csv_has_a_header_and_parts_of_the_same_columns_are_copied(home: LocalJobHome, tmp_path: Path) -> None:
    parts = [Part(A_B, {0: ["1,x"], 2: ['3,"y\n,"']}, "csv"), Part(A_B, {1: ["2,"]}, "csv")]
    write_parts(home, parts, items=3)
    found = laid_out(home, tmp_path, OutputFormat.CSV)
    assert contents(found) == [b'a,b\n1,x\n2,\n3,"y\n,"\n']
    assert found.columns == A_B
    assert not (tmp_path / "work/recoded").stat().st_size


def test_csv_rows_without_any_column_stay_rows_beside_others(home: LocalJobHome, tmp_path: Path) -> None:
    one = (("a", "int64"),)
    write_parts(home, [Part((), {0: [""]}, "csv"), Part(one, {1: ["5"]}, "csv")], items=2)
    assert contents(laid_out(home, tmp_path, OutputFormat.CSV)) == [b'a\n""\n5\n']


def test_csv_values_that_are_not_there_look_the_same_whichever_columns_their_worker_saw(
    home: LocalJobHome, tmp_path: Path
) -> None:
    two = (("a", "int64"), ("b", "int64"))
    parts = [Part((("a", "int64"),), {0: ['""', "1"]}, "csv"), Part(two, {1: [",2"], 2: [","]}, "csv")]
    write_parts(home, parts, items=4)
    assert contents(laid_out(home, tmp_path, OutputFormat.CSV)) == [b"a,b\n,\n1,\n,2\n,\n"]


def test_rows_that_are_not_as_workers_wrote_them_are_told_of_also_where_they_are_as_long(
    home: LocalJobHome, tmp_path: Path
) -> None:
    swapped = (("b", "string"), ("a", "int64"))
    write_parts(home, [Part(A_B, {0: ["1,x"]}, "csv"), Part(swapped, {1: ["x,1"]}, "csv")], items=2)
    found = laid_out(home, tmp_path, OutputFormat.CSV)
    assert (contents(found), found.is_rewritten) == ([b"a,b\n1,x\n1,x\n"], True)


def test_csv_of_other_columns_is_written_anew_with_the_columns_of_all(home: LocalJobHome, tmp_path: Path) -> None:
    other = (("b", "string"), ("c,", "bool"), ("a", "float64"))
    parts = [
        Part(A_B, {0: ["1,x"], 3: ['4,"p ""q"" \n, r"']}, "csv"),
        Part(other, {1: [',"True",2.5', '"""",False,'], 2: ['"u\n""v,",True,3.0']}, "csv"),
    ]
    write_parts(home, parts, items=4)
    found = laid_out(home, tmp_path, OutputFormat.CSV)
    rows = list(csv.reader(io.StringIO(contents(found)[0].decode(), newline="")))
    assert rows == [
        ["a", "b", "c,"],
        ["1", "x", ""],
        ["2.5", "", "True"],
        ["", '"', "False"],
        ["3.0", 'u\n"v,', "True"],
        ["4", 'p "q" \n, r', ""],
    ]
    assert found.columns == (("a", "float64"), ("b", "string"), ("c,", "bool"))


def test_cells_are_moved_as_they_stand(home: LocalJobHome, tmp_path: Path) -> None:
    write_parts(
        home, [Part(A_B, {0: ["1,x"]}, "csv"), Part((("b", "string"),), {1: ['""', "", '"plain"']}, "csv")], items=2
    )
    found = laid_out(home, tmp_path, OutputFormat.CSV)
    assert contents(found) == [b'a,b\n1,x\n,""\n,\n,"plain"\n']


def test_lines_of_json_are_copied_whatever_their_columns(home: LocalJobHome, tmp_path: Path) -> None:
    parts = [Part((("a", "int64"),), {0: ['{"a": 1}'], 2: ['{"a": 3}']}), Part((("a", "string"),), {1: ['{"a": "x"}']})]
    write_parts(home, parts, items=3)
    found = laid_out(home, tmp_path, OutputFormat.JSONL)
    assert contents(found) == [b'{"a": 1}\n{"a": "x"}\n{"a": 3}\n']
    assert found.columns == (("a", "object"),)


@pytest.mark.parametrize("output_format", [OutputFormat.AZURE_TEXT, OutputFormat.CSV, OutputFormat.JSONL])
def test_an_output_without_rows_is_one_empty_file(
    home: LocalJobHome, tmp_path: Path, output_format: OutputFormat
) -> None:
    write_parts(home, [Part(None, {0: []})], items=1)
    found = laid_out(home, tmp_path, output_format, most_bytes=10)
    assert (contents(found), [file.rows for file in found.files]) == ([b""], [0])


def test_a_part_file_of_another_format_is_never_taken_for_one(home: LocalJobHome, tmp_path: Path) -> None:
    write_parts(home, [Part(None, {0: ["x"]})], items=1)
    with pytest.raises(PlatformError, match="1-w0"):
        laid_out(home, tmp_path, OutputFormat.CSV)


def test_a_part_file_that_is_gone_is_the_platforms_fault(home: LocalJobHome, tmp_path: Path) -> None:
    write_parts(home, [Part(A_B, {0: ["1,x"]}, "csv")], items=1)
    home.path("parts/1-w0.part").unlink()
    with pytest.raises(PlatformError, match="1-w0"):
        laid_out(home, tmp_path, OutputFormat.CSV)


@pytest.mark.parametrize("output_format", [OutputFormat.CSV, OutputFormat.JSONL])
def test_shards_hold_whole_rows_and_no_more_bytes_than_allowed(
    home: LocalJobHome, tmp_path: Path, output_format: OutputFormat
) -> None:
    chance = random.Random(7)
    letters = 'ab"\n,é' if output_format is OutputFormat.CSV else "abc"
    values = [[["".join(chance.choices(letters, k=chance.randrange(30)))] for _ in range(9)] for _ in range(40)]
    parts: list[dict[int, list[str]]] = [{}, {}, {}]
    for number, rows in enumerate(values):
        is_csv = output_format is OutputFormat.CSV
        written = [_csv_line(row) if is_csv else json.dumps({"a": row[0]}) for row in rows]
        chance.choice(parts)[number] = written
    write_parts(home, [Part((("a", "string"),), part, output_format.value) for part in parts], items=40)
    found = laid_out(home, tmp_path, output_format, most_bytes=400)
    files = contents(found)
    assert len(files) > 10
    assert all(len(content) <= 400 for content in files)
    whole = contents(laid_out(home, tmp_path, output_format))[0]
    if output_format is OutputFormat.JSONL:
        assert b"".join(files) == whole
        assert [file.rows for file in found.files] == [content.count(b"\n") for content in files]
        return
    read = [list(csv.reader(io.StringIO(content.decode(), newline=""))) for content in files]
    assert [file.rows for file in found.files] == [len(rows) - 1 for rows in read]
    assert all(rows[0] == ["a"] for rows in read)
    assert [row or [""] for rows in read for row in rows[1:]] == [row for rows in values for row in rows]


def _csv_line(row: list[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(row)
    return text.getvalue()[:-1]


def test_a_row_larger_than_a_shard_has_one_of_its_own(home: LocalJobHome, tmp_path: Path) -> None:
    rows = ['{"a": 1}', json.dumps({"a": "x" * 100}), '{"a": 2}']
    write_parts(home, [Part((("a", "string"),), {0: rows})], items=1)
    found = laid_out(home, tmp_path, OutputFormat.JSONL, most_bytes=50)
    assert contents(found) == [f"{row}\n".encode() for row in rows]


def test_shards_of_text_end_between_leases_with_their_rows_counted(home: LocalJobHome, tmp_path: Path) -> None:
    write_parts(home, [Part(None, {number: ["0123456789"] * 3 for number in range(5)})], items=5)
    found = laid_out(home, tmp_path, OutputFormat.AZURE_TEXT, most_bytes=70)
    assert [(file.rows, len(content)) for file, content in zip(found.files, contents(found), strict=True)] == [
        (6, 66),
        (6, 66),
        (3, 33),
    ]
