"""A command line that was put together wrongly is told in one line, with where to read on."""

from __future__ import annotations

import pytest

from .bench import Terminal


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        (["job", "show"], "batchyard job show: the following arguments are required: --name/-n"),
        (["job", "show", "--name", "x", "--nope"], "--nope"),
        (["job", "show", "--name", "x", "--nope"], "See `batchyard job show --help`"),
        (
            ["batch-deployment", "create", "-f", "d.yml", "--set-defualt"],
            "batchyard batch-deployment create: unrecognized arguments: --set-defualt; perhaps '--set-default'",
        ),
        (["job", "show", "-n", "x", "extra"], "batchyard job show: unrecognized arguments: extra. See"),
        (["job", "shwo", "--name", "x"], "batchyard job: there is no command 'shwo'; perhaps 'show'"),
        (["jbo", "show"], "there is no command 'jbo'; perhaps 'job'"),
        (["job", "list", "--max-results", "many"], "invalid int value: 'many'"),
        (["job", "show", "--name"], "expected one argument"),
        (["job", "show", "-n", "x", "-o", "xml"], "must be one of"),
        (["server", "logs", "--name", "window"], "--name is 'window', must be one of doors, engine"),
    ],
)
def test_a_usage_mistake_is_one_line_that_names_the_help_to_read(
    terminal: Terminal, typed: list[str], told: str
) -> None:
    assert terminal.run(*typed) == 2
    (line,) = terminal.err.splitlines()
    assert line.startswith("ERROR: batchyard")
    assert told in line
    assert line.endswith("--help`.")
    assert terminal.out == ""


def test_our_own_usage_mistakes_are_as_short(terminal: Terminal) -> None:
    assert terminal.run("job", "logs", "-n", "x", "--errors", "--item", "y") == 2
    assert len(terminal.err.splitlines()) == 1
