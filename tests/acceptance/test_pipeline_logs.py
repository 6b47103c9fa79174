"""What the command line tells of a pipeline's steps: their logs, why one failed, and jobs whose name is taken."""

from __future__ import annotations

import pytest

from tests.support.server_home import ServerHome

TALKS = {
    "type": "command",
    "command": "echo it talks; echo done > ${{outputs.word}}",
    "environment": {"conda_file": {"dependencies": ["python"]}},
    "compute": "azureml:talk-cpu",
    "outputs": {"word": {"type": "uri_file"}},
}
FAILS = {**TALKS, "command": "echo it fails; exit 3"}


@pytest.fixture(scope="module")
def talking(served: ServerHome) -> ServerHome:
    """A compute, a job of a step that talks, and one of a step that fails."""
    served.run("compute", "create", "--name", "talk-cpu", "--type", "amlcompute")
    served.run("job", "create", "-f", str(served.file("talks.yml", TALKS)), "-n", "talks", "--wait")
    served.run("job", "create", "-f", str(served.file("fails.yml", FAILS)), "-n", "fails", "--wait", exit_code=1)
    return served


def test_what_steps_write_is_streamed_under_their_names(talking: ServerHome) -> None:
    step = talking.json("job", "show", "-n", "talks")["steps"][0]["job"]
    made = talking.run("job", "create", "-f", str(talking.file("talks.yml", TALKS)), "--stream")
    followed = talking.run("job", "logs", "-n", "talks", "--follow")

    assert "[main] it talks" in talking.run("job", "stream", "-n", "talks").stdout
    assert "[main] " in made.stderr
    assert "[main] it talks" in followed.stdout
    assert "it talks" in talking.run("job", "stream", "-n", step).stdout.splitlines()
    assert "it talks" in talking.run("job", "logs", "-n", step, "--follow").stdout.splitlines()


def test_logs_of_a_pipeline_are_those_of_its_steps(talking: ServerHome) -> None:
    step = talking.json("job", "show", "-n", "talks")["steps"][0]["job"]
    rows = talking.json("job", "logs", "-n", "talks", "-o", "json")

    assert "it talks" in talking.run("job", "logs", "-n", step).stdout
    told = talking.run("job", "logs", "-n", "talks")
    assert f"main (job {step}): Completed" in told.stdout
    assert "it talks" in told.stdout
    assert "no logs" not in told.stderr
    assert [(row["step"], row["log"]) for row in rows] == [("main", "user_logs/std_log.txt")]


def test_a_failed_pipeline_tells_its_error_once_and_what_to_do(talking: ServerHome) -> None:
    told = talking.run("job", "stream", "-n", "fails", exit_code=1).stderr
    errors = talking.run("job", "logs", "-n", "fails", "--errors")

    assert told.count("\nit fails") == 1
    assert "`batchyard job resume -n fails`" in told
    assert "code 3" in errors.stdout
    assert "Nothing has failed" not in errors.stderr


def test_all_of_a_pipeline_has_the_logs_of_its_steps(talking: ServerHome) -> None:
    folder = talking.home / "fetched"
    done = talking.json("job", "download", "-n", "fails", "--all", "-p", str(folder))

    assert "main/user_logs/std_log.txt" in done["logs"]
    assert (folder / "artifacts" / "main" / "user_logs" / "std_log.txt").read_text() == "it fails\n"


def test_a_followed_job_is_given_as_it_ended(talking: ServerHome) -> None:
    made = talking.json("job", "create", "-f", str(talking.file("talks.yml", TALKS)), "--wait")

    assert [(step["step"], step["status"]) for step in made["steps"]] == [("main", "Completed")]
    assert "ended" in made["phases"]


def test_a_name_that_is_taken_runs_nothing_and_is_told(talking: ServerHome) -> None:
    other = str(talking.file("other.yml", {**TALKS, "command": "echo another > ${{outputs.word}}"}))
    told = talking.run("job", "create", "-f", other, "-n", "talks", "--wait", exit_code=1).stderr

    assert "Job 'talks' exists already" in told
    assert "--name" in told
