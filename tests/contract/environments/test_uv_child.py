"""Children of a build: their output, their time limit, their end."""

from __future__ import annotations

import io
import os
import time
from pathlib import Path

import pytest

from batchyard.domain.errors import PlatformError, ScriptError
from batchyard.environments.turns import turn
from batchyard.environments.uv_child import UvChild, run_child


def shell(script: str, *, log: io.StringIO | None = None, limit_s: float = 30) -> None:
    child = UvChild("", {"PATH": "/usr/bin:/bin"}, log or io.StringIO(), time.monotonic() + limit_s)
    run_child(["/bin/sh", "-c", script], child, doing="Environment 'e:1' cannot be installed")


def test_output_goes_to_the_log_line_by_line_with_credentials_masked() -> None:
    log = io.StringIO()

    shell("echo one >&2; printf 'get https://anna:hunter2@a.invalid/x' >&2", log=log)

    assert log.getvalue() == "one\nget https://***@a.invalid/x\n"


def test_a_failure_carries_the_last_lines_masked() -> None:
    with pytest.raises(ScriptError) as caught:
        shell("echo 'no https://anna:hunter2@a.invalid/x' >&2; exit 1")

    assert str(caught.value) == "Environment 'e:1' cannot be installed.\nno https://***@a.invalid/x"


@pytest.mark.parametrize("line", ["No space left on device (os error 28)", "error sending request for url (x)"])
def test_a_full_disk_and_a_silent_index_are_ours_to_answer_for(line: str) -> None:
    with pytest.raises(PlatformError):
        shell(f"echo '{line}' >&2; exit 2")


@pytest.mark.parametrize("redirect", ["", "exec 2>/dev/null; "])
def test_the_time_limit_ends_the_child_and_what_it_started(tmp_path: Path, redirect: str) -> None:
    pids = tmp_path / "pids"

    with pytest.raises(ScriptError, match="time limit"):
        shell(f"{redirect}sleep 50 & echo $! $$ > {pids}; wait", limit_s=1.0)

    deadline = time.monotonic() + 5  # A kill is carried out when the killed one is next scheduled.
    while running := [pid for pid in pids.read_text().split() if is_running(pid)]:
        assert time.monotonic() < deadline, running
        time.sleep(0.01)


def is_running(pid: str) -> bool:
    """Tell whether a process is more than an entry that waits to be reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def test_a_turn_is_waited_for_until_the_deadline_only(tmp_path: Path) -> None:
    with (
        turn(tmp_path / "turn", deadline=time.monotonic() + 5),
        pytest.raises(PlatformError, match="too long"),
        turn(tmp_path / "turn", deadline=time.monotonic()),
    ):
        raise AssertionError("two turns at once")


def test_a_turn_lasts_as_long_as_the_child_that_was_handed_it(tmp_path: Path) -> None:
    with turn(tmp_path / "turn", deadline=time.monotonic() + 5) as held:
        kept = os.dup(held)

    with pytest.raises(PlatformError), turn(tmp_path / "turn", deadline=time.monotonic()):
        raise AssertionError("the child still holds it")
    os.close(kept)
    with turn(tmp_path / "turn", deadline=time.monotonic()):
        pass
