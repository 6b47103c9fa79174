"""`batchyard job update`, `archive`, `restore` and `list` against a server in memory."""

import json

import httpx2
import pytest


@pytest.fixture
def patched(terminal):
    """Have a job, and give the bodies that its run is patched with; each is merged as the server would."""
    tags = {"team": "x", "azureml.batchrun": "true"}
    terminal.azure.put("jobs/job-1", {"status": "Queued", "displayName": "job-1", "description": "", "tags": tags})
    bodies = []

    def patch(request, path):
        if request.method != "PATCH":
            return None
        assert path.endswith("/runs/job-1") and "/history/v1.0/" in path
        body = json.loads(request.content)
        bodies.append({**body})
        properties = terminal.azure.documents["jobs/job-1"]["properties"]
        merged = {**properties["tags"], **body.pop("tags", {})}
        properties |= {**body, "tags": {name: value for name, value in merged.items() if value is not None}}
        return httpx2.Response(200, json={})

    terminal.azure.rules.append(patch)
    return bodies


def test_an_update_names_only_what_changes_and_shows_it(terminal, patched):
    done = terminal.json("job", "update", "-n", "job-1", "--set", "tags.team=y", "display_name=Two", "tags.gone=null")

    assert patched == [{"displayName": "Two", "tags": {"team": "y"}}]
    assert (done["display_name"], done["tags"]["team"]) == ("Two", "y")
    assert terminal.err.splitlines() == [
        '  display_name: "job-1" → "Two"',
        '  tags.team: "x" → "y"',
    ]


def test_a_tag_is_taken_away_and_no_other(terminal, patched):
    done = terminal.json("job", "update", "-n", "job-1", "--set", "tags.team=null")

    assert done["tags"] == {"azureml.batchrun": "true"}


def test_nothing_is_sent_when_nothing_changes(terminal, patched):
    terminal.json("job", "update", "-n", "job-1", "--set", "tags.team=x")

    assert patched == []
    assert "Nothing to change." in terminal.err


def test_what_cannot_change_is_refused_before_anything_is_sent(terminal, patched):
    assert terminal.run("job", "update", "-n", "job-1", "--set", "compute=gpu", "status=Failed") == 1

    assert patched == []
    assert "compute" in terminal.err and "status" in terminal.err and "display_name" in terminal.err


def test_archive_and_restore_hide_a_job_and_show_it(terminal, patched):
    assert terminal.run("job", "archive", "-n", "job-1") == 0, terminal.err
    assert terminal.run("job", "restore", "-n", "job-1") == 0, terminal.err

    assert patched == [{"hidden": True}, {"hidden": False}]
    assert terminal.out == ""


def listed(terminal, *args):
    terminal.azure.requests.clear()
    assert terminal.run("job", "list", *args) == 0, terminal.err
    return dict(terminal.azure.requests[0].url.params), terminal.azure.requests[0].url.params.get_list("tag")


def test_the_server_filters_a_list(terminal):
    params, tags = listed(
        terminal,
        *["--status", "Failed", "--compute", "cpu", "--tag", "team=x", "new", "--created-from", "2026-11-23T08:00"],
    )

    assert tags == ["team=x", "new"]
    assert {name: params[name] for name in ("status", "compute", "createdFrom", "listViewType", "$top")} == {
        "status": "Failed",
        "compute": "cpu",
        "createdFrom": "2026-11-23T08:00",
        "listViewType": "ActiveOnly",
        "$top": "50",
    }
    assert listed(terminal, "--include-archived")[0]["listViewType"] == "All"
    assert listed(terminal, "--archived-only", "--all-results")[0].keys() == {"api-version", "listViewType"}


def test_the_steps_of_a_job_are_listed(terminal):
    step = {"runId": "job-1-batchscoring", "parentRunId": "job-1", "status": "Completed", "tags": {}}
    rule = lambda _, path: httpx2.Response(200, json={"value": [step]}) if path.endswith("/children") else None  # noqa: E731
    terminal.azure.rules.append(rule)

    steps = terminal.json("job", "list", "--parent-job-name", "job-1")

    assert [(step["name"], step["parent_job_name"]) for step in steps] == [("job-1-batchscoring", "job-1")]
    assert terminal.run("job", "list", "-p", "job-1", "--status", "Failed") == 2
