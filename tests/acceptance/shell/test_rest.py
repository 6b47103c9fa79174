"""REST by curl, in the form of Azure's public sample for batch endpoints."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.server_home import ServerHome

from .conftest import Script

SCORE = "from pathlib import Path\n\ndef run(mini_batch):\n    return [Path(path).name for path in mini_batch]\n"


def test_a_batch_endpoint_is_made_and_used_by_curl_with_every_form_of_body(
    served: ServerHome, script: Script, tmp_path: Path
) -> None:
    for name, text in {
        "code/batch_driver.py": SCORE,
        "model/model.txt": "weights",
        "environment/conda.json": json.dumps({"name": "rest", "channels": ["conda-forge"], "dependencies": []}),
        "data/a.txt": "1",
        "data/b.txt": "2",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    exports = [line.removeprefix("export ").partition("=") for line in served.run("env").stdout.splitlines()]

    script("rest.sh", ENDPOINT_NAME="by-curl", **{name: value for name, _, value in exports})

    second = json.loads((tmp_path / "second.json").read_text())
    assert (second["name"], second["properties"]["provisioningState"]) == ("second", "Succeeded")
    rows = [line.split() for line in (tmp_path / "scored.txt").read_text().splitlines()]
    store = "azureml://datastores/workspaceblobstore/paths"
    assert [row[:-3] for row in rows] == [["a.txt", "b.txt"]] * 5 + [["a.txt"]] + [["a.txt", "b.txt"]] * 2
    assert [row[-3] for row in rows] == ["nonmlflowedp"] * 4 + ["second"] + ["nonmlflowedp"] * 3
    assert [row[-2:] for row in (rows[3], *rows[6:])] == [
        [f"{store}/by-curl", "older.csv"],
        [f"{store}/batch/by-curl/folder", "predictions.csv"],
        [f"{store}/batch/by-curl", "file.csv"],
    ]
