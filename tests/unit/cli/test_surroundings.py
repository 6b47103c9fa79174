"""What a command finds around it may be broken or somebody else's: it is told in a sentence, and never trusted."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys

import pytest

from batchyard.cli import embedded, main
from batchyard.cli.failures import CommandFailed
from batchyard.cli.rest import Connection, Server
from batchyard.domain.resource_ids import DEFAULT_SCOPE
from batchyard.settings import Settings


def test_a_broken_file_of_defaults_is_told_without_a_stack(terminal):
    terminal.home.mkdir(mode=0o700)
    (terminal.home / "cli.ini").write_text("no section\n")

    assert terminal.run("version") == 1
    assert "cli.ini" in terminal.err
    assert "Traceback" not in terminal.err


def test_a_default_that_no_command_could_use_is_not_kept(terminal):
    assert terminal.run("configure", "--defaults", "output=bogus") == 2
    assert "table" in terminal.err
    assert terminal.run("configure", "--defaults", "output=table") == 0


def test_a_home_that_cannot_be_found_is_told_without_a_stack(monkeypatch, capsys):
    monkeypatch.setenv("BATCHYARD_HOME", "~no-such-user/home")

    assert main.main(["version"]) == 1
    assert "ERROR:" in capsys.readouterr().err


def test_a_token_is_never_sent_in_the_clear_to_another_machine(tmp_path):
    settings = Settings(home=tmp_path, url="http://far.example:8000", token="t")

    with pytest.raises(CommandFailed, match="https"):
        embedded.connect(settings, say=print)


def server_at(connection):
    return Server(lambda: connection, scope=DEFAULT_SCOPE, settings=Settings(home=None), say=print)


def test_a_ca_file_that_holds_no_certificate_is_told_by_its_name(tmp_path):
    (tmp_path / "ca.pem").write_text("nothing")

    with pytest.raises(CommandFailed, match=r"ca\.pem"):
        server_at(Connection("https://localhost:1", "t", str(tmp_path / "ca.pem"))).get("/health")


@pytest.mark.parametrize("mode", [0o777, 0o770])
def test_a_home_that_others_can_write_to_names_no_server(tmp_path, mode):
    home = tmp_path / "home"
    home.mkdir()
    (home / "token").write_text("theirs")
    (home / "server.json").write_text('{"url": "https://far.example"}')
    home.chmod(mode)

    with pytest.raises(CommandFailed, match="chmod 700"):
        embedded.connect(Settings(home=home), say=print)


def test_an_embedded_server_is_only_ever_on_this_machine(tmp_path):
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    (home / "token").write_text("t")
    (home / "server.json").write_text('{"url": "https://far.example:443"}')

    assert embedded.status(home)["url"] is None


def test_a_reused_number_of_a_process_is_not_the_holder(tmp_path):
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    command = [sys.executable, "-c", "input()", "batchyard.bootstrap.doors", "--home", "/another"]
    other = subprocess.Popen(command, stdin=subprocess.PIPE)
    try:
        with open(home / "doors.lock", "w") as lock:
            lock.write(json.dumps({"pid": other.pid, "start_ticks": 1}))
            lock.flush()
            fcntl.flock(lock, fcntl.LOCK_EX)

            assert embedded.holder(home, "doors") is None
    finally:
        other.kill()
        other.communicate()


def test_a_process_of_another_user_is_none_of_this_home(tmp_path):
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    # Only root can start one of another user; anybody else sees their own, which is found.
    stranger = 65534 if os.getuid() == 0 else None
    command = ["/bin/sh", "-c", "read line", "batchyard.bootstrap.doors", "--home", str(home)]
    other = subprocess.Popen(command, stdin=subprocess.PIPE, user=stranger, cwd="/")
    try:
        assert embedded.processes(home) == (set() if stranger else {other.pid})
    finally:
        other.kill()
        other.communicate()
