"""`batchyard component`, `schedule` and `datastore` against a server in memory."""

import pytest

from .bench import WS
from .test_deployments import pending

SCHEMAS = "https://azuremlschemas.azureedge.net/latest"
COMPONENT = f"""\
$schema: {SCHEMAS}/commandComponent.schema.json
name: prepare
type: command
display_name: Prepare
inputs:
  data: {{type: uri_folder}}
code: ./src
command: python prepare.py ${{{{inputs.data}}}}
environment: azureml:prep:2
"""
SCHEDULE = f"""\
$schema: {SCHEMAS}/schedule.schema.json
name: nightly
description: Each night.
trigger:
  type: cron
  expression: "0 2 * * *"
  time_zone: W. Europe Standard Time
create_job: azureml:job-1
"""


@pytest.fixture
def files(terminal, tmp_path):
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "prepare.py").write_text("print()\n")
    (tmp_path / "component.yml").write_text(COMPONENT)
    (tmp_path / "schedule.yml").write_text(SCHEDULE)
    terminal.azure.rules.append(
        lambda request, path: pending(request) if path.endswith("/startPendingUpload") else None
    )
    return tmp_path


def test_a_component_is_registered_with_its_code_and_its_definition_to_the_letter(terminal, files):
    shown = terminal.json("component", "create", "--file", str(files / "component.yml"))

    sent = terminal.azure.body("PUT", "components/prepare/versions/1")["properties"]["componentSpec"]
    assert sent["code"].startswith(f"azureml:{WS}/codes/")
    assert {key: sent[key] for key in ("type", "command", "environment", "inputs", "version")} == {
        "type": "command",
        "command": "python prepare.py ${{inputs.data}}",
        "environment": "azureml:prep:2",
        "inputs": {"data": {"type": "uri_folder"}},
        "version": "1",
    }
    assert (shown["name"], shown["version"], shown["display_name"]) == ("prepare", "1", "Prepare")
    assert any(path.endswith("/src/prepare.py") for path in terminal.azure.sent("PUT"))


PIPELINE = """\
name: both
type: pipeline
inputs:
  data: {type: uri_folder}
  top: {type: integer, optional: true}
outputs:
  best: {type: uri_file}
jobs:
  prep:
    component: ./steps/component.yml
    inputs: {data: "${{parent.inputs.data}}"}
  pick:
    type: command
    command: python pick.py ${{inputs.rows}} $[[--top ${{inputs.top}}]] ${{inputs.seed}} ${{outputs.best}}
    code: ./src
    environment: {conda_file: {dependencies: [python]}}
    inputs: {rows: "${{parent.jobs.prep.outputs.rows}}", top: "${{parent.inputs.top}}", seed: 5}
    outputs: {best: "${{parent.outputs.best}}"}
    resources: {instance_count: 1}
"""


def test_steps_of_a_pipeline_are_registered_from_files_and_as_they_are_written_out(terminal, files):
    (files / "steps" / "src").mkdir(parents=True)
    (files / "steps" / "src" / "prepare.py").write_text("print()\n")
    (files / "steps" / "component.yml").write_text(COMPONENT + "outputs: {rows: {type: uri_file}}\n")
    (files / "pipeline.yml").write_text(PIPELINE)

    terminal.json("component", "create", "--file", str(files / "pipeline.yml"))

    jobs = terminal.azure.body("PUT", "components/both/versions/1")["properties"]["componentSpec"]["jobs"]
    specs = {}
    for name, step in jobs.items():
        found = terminal.azure.documents["components/" + step["component"].partition("/components/")[2]]["properties"]
        specs[name] = found["componentSpec"]
        assert found["isAnonymous"] is True
    assert specs["prep"]["code"].startswith(f"azureml:{WS}/codes/")
    assert specs["pick"]["inputs"] == {
        "rows": {"type": "uri_file"},
        "top": {"type": "integer", "optional": True},
        "seed": {"type": "integer"},
    }
    assert specs["pick"]["outputs"] == {"best": {"type": "uri_file"}}
    assert specs["pick"]["environment"].startswith("azureml:both:sha-")
    assert jobs["pick"]["resources"] == {"instance_count": 1}
    assert "command" not in jobs["pick"]


def test_everything_local_that_is_wrong_with_steps_is_told_before_anything_is_sent(terminal, files):
    (files / "loop.yml").write_text("name: loop\ntype: pipeline\njobs: {again: {component: ./pipeline.yml}}\n")
    (files / "wrong.yml").write_text("name: wrong\ncommand: x\ncode: ./gone\nenvironment: ./none.yml\n")
    file = files / "pipeline.yml"
    file.write_text(
        "name: both\ntype: pipeline\njobs:\n  a: {component: ./nowhere.yml}\n  b: {component: ./wrong.yml}\n"
        "  c: {component: ./loop.yml}\n  d: {command: x, code: ./gone, environment: 'azureml:none@latest'}\n"
    )

    assert terminal.run("component", "create", "--file", str(file)) == 1

    for field in (
        "jobs.a.component:",
        "jobs.b.component.code:",
        "jobs.b.component.environment:",
        "jobs.c.component.jobs.again.component: found a file that leads back to itself: pipeline.yml names loop.yml",
        "jobs.d.code:",
        "jobs.d.environment:",
    ):
        assert field in terminal.err, field
    assert terminal.azure.sent("PUT") == []


def test_components_are_shown_listed_archived_and_restored(terminal, files):
    terminal.json("component", "create", "--file", str(files / "component.yml"), "--version", "7")

    assert terminal.json("component", "show", "-n", "prepare", "-v", "7")["command"].startswith("python")
    for verb, is_archived in (("archive", True), ("restore", False)):
        assert terminal.run("component", verb, "-n", "prepare", "-v", "7") == 0, terminal.err
        sent = terminal.azure.body("PUT", "components/prepare/versions/7")["properties"]
        assert (sent["isArchived"], sent["componentSpec"]["type"]) == (is_archived, "command")


def test_a_schedule_is_made_shown_disabled_enabled_and_deleted(terminal, files):
    made = terminal.json("schedule", "create", "--file", str(files / "schedule.yml"))

    sent = terminal.azure.body("PUT", "schedules/nightly")["properties"]
    assert sent["trigger"] == {
        "triggerType": "Cron",
        "expression": "0 2 * * *",
        "timeZone": "W. Europe Standard Time",
    }
    assert sent["action"] == {
        "actionType": "CreateJob",
        "jobDefinition": {"jobType": "Pipeline", "sourceJobId": f"{WS}/jobs/job-1"},
    }
    assert "makes no jobs of them" in terminal.err
    assert made["trigger"] == {"type": "cron", "expression": "0 2 * * *", "time_zone": "W. Europe Standard Time"}
    assert terminal.json("schedule", "disable", "-n", "nightly")["is_enabled"] is False
    assert terminal.azure.body("PUT", "schedules/nightly")["properties"]["trigger"] == sent["trigger"]
    assert terminal.json("schedule", "enable", "-n", "nightly")["is_enabled"] is True
    assert terminal.run("schedule", "delete", "-n", "nightly", "--yes") == 0, terminal.err
    assert terminal.azure.documents.get("schedules/nightly") is None


def test_every_mistake_of_a_schedule_is_told_at_once(terminal, files):
    file = files / "wrong.yml"
    file.write_text("name: x\ntrigger:\n  type: recurrence\n  interval: 1\n  cron: y\ncreate_job: a/b\n")

    assert terminal.run("schedule", "create", "--file", str(file)) == 1

    for field in ("trigger.frequency", "trigger.cron", "create_job"):
        assert field in terminal.err
    assert terminal.azure.sent("PUT") == []


@pytest.mark.parametrize(
    ("flags", "view"), [((), "EnabledOnly"), (("--include-disabled",), "All"), (("--disabled-only",), "DisabledOnly")]
)
def test_schedules_are_listed_by_whether_they_are_enabled(terminal, flags, view):
    assert terminal.json("schedule", "list", *flags) == []

    assert terminal.azure.requests[-1].url.params["listViewType"] == view
    assert terminal.run("schedule", "list", "--include-disabled", "--disabled-only") == 2


def test_datastores_are_shown_and_listed(terminal):
    assert terminal.json("datastore", "show", "-n", "workspaceblobstore")["container_name"] == "azureml-blobstore"
    assert len(terminal.json("datastore", "list")) == 2
