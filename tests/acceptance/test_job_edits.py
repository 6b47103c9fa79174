"""Jobs are named, tagged, archived and found again, by the command line and by Azure's SDK; audit keeps who and why."""

from __future__ import annotations

from typing import Any

from tests.support.server_home import ServerHome

ECHO = "def run(mini_batch):\n    return [str(path) for path in mini_batch]\n"


def test_a_job_is_tagged_archived_found_by_its_tag_and_restored(served: ServerHome) -> None:
    served.deploy("notes", "one", ECHO)
    job = served.invoke("notes", served.files("two", 2), "--tags", "made=by hand", "--set", "tags.batch=7")
    other = served.invoke("notes", served.files("two", 2))

    def listed(*flags: str) -> list[str]:
        return [found["name"] for found in served.json("job", "list", "--endpoint", "notes", *flags)]

    changes = ("tags.team=vision", "tags.cost=7", "display_name=First try", "description=why")
    done = served.json("job", "update", "-n", job, "--set", *changes, "--reason", "cost report", "--ticket", "T-1")
    assert (done["display_name"], done["description"], done["tags"]["team"]) == ("First try", "why", "vision")
    assert "team" not in served.json("job", "update", "-n", job, "--set", "tags.team=null")["tags"]
    assert served.json("job", "show", "-n", job)["tags"]["cost"] == "7"
    served.run("job", "archive", "-n", job)
    assert (listed(), listed("--archived-only"), listed("--include-archived")) == ([other], [job], [other, job])
    assert listed("--include-archived", "--tag", "cost=7", "made=by hand", "--tag", "batch") == [job]
    assert served.json("job", "show", "-n", job)["is_archived"] is True
    served.run("job", "restore", "-n", job)
    assert listed("--tag", "cost", "--max-results", "1", "--created-from", "2026-01-01") == [job]
    assert listed("--created-before", "2026-01-01") == []
    steps = served.json("job", "list", "--parent-job-name", job)
    assert [(step["parent_job_name"], step["name"]) for step in steps] == [(job, f"{job}-batchscoring")]


def test_what_a_job_ran_with_cannot_be_changed(served: ServerHome) -> None:
    served.deploy("fixed", "one", ECHO)
    job = served.invoke("fixed", served.files("two", 2))
    before: dict[str, Any] = served.finish(job)

    refused = served.run("job", "update", "-n", job, "--set", "settings.mini_batch_size=3", "tags.x=1", exit_code=1)

    assert "settings" in refused.stderr and "display_name" in refused.stderr
    assert served.json("job", "show", "-n", job) == before
