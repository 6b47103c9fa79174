"""Schedules: stored, listed, switched off and on. Nothing runs by them in this version."""

from pathlib import Path

from azure.ai.ml import load_job
from azure.ai.ml.entities import CronTrigger, JobSchedule, RecurrencePattern, RecurrenceTrigger
from on_assets import is_missing
from table import ml, operation

PIPELINE = """
type: pipeline
display_name: nightly
inputs: {data: {type: uri_folder, path: azureml:ops-folder:1}}
jobs:
  count:
    type: command
    component: azureml:ops_count:1
    inputs: {data: "${{parent.inputs.data}}"}
settings: {default_compute: azureml:ops-cpu}
"""
Path("pipeline.yml").write_text(PIPELINE)
JOB = load_job("pipeline.yml")


@operation("schedules.begin_create_or_update, cron")
def create_schedule() -> None:
    trigger = CronTrigger(expression="15 10 * * 1", time_zone="W. Europe Standard Time")
    made = ml.schedules.begin_create_or_update(JobSchedule(name="ops-cron", trigger=trigger, create_job=JOB)).result()
    assert (made.name, made.trigger.expression, made.is_enabled) == ("ops-cron", "15 10 * * 1", True)


@operation("schedules.begin_create_or_update, recurrence")
def create_recurrence() -> None:
    pattern = RecurrencePattern(hours=[3], minutes=[0, 30])
    trigger = RecurrenceTrigger(frequency="day", interval=1, schedule=pattern)
    ml.schedules.begin_create_or_update(JobSchedule(name="ops-daily", trigger=trigger, create_job=JOB)).result()
    assert ml.schedules.get("ops-daily").trigger.frequency.lower() == "day"


@operation("schedules.get")
def get_schedule() -> None:
    assert ml.schedules.get("ops-cron").trigger.time_zone == "W. Europe Standard Time"
    assert is_missing(lambda: ml.schedules.get("ops-nothing"))


@operation("schedules.begin_disable")
def disable_schedule() -> None:
    assert not ml.schedules.begin_disable("ops-cron").result().is_enabled


@operation("schedules.list")
def list_schedules() -> None:
    assert {found.name for found in ml.schedules.list()} == {"ops-daily"}
    assert {found.name for found in ml.schedules.list(list_view_type="All")} == {"ops-cron", "ops-daily"}


@operation("schedules.begin_enable")
def enable_schedule() -> None:
    assert ml.schedules.begin_enable("ops-cron").result().is_enabled


@operation("schedules.begin_delete")
def delete_schedule() -> None:
    ml.schedules.begin_delete("ops-cron").result()
    assert {found.name for found in ml.schedules.list(list_view_type="All")} == {"ops-daily"}
