"""Items found by name in a listing, and what the ledger says of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchyard.datastores.job_home import LocalJobHomes
from batchyard.domain.errors import NotFound
from batchyard.domain.item_history import MOST_FOUND, ItemOutcome
from batchyard.domain.scoring.ledger import (
    MAGIC,
    AttemptFailed,
    Committed,
    FailedItems,
    Opened,
    Planned,
    Record,
    Resumed,
    Verdict,
    encode,
)
from batchyard.engine.item_history import LedgerItemHistories
from batchyard.engine.plan import freeze


def histories(folder: Path, names: list[bytes], *records: Record, size: int = 1) -> LedgerItemHistories:
    homes = LocalJobHomes(folder)
    home = homes.open("job")
    digest = freeze(iter([sorted(names)]), home.path("listing/1"))
    all_records = [Opened(1), Planned(len(names), size, digest, 0.0), *records]
    home.create("ledger/1.log", MAGIC + b"".join(encode(record) for record in all_records))
    return LedgerItemHistories(homes)


def committed(first: int, count: int, **more: object) -> Committed:
    return Committed(first, 1, "1-n0-s0-0.part", 0, (0,) * count, 0, 0, count, **more)


def failed(mini_batch: int, attempt: int, **more: object) -> AttemptFailed:
    return AttemptFailed(mini_batch, attempt, "script", "ValueError", "x", "stack", "n0-s0-0", **more)


@pytest.mark.parametrize("name", [b"a", b"b/a", b"b/c", b"zz"])
def test_a_whole_path_is_found_before_ends_of_others(tmp_path: Path, name: bytes) -> None:
    found = histories(tmp_path, [b"a", b"b/a", b"b/c", b"zz"]).find("job", [name])
    assert [item.path for item in found.items] == [name]


def test_an_end_is_found_after_a_slash_before_one_within_a_name(tmp_path: Path) -> None:
    found = histories(tmp_path, [b"x/1.png", b"x/11.png", b"y/1.png"]).find("job", [b"1.png"])
    assert [item.path for item in found.items] == [b"x/1.png", b"y/1.png"]
    found = histories(tmp_path / "other", [b"x/11.png", b"y/21.png"]).find("job", [b"1.png"])
    assert [item.path for item in found.items] == [b"x/11.png", b"y/21.png"]


def test_an_item_is_found_in_an_input_that_was_empty_in_the_run_before(tmp_path: Path) -> None:
    homes = LocalJobHomes(tmp_path)
    home = homes.open("job")
    digests = [freeze(iter([names] if names else []), home.path(f"listing/{k}")) for k, names in ((1, []), (2, [b"a"]))]
    plans = [Planned(k, 1, digests[k], 0.0, f"listing/{k + 1}") for k in (0, 1)]
    ended: list[Record] = [Verdict("Failed", "EmptyInput", "no files"), Resumed(2)]
    all_records: list[Record] = [Opened(1), plans[0], *ended, plans[1], committed(0, 1)]
    home.create("ledger/1.log", MAGIC + b"".join(encode(record) for record in all_records))
    (item,) = LedgerItemHistories(homes).find("job", [b"a"]).items
    assert item.outcome is ItemOutcome.SUCCEEDED


def test_many_that_fit_are_counted_and_the_first_are_told(tmp_path: Path) -> None:
    found = histories(tmp_path, [b"%03d/same" % k for k in range(100)]).find("job", [b"same"])
    assert (found.matches, len(found.items)) == (100, MOST_FOUND)
    assert found.items[0].path == b"000/same"


def test_attempts_and_outcome_are_those_of_the_items_own_mini_batch_and_part(tmp_path: Path) -> None:
    store = histories(
        tmp_path,
        [b"a", b"b", b"c", b"d"],
        failed(0, 1),
        failed(0, 2, items=(0, 1)),
        FailedItems(0, 1, 2, "script", "ValueError", "x", "stack", "n0-s0-0", items=(0, 1)),
        committed(0, 1, items=(1, 2)),
        size=2,
    )
    (bad,) = store.find("job", [b"a"]).items
    assert (bad.outcome, [attempt.number for attempt in bad.attempts]) == (ItemOutcome.FAILED, [1, 2])
    assert bad.attempts[0].log == "logs/user/error/n0/n0-s0-0.txt"
    (good,) = store.find("job", [b"b"]).items
    assert (good.outcome, [attempt.error for attempt in good.attempts]) == (ItemOutcome.SUCCEEDED, ["ValueError", ""])
    (waiting,) = store.find("job", [b"c"]).items
    assert (waiting.outcome, waiting.mini_batch, waiting.attempts) == (ItemOutcome.INCOMPLETE, 1, ())


def test_an_item_of_a_short_result_may_or_may_not_be_the_missing_one(tmp_path: Path) -> None:
    store = histories(tmp_path, [b"a", b"b"], committed(0, 1, short=((0, 1),)), size=2)
    (item,) = store.find("job", [b"a"]).items
    assert (item.outcome, item.attempts[0].error) == (ItemOutcome.SHORT, "ShortResult")


def test_a_name_that_fits_nothing_and_a_job_without_a_listing_are_not_found(tmp_path: Path) -> None:
    store = histories(tmp_path, [b"a"])
    with pytest.raises(NotFound, match="no item 'b'"):
        store.find("job", [b"b"])
    with pytest.raises(NotFound, match="no listing"):
        store.find("other", [b"b"])
