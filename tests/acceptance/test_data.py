"""Data assets by the command line: named once, scored by name."""

from __future__ import annotations

from tests.support.server_home import ServerHome

SCRIPT = "from pathlib import Path\n\ndef run(mini_batch):\n    return [Path(p).name for p in mini_batch]\n"


def test_data_is_registered_scored_by_its_name_and_archived(served: ServerHome) -> None:
    served.deploy("by-name", "blue", SCRIPT)
    folder = served.files("named/numbers", 3)
    served.file("named/data.yml", {"name": "numbers", "version": "7", "type": "uri_folder", "path": "numbers"})

    created = served.json("data", "create", "--file", "named/data.yml")
    one = served.json(
        "data", "create", "--name", "numbers", "--type", "uri_file", "--path", str(folder / "item-0001.txt")
    )
    job = served.json("batch-endpoint", "invoke", "--name", "by-name", "--input", "azureml:numbers@latest")["name"]
    whole = served.json("batch-endpoint", "invoke", "--name", "by-name", "--input", "azureml:numbers:7")["name"]

    assert (created["version"], one["version"], one["type"]) == ("7", "8", "uri_file")
    assert served.finish(job)["input"]["data_asset"] == "azureml:numbers:8"
    assert (served.output(job) / "predictions.csv").read_text() == "item-0001.txt\n"
    assert served.finish(whole)["counts"]["succeeded"] == 3
    served.run("data", "archive", "--name", "numbers")
    assert "numbers" not in [row["name"] for row in served.json("data", "list")]
    wrong = served.run("data", "create", "--name", "n", "--type", "uri_file", "--path", str(folder), exit_code=1)
    assert "found uri_file, expected uri_folder" in wrong.stderr
