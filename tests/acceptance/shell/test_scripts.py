"""Scripts in the style of Azure's public samples for batch endpoints."""

from __future__ import annotations

import functools
import http.server
import json
import threading
from pathlib import Path

import pytest

from tests.support.server_home import WS, ServerHome

from .conftest import Script

# A script is dozens of commands, each a process of its own.
pytestmark = pytest.mark.timeout(400)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a script runs."""
    return tmp_path / "project"


def test_a_custom_script_is_deployed_overridden_switched_and_downloaded(
    served: ServerHome, script: Script, folder: Path
) -> None:
    script(served, "custom_script.sh")

    endpoint = json.loads((folder / "defaults.json").read_text())
    assert endpoint["Defaults"] == {"deployment_name": "second-dpl"}
    assert (folder / "deployments.txt").read_text().split() == ["first-dpl", "second-dpl"]
    assert (folder / "settings.txt").read_text().split() == ["20", "2"]
    named = next((folder / "named/named-outputs/score").glob("predictions_*.csv"))
    # A row with a blank in it is quoted in a file whose columns are divided by blanks, or left as it is: one line each.
    assert sorted(named.read_text().splitlines()) == ["first a.txt", "first b.txt", "first c.txt"]
    last = folder / "named-outputs/score/predictions.csv"
    assert sorted(last.read_text().splitlines()) == ["second a.txt", "second b.txt", "second c.txt"]
    assert len(json.loads((folder / "jobs.json").read_text())) == 5
    link = (folder / "studio.txt").read_text().strip()
    assert f"{WS}/jobs/" in link
    assert link in (folder / "web.txt").read_text()


def test_data_is_named_in_every_documented_way_and_the_version_is_recorded(
    own_home: ServerHome, script: Script, folder: Path
) -> None:
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder / "data")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        place = f"127.0.0.1:{server.server_port}"
        own_home.variables["BATCHYARD_WEB_INPUT_HOSTS"] = place
        script(own_home, "data_assets.sh", WEB_FILE=f"http://{place}/b.txt")
        server.shutdown()

    rows = [line.split() for line in (folder / "scored.txt").read_text().splitlines()]
    first, newest = ["3", "azureml:small-files:1"], ["1", "azureml:small-files:7"]
    assert [row[:2] for row in rows] == [
        ["1", "None"],
        first,
        newest,
        newest,
        newest,
        ["3", "None"],
        ["3", "None"],
        ["1", "None"],
        ["1", "None"],
        newest,
        first,
        first,
        newest,
        newest,
    ]
    assert [row[2:] for row in (rows[10], *rows[12:])] == [
        ["by-file", "rows.csv"],
        ["by-set", "rows.csv"],
        ["as-folder", "predictions.csv"],
    ]
    refused = (folder / "refused.txt").read_text()
    for why in ("only https is read", "not a public address", "'nothing'", "'9'", "does not exist"):
        assert why in refused


def test_files_that_a_script_writes_are_the_output_of_a_summary_only_deployment(
    served: ServerHome, script: Script, folder: Path
) -> None:
    script(served, "own_files.sh")

    output = folder / "named-outputs/score"
    assert sorted(path.name for path in output.iterdir() if not path.name.startswith("_")) == [
        "a.out",
        "b.out",
        "c.out",
    ]
    assert (output / "a.out").read_text() == "own file of a.txt\n"
    assert json.loads((folder / "accepted.json").read_text())["name"] == "files-dpl"


def test_jobs_are_listed_streamed_cancelled_and_their_ends_told_by_exit_codes(
    served: ServerHome, script: Script, folder: Path
) -> None:
    script(served, "monitor.sh")

    served_words = "`az ml`, `az account`, `az group`, `az configure`, `az version`"
    not_served = f"ERROR: `az storage` is not served by batchyard; served: {served_words}."
    job, step = (folder / "names.txt").read_text().split()
    assert step == f"{job}-batchscoring"
    assert (folder / "status.txt").read_text() == "Completed\n"
    assert (folder / "all/named-outputs/score/predictions.csv").is_file()
    assert job in (folder / "table.txt").read_text()
    assert (folder / "codes.txt").read_text().splitlines() == [
        "stream-failed 1",
        "show-failed 0",
        "Failed NoItemSucceeded ",
        "stream-canceled 1",
        "Canceled",
        "missing 3",
        "usage 2",
        "unknown-command 2",
        "not-served 2",
        not_served,
        "delete-without-yes 1",
        "delete 0",
        "delete-again 0",
    ]
