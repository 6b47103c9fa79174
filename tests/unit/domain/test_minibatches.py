"""Cutting, and sets kept as ranges: compared with Python's own sets."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchyard.domain.scoring.minibatches import Cut, RangeSet

ranges = st.tuples(st.integers(0, 60), st.integers(0, 20)).map(lambda r: (r[0], r[0] + r[1]))
steps = st.lists(st.tuples(st.sampled_from(["add", "remove"]), ranges), max_size=30)


@pytest.mark.parametrize(
    ("items", "size", "mini_batches"), [(0, 10, 0), (1, 10, 1), (10, 10, 1), (11, 10, 2), (7, 1, 7)]
)
def test_n_items_of_size_m_make_ceil_n_over_m_mini_batches(items: int, size: int, mini_batches: int) -> None:
    assert Cut(items, size).mini_batches == mini_batches


@given(st.integers(1, 500), st.integers(1, 50))
def test_bounds_tile_the_listing_without_gap_or_overlap(items: int, size: int) -> None:
    cut = Cut(items, size)
    bounds = [cut.bounds(m) for m in range(cut.mini_batches)]
    assert [p for first, stop in bounds for p in range(first, stop)] == list(range(items))
    assert all(cut.items_in(m, 1) == stop - first for m, (first, stop) in enumerate(bounds))


@given(steps)
def test_a_range_set_is_a_set(actions: list[tuple[str, tuple[int, int]]]) -> None:
    ours, theirs = RangeSet(), set[int]()
    for action, (start, stop) in actions:
        if action == "add":
            ours.add(start, stop)
            theirs |= set(range(start, stop))
        else:
            ours.remove(start, stop)
            theirs -= set(range(start, stop))
        found = list(ours)
        assert [n for a, b in found for n in range(a, b)] == sorted(theirs)
        assert all(b < c for (_, b), (c, _) in pairwise(found)), "ranges touch"
        assert len(ours) == len(theirs)
        assert [n for a, b in ours.gaps(90) for n in range(a, b)] == sorted(set(range(90)) - theirs)
        assert (start in ours) == (start in theirs)


@given(st.lists(ranges, max_size=10), st.integers(1, 15))
def test_take_gives_the_lowest_members_first(content: list[tuple[int, int]], limit: int) -> None:
    ours = RangeSet(content)
    members = sorted({n for a, b in content for n in range(a, b)})
    taken: list[int] = []
    while (found := ours.take(limit)) is not None:
        assert found[1] - found[0] <= limit
        taken += range(*found)
    assert taken == members


@pytest.mark.parametrize(
    "cut", [Cut(10, 3), Cut(10, 10), Cut(1, 4), Cut(7, 5, [0, 1, 5, 7]), Cut(3, 9, [0, 3])], ids=repr
)
def test_each_position_is_in_the_mini_batch_whose_bounds_hold_it(cut: Cut) -> None:
    for position in range(cut.items):
        first, stop = cut.bounds(cut.mini_batch_of(position))
        assert first <= position < stop
