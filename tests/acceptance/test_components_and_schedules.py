"""Components and schedules are kept, shown and listed; datastores are shown; all with the installed command."""

from __future__ import annotations

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
