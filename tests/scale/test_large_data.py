"""A data asset of 2 GiB through Azure's own SDK: up in blocks, down in ranges, and the server's memory stays flat."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.server_home import BATCHYARD, ServerHome

NOTEBOOK = Path(__file__).parents[1] / "acceptance" / "sdk" / "notebooks" / "large_data.py"
SIZE = 2 << 30
MOST_GROWTH_KIB = 150 << 10


def peak_kib(home: ServerHome) -> int:
    pid = json.loads((home.home / "server.json").read_text())["pid"]
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])


@pytest.mark.timeout(1300)
def test_two_gib_go_up_and_down_through_the_sdk_in_flat_memory(tmp_path: Path) -> None:
    home = ServerHome(tmp_path)
    try:
        home.run("server", "start")
        before = peak_kib(home)
        (tmp_path / "work").mkdir()
        done = subprocess.run(
            [BATCHYARD, "env", "--", sys.executable, "-W", "ignore", NOTEBOOK, str(SIZE)],
            env=home.environment(),
            cwd=tmp_path / "work",
            capture_output=True,
            text=True,
            timeout=1200,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout.splitlines()[-1]) == {"same": True, "again": True}
        print(f"the server grew by {(peak_kib(home) - before) >> 10} MiB")
        assert peak_kib(home) - before < MOST_GROWTH_KIB
    finally:
        home.end()
        # pytest keeps folders of the last runs; these gigabytes are not worth it.
        shutil.rmtree(tmp_path / "work", ignore_errors=True)
        shutil.rmtree(home.home / "datastores", ignore_errors=True)
