"""Notebooks as scripts: azure-ai-ml unchanged, against the embedded server."""

from __future__ import annotations

from tests.acceptance.sdk.conftest import Notebook
from tests.support.server_home import ServerHome


def test_a_custom_script_is_deployed_invoked_streamed_switched_and_downloaded(
    notebook: Notebook, served: ServerHome
) -> None:
    found = notebook("custom_script")

    rows = sorted(["", *(f"{k:02}.txt {3 * k}" for k in range(25))])
    assert (found["status"], found["child"], found["parent"]) == ("Completed", rows, rows)
    assert found["default"] == "five"
    assert found["jobs"] == sorted([found["first"], found["switched"]])
    shown = served.json("job", "show", "--name", found["switched"])
    assert (shown["deployment_name"], shown["settings"]["mini_batch_size"]) == ("five", 7)
