"""Part files by schema: what fits goes on, what does not begins a new file, and reports say where."""

from __future__ import annotations

import json
import random
import zlib
from pathlib import Path
from typing import Any

import pytest

from batchyard.domain.outputs.schemas import unified
from batchyard_runtime.columns import Table, table_of
from batchyard_runtime.encoding import json_lines
from batchyard_runtime.parts import WritesFailed
from batchyard_runtime.schema_parts import MAGIC, SchemaParts
from batchyard_runtime.tally import Tally
from batchyard_runtime.violations import Violation


class Writer:
    """Writes results as a worker does, and tells what was reported."""

    def __init__(self, folder: Path, *, mixes: bool = True) -> None:
        self.folder = folder
        self.mixes = mixes
        self.parts = SchemaParts(str(folder / "1-n0-s0-0.part"), row_format="jsonl", mixes=mixes)
        self.tally = Tally(0, self.parts.end)
        self.number = 0
        self.late: list[tuple[int, int, int]] = []

    def write(self, result: list[Any]) -> None:
        table = table_of(result, mixes=self.mixes)
        end, parts, segment = self.parts.end, self.parts, self.tally.segment
        if not parts.takes(table, (self.number, 0)):
            self.tally.break_off(self.number, crc=parts.end_segment(), offset=parts.end)
            parts.make_room(table, (self.number, 0))
        parts.append(json_lines(table) if table.rows else b"")
        segment.lengths.append(parts.end - end)
        segment.items += table.rows
        self.number += 1

    def write_late(self, number: int, result: list[Any]) -> None:
        """Write a mini-batch by itself that comes after later ones."""
        self.report()
        after, self.number, self.tally = self.number, number, Tally(number, self.parts.end)
        self.write(result)
        self.late = self.report()
        self.number, self.tally = after, Tally(after, self.parts.end)

    def report(self) -> list[tuple[int, int, int]]:
        """End the lease; give (first mini-batch, file, bytes) of its segments, having checked their crc."""
        crc = self.parts.end_segment()
        header, body = self.tally.report(1, crc=crc, seconds=0, places=self.parts.places)
        lengths = memoryview(body).cast("Q").tolist()
        told = []
        for first, count, offset, crc, *_rest, number in header["segments"]:
            size = sum(lengths[:count])
            del lengths[:count]
            assert zlib.crc32(self.content(number)[offset : offset + size]) == crc
            told.append((first, number, size))
        self.tally = Tally(self.number, self.parts.end)
        return told

    def content(self, number: int) -> bytes:
        return (self.folder / f"1-n0-s0-0{'' if number == 1 else f'.{number}'}.part").read_bytes()

    def schema(self, number: int) -> dict[str, str]:
        magic, header, _ = self.content(number).split(b"\n", 2)
        assert magic + b"\n" == MAGIC
        return dict(json.loads(header)["columns"])


@pytest.fixture
def writer(tmp_path: Path) -> Writer:
    return Writer(tmp_path)


def test_nothing_is_made_before_the_first_result(tmp_path: Path, writer: Writer) -> None:
    assert writer.report() == []
    assert list(tmp_path.iterdir()) == []
    writer.write([{"a": 1}])
    assert (writer.report(), writer.schema(1)) == ([(0, 1, 8)], {"a": "int64"})


def test_what_fits_goes_on_in_the_same_file(writer: Writer) -> None:
    for result in ([{"a": 1, "b": "x"}], [{"b": None, "a": 2}], [{"a": None}], []):
        writer.write(result)
    assert [(first, number) for first, number, _ in writer.report()] == [(0, 1)]
    assert writer.schema(1) == {"a": "int64", "b": "string"}


def test_a_wider_schema_begins_a_new_file_and_a_new_segment(writer: Writer) -> None:
    writer.write([{"a": None}])
    writer.write([{"a": 1}])
    writer.write([{"a": 2}])
    writer.write([{"a": 0.5, "b": "x"}])
    writer.write([{"a": 1}])
    assert [(first, number) for first, number, _ in writer.report()] == [(0, 1), (1, 2), (3, 3)]
    assert [writer.schema(k) for k in (1, 2, 3)] == [{"a": "null"}, {"a": "int64"}, {"a": "float64", "b": "string"}]
    writer.write([{"b": "y"}])
    assert [(first, number) for first, number, _ in writer.report()] == [(5, 3)]


def test_types_that_do_not_widen_have_files_of_their_own_which_are_returned_to(tmp_path: Path) -> None:
    writer = Writer(tmp_path, mixes=False)
    for value in (1, "x", 2, "y"):
        writer.write([{"a": value}])
    assert [number for _, number, _ in writer.report()] == [1, 2, 1, 2]
    writer.write([{"a": 3}])
    assert [number for _, number, _ in writer.report()] == [1]
    assert writer.content(1).endswith(b'{"a":1}\n{"a":2}\n{"a":3}\n')


def test_where_columns_may_mix_one_file_holds_everything(writer: Writer) -> None:
    for value in (1, "x", {"k": 1}, 2):
        writer.write([{"a": value}])
    assert [number for _, number, _ in writer.report()] == [1, 2]
    assert writer.schema(2) == {"a": "object"}


def test_a_failed_attempt_leaves_nothing_also_right_after_a_new_file(writer: Writer) -> None:
    writer.write([{"a": 1}])
    end = writer.parts.end
    table = table_of([{"a": "x"}], mixes=True)
    writer.tally.break_off(1, crc=writer.parts.end_segment(), offset=end)
    writer.parts.make_room(table, (1, 0))
    writer.parts.append(json_lines(table) * 200_000)
    writer.parts.cut(end)
    writer.tally.failed(1, ("script", "E", "", ""), crc=writer.parts.end_segment(), offset=writer.parts.end)
    writer.number = 2
    writer.write([{"a": "y"}])
    assert [(first, number) for first, number, _ in writer.report()] == [(0, 1), (2, 2)]
    assert writer.content(2).endswith(b'["a","object"]]}\n{"a":"y"}\n')


def test_a_late_result_with_columns_in_another_order_has_a_file_of_its_own(writer: Writer) -> None:
    writer.number = 5
    writer.write([{"c": 1, "b": 1}])
    writer.write_late(0, [{"b": 1, "c": 1}])
    assert (writer.late, writer.schema(2)) == ([(0, 2, 14)], {"b": "int64", "c": "int64"})
    writer.write_late(1, [{"b": 1}])
    assert (writer.late[0][1], writer.schema(2)) == (2, {"b": "int64", "c": "int64"})
    writer.write_late(2, [{"a": 1}])
    assert (writer.late[0][1], writer.schema(3)) == (3, {"a": "int64"})
    writer.write([{"b": 1}])
    writer.write([{"a": 1}])
    writer.write([{"a": 1, "d": 1}])
    assert [number for _, number, _ in writer.report()] == [1, 3, 4]
    assert list(writer.schema(4)) == ["c", "b", "a", "d"]


def test_a_late_result_with_the_columns_of_its_file_goes_on_there(writer: Writer) -> None:
    writer.number = 5
    writer.write([{"a": 1, "b": 1}])
    writer.write_late(0, [{"a": 1, "b": None}])
    assert writer.late[0][1] == 1


@pytest.mark.parametrize("seed", range(20))
def test_headers_tell_the_order_of_columns_whoever_scored_what_and_when(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    rows = [dict.fromkeys(chance.sample("abcdefg", chance.randint(1, 3)), 1) for _ in range(30)]
    firsts: dict[tuple[int, int], int] = {}
    writers = []
    for worker in range(3):
        (tmp_path / str(worker)).mkdir()
        writers.append(Writer(tmp_path / str(worker)))
    order = sorted(range(30), key=lambda number: number + chance.uniform(0, 12))
    for number in order:
        worker = chance.randrange(3)
        writers[worker].write_late(number, [rows[number]])
        ((first, file, _),) = writers[worker].late
        firsts[worker, file] = min(first, firsts.get((worker, file), first))
    schemas = [tuple(writers[worker].schema(file).items()) for worker, file in sorted(firsts, key=firsts.__getitem__)]
    assert [name for name, _ in unified(schemas)[0]] == list(dict.fromkeys(name for row in rows for name in row))


def test_late_results_of_very_many_kinds_keep_few_files_open(tmp_path: Path, writer: Writer) -> None:
    writer.number = 100
    writer.write([{"x": 1}])
    before = len(list(Path("/proc/self/fd").iterdir()))
    for number in range(40):
        writer.write_late(99 - number, [{f"c{number}": 1}])
    assert len(list(tmp_path.iterdir())) == 41
    assert len(list(Path("/proc/self/fd").iterdir())) - before <= 16


def test_columns_of_a_result_without_rows_are_in_no_schema(writer: Writer) -> None:
    numpy = pytest.importorskip("numpy")
    writer.write(numpy.empty(0, dtype=[("z", "f8")]))
    writer.write([{"a": 1}])
    assert writer.schema(2) == {"a": "int64"}
    assert [(first, number) for first, number, size in writer.report() if size] == [(1, 2)]


def test_a_short_result_is_a_segment_of_its_own_in_its_file(writer: Writer) -> None:
    writer.write([{"a": 1}])
    writer.write([{"a": "x"}])
    start = writer.parts.end
    writer.write([{"a": "y"}])
    writer.tally.segment.items += 1
    writer.tally.set_apart(2, 2, 1, crcs=writer.parts.end_segment_apart(start), offset=start)
    assert [(first, number) for first, number, _ in writer.report()] == [(0, 1), (1, 2), (2, 2)]


def test_files_of_a_mini_batch_in_pieces_stay_with_its_rows_where_these_go_into_a_new_file(writer: Writer) -> None:
    writer.tally.segment.wrote_files(0, "w/0")
    writer.write([{"a": 1}])
    writer.tally.segment.wrote_files(1, "w/1")
    writer.write([{"a": "x"}])
    header, _ = writer.tally.report(1, crc=writer.parts.end_segment(), seconds=0, places=writer.parts.places)
    told = [(segment[0], segment[7]) for segment in header["segments"]]
    assert told == [(0, [(0, "w/0")]), (1, [(1, "w/1")])]


def test_more_columns_than_a_file_can_have_are_refused(writer: Writer) -> None:
    with pytest.raises(Violation, match="4097 different columns") as caught:
        writer.write([{f"c{k}": 1 for k in range(4097)}])
    assert caught.value.error == "UnexpectedColumn"


def test_more_kinds_of_rows_than_files_are_refused_with_the_column(tmp_path: Path) -> None:
    writer = Writer(tmp_path, mixes=False)
    names = [f"c{k}" for k in range(5)]
    with pytest.raises(Violation, match=r"column 'c\d' is (string here and int64|int64 here and string)"):
        for number in range(32):
            writer.write([{name: "x" if number >> k & 1 else 1 for k, name in enumerate(names)}])
    assert len(list(tmp_path.iterdir())) == 16


def test_a_file_that_is_there_is_nobodys_mini_batch_to_blame(tmp_path: Path, writer: Writer) -> None:
    (tmp_path / "1-n0-s0-0.part").touch()
    with pytest.raises(WritesFailed):
        writer.write([1])


def test_an_empty_table_fits_every_file(writer: Writer) -> None:
    writer.write([1])
    assert writer.parts.takes(Table([], [], 0), (writer.number, 0))
