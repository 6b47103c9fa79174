"""The rules of one job's scoring: what its spec and its input say, as the state machine needs it."""

from __future__ import annotations

from dataclasses import dataclass

from batchyard.domain.deployments import TOLERATES_ALL, TOLERATES_ALL_PERCENT
from batchyard.domain.scoring.minibatches import Cut
from batchyard.domain.scoring.progress_guard import LEAST_DEFAULT_S


@dataclass(frozen=True, slots=True)
class Rules:
    """What the verdict and the hand-out depend on, from the job's spec.

    max_attempts: max_retries + 1. one_by_one: leases of a single mini-batch (jobs whose scripts write files).
    slots: worker processes of the job. The error budgets are those of `domain.scoring.budgets`.
    is_speculative: stragglers are leased twice (`domain.scoring.speculation`).
    heaviest: mini-batches to hand out first, one by one, in that order.
    no_progress_timeout_s: how long nothing may be settled while workers have work (`domain.scoring.progress_guard`).
    max_duration_s: of one run of the job (`domain.scoring.duration_cap`); None for any. local_folder: of a run that no
    server knows, for what is said at its cap; "" for a job.
    run_timeout_s: what each `run()` may take, for that guard; 0 where its limit was set.
    isolates: a mini-batch whose tries are used up is divided; isolates_short: so is one whose result is short.
    run_items: items of one `run()` at most, remembered from earlier jobs; 0 for whole mini-batches.
    """

    cut: Cut
    max_attempts: int
    error_threshold: int
    one_by_one: bool
    slots: int
    mini_batch_error_threshold: int = TOLERATES_ALL
    error_threshold_percent: float = TOLERATES_ALL_PERCENT
    allowed_failed_percent: float = TOLERATES_ALL_PERCENT
    no_progress_timeout_s: float = LEAST_DEFAULT_S
    isolates: bool = False
    isolates_short: bool = False
    run_items: int = 0
    is_speculative: bool = False
    heaviest: tuple[int, ...] = ()
    run_timeout_s: float = 0.0
    max_duration_s: float | None = None
    local_folder: str = ""
