"""Durations go both ways without losing anything."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchyard.wire.durations import iso_from_seconds, seconds_from_iso


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("PT30S", 30.0),
        ("PT5M", 300.0),
        ("PT0.5S", 0.5),
        ("PT1M30S", 90.0),
        ("P3D", 259_200.0),
        ("P1DT2H", 93_600.0),
        ("PT0S", 0.0),
    ],
)
def test_durations_of_the_sdk_go_both_ways(text: str, seconds: float) -> None:
    assert seconds_from_iso(text) == seconds
    assert iso_from_seconds(seconds) == text


@pytest.mark.parametrize(("text", "seconds"), [("pt90s", 90.0), ("PT2H30M", 9000.0), ("P2W", 1_209_600.0)])
def test_other_spellings_are_read(text: str, seconds: float) -> None:
    assert seconds_from_iso(text) == seconds


@pytest.mark.parametrize("text", ["", "P", "PT", "30", "PT5", "P1M", "P1Y", "P1DT", "-PT5S", "PT5S5M", "PTS", "PT٣S"])
def test_what_is_no_fixed_duration_is_not_read(text: str) -> None:
    assert seconds_from_iso(text) is None


@given(st.floats(0, 10**7, allow_nan=False, allow_infinity=False) | st.integers(0, 10**9))
def test_seconds_written_are_read_back_exactly(seconds: float) -> None:
    assert seconds_from_iso(iso_from_seconds(seconds)) == seconds
