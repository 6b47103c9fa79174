"""Jobs in sandboxes whose processes are killed, outside and inside: what comes out equals the undisturbed output."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos import test_random_kills as kills
from tests.chaos.victims import KINDS, recorded
from tests.support.processes import wait_for_none
from tests.support.server_home import ServerHome

pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[ServerHome]:
    home = ServerHome(tmp_path, variables={"BATCHYARD_SANDBOX": "on"})
    try:
        yield home
    finally:
        home.end()


def inside(home: Path, job: str) -> list[int]:
    """Give the processes that run scripts: the second of each sandbox."""
    sandboxes = {pid for _, pid in recorded(home, job)}
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            numbers = next(
                line.split()[1:]
                for line in Path(f"/proc/{entry}/status").read_text().splitlines()
                if line.startswith("NSpid:")
            )
            if os.getsid(int(entry)) in sandboxes and numbers[1:] == ["2"]:
                found.append(int(entry))
        except (OSError, StopIteration):
            continue
    return found


@pytest.mark.parametrize("kind", ["job", "inside", pytest.param("worker", marks=pytest.mark.long)])
def test_kills_around_and_in_sandboxes_lose_and_double_nothing(
    home: ServerHome, kind: str, chaos_seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(KINDS, "inside", inside)
    chance, source = random.Random(f"{chaos_seed} sandbox {kind}"), home.files("input", kills.ITEMS)
    home.deploy("kills", "rows", kills.ROWS_SCRIPT, **kills.SETTINGS)
    job = home.invoke("kills", source)
    assert kills.disturb(home, job, kind, chance, most=5)
    kills.check(home, job, kills.ROWS)
    home.run("server", "stop", "-o", "none")
    assert wait_for_none(home.home, within_s=60.0) == {}
