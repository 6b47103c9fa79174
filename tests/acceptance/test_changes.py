"""`--set`, `--add`, `--remove`, `--force-string` on `update`: a true patch of what is stored; files of another noun."""

from __future__ import annotations

import pytest

from tests.support.server_home import ServerHome

ECHO = "def run(mini_batch):\n    return [str(path) for path in mini_batch]\n"


@pytest.fixture
def patched(served: ServerHome) -> ServerHome:
    served.deploy("patched", "one", ECHO, mini_batch_size=7, error_threshold=3, environment_variables={"A": "1"})
    return served


def test_an_update_drops_nothing_that_was_not_named(patched: ServerHome) -> None:
    update = ("batch-deployment", "update", "-e", "patched", "-n", "one")
    before = patched.json("batch-deployment", "show", "-e", "patched", "-n", "one")

    changes = ("--add", "tags", "team=x", "cost=7", "--remove", "tags.cost", "--set", "tags.note=null")
    patched.run(*update, *changes, "--force-string", "--add", "settings.environment_variables", "B=007")

    after = patched.json("batch-deployment", "show", "-e", "patched", "-n", "one")
    assert after["tags"] == {**before["tags"], "team": "x", "note": "null"}
    assert after["settings"] == {**before["settings"], "environment_variables": {"A": "1", "B": "007"}}
    assert (after["model"], after["compute"]) == (before["model"], before["compute"])


def test_a_file_of_another_noun_is_named_and_nothing_is_made(patched: ServerHome) -> None:
    schema = "https://azuremlschemas.azureedge.net/latest/batchEndpoint.schema.json"
    file = patched.file("not-a-deployment.yml", {"$schema": schema, "name": "patched"})
    refused = patched.run("batch-deployment", "create", "--file", str(file), exit_code=1)
    assert "`batchyard batch-endpoint create --file`" in refused.stderr
    told = patched.run("run", str(file), "--input", ".", "--output", "out", exit_code=1)
    assert "`batchyard batch-endpoint create --file`" in told.stderr
