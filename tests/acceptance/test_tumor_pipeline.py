"""The example of pipelines, as its page says: one endpoint trains and registers, another scores with it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.server_home import BATCHYARD, ServerHome

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "tumor-pipeline"
# An environment is built on the way; a busy machine takes its time for that.
PATIENCE_S = 600
pytestmark = [pytest.mark.timeout(PATIENCE_S + 100), pytest.mark.xdist_group("mlflow")]


def test_the_example_works_as_its_page_says(served: ServerHome, tmp_path: Path) -> None:
    folder = tmp_path / "tumors"
    shutil.copytree(EXAMPLE, folder)
    blocks = re.findall(r"^```sh\n(.*?)^```", (EXAMPLE / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    commands = "".join(blocks).replace("pip install -r requirements.txt\n", "")
    path = f"{Path(sys.executable).parent}:{BATCHYARD.parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-e"],
        input=commands,
        cwd=folder,
        env={**served.environment(), "PATH": path},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )

    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    report = json.loads((folder / "downloaded/named-outputs/report/report.json").read_text())
    assert report["rows"] == 100
    assert report["malignant_found"] > 0.9
    assert "165 of 169 tumours are told right" in done.stdout
    model = served.json("model", "show", "--name", "tumors", "--version", "1")
    assert model["type"] == "mlflow_model"
    again = {step["step"]: step for step in served.json("job", "show", "--name", "again")["steps"]}
    assert again["prepare"]["reused_from"]
    assert not again["train"]["reused_from"]
