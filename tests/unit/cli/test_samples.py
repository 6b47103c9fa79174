"""What is said of a sample that could not be scored."""

from __future__ import annotations

import pytest

from batchyard.cli.calibration import refuse_failed
from batchyard.cli.failures import CommandFailed
from batchyard.domain.deployments import ExecutionSettings
from batchyard.domain.forecast.calibration import Calibration, SampledRun, SampledStart, SampleFailure

FAILURE = SampleFailure("script", "ValueError", "bad", "Traceback", "a.txt")


def refusal(items: int, *, isolates: bool = True) -> str:
    run = SampledRun("n0", 0, items, 1, items, 0.1, 0.1, 0, 0, 1, True, items, 1, FAILURE)
    with pytest.raises(CommandFailed) as caught:
        refuse_failed(Calibration(10, 10, 5, (run, run)), ExecutionSettings(isolate_failing_items=isolates))
    return str(caught.value)


def test_mini_batches_that_all_fail_lead_to_the_items_one_by_one_where_a_job_would_divide_them() -> None:
    assert "`--set mini_batch_size=1` tells which would remain" in refusal(2)
    assert "so the job would fail" in refusal(1)
    assert "so the job would fail" in refusal(2, isolates=False)


def test_workers_that_do_not_start_have_nothing_to_divide() -> None:
    start = SampledStart("n0", 0.1, 0.1, 1, FAILURE)
    with pytest.raises(CommandFailed) as caught:
        refuse_failed(Calibration(10, 10, 5, starts=(start,)), ExecutionSettings())
    assert "mini_batch_size" not in str(caught.value)
