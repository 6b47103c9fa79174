"""REST by curl, in the form of Azure's public sample for batch endpoints."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.server_home import ServerHome

from .conftest import Script

# A script is dozens of commands, each a process of its own.
pytestmark = pytest.mark.timeout(400)


def test_a_batch_endpoint_is_made_and_used_by_curl_with_every_form_of_body(
    served: ServerHome, script: Script, tmp_path: Path
) -> None:
    exports = [line.removeprefix("export ").partition("=") for line in served.run("env").stdout.splitlines()]

    script(served, "rest.sh", ENDPOINT_NAME="by-curl", **{name: value for name, _, value in exports})

    second = json.loads((tmp_path / "project" / "second.json").read_text())
    assert (second["name"], second["properties"]["provisioningState"]) == ("second", "Succeeded")
    assert (tmp_path / "project" / "defaults.txt").read_text().split() == ["second", "nonmlflowedp"]
    rows = [line.split() for line in (tmp_path / "project" / "scored.txt").read_text().splitlines()]
    store = "azureml://datastores/workspaceblobstore/paths"
    assert [row[:-3] for row in rows] == [["first", "a.txt", "first", "b.txt"]] * 5 + [["first", "a.txt"]] + [
        ["first", "a.txt", "first", "b.txt"]
    ] * 2
    assert [row[-3] for row in rows] == ["nonmlflowedp"] * 4 + ["second"] + ["nonmlflowedp"] * 3
    assert [row[-2:] for row in (rows[3], *rows[6:])] == [
        [f"{store}/by-curl", "older.csv"],
        [f"{store}/batch/by-curl/folder", "predictions.csv"],
        [f"{store}/batch/by-curl", "file.csv"],
    ]
