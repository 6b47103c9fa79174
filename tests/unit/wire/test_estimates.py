"""What is read of deployments and jobs to reckon with, and the YAML that is written."""

from __future__ import annotations

from typing import Any

import pytest

from batchyard.domain.deployments import ExecutionSettings, RetrySettings
from batchyard.domain.forecast.advice import Workload, advise
from batchyard.domain.forecast.tuning import Setting, Space
from batchyard.wire.estimates import past_trial_from_arm, run_settings_from_arm, tuned_yaml_from_arm
from batchyard.wire.settings_rendering import settings_to_arm

SETTINGS = ExecutionSettings(
    mini_batch_size=7,
    max_concurrency_per_instance=3,
    instance_count=2,
    retry=RetrySettings(1, 90.5),
    max_duration_s=600.0,
    environment_variables={"WORD": "kept"},
)
ARM: dict[str, Any] = {"name": "one", "properties": settings_to_arm(SETTINGS)}


def job(**changes: Any) -> dict[str, Any]:
    ours = {
        "counts": {"items": 1000, "failed": 0},
        "durations": {"running_s": 20.0},
        "run": 1,
        "settings": settings_to_arm(SETTINGS),
    }
    return {"properties": {"status": changes.pop("status", "Completed"), "batchyard": {**ours, **changes}}}


def test_the_settings_that_decide_how_long_a_job_takes_are_read() -> None:
    found = run_settings_from_arm(ARM)
    assert (found.mini_batch_size, found.max_concurrency_per_instance, found.instance_count) == (7, 3, 2)
    assert (found.retry, found.max_duration_s) == (RetrySettings(1, 90.5), 600.0)
    assert run_settings_from_arm({}) == ExecutionSettings()


def test_the_yaml_of_a_tuned_deployment_differs_in_the_tuned_numbers_alone() -> None:
    document = tuned_yaml_from_arm(ARM, run_items=50, concurrency=4, variables={"OMP_NUM_THREADS": "2"})
    before = tuned_yaml_from_arm(ARM, run_items=7, concurrency=3, variables={})
    settings, old = document["settings"], before["settings"]
    assert isinstance(settings, dict)
    assert isinstance(old, dict)
    assert {key for key in settings if settings[key] != old.get(key)} == {
        "mini_batch_size",
        "max_concurrency_per_instance",
        "environment_variables",
    }
    assert settings["environment_variables"] == {"WORD": "kept", "OMP_NUM_THREADS": "2"}


def test_a_job_that_completed_tells_how_fast_its_settings_were() -> None:
    found = past_trial_from_arm(job())
    assert found is not None
    items, trial = found
    assert (items, trial.setting, trial.items_per_s) == (1000, Setting(7, 6), 50.0)


def test_the_start_of_workers_is_no_cost_of_every_item() -> None:
    found = past_trial_from_arm(job(durations={"preparing_s": 3.0, "running_s": 7.25, "starting_s": 7.2}))
    assert found is not None
    _, trial = found
    assert trial.items_per_s == pytest.approx(1000 / 0.05)
    assert trial.start_s == pytest.approx(10.2)
    advice = advise(Space((7,), (6,)), [trial], Workload(5000))
    assert advice is not None
    assert 10.4 < advice.chosen.duration_s < 11


def test_of_a_job_whose_record_has_no_start_of_workers_it_is_not_known() -> None:
    found = past_trial_from_arm(job())
    assert found is not None
    assert found[1].start_s is None
    assert advise(Space((7,), (6,)), [found[1]], Workload(1000)) is not None


def test_a_job_that_failed_was_resumed_or_lost_items_tells_nothing() -> None:
    assert past_trial_from_arm(job(status="Failed")) is None
    assert past_trial_from_arm(job(run=2)) is None
    assert past_trial_from_arm(job(counts={"items": 1000, "failed": 3})) is None
    assert past_trial_from_arm(job(durations={})) is None
