"""`max_duration`: a job ends at its cap with what it has, which can be read, and goes on when it is resumed."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from tests.support.server_home import ServerHome

pytestmark = pytest.mark.xdist_group("max-duration")

ITEMS = 12
# Notes what it scores, and takes its time while a marker is there.
SCRIPT = """
import os, time
HERE = {folder!r}
def run(mini_batch):
    for path in mini_batch:
        with open(os.path.join(HERE, "scored"), "a") as out:
            out.write(os.path.basename(path) + "\\n")
    if os.path.exists(os.path.join(HERE, "slow")):
        time.sleep(1.0)
    return [os.path.basename(path) + " " + open(path).read() for path in mini_batch]
"""


def test_a_capped_job_ends_at_the_cap_keeps_what_runs_and_is_resumed_to_the_full_output(
    served: ServerHome, tmp_path: Path
) -> None:
    (tmp_path / "slow").touch()
    served.deploy("capped", "one", SCRIPT.format(folder=str(tmp_path)), mini_batch_size=1)
    job = served.finish(served.invoke("capped", served.files("capped-input", ITEMS), "--max-duration", "5"))
    name, counts = job["name"], job["counts"]
    assert (job["status"], job["error"]["code"]) == ("Failed", "MaxDurationReached")
    assert "has reached max_duration 5 seconds" in job["error"]["message"]
    scored = (tmp_path / "scored").read_text().split()
    assert counts["succeeded"] == len(scored), "what was running at the cap was finished and counts"
    assert 0 < counts["succeeded"] < ITEMS
    assert (counts["failed"], counts["incomplete"]) == (0, ITEMS - len(scored))
    # Each takes a second or longer, and the last one was begun before the cap.
    assert counts["succeeded"] <= 6

    served.run("job", "download", "-n", name, "--partial", "-p", str(tmp_path / "partial"), "-o", "none")
    partial = tmp_path / "partial" / "partial-outputs" / "score"
    manifest = json.loads((partial / "partial-manifest.json").read_text())
    assert manifest["counts"]["succeeded"] == counts["succeeded"]
    for entry in manifest["outputs"]:
        assert hashlib.sha256((partial / entry["name"]).read_bytes()).hexdigest() == entry["sha256"]
    rows = (partial / "partial-predictions.csv").read_text().splitlines()
    assert sorted(row.split()[0] for row in rows) == sorted(scored)

    (tmp_path / "slow").unlink()
    again = served.json("job", "resume", "-n", name, "--set", "max_duration=600", "--wait")
    assert (again["status"], again["run"]) == ("Completed", 2)
    expected = "".join(f"item-{k:04d}.txt {k}\n" for k in range(ITEMS))
    assert (served.output(name) / "predictions.csv").read_text() == expected
    assert sorted((tmp_path / "scored").read_text().split()) == sorted(f"item-{k:04d}.txt" for k in range(ITEMS))


def test_a_cap_that_is_none_is_a_mistake_and_a_local_run_takes_it_too(own_home: ServerHome, tmp_path: Path) -> None:
    own_home.file("code/score.py", SCRIPT.format(folder=str(tmp_path)))
    own_home.file("model/model.txt", "weights")
    document = {
        "name": "one",
        "endpoint_name": "nowhere",
        "type": "model",
        "model": {"path": "model"},
        "code_configuration": {"code": "code", "scoring_script": "score.py"},
        "environment": {"conda_file": {"dependencies": []}},
        "compute": "azureml:none",
        "settings": {"mini_batch_size": 1},
    }
    own_home.file("deployment.yml", document)
    (tmp_path / "slow").touch()
    local = ("run", "deployment.yml", "--input", str(own_home.files("input", 8)), "--output", "out")
    refused = own_home.run(*local, "--max-duration", "0", exit_code=1)
    assert "settings.max_duration: found 0.0, expected more than 0" in refused.stderr
    capped = own_home.run(*local, "--max-duration", "1.5", exit_code=1)
    assert "MaxDurationReached" in capped.stderr
    assert "batchyard job" not in capped.stderr, "no server knows of a job to download or resume"
    (folder,) = (own_home.home / "runs").iterdir()
    assert f"no job of a server; what was scored stays in {folder}." in capped.stderr
    assert not (own_home.folder / "out").exists()
