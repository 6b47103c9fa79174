"""Provisioning whose engine, or whose own process, is killed: it is done once, and nothing of it is left."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.processes import kill, wait_for_none
from tests.support.server_home import ServerHome

# Tells when it is imported, leaves a daemon behind, and takes its time.
SCRIPT = """
import os, subprocess, time
def tell(what):
    with open({told!r}, "a") as out:
        out.write("%s %d\\n" % (what, os.getppid()))
tell("begun")
if len(open({told!r}).readlines()) == 1:
    subprocess.Popen(["sleep", "300"], start_new_session=True)
    time.sleep(5)
tell("ended")
def run(mini_batch): return mini_batch
"""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[ServerHome]:
    (tmp_path / "tmp").mkdir()
    home = ServerHome(tmp_path, variables={"TMPDIR": str(tmp_path / "tmp")})
    try:
        yield home
    finally:
        home.end()


def wait(condition: Callable[[], bool], *, within_s: float = 60.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.02)


def lines(told: Path) -> list[str]:
    return [line.split()[0] for line in told.read_text().splitlines()] if told.exists() else []


@pytest.mark.parametrize("victim", ["engine", "provisioning"])
def test_provisioning_that_is_killed_is_done_again_alone_and_leaves_nothing(home: ServerHome, victim: str) -> None:
    told = home.folder / "told"
    with ThreadPoolExecutor() as pool:
        deploying = pool.submit(home.deploy, "provision", "one", SCRIPT.format(told=os.fspath(told)))
        wait(lambda: lines(told) == ["begun"] or deploying.done())
        provisioning = int(told.read_text().split()[1])
        engine = int(Path(f"/proc/{provisioning}/stat").read_text().rsplit(")", 1)[1].split()[1])
        assert kill(engine if victim == "engine" else provisioning)
        deploying.result()
    home.run("server", "stop", "-o", "none")
    assert wait_for_none(home.home, within_s=60.0) == {}
    assert lines(told) == ["begun", "begun", "ended"]
    assert list((home.folder / "tmp").iterdir()) == []
    assert list((home.home / "operations").iterdir()) == []
