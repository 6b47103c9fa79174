"""Signatures of `run`, words for exceptions, fault points."""

from __future__ import annotations

import errno
import functools
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from batchyard_runtime import faults, script


def made(run: Any) -> script.Script:  # Any: anything a module may call `run`
    module = ModuleType("score")
    module.__file__ = "score.py"
    module.run = run
    return script.Script(module)


class Callable2:
    """A callable that is no function."""

    def __call__(self, mini_batch: Any, context: Any) -> None:
        """Take both."""


def wrapped(run: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap as decorators do."""

    @functools.wraps(run)
    def inner(*args: Any) -> Any:
        return run(*args)

    return inner


@pytest.mark.parametrize(
    ("run", "takes_context"),
    [
        (lambda mini_batch: None, False),
        (lambda mini_batch, context: None, True),
        (lambda mini_batch, context=None: None, True),
        (lambda *args: None, False),
        (lambda mini_batch, *, extra=1: None, False),
        (wrapped(lambda mini_batch: None), False),
        (wrapped(lambda mini_batch, context: None), True),
        (functools.partial(lambda model, mini_batch: None, "model"), False),
        (Callable2(), True),
        (print, False),
    ],
)
def test_context_is_given_where_the_signature_has_a_second_parameter(run: Any, takes_context: bool) -> None:
    assert made(run).takes_context is takes_context


@pytest.mark.parametrize(
    "run",
    [
        None,
        5,
        lambda: None,
        lambda a, b, c: None,
        lambda mini_batch, *, needed: None,
        functools.partial(lambda mini_batch: None, "bound"),
    ],
)
def test_run_that_cannot_be_called_is_refused(run: Any) -> None:
    with pytest.raises(script.NotAScript):
        made(run)


class Speechless(Exception):
    """An exception whose message cannot be made."""

    def __str__(self) -> str:
        raise RuntimeError


def test_exception_without_a_message_is_still_described() -> None:
    kind, error, message, _ = script.describe(Speechless())
    assert (kind, error, message) == ("script", "Speechless", "(its message could not be made)")


def test_long_and_odd_messages_are_bounded_and_printable() -> None:
    _, _, message, _ = script.describe(ValueError("\udcff" + "x" * 100_000))
    assert message.startswith("\\udcff")
    assert len(message) < 10_000
    assert "characters left out" in message


def test_fault_happens_at_the_nth_time_and_points_are_logged_once(tmp_path: Path) -> None:
    log = tmp_path / "points"
    reach = faults.from_plan("worker.before_run:2:enospc", str(log))
    assert reach is not None
    reach("worker.before_run")
    with pytest.raises(OSError, match="No space left") as raised:
        reach("worker.before_run")
    reach("worker.after_run")
    assert raised.value.errno == errno.ENOSPC
    assert log.read_text() == "worker.before_run\nworker.after_run\n"


def test_without_a_test_nothing_is_told_of_points() -> None:
    assert faults.from_plan("", "") is None
