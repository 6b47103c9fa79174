"""The embedded server as real processes: its start, its two halves, its homes and its end."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar
from urllib.error import HTTPError
from urllib.request import HTTPSHandler, ProxyHandler, Request, build_opener

import pytest

T = TypeVar("T")

WS = (
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/local"
    "/providers/Microsoft.MachineLearningServices/workspaces/default"
)
_PATIENCE_S = 90.0


class Yard:
    """One home with its processes, known by the locks they hold."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._pids: set[int] = set()

    def start(self, process: str = "doors") -> subprocess.Popen[str]:
        """Start a process of the home, without waiting for anything."""
        command = [sys.executable, "-m", f"batchyard.bootstrap.{process}", "--home", str(self.home)]
        started = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
        self._pids.add(started.pid)
        return started

    def up(self) -> subprocess.Popen[str]:
        """Start the doors and wait until both halves run and the server answers."""
        doors = self.start()
        wait_for(lambda: self.pid("engine") and self.get("/health", with_token=False)[0] == 200)
        return doors

    def pid(self, process: str) -> int | None:
        """Give the id of the living process that holds a lock of this home."""
        try:
            pid = int(json.loads((self.home / f"{process}.lock").read_text())["pid"])
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError, KeyError):
            return None
        if os.fsencode(self.home) not in words:
            return None
        self._pids.add(pid)
        return pid

    @property
    def told(self) -> dict[str, Any]:
        """What the server tells of itself."""
        found: dict[str, Any] = json.loads((self.home / "server.json").read_text())
        return found

    def get(self, path: str, *, with_token: bool = True, host: str | None = None) -> tuple[int, str]:
        """GET as a client does, trusting the home's own CA and nothing else; (0, why) when there is no answer."""
        try:
            trust = ssl.create_default_context(cafile=str(self.home / "tls" / "ca.pem"))
            opener = build_opener(ProxyHandler({}), HTTPSHandler(context=trust))
            request = Request((host or self.told["url"]) + path)
            if with_token:
                request.add_header("Authorization", f"Bearer {(self.home / 'token').read_text()}")
            with opener.open(request, timeout=30) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as error:
            return error.code, error.read().decode()
        except (OSError, ValueError) as error:
            return 0, str(error)

    def close(self) -> None:
        """End what was started of this home, and nothing else."""
        if self.home.is_dir():
            (self.home / "stopped").touch()
        for process in ("doors", "engine"):
            self.pid(process)
        for pid in self._pids:
            _kill_if_ours(pid, self.home)


def _kill_if_ours(pid: int, home: Path) -> None:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return
    if os.fsencode(home) in words:
        os.kill(pid, signal.SIGKILL)


def wait_for(look: Callable[[], T], *, within_s: float = _PATIENCE_S) -> T:
    """Look again and again until what is seen is true, and give it."""
    deadline = time.monotonic() + within_s
    while True:
        seen = look()
        if seen:
            return seen
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


@pytest.fixture
def make_yard(tmp_path: Path) -> Iterator[Callable[[str], Yard]]:
    """Give homes, each ended when the test has."""
    made: list[Yard] = []

    def make(name: str) -> Yard:
        made.append(Yard(tmp_path / name))
        return made[-1]

    yield make
    for yard in made:
        yard.close()


@pytest.fixture
def yard(make_yard: Callable[[str], Yard]) -> Yard:
    """Give one home."""
    return make_yard("home")


def test_a_start_makes_a_private_home_and_serves_it_over_tls_to_its_owner(yard: Yard) -> None:
    yard.up()

    assert stat.S_IMODE(yard.home.stat().st_mode) == 0o700
    assert stat.S_IMODE((yard.home / "token").stat().st_mode) == 0o600
    assert yard.get(WS)[0] == 200
    assert yard.get(WS, with_token=False)[0] == 401
    assert yard.get("/discovery", with_token=False)[0] == 200
    port = yard.told["port"]
    assert yard.get("/health", host=f"https://localhost:{port}")[0] == 200


def test_two_homes_are_served_side_by_side_and_neither_takes_the_others_token(
    make_yard: Callable[[str], Yard],
) -> None:
    one, other = make_yard("one"), make_yard("other")
    one.up()
    other.up()

    assert one.told["port"] != other.told["port"]
    assert (one.get(WS)[0], other.get(WS)[0]) == (200, 200)
    assert one.get(WS, host=other.told["url"])[0] == 0, "the CA of one home must not vouch for the other"


def test_a_second_start_of_the_same_home_is_refused_and_leaves_the_first_alone(yard: Yard) -> None:
    yard.up()
    first = {process: yard.pid(process) for process in ("doors", "engine")}

    seconds = [yard.start(process) for process in ("doors", "engine")]

    assert [second.wait(_PATIENCE_S) for second in seconds] == [3, 3]
    assert {process: yard.pid(process) for process in ("doors", "engine")} == first
    assert yard.get("/health")[0] == 200


@pytest.mark.parametrize("process", ["doors", "engine"])
def test_a_killed_half_is_started_again_by_the_other_within_a_second(yard: Yard, process: str) -> None:
    yard.up()
    before, told = yard.pid(process), yard.told
    assert before is not None
    other = "engine" if process == "doors" else "doors"
    untouched = yard.pid(other)

    os.kill(before, signal.SIGKILL)
    began = time.monotonic()
    wait_for(lambda: yard.pid(process) not in (None, before))
    took_s = time.monotonic() - began

    # A watcher looks every quarter of a second; the rest is the start of Python, slow on a busy machine.
    assert took_s < 10.0
    assert yard.pid(other) == untouched
    wait_for(lambda: yard.get(WS)[0] == 200)
    assert yard.told["port"] == told["port"]


def test_a_stopped_home_ends_both_halves_and_nobody_starts_them_again(yard: Yard) -> None:
    doors = yard.up()
    engine = yard.pid("engine")

    (yard.home / "stopped").touch()

    assert doors.wait(_PATIENCE_S) == 0
    wait_for(lambda: not _runs(engine))
    assert yard.start().wait(_PATIENCE_S) == 0
    assert yard.pid("doors") is None


def test_the_port_and_the_token_outlive_a_stop(yard: Yard) -> None:
    doors = yard.up()
    port, token = yard.told["port"], (yard.home / "token").read_text()
    (yard.home / "stopped").touch()
    doors.wait(_PATIENCE_S)
    wait_for(lambda: yard.pid("engine") is None)

    (yard.home / "stopped").unlink()
    yard.up()

    assert (yard.told["port"], (yard.home / "token").read_text()) == (port, token)


def test_a_server_whose_home_has_vanished_ends_by_itself(yard: Yard) -> None:
    doors = yard.up()
    engine = yard.pid("engine")

    yard.home.rename(yard.home.with_name("moved"))

    assert doors.wait(_PATIENCE_S) is not None
    wait_for(lambda: not _runs(engine))
    assert not yard.home.exists()


def test_a_polite_signal_ends_the_doors_gracefully(yard: Yard) -> None:
    doors = yard.up()
    (yard.home / "stopped").touch()

    os.kill(doors.pid, signal.SIGTERM)

    assert doors.wait(_PATIENCE_S) == 0
    assert doors.stderr is not None
    events = [json.loads(line)["event"] for line in doors.stderr.read().splitlines()]
    assert (events[0], events[-1]) == ("doors open", "doors closed")


def test_a_taken_port_is_told_and_not_changed(yard: Yard) -> None:
    with socket.socket() as foreign:
        foreign.bind(("127.0.0.1", 0))
        foreign.listen()
        port = foreign.getsockname()[1]
        yard.home.mkdir(mode=0o700)
        (yard.home / "server.json").write_text(json.dumps({"port": port}))

        doors = yard.start()

        assert doors.wait(_PATIENCE_S) == 4
    assert doors.stderr is not None
    assert f"Port {port}" in doors.stderr.read()
    assert yard.told["port"] == port


def test_a_home_that_others_can_write_to_is_not_served(yard: Yard) -> None:
    yard.home.mkdir()
    yard.home.chmod(0o777)

    doors = yard.start()

    assert doors.wait(_PATIENCE_S) == 4
    assert doors.stderr is not None
    assert "chmod 700" in doors.stderr.read()
    assert not (yard.home / "token").exists()


def test_an_engine_refuses_a_home_that_others_can_write_to(yard: Yard) -> None:
    yard.home.mkdir()
    yard.home.chmod(0o777)

    engine = yard.start("engine")

    assert engine.wait(_PATIENCE_S) == 4
    assert engine.stderr is not None
    assert "chmod 700" in engine.stderr.read()
    assert list(yard.home.iterdir()) == []


def test_a_command_tells_at_once_why_the_server_cannot_start_and_nothing_of_starts_before(yard: Yard) -> None:
    (yard.home / "logs").mkdir(mode=0o700, parents=True)
    yard.home.chmod(0o700)
    stale = {"event": "home cannot be served", "reason": "of yesterday"}
    (yard.home / "logs" / "doors.log").write_text(json.dumps(stale) + "\n")
    command = [Path(sys.executable).with_name("batchyard"), "compute", "list"]
    environment = {**os.environ, "BATCHYARD_HOME": str(yard.home)}
    with socket.socket() as foreign:
        foreign.bind(("127.0.0.1", 0))
        foreign.listen()
        port = foreign.getsockname()[1]
        (yard.home / "server.json").write_text(json.dumps({"port": port}))

        # The second time an engine of the first runs, and keeps on trying to start the doors.
        for _ in range(2):
            began = time.monotonic()
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

            assert time.monotonic() - began < 30
            assert done.returncode == 1
            assert f"Port {port}" in done.stderr
            assert len(done.stderr.splitlines()) == 1


def test_no_secret_is_in_the_logs(yard: Yard) -> None:
    doors = yard.up()
    yard.get(WS)
    yard.get(f"{WS}/computes/none")
    token, key = (yard.home / "token").read_text(), (yard.home / "url.key").read_text()
    (yard.home / "stopped").touch()
    doors.wait(_PATIENCE_S)
    assert doors.stderr is not None

    logs = doors.stderr.read() + "".join(path.read_text() for path in (yard.home / "logs").iterdir())

    assert token not in logs
    assert key not in logs


def _runs(pid: int | None) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
