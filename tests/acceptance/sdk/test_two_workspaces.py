"""Two workspaces with the names that a team uses on Azure, through azure-ai-ml unchanged."""

from __future__ import annotations

from tests.acceptance.sdk.conftest import Notebook
from tests.support.server_home import ServerHome

SUBSCRIPTION = "3f7a0f4e-1111-2222-3333-444455556666"


def test_twins_in_two_workspaces_never_meet_in_the_sdk(notebook: Notebook, served: ServerHome) -> None:
    for name in ("twin-dev", "twin-prod"):
        where = ("-g", "Research", "--subscription", SUBSCRIPTION)
        served.run("workspace", "create", "-n", name, *where, "--display-name", f"The {name}")

    found = notebook("two_workspaces", timeout_s=200)

    assert found["scored"] == ["one.txt 21", "one.txt 35"]
    assert found["jobs"] == [["same-job"], ["same-job"]]
    assert [uri.partition("/workspaces/")[2] for uri in found["uris"]] == [
        "twin-dev/batchEndpoints/twins/jobs",
        "twin-prod/batchEndpoints/twins/jobs",
    ]
    assert found["workspaces"] == ["twin-dev", "twin-prod"]
    assert found["shown"] == "The twin-prod"
    assert "the workspace 'twin-prod' itself" in found["refused"]
    assert f"batchyard workspace create -n twin-none -g research --subscription {SUBSCRIPTION}" in found["missing"]
    assert found["left"] == ["twin-dev"]
