"""What findings say of a compute, of mistakes and of a sample that was scored."""

from __future__ import annotations

from dataclasses import replace

import pytest

from batchyard.domain.computes import Compute, InstanceDemand
from batchyard.domain.deployments import ExecutionSettings, OutputFormat, RetrySettings
from batchyard.domain.errors import Mistake
from batchyard.domain.forecast.calibration import Calibration, SampledRun, SampledStart, SampleFailure
from batchyard.domain.forecast.preflight import (
    Finding,
    Level,
    has_passed,
    lines_of,
    of_calibration,
    of_compute,
    of_mistakes,
)
from batchyard.domain.forecast.unfit_items import UnfitItem
from batchyard.domain.outputs.contracts import InputContract, InputFormat, OutputContract

FAILURE = SampleFailure("script", "ValueError", "no number", 'File "score.py", line 3, in run', "a.csv")
RUN = SampledRun("n0-s0-0", 0, 10, 100, 10, 0.5, 0.4, 10, 50, 1 << 20, True, 50, 500)
GOOD = Calibration(
    100, 1000, 10, runs=(RUN, RUN), starts=(SampledStart("n0-s0-0", 0.2, 0.1, 1 << 20),), memory_bytes=1 << 30
)


def levels(told: Calibration, settings: ExecutionSettings | None = None) -> dict[str, Level]:
    return {finding.check: finding.level for finding in of_calibration(told, settings or ExecutionSettings())}


@pytest.mark.parametrize(
    ("asked", "running", "queued", "level", "when"),
    [
        (2, 0, 0, Level.OK, "now"),
        (4, 0, 0, Level.OK, "now"),
        (2, 3, 0, Level.WARNING, "later"),
        (1, 0, 1, Level.WARNING, "later"),
        (5, 0, 0, Level.ERROR, "never"),
    ],
)
def test_a_compute_gives_its_instances_now_later_or_never(
    asked: int, running: int, queued: int, level: Level, when: str
) -> None:
    demands = [InstanceDemand("busy", "cpu", running)] if running else []
    waiting = [InstanceDemand("waits", "cpu", queued)] if queued else []
    found = of_compute(Compute("cpu", max_instances=4), asked, running=demands, queued=waiting)
    assert (found.level, f": {when}" in found.found) == (level, True)
    assert bool(found.remedy) is (level is not Level.OK)


def test_every_mistake_is_an_error_with_a_remedy() -> None:
    found = of_mistakes([Mistake("a", "1", "2"), Mistake("b", "3", "4", "Do it.")], check="settings")
    assert [(one.level, one.remedy) for one in found] == [(Level.ERROR, "Give 2."), (Level.ERROR, "Do it.")]
    assert of_mistakes([], check="settings", otherwise="All is well.")[0].level is Level.OK


def test_a_sample_that_went_well_passes_with_what_is_to_be_expected() -> None:
    found = of_calibration(GOOD, ExecutionSettings())
    assert has_passed(found)
    assert {one.level for one in found} == {Level.OK}
    told = " ".join(one.found for one in found)
    assert "100 items" in told and "20 items in 2 run()" in told and "About 500 bytes" in told


def test_an_empty_input_is_all_that_is_told() -> None:
    assert levels(Calibration(0, 0, 0, skipped=2)) == {"items": Level.ERROR}


def test_items_against_the_contract_are_errors_and_no_worker_is_spoken_of() -> None:
    settings = ExecutionSettings(input_contract=InputContract(InputFormat.CSV))
    unfit = tuple(UnfitItem(f"{k}.csv", "InputSchema", f"'{k}.csv' lacks the column 'x'") for k in range(7))
    told = replace(GOOD, runs=(), starts=(), unfit=unfit, looked_at=100)
    found = of_calibration(told, settings)
    assert [one.check for one in found] == ["items"] + ["input contract"] * 6
    assert "'0.csv' lacks the column 'x'" in found[1].found and "2 more" in found[-1].found
    assert levels(replace(GOOD, looked_at=100), settings)["input contract"] is Level.OK


def test_a_start_that_fails_is_an_error_that_names_the_line() -> None:
    told = replace(GOOD, runs=(), starts=(SampledStart("n0-s0-0", 0.2, 0.0, 0, FAILURE),), is_cut_short=True)
    found = of_calibration(told, ExecutionSettings())
    assert found[-1].check == "start" and found[-1].level is Level.ERROR
    assert "ValueError: no number" in found[-1].found and "line 3" in found[-1].found


def test_a_sample_that_fails_in_part_is_a_warning_unless_a_budget_forbids_it() -> None:
    told = replace(GOOD, runs=(RUN, replace(RUN, failure=FAILURE)))
    assert levels(told)["sample"] is Level.WARNING
    assert levels(told, ExecutionSettings(error_threshold=5))["sample"] is Level.ERROR
    assert levels(told, ExecutionSettings(error_threshold=10))["sample"] is Level.WARNING
    assert levels(told, ExecutionSettings(allowed_failed_percent=10))["sample"] is Level.ERROR
    assert levels(replace(GOOD, runs=(replace(RUN, failure=FAILURE),)))["sample"] is Level.ERROR


def test_a_job_is_said_to_fail_only_where_it_would_not_divide_what_failed_in_the_sample() -> None:
    def remedy(items: int, *, isolate: bool) -> str:
        bad = replace(RUN, items=items, rows=0, failure=FAILURE)
        settings = ExecutionSettings(isolate_failing_items=isolate)
        found = of_calibration(replace(GOOD, runs=(bad, bad)), settings)
        return next(one.remedy for one in found if one.check == "sample")

    assert "so the job would fail" in remedy(1, isolate=True)
    assert "so the job would fail" in remedy(10, isolate=False)
    divided = remedy(10, isolate=True)
    assert "would fail" not in divided
    assert "divide" in divided and "mini_batch_size=1" in divided


def test_keys_of_the_whole_output_are_said_not_to_be_checked_by_a_sample() -> None:
    def of_keys(contract: OutputContract) -> Level | None:
        settings = ExecutionSettings(output_format=OutputFormat.CSV, output_contract=contract)
        return levels(GOOD, settings).get("unique key")

    assert of_keys(OutputContract(key_column="id", unique_key=True)) is Level.NOT_CHECKED
    assert of_keys(OutputContract(key_column="id")) is None
    assert "unique key" not in levels(GOOD)


def test_short_results_long_runs_and_too_little_memory_are_warnings() -> None:
    runs = (replace(RUN, rows=7, seconds=20.0, peak_bytes=2 << 30),)
    found = levels(replace(GOOD, runs=runs), ExecutionSettings(retry=RetrySettings(timeout_s=30)))
    assert [found[check] for check in ("rows", "time limit", "memory")] == [Level.WARNING] * 3


def test_no_run_within_the_time_is_an_error() -> None:
    assert levels(replace(GOOD, runs=(), is_cut_short=True))["sample"] is Level.ERROR


def test_lines_have_remedies_below_and_a_verdict_at_the_end() -> None:
    found = [Finding("a", Level.OK, "Fine.", "not shown"), Finding("long name", Level.ERROR, "Bad.", "Mend it.")]
    lines = lines_of(found)
    assert [line.split() for line in lines] == [
        ["ok", "a", "Fine."],
        ["error", "long", "name", "Bad."],
        ["->", "Mend", "it."],
        ["Failed:", "1", "error,", "0", "warnings."],
    ]
