"""Sorted runs: any byte strings, spilled or not, come back in order."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batchyard.engine.sorting import SortedRuns


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(st.lists(st.binary(max_size=12), max_size=60), st.sampled_from([1, 100, 10_000]))
def test_records_come_back_sorted_whatever_was_spilled(tmp_path: Path, records: list[bytes], run_bytes: int) -> None:
    runs = SortedRuns(tmp_path / "runs", run_bytes=run_bytes)
    runs.extend(records)
    assert list(runs) == sorted(records)
    assert runs.count == len(records)


@pytest.mark.parametrize("name", [b"a\nb", b"\xff\xfe", b"with space", b"#hash", "ü".encode()])
def test_odd_names_are_ordinary_byte_strings(tmp_path: Path, name: bytes) -> None:
    runs = SortedRuns(tmp_path / "runs", run_bytes=1)
    runs.extend([b"z", name, b"a"])
    assert list(runs) == sorted([b"z", name, b"a"])
