"""How many mini-batches a lease has: little at first, more when it is known to be worth it, fair at the end."""

from __future__ import annotations

import pytest

from batchyard.domain.scoring.lease_sizes import LAST_TARGET_S, TARGET_S, LeaseSizes

WORKERS = 2


def leases(mini_batches: int, each_s: float) -> list[int]:
    """Hand all of them out, one lease after the other."""
    sizes, left, found = LeaseSizes(one_by_one=False), mini_batches, []
    while left:
        found.append(min(left, sizes.next_count(left, WORKERS)))
        left -= found[-1]
        sizes.measured(found[-1], found[-1] * each_s)
    return found


@pytest.mark.parametrize("each_s", [1e-6, 1e-4, 2e-3])
def test_leases_grow_from_one_to_their_full_worth(each_s: float) -> None:
    found = leases(200_000, each_s)
    assert found[0] == 1
    assert max(found) == min(8192, int(TARGET_S / each_s))


def test_what_is_left_at_the_end_is_shared_among_all_workers() -> None:
    left = 2000
    for lease in leases(2000, 0.0002):
        assert lease <= max(1, left // WORKERS)
        left -= lease


def test_leases_at_the_end_are_still_worth_their_own_cost() -> None:
    each_s = 0.0002
    least = int(LAST_TARGET_S / each_s)
    found = leases(2000, each_s)
    small = [lease for lease in found[10:] if lease < least]
    assert sum(small) <= 2 * WORKERS * least
    assert len(small) < 12


def test_long_mini_batches_are_handed_out_one_by_one() -> None:
    assert set(leases(50, 0.2)) == {1}


def test_scripts_that_write_files_of_their_own_get_one_at_a_time() -> None:
    sizes = LeaseSizes(one_by_one=True)
    sizes.measured(1, 1e-6)
    assert sizes.next_count(10_000, WORKERS) == 1
