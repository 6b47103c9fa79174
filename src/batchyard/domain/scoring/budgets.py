"""Error budgets: how much of a job may fail before it is Failed, by items and mini-batches, as count and as percent.

Only final failures are judged: what is tried again has not failed yet. Percents are of the whole input, so one is
exceeded as soon as nothing that is still to come could save it, and never before. Any budget exceeded ends the job.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from batchyard.domain.deployments import TOLERATES_ALL_PERCENT
from batchyard.domain.jobs import Counts


class Budgets(Protocol):
    """What is tolerated, as the settings say. Counts: -1 tolerates all. Percents: 0 to 100, 100 tolerates all.

    Azure: `error_threshold` counts items, `mini_batch_error_threshold` and `allowed_failed_percent` mini-batches;
    `error_threshold_percent`, of items, is ours.
    """

    @property
    def error_threshold(self) -> int: ...
    @property
    def mini_batch_error_threshold(self) -> int: ...
    @property
    def error_threshold_percent(self) -> float: ...
    @property
    def allowed_failed_percent(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Breach:
    """A budget that is exceeded: the code of the job's error, and a sentence with budget, limit and how many failed."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class _Limit:
    """One budget as a number: how many may fail of how many. limit: as it was set."""

    setting: str
    limit: str
    tolerated: int
    of: int
    counts_items: bool
    is_percent: bool


class Limits:
    """The budgets of one job, whose input is known. Asking costs nothing where all failures are tolerated."""

    def __init__(self, budgets: Budgets, *, items: int, mini_batches: int) -> None:
        counts = (
            ("error_threshold", budgets.error_threshold, items, True),
            ("mini_batch_error_threshold", budgets.mini_batch_error_threshold, mini_batches, False),
        )
        percents = (
            ("error_threshold_percent", budgets.error_threshold_percent, items, True),
            ("allowed_failed_percent", budgets.allowed_failed_percent, mini_batches, False),
        )
        limits = [_Limit(name, f"{n}", n, of, by, is_percent=False) for name, n, of, by in counts if n >= 0]
        limits += [
            _Limit(name, f"{percent:g} %", _tolerated(percent, of), of, by, is_percent=True)
            for name, percent, of, by in percents
            if percent < TOLERATES_ALL_PERCENT
        ]
        self._limits = tuple(limits)

    def breach(self, counts: Counts) -> Breach | None:
        """Give the first budget that these counts exceed, or None."""
        for limit in self._limits:
            failed = counts.failed if limit.counts_items else counts.mini_batches_failed
            if failed > limit.tolerated:
                return _breach(limit, failed)
        return None


def _tolerated(percent: float, of: int) -> int:
    """The most that may fail: n exceeds it exactly when n * 100 > percent * of, the percent taken as it is written."""
    return int(Fraction(repr(percent)) * of / 100)


def _breach(limit: _Limit, failed: int) -> Breach:
    noun = "item" if limit.counts_items else "mini-batch"
    many = noun + ("es" if noun.endswith("ch") else "s")
    what = f"{failed} of {limit.of} {many}" if limit.is_percent else f"{failed} {noun if failed == 1 else many}"
    at_most = f" (at most {limit.tolerated})" if limit.is_percent else ""
    code = "".join(word.capitalize() for word in limit.setting.split("_")) + "Exceeded"
    return Breach(code, f"{what} failed, more than {limit.setting} {limit.limit} tolerates{at_most}.")
