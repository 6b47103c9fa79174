"""`jobs.update`, `archive`, `restore`, `create_or_update` and `list` of azure-ai-ml, unchanged."""

from __future__ import annotations

from tests.acceptance.sdk.conftest import Notebook
from tests.support.server_home import ServerHome

ECHO = "def run(mini_batch):\n    return [str(path) for path in mini_batch]\n"


def test_the_sdk_names_tags_archives_and_restores_a_job(notebook: Notebook, served: ServerHome) -> None:
    served.deploy("sdk-notes", "one", ECHO)
    job = served.invoke("sdk-notes", served.files("two", 2))

    found = notebook("edited_jobs", job)

    assert found["submitted"] == ["First try", "vision"]
    assert found["updated"] == ["First try", "why it was made", "vision", "7"]
    assert (found["while_archived"], found["restored"]) == ([False, True, True], True)
    shown = served.json("job", "show", "-n", job)
    assert (shown["display_name"], shown["tags"]["cost"], shown["is_archived"]) == ("First try", "7", False)
