"""Which interpreter a definition gets, from those that are installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchyard.environments.conda import Spec, parse_spec
from batchyard.environments.pythons import Interpreter, choose


def interpreter(version: str, *, path: str = "") -> Interpreter:
    major, minor, patch = map(int, version.split("."))
    return Interpreter(Path(path or f"/pythons/{version}"), (major, minor, patch), f"cpython-{major}{minor}", "linux")


OWN = interpreter("3.11.7")
INSTALLED = [interpreter(v) for v in ("3.8.18", "3.9.18", "3.11.9", "3.12.1", "3.13.0")]


def wish(*texts: str) -> list[Spec]:
    return [spec for spec in map(parse_spec, texts) if spec is not None]


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("python", "3.11.7"),
        ("python=3.12", "3.12.1"),
        ("python=3.11", "3.11.7"),
        ("python=3.11.9", "3.11.9"),
        ("python=3", "3.11.7"),
        ("python==3.9.18", "3.9.18"),
        ("python>=3.9", "3.11.7"),
        ("python>=3.12", "3.13.0"),
        ("python<=3.9", "3.9.18"),
        ("python<3.9", "3.8.18"),
        ("python>=3.8,<3.11", "3.9.18"),
        ("python~=3.9", "3.11.7"),
        ("python~=3.8.1", "3.8.18"),
        ("python!=3.11", "3.13.0"),
    ],
)
def test_the_interpreter_that_was_asked_for_is_taken_without_a_word(text: str, version: str) -> None:
    chosen, warning = choose(wish(text), INSTALLED, own=OWN)

    assert (chosen.version_text, warning) == (version, "")


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("python=3.8.5", "3.8.18"),
        ("python~=3.8.20", "3.8.18"),
        ("python=3.7", "3.8.18"),
        ("python=3.10", "3.11.7"),
        ("python=3.14", "3.13.0"),
        ("python>=3.14", "3.13.0"),
        ("python<3.8", "3.8.18"),
    ],
)
def test_the_nearest_interpreter_is_taken_with_a_warning(text: str, version: str) -> None:
    chosen, warning = choose(wish(text), INSTALLED, own=OWN)

    assert chosen.version_text == version
    assert text.removeprefix("python").lstrip("=") in warning
    assert f"{version} is used instead" in warning
    assert "3.13.0" in warning


def test_several_wishes_hold_together() -> None:
    assert choose(wish("python>=3.9", "python<3.10"), INSTALLED, own=OWN)[0].version_text == "3.9.18"


def test_our_own_interpreter_counts_though_it_was_not_found() -> None:
    assert choose(wish("python=3.9"), [], own=OWN) == (
        OWN,
        "This machine has no Python 3.9: 3.11.7 is used instead (installed: 3.11.7).",
    )
