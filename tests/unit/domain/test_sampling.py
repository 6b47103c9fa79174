"""Which mini-batches are scored to learn about all: spread by size and position, standing for everything together."""

from __future__ import annotations

import itertools

import pytest

from batchyard.domain.forecast.sampling import Candidate, choose


def candidates(sizes: list[int], *, items: int = 10) -> list[Candidate]:
    return [Candidate(number * items, items, size) for number, size in enumerate(sizes)]


CONSTANT = candidates([100] * 1000)
GROWING = candidates(list(range(1000)))
HEAVY_TAIL = candidates([int(1000 / (1 + number * 7919 % 1000)) for number in range(1000)])
EMPTY_FILES = candidates([0] * 1000)


@pytest.mark.parametrize("every", [CONSTANT, GROWING, HEAVY_TAIL, EMPTY_FILES])
@pytest.mark.parametrize("most", [1, 2, 3, 4, 7, 10, 50, 333, 999, 1000, 5000])
def test_the_chosen_ones_stand_for_everything_and_are_no_more_than_asked(every: list[Candidate], most: int) -> None:
    chosen = choose(every, most=most)
    assert 1 <= len(chosen) <= most
    assert len({one.candidate.first for one in chosen}) == len(chosen)
    assert sum(one.stands_for_items for one in chosen) == 10_000
    assert sum(one.stands_for_bytes for one in chosen) == sum(one.size_bytes for one in every)


def test_a_small_input_is_taken_whole() -> None:
    chosen = choose(candidates([5, 6, 7]), most=20)
    assert sorted(one.candidate.first for one in chosen) == [0, 10, 20]
    assert choose([], most=20) == []


def test_the_heaviest_is_always_there() -> None:
    assert 999 in [one.candidate.size_bytes for one in choose(GROWING, most=4)]
    assert 1000 in [one.candidate.size_bytes for one in choose(HEAVY_TAIL, most=10)]


def test_equal_sizes_are_spread_along_the_input() -> None:
    chosen = sorted(one.candidate.first for one in choose(CONSTANT, most=10))
    assert all(1000 * number <= first < 1000 * (number + 1) for number, first in enumerate(chosen))


def test_every_beginning_of_the_order_is_spread_along_the_input() -> None:
    first = sorted(one.candidate.first for one in choose(CONSTANT, most=100)[:10])
    assert max(later - sooner for sooner, later in itertools.pairwise(first)) <= 2500


@pytest.mark.parametrize("every", [CONSTANT, GROWING, HEAVY_TAIL])
def test_work_that_follows_the_bytes_is_known_within_a_tenth_of_one_in_twenty(every: list[Candidate]) -> None:
    chosen = choose(every, most=50)
    known = sum(one.candidate.size_bytes / max(1, one.candidate.items) * one.stands_for_items for one in chosen)
    truth = sum(one.size_bytes for one in every)
    assert known == pytest.approx(truth, rel=0.1)


def test_work_that_grows_along_the_input_is_known_within_a_tenth() -> None:
    chosen = choose(CONSTANT, most=10)
    known = sum(one.candidate.first * one.stands_for_items for one in chosen)
    assert known == pytest.approx(sum(one.first * one.items for one in CONSTANT), rel=0.1)
