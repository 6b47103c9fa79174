"""Text of servers, scripts and logs is shown, never obeyed: it may hold sequences that steer a terminal."""

from __future__ import annotations

import io
import sys

import httpx2
import pytest

from batchyard.cli.failures import CommandFailed
from batchyard.cli.following import follow
from batchyard.cli.visible import visible

from .bench import failure

EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\rgone\x7f"


class Screen(io.StringIO):
    """A terminal that remembers."""

    def isatty(self) -> bool:
        return True


def job(status, **ours):
    return {"status": status, "jobType": "Pipeline", "batchyard": ours}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain äöü\tand\nlines 😀", "plain äöü\tand\nlines 😀"),
        ("\x1b[31mred\x1b[0m", "red"),
        (EVIL, "\\x1b]0;owned\\x07\\x1b[2J\\x9b31m\\x0dgone\\x7f"),
        ("\u202egpj.exe", "\\u202egpj.exe"),
    ],
)
def test_signs_that_steer_a_terminal_are_shown(text, shown):
    assert visible(text) == shown


def test_an_error_of_the_server_cannot_steer_the_terminal(terminal):
    terminal.azure.answer_with("GET", "jobs/x", lambda _: failure(400, "UserError", f"It says {EVIL}"))

    assert terminal.run("job", "show", "-n", "x") == 1
    assert "\\x1b[2J" in terminal.err
    assert not set(terminal.err) & set("\x1b\x07\x7f\x9b\r")


def test_the_story_of_a_failed_job_cannot_steer_the_terminal(terminal):
    error = {"code": "ScriptError", "message": EVIL, "exception": EVIL, "stack": EVIL, "item": EVIL}
    terminal.azure.put("jobs/x", job("Failed", error=error))

    assert terminal.run("job", "stream", "-n", "x") == 1
    assert "\\x1b[2J" in terminal.err
    assert not set(terminal.err) & set("\x1b\x07\x7f\x9b\r")


def test_a_log_cannot_steer_the_terminal(terminal):
    name = "logs/user/stdout/n0/w.txt"
    urls = {name: "https://localhost:8443/log?sig=s"}
    terminal.azure.rules.append(
        lambda _, path: httpx2.Response(200, json={"logFiles": urls}) if "/details" in path else None
    )
    terminal.azure.rules.append(
        lambda _, path: httpx2.Response(200, content=f"{EVIL}\n".encode()) if path == "/log" else None
    )
    terminal.azure.put("jobs/x", job("Completed"))
    screen = Screen()

    follow(terminal._server(_NoCommand, terminal_settings(terminal)), "x", out=screen, with_logs=True)

    assert "\\x1b[2J" in screen.getvalue()
    assert "\x1b[2J" not in screen.getvalue()
    assert "\x07" not in screen.getvalue()


def test_a_table_on_a_terminal_cannot_steer_it_and_a_pipe_gets_every_sign(terminal, monkeypatch):
    terminal.azure.put("models/m/versions/1", {"modelType": "custom_model", "description": EVIL})
    command = ("model", "show", "-n", "m", "-v", "1", "--query", "description", "-o", "tsv")
    screen = Screen()

    assert terminal.run(*command) == 0, terminal.err
    piped = terminal.out
    monkeypatch.setattr(sys, "stdout", screen)
    terminal.run(*command)

    assert piped == EVIL + "\n"
    assert screen.getvalue() == visible(EVIL) + "\n"


class _NoCommand:
    only_show_errors = False
    is_format_asked = False

    @staticmethod
    def say(text):
        raise CommandFailed(text)


def terminal_settings(terminal):
    from batchyard.settings import Settings

    return Settings(home=terminal.home)
