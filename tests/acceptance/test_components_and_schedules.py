"""Components and schedules are kept, shown and listed; datastores are shown; all with the installed command."""

from __future__ import annotations

import json

from tests.support.server_home import ServerHome


def test_a_component_is_registered_archived_and_restored(served: ServerHome) -> None:
    (served.folder / "steps").mkdir(exist_ok=True)
    (served.folder / "steps" / "prepare.py").write_text("print()\n")
    plain = served.file("plain.yml", {"name": "plain", "version": "1", "conda_file": {"dependencies": ["python"]}})
    served.run("environment", "create", "--file", str(plain))
    definition = {"name": "prepare", "type": "command", "command": "python prepare.py", "code": "./steps"}
    file = served.file("component.yml", {**definition, "environment": "azureml:plain:1"})

    made = served.json("component", "create", "--file", str(file), "--version", "3")
    served.run("component", "archive", "--name", "prepare", "--version", "3")
    hidden = served.json("component", "list", "--name", "prepare")
    served.run("component", "restore", "--name", "prepare", "--version", "3")

    assert (made["version"], made["command"], made["code"].rpartition("/versions/")[2]) == (
        "3",
        "python prepare.py",
        "1",
    )
    assert hidden == []
    assert [one["version"] for one in served.json("component", "list", "--name", "prepare")] == ["3"]


def test_a_pipeline_of_files_and_written_out_steps_is_registered_and_its_mistakes_are_told(served: ServerHome) -> None:
    environment = {"conda_file": {"dependencies": ["python"]}}
    steps = served.folder / "pipeline-steps"
    (steps / "src").mkdir(parents=True)
    (steps / "src" / "count.py").write_text("print()\n")
    count = {
        "type": "command",
        "inputs": {"data": {"type": "uri_folder"}},
        "outputs": {"count": {"type": "uri_file"}},
        "command": "python count.py ${{inputs.data}} > ${{outputs.count}}",
        "code": "./src",
        "environment": environment,
    }
    (steps / "count.yml").write_text(json.dumps({"name": "count", **count}))
    show = {
        "command": "cat ${{inputs.count}} ${{inputs.more}} > ${{outputs.text}}",
        "environment": environment,
        "inputs": {"count": "${{parent.jobs.count.outputs.count}}", "more": "${{parent.inputs.more}}"},
        "outputs": {"text": "${{parent.outputs.text}}"},
    }
    pipeline = {
        "name": "count_and_show",
        "type": "pipeline",
        "inputs": {"data": {"type": "uri_folder"}, "more": {"type": "uri_file"}},
        "outputs": {"text": {"type": "uri_file"}},
        "jobs": {
            "count": {"component": "./pipeline-steps/count.yml", "inputs": {"data": "${{parent.inputs.data}}"}},
            "show": show,
        },
    }
    file = served.file("pipeline.yml", pipeline)

    first = served.json("component", "create", "--file", str(file), "--version", "1")
    again = served.json("component", "create", "--file", str(file), "--version", "2")
    pipeline["jobs"]["show"] = {**show, "command": "cat ${{inputs.cuont}}", "inputs": {"count": 5}}
    refused = served.run(
        "component", "create", "--file", str(served.file("pipeline.yml", pipeline)), exit_code=1
    ).stderr

    assert first["jobs"] == again["jobs"]
    assert "/components/azureml_anonymous/versions/" in first["jobs"]["count"]["component"]
    assert "jobs.show" in refused
    assert "Did you mean 'inputs.count'" in refused


def test_a_schedule_is_kept_disabled_enabled_and_deleted(served: ServerHome) -> None:
    trigger = {
        "type": "recurrence",
        "frequency": "day",
        "interval": 1,
        "schedule": {"hours": [2], "week_days": ["monday"]},
    }
    file = served.file("schedule.yml", {"name": "nightly", "trigger": trigger, "create_job": "azureml:some-job"})

    made = served.json("schedule", "create", "--file", str(file))
    served.run("schedule", "disable", "--name", "nightly")
    listed = [served.json("schedule", "list", *flags) for flags in ((), ("--disabled-only",))]
    enabled = served.json("schedule", "enable", "--name", "nightly")
    served.run("schedule", "delete", "--name", "nightly", "--yes")

    assert (made["trigger"]["frequency"], made["is_enabled"], enabled["is_enabled"]) == ("day", True, True)
    # Other tests keep schedules in this home as well.
    assert ["nightly" in [one["name"] for one in found] for found in listed] == [False, True]
    assert "nightly" not in [one["name"] for one in served.json("schedule", "list", "--include-disabled")]


def test_datastores_are_listed_with_the_default_first(served: ServerHome) -> None:
    listed = served.json("datastore", "list")
    assert (listed[0]["name"], listed[0]["is_default"]) == ("workspaceblobstore", True)
    assert served.json("datastore", "show", "--name", listed[0]["name"]) == listed[0]
