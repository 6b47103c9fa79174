"""Failures in groups: what is one cause, what is kept of it, and that memory does not follow their number."""

from __future__ import annotations

import pytest

from batchyard.domain.failures import (
    MOST_GROUPS,
    OTHER,
    Cause,
    FailureGroup,
    FailureGroups,
    FailureReport,
    folded,
    summary,
)
from batchyard.domain.scoring.ledger import AttemptFailed, Committed, FailedItems, Lost, Planned
from batchyard.domain.scoring.tally import Tally, failure_report


def cause(message: str, *, error: str = "ValueError") -> Cause:
    return Cause("script", error, message, "Traceback …", "n0-s0-0", attempts=4)


def tally(items: int, size: int = 1) -> Tally:
    found = Tally()
    found.apply(Planned(items, size, "0" * 64, 0.0))
    return found


def committed(first: int, lengths: int, *, short: tuple[tuple[int, int], ...] = ()) -> Committed:
    return Committed(first, 1, "1-n0-s0-0.part", 0, (0,) * lengths, 0, 0, lengths, short)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("cannot read item-0001.txt", "cannot read b.png"),
        ("[Errno 2] No such file or directory: '/a/b c.png'", "[Errno 2] No such file or directory: '/x'"),
        ("image <_io.BytesIO object at 0x7f11>", "image <_io.BytesIO object at 0xdeadbeef>"),
        ("expected 3 channels,\n got 4", "expected 1 channels, got 17"),
        ("cannot open /data/in/1.bin", "cannot open /data/2.bin"),
        ("no key 5f01880e-c088-4fb2-a3c8-203ef3f93062", "no key a3c8203e"),
    ],
)
def test_messages_that_differ_in_names_and_numbers_alone_are_one_cause(one: str, other: str) -> None:
    assert folded(one) == folded(other)


@pytest.mark.parametrize(
    ("one", "other"), [("division by zero", "not a number"), ("cannot read 1.txt", "cannot write 1.txt")]
)
def test_messages_that_say_something_else_are_two_causes(one: str, other: str) -> None:
    assert folded(one) != folded(other)


def test_two_planted_problems_give_exactly_two_groups_with_counts_and_three_samples() -> None:
    found = tally(100)
    for position in range(10):
        found.apply(FailedItems(position, 1, 4, "script", "ValueError", f"bad pixel {position}", "stack", "n0-s0-0"))
    for position in range(50, 55):
        found.apply(FailedItems(position, 1, 4, "data", "FileNotFoundError", f"no '{position}'", "", "n0-s1-1"))
    first, second = failure_report(found, lambda position: f"item-{position}").failed
    assert (first.items, first.error_class, first.message) == (10, "script", "bad pixel <n>")
    assert (second.items, second.error_class, second.message) == (5, "data", "no <...>")
    assert [sample.item for sample in first.samples] == ["item-0", "item-1", "item-2"]
    assert first.samples[0].log == "logs/user/error/n0/n0-s0-0.txt"
    assert second.samples[0].log == "logs/user/stderr/n0/n0-s1-1.stderr.txt"
    assert second.samples[0].message == "no '50'"


def test_samples_are_the_first_ones_whatever_the_order_of_failing_and_of_different_mini_batches_if_they_can() -> None:
    groups = FailureGroups()
    for mini_batch in (7, 3, 5, 1):
        groups.add(cause("x"), mini_batch=mini_batch, first=mini_batch * 10, stop=mini_batch * 10 + 10)
    assert [sample.position for sample in groups.groups()[0].samples] == [10, 30, 50]
    alone = FailureGroups()
    alone.add(cause("x"), mini_batch=0, first=0, stop=10)
    assert [sample.position for sample in alone.groups()[0].samples] == [0, 1, 2]


def test_a_million_different_causes_are_told_as_fifty_and_the_rest_together() -> None:
    groups = FailureGroups()
    for number in range(MOST_GROUPS + 1000):
        words = "".join(chr(ord("a") + int(digit)) for digit in str(number))
        groups.add(cause(f"cause {words}"), mini_batch=number, first=number, stop=number + 1)
    found = groups.groups()
    assert len(found) == MOST_GROUPS + 1
    assert (found[-1].error_class, found[-1].items) == (OTHER, 1000)
    assert sum(group.items for group in found) == MOST_GROUPS + 1000


def test_an_attempt_that_failed_before_one_succeeded_is_told_apart_and_counts_as_no_failure() -> None:
    found = tally(4, size=2)
    found.apply(AttemptFailed(1, 1, "timeout", "TimeoutError", "took 3 s", "", "n0-s0-0"))
    found.apply(committed(0, 2))
    report = failure_report(found)
    assert report.failed == ()
    assert [(g.error_class, g.items, g.mini_batches) for g in report.recovered] == [("timeout", 2, 1)]


def test_an_attempt_that_is_still_to_be_repeated_is_in_no_group() -> None:
    found = tally(4)
    found.apply(AttemptFailed(1, 1, "script", "ValueError", "x", "", "n0-s0-0"))
    assert failure_report(found) == FailureReport()


def test_a_short_result_counts_the_missing_items_and_names_none() -> None:
    found = tally(10, size=10)
    found.apply(committed(0, 1, short=((0, 3),)))
    (group,) = failure_report(found, lambda position: f"item-{position}").failed
    assert (group.error_class, group.error, group.items) == ("data", "ShortResult", 3)
    assert [(sample.item, sample.position, sample.worker) for sample in group.samples] == [(None, 0, "n0-s0-0")]


def test_a_result_without_any_row_names_its_items() -> None:
    found = tally(4, size=2)
    found.apply(committed(0, 1, short=((0, 2),)))
    found.apply(committed(1, 1, short=((1, 1),)))
    groups = failure_report(found, lambda position: f"item-{position}").failed
    assert [sample.item for group in groups for sample in group.samples] == ["item-0", None, "item-1"]


def test_a_short_result_whose_rows_were_lost_is_taken_back() -> None:
    found = tally(10, size=10)
    found.apply(committed(0, 1, short=((0, 3),)))
    found.apply(Lost(0, 1, "1-n0-s0-0.part", 0, 0, 7, 3, 1))
    assert failure_report(found).failed == ()


def test_the_summary_is_lines_that_a_terminal_only_shows() -> None:
    groups = FailureGroups()
    groups.add(cause("red \x1b[31m\nnew line"), mini_batch=0, first=0, stop=1)
    lines = summary(FailureReport(groups.groups(lambda _: "a\nb")), most=5)
    assert lines[0] == "Failures by cause:"
    assert all(line.isprintable() for line in lines)
    assert "a\\nb (position 0, mini-batch 0, 4 attempts)" in lines[2]


def test_the_summary_says_how_many_causes_it_leaves_out() -> None:
    groups = tuple(FailureGroup("script", "ValueError", f"cause {k}", 1, 1) for k in "abcdefg")
    assert summary(FailureReport(groups), most=5)[-1] == "  and 2 more causes"
    assert summary(FailureReport(groups), most=6)[-1] == "  and 1 more cause"
