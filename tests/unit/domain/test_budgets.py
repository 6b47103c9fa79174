"""Error budgets: each is exact at its limit, any of them ends the job, and the reason says which."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchyard.domain.deployments import ExecutionSettings
from batchyard.domain.jobs import Counts
from batchyard.domain.scoring.budgets import Breach, Limits

TOLERATES_ALL = ExecutionSettings()


def limits(settings: ExecutionSettings, *, items: int = 1000, mini_batches: int = 100) -> Limits:
    return Limits(settings, items=items, mini_batches=mini_batches)


def test_nothing_is_a_breach_where_all_is_tolerated() -> None:
    assert limits(TOLERATES_ALL).breach(Counts(items=1000, failed=1000, mini_batches_failed=100)) is None


@pytest.mark.parametrize(
    ("settings", "last_good", "reason"),
    [
        (
            ExecutionSettings(error_threshold=2),
            Counts(failed=2, mini_batches_failed=99),
            "3 items failed, more than error_threshold 2 tolerates.",
        ),
        (ExecutionSettings(error_threshold=0), Counts(), "1 item failed, more than error_threshold 0 tolerates."),
        (
            ExecutionSettings(error_threshold_percent=2),
            Counts(failed=20, mini_batches_failed=99),
            "21 of 1000 items failed, more than error_threshold_percent 2 % tolerates (at most 20).",
        ),
        (
            ExecutionSettings(error_threshold_percent=0.25),
            Counts(failed=2),
            "3 of 1000 items failed, more than error_threshold_percent 0.25 % tolerates (at most 2).",
        ),
    ],
)
def test_a_budget_of_items_is_exceeded_by_one_item_more(
    settings: ExecutionSettings, last_good: Counts, reason: str
) -> None:
    one_more = Counts(failed=last_good.failed + 1)
    assert limits(settings).breach(last_good) is None
    breach = limits(settings).breach(one_more)
    assert breach is not None
    assert breach.reason == reason


@pytest.mark.parametrize(
    ("settings", "tolerated", "breach"),
    [
        (
            ExecutionSettings(mini_batch_error_threshold=3),
            3,
            Breach(
                "MiniBatchErrorThresholdExceeded",
                "4 mini-batches failed, more than mini_batch_error_threshold 3 tolerates.",
            ),
        ),
        (
            ExecutionSettings(allowed_failed_percent=10),
            10,
            Breach(
                "AllowedFailedPercentExceeded",
                "11 of 100 mini-batches failed, more than allowed_failed_percent 10 % tolerates (at most 10).",
            ),
        ),
    ],
)
def test_a_budget_of_mini_batches_is_exceeded_by_one_mini_batch_more(
    settings: ExecutionSettings, tolerated: int, breach: Breach
) -> None:
    assert limits(settings).breach(Counts(failed=1000, mini_batches_failed=tolerated)) is None
    assert limits(settings).breach(Counts(failed=1000, mini_batches_failed=tolerated + 1)) == breach


def test_any_of_several_budgets_ends_the_job() -> None:
    both = limits(ExecutionSettings(error_threshold=50, error_threshold_percent=1))
    breach = both.breach(Counts(failed=11))
    assert breach is not None
    assert breach.code == "ErrorThresholdPercentExceeded"


@given(
    percent=st.decimals(0, 100, places=3).filter(lambda p: p < 100),
    items=st.integers(1, 10**7),
    share=st.integers(0, 10**7),
)
def test_a_percent_is_exceeded_exactly_when_failed_times_100_is_more_than_percent_times_items(
    percent: Fraction, items: int, share: int
) -> None:
    failed = min(share, items)
    breach = limits(ExecutionSettings(error_threshold_percent=float(percent)), items=items).breach(
        Counts(failed=failed)
    )
    assert (breach is not None) == (failed * 100 > Fraction(percent) * items)
