"""What a script logged, as ARM, the command line and run history show it."""

from __future__ import annotations

import json
import math
from dataclasses import replace

from batchyard.domain.logged import Logged, Metric, Point
from batchyard.domain.resource_ids import DEFAULT_SCOPE
from batchyard.wire.jobs import job_cli_from_arm, job_to_arm
from batchyard.wire.runs import run_to_history
from tests.unit.wire.test_jobs import JOB

LOSS = Metric(0.25, (Point(0, 1.0, 100.0), Point(3, 0.25, 101.0)), 7)
ODD = Metric(math.nan, (Point(0, math.inf, 100.0), Point(1, -math.inf, 100.0), Point(2, math.nan, 100.0)), 3)
LOGGED = replace(JOB, logged=Logged({"rate": "0.5"}, {"loss": LOSS, "odd": ODD}, {"kind": "x", "team": "green"}))


def test_job_show_has_the_last_value_of_each_metric_and_its_history_beside() -> None:
    shown = job_cli_from_arm(job_to_arm(DEFAULT_SCOPE, LOGGED))
    assert shown["params"] == {"rate": "0.5"}
    assert shown["metrics"] == {"loss": 0.25, "odd": "NaN"}
    assert shown["logged_tags"] == {"kind": "x", "team": "green"}
    history = shown["metric_history"]
    assert isinstance(history, dict)
    assert [(point["step"], point["value"]) for point in history["loss"]] == [(0, 1.0), (3, 0.25)]
    assert [point["value"] for point in history["odd"]] == ["Infinity", "-Infinity", "NaN"]


def test_a_job_that_logged_nothing_shows_that_and_its_answer_is_as_it_was() -> None:
    arm = job_to_arm(DEFAULT_SCOPE, JOB)
    assert "logged" not in json.dumps(arm)
    shown = job_cli_from_arm(arm)
    assert (shown["params"], shown["metrics"], shown["metric_history"]) == ({}, {}, {})


def test_a_list_of_jobs_has_no_histories() -> None:
    text = json.dumps(job_to_arm(DEFAULT_SCOPE, LOGGED, is_in_list=True), allow_nan=False)
    assert '"loss": 0.25' in text
    assert "history" not in text


def test_a_run_has_parameters_metrics_and_tags_and_what_people_wrote_comes_first() -> None:
    run = run_to_history(LOGGED, is_child=False)
    assert run["parameters"] == {"rate": "0.5"}
    metrics = run["metrics"]
    assert isinstance(metrics, list)
    assert metrics[0]["name"] == "loss"
    assert metrics[0]["cells"] == [{"loss": 1.0}, {"loss": 0.25}]
    tags = run["tags"]
    assert isinstance(tags, dict)
    assert (tags["kind"], tags["team"]) == ("x", "vision")
    assert "metrics" not in run_to_history(JOB, is_child=False)
    json.dumps(run, allow_nan=False)
