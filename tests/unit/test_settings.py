"""Settings as they are read: what protects is never turned off by a word that is not understood."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchyard.settings import from_environment


@pytest.mark.parametrize(("text", "is_on"), [("", False), ("off", False), ("on", True)])
def test_the_sandbox_is_on_or_off(text: str, *, is_on: bool) -> None:
    assert from_environment({"BATCHYARD_SANDBOX": text}).sandbox is is_on


@pytest.mark.parametrize("text", ["1", "On", "auto", "true"])
def test_another_word_for_the_sandbox_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"BATCHYARD_SANDBOX is '.*', expected 'on' or 'off'"):
        from_environment({"BATCHYARD_SANDBOX": text})


def test_what_a_sandbox_may_read_is_a_list_of_absolute_paths() -> None:
    assert from_environment({"BATCHYARD_SANDBOX_READ": "/a:/b c"}).sandbox_read == (Path("/a"), Path("/b c"))
    with pytest.raises(ValueError, match="expected absolute paths"):
        from_environment({"BATCHYARD_SANDBOX_READ": "a"})
