"""Calibrations as use cases: asked for as a job is, told to those who may ask, deleted when they are old."""

from __future__ import annotations

from dataclasses import replace

from batchyard.control import calibrations
from batchyard.domain.deployments import Overrides
from batchyard.domain.errors import InvalidInput, NotFound
from batchyard.domain.forecast.calibration import Calibration, SampleWish
from batchyard.domain.jobs import Invocation
from batchyard.ports.records import JobFilter

from .bench import INVOCATION, NOW, OWNER, Bench
from .fakes import refused


def test_what_is_calibrated_is_what_a_job_would_run(ready: Bench) -> None:
    invocation = replace(INVOCATION, overrides=Overrides(mini_batch_size=3))
    operation = ready.calibrate(invocation, SampleWish(items=7))
    job = ready.invoke(invocation)
    spec = operation.calibration
    assert spec is not None
    assert (operation.key.name, operation.key.parent, operation.created_by) == ("blue", "digits", "ada")
    assert spec.settings == job.scoring.settings
    scoring = job.scoring
    assert (spec.source, spec.model_seal, spec.code_seal) == (scoring.source, scoring.model_seal, scoring.code_seal)
    assert (spec.scoring_script, spec.build, spec.wish.items) == (job.scoring.scoring_script, job.scoring.build, 7)


def test_asking_makes_no_job_and_leaves_no_audit(ready: Bench) -> None:
    before = len(ready.tx.entries)
    ready.calibrate()
    assert ready.tx.jobs.list(JobFilter()).items == ()
    assert len(ready.tx.entries) == before


def test_an_invocation_with_mistakes_is_refused_as_a_job_would_be(ready: Bench) -> None:
    wrong = Invocation("digits", INVOCATION.source, overrides=Overrides(mini_batch_size=0, error_threshold=-7))
    with refused(ready.tx, InvalidInput) as refusal:
        ready.calibrate(wrong)
    assert "mini_batch_size" in refusal.text and "error_threshold" in refusal.text


def test_a_wish_out_of_range_is_refused_with_all_its_mistakes(ready: Bench) -> None:
    wish = SampleWish(items=0, percent=101, run_items=(0,), workers=0, time_limit_s=0)
    with refused(ready.tx, InvalidInput) as refusal:
        ready.calibrate(wish=wish)
    for name in ("items", "percent", "runItems", "workers", "timeLimitS"):
        assert f"properties.sample.{name}" in refusal.text


def test_it_is_found_under_its_own_endpoint_alone(ready: Bench) -> None:
    ready.calibrate()
    assert calibrations.get(ready.tx, OWNER, "digits", "cal1").id == "cal1"
    for endpoint, id in (("other", "cal1"), ("digits", "cal2"), ("digits", "op1")):
        with refused(ready.tx, NotFound):
            calibrations.get(ready.tx, OWNER, endpoint, id)


def test_a_day_after_its_end_it_is_forgotten_by_the_next(ready: Bench) -> None:
    calibrations.complete(ready.tx, ready.calibrate(), Calibration(1, 1, 1), now=NOW)
    later = NOW + calibrations.KEPT_S
    for now, is_kept in ((later, True), (later + 1, False)):
        calibrations.begin(
            ready.tx,
            OWNER,
            INVOCATION,
            SampleWish(),
            datastores=ready.datastores,
            tables=ready.tables,
            now=now,
            new_id=f"cal-{now}",
        )
        assert (ready.tx.operations.get("cal1") is not None) is is_kept
