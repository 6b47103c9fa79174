from __future__ import annotations

import fcntl
import json
import os

import pytest

from batchyard.cli import embedded
from batchyard.settings import server_environment


@pytest.fixture
def home(tmp_path):
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    return folder


def test_nobody_holds_a_lock_that_is_not_there(home):
    assert embedded.holder(home, "doors") is None


def test_a_left_over_lock_file_is_nobody_however_alive_its_number_is(home):
    (home / "doors.lock").write_text(json.dumps({"pid": os.getpid(), "start_ticks": 1}))

    assert embedded.holder(home, "doors") is None


def test_a_process_that_is_none_of_ours_is_never_taken_for_the_server(home):
    with open(home / "doors.lock", "w") as lock:
        lock.write(json.dumps({"pid": os.getpid()}))
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)

        assert embedded.holder(home, "doors") is None
        assert embedded.processes(home) == set()


def test_stopping_a_home_where_nothing_runs_leaves_the_marker(home):
    assert embedded.stop(home) == []
    assert (home / "stopped").exists()


def test_stopping_a_home_that_is_not_there_makes_none(tmp_path):
    assert embedded.stop(tmp_path / "none") == []
    assert not (tmp_path / "none").exists()


def test_status_starts_nothing(home):
    assert embedded.status(home) == {
        "home": str(home),
        "url": None,
        "healthy": False,
        "stopped": False,
        "doors": {"pid": None, "running": False},
        "engine": {"pid": None, "running": False},
    }


def test_server_commands_refuse_a_remote_server(tmp_path, capsys):
    from batchyard.cli import main
    from batchyard.settings import Settings

    assert main.run(["server", "stop"], Settings(home=tmp_path, url="https://far.example", token="t")) == 1
    assert "BATCHYARD_URL" in capsys.readouterr().err


def test_a_server_process_gets_its_home_and_no_other_servers_address(home, monkeypatch):
    monkeypatch.setenv("BATCHYARD_URL", "https://far.example")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("A_SECRET_OF_THE_SHELL", "x")

    environment = server_environment(home)

    assert environment["BATCHYARD_HOME"] == str(home)
    assert not {"BATCHYARD_URL", "PYTHONDONTWRITEBYTECODE", "A_SECRET_OF_THE_SHELL"} & environment.keys()


def test_logs_of_a_server_that_was_never_started_are_told_plainly(terminal):
    assert terminal.run("server", "logs") == 1
    assert "never started" in terminal.err


def test_logs_print_the_last_lines(terminal):
    (terminal.home / "logs").mkdir(parents=True)
    (terminal.home / "logs" / "doors.log").write_text("".join(f"line {i}\n" for i in range(100)))

    assert terminal.run("server", "logs", "--name", "doors", "--lines", "2") == 0
    assert terminal.out == "line 98\nline 99\n"


def test_the_doctor_says_what_others_can_read(terminal):
    terminal.home.mkdir(mode=0o755)
    terminal.home.chmod(0o755)

    assert terminal.run("doctor") == 0  # Only a warning: every secret in it has a mode of its own.

    found = {check["check"]: check for check in json.loads(terminal.out)}
    assert found["home"]["verdict"] == "warn"
    assert "chmod 700" in found["home"]["remedy"]


def test_the_doctor_prints_a_row_for_each_check(terminal):
    terminal.run("doctor", "-o", "tsv")

    rows = [line.split("\t") for line in terminal.out.splitlines()]
    assert [(row[0], row[-1]) for row in rows if row[0] == "python"] == [("python", "ok")]
    assert len(rows) == 12

    terminal.run("doctor", "-o", "table")
    assert terminal.out.split()[:4] == ["Check", "Verdict", "Found", "Remedy"]
