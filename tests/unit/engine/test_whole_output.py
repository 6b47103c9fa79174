"""What a contract says of all rows together, checked over part files: which keys come twice, and what is told."""

from __future__ import annotations

import json
import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batchyard.datastores.job_home import LocalJobHome
from batchyard.domain.deployments import ExecutionSettings
from batchyard.domain.errors import ContractBroken, PlatformError
from batchyard.domain.outputs.contracts import OutputContract, RowsPerItem
from batchyard.domain.outputs.formats import OutputFormat
from batchyard.domain.scoring.ledger import Planned
from batchyard.engine.ledger_file import extents
from batchyard.engine.whole_output import check_whole_output
from tests.support.part_files import Part, write_parts

UNIQUE = OutputContract(key_column="id", unique_key=True)
ID = (("id", "string"), ("score", "float64"))


@pytest.fixture
def check(tmp_path: Path) -> Callable[..., None]:
    def run(
        parts: list[Part],
        *,
        items: int,
        contract: OutputContract = UNIQUE,
        output_format: OutputFormat = OutputFormat.JSONL,
    ) -> None:
        home = LocalJobHome(tmp_path / "home" / str(len(list(tmp_path.glob("home/*")))))
        write_parts(home, parts, items=items)
        names = [f"item-{k}".encode() for k in range(items)]
        offsets = [0]
        for one in names:
            offsets.append(offsets[-1] + len(one) + 1)
        home.path("listing/1").write_bytes(b"".join(one + b"\0" for one in names))
        home.path("listing/1.index").write_bytes(struct.pack(f"<{len(offsets)}Q", *offsets))
        wanted = ExecutionSettings(output_format=output_format, output_file_name="scores.txt", output_contract=contract)
        planned = Planned(items, 1, "0" * 64, 0.0)
        check_whole_output(wanted, home, extents(home), planned, home.path("keys"), reach=tuple)

    return run


def row(key: Any, score: float = 0.5) -> str:  # Any: JSON
    return json.dumps({"id": key, "score": score})


def test_keys_that_are_all_different_pass(check: Callable[..., None]) -> None:
    check([Part(ID, {0: [row("a")], 2: [row("b"), row("c")]}), Part(ID, {1: [row("d")]})], items=3)


def test_a_key_of_two_mini_batches_is_told_with_both_items(check: Callable[..., None]) -> None:
    parts = [Part(ID, {0: [row("a")], 3: [row("a")]}), Part(ID, {1: [row("b")], 2: [row("c"), row("b")]})]
    with pytest.raises(ContractBroken) as caught:
        check(parts, items=4)
    found = caught.value
    assert (found.error, found.mini_batch, found.position) == ("DuplicateKey", 2, 2)
    told = "Column 'id' has 'b' more than once: for item 'item-1' (row 1 of mini-batch 1) and for item 'item-2' (row 2"
    assert str(found).startswith(told)
    assert "4 rows have a key that another row has" in str(found)
    assert "nothing was published" in str(found)


def test_every_row_that_shares_its_key_is_counted_once(check: Callable[..., None]) -> None:
    with pytest.raises(ContractBroken, match=" 5 rows have a key that another row has"):
        check([Part(ID, {0: [row(key) for key in "aab"], 1: [row(key) for key in "abcx"]})], items=2)


def test_keys_are_compared_by_value_and_not_by_how_they_are_written(check: Callable[..., None]) -> None:
    whole, decimal = (("id", "int64"),), (("id", "float64"),)
    with pytest.raises(ContractBroken, match="has 1 more than once"):
        check([Part(whole, {0: ['{"id": 1}']}), Part(decimal, {1: ['{"id":1.0}']})], items=2)
    with pytest.raises(ContractBroken, match="has '1' more than once"):
        check(
            [Part(whole, {0: ["1"]}, "csv"), Part(decimal, {1: ["1.0"]}, "csv")],
            items=2,
            output_format=OutputFormat.CSV,
        )
    check([Part(ID, {0: [row("1"), row("01"), row("1.0")]})], items=1)
    check([Part(ID, {0: [row(1), row(True), row("1")]})], items=1)


@pytest.mark.parametrize("key", ["x", "a,b", 'q"uo"te', "line\nbreak", "caf\u00e9", "", "\r\n"])
def test_keys_of_csv_may_hold_anything(check: Callable[..., None], key: str) -> None:
    cell = '"' + key.replace('"', '""') + '"'
    columns = (("n", "int64"), ("id", "string"))
    parts = [Part(columns, {0: [f"1,{cell}", "2,other"]}, "csv"), Part(columns, {1: [f"3,{cell}"]}, "csv")]
    with pytest.raises(ContractBroken) as caught:
        check(parts, items=2, output_format=OutputFormat.CSV)
    assert repr(key) in str(caught.value)


def test_csv_may_hold_cells_of_any_size(check: Callable[..., None]) -> None:
    columns = (("id", "string"), ("embedding", "string"))
    check(
        [Part(columns, {0: [f"a,{'1' * 200_000}", f"{'b' * 200_000},2"]}, "csv")],
        items=2,
        output_format=OutputFormat.CSV,
    )


def test_too_few_and_too_many_rows_of_a_range_refuse_the_output(check: Callable[..., None]) -> None:
    # By hand: workers refuse such results themselves.
    one = OutputContract(RowsPerItem.ONE)
    check([Part(ID, {0: [row("a")]})], items=1, contract=one)
    check([Part(ID, {0: [row("a"), row("a")]})], items=1, contract=replace(one, rows_per_item=RowsPerItem.ANY))


def test_rows_that_are_not_as_many_as_the_ledger_says_are_the_platforms_fault(check: Callable[..., None]) -> None:
    with pytest.raises(PlatformError, match="has 2 rows where the ledger says 1"):
        check([Part(ID, {0: [row("a") + "\n" + row("b")]})], items=1)


def test_without_a_unique_key_no_part_is_read(check: Callable[..., None]) -> None:
    check([Part(ID, {0: ["no json"]})], items=1, contract=OutputContract(key_column="id"))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.integers(0, 60), max_size=4), min_size=1, max_size=12), st.integers(1, 3))
def test_exactly_the_keys_that_come_twice_are_found(
    check: Callable[..., None], keys: list[list[int]], workers: int
) -> None:
    found = Counter(key for batch in keys for key in batch)
    repeats = sum(found.values()) - len(found)
    parts = [
        Part(ID, {k: [row(key) for key in batch] for k, batch in enumerate(keys) if k % workers == w} or {0: []})
        for w in range(min(workers, len(keys)))
    ]
    if not repeats:
        check(parts, items=len(keys))
        return
    with pytest.raises(ContractBroken) as caught:
        check(parts, items=len(keys))
    seen: set[int] = set()
    for number, batch in enumerate(keys):
        for key in batch:
            if key in seen:
                assert caught.value.mini_batch == number
                assert f"has {key} more than once" in str(caught.value)
                return
            seen.add(key)
