"""Which of the recorded sessions are killed by the next owner, and which are somebody else's."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from batchyard.instances.sessions import kill_recorded_sessions, record_session


@pytest.mark.parametrize(("container", "is_killed"), [("this", True), ("another", False)])
def test_the_sessions_of_another_container_of_this_host_are_not_looked_for_here(
    tmp_path: Path, container: str, is_killed: bool
) -> None:
    """The same number means another process there, and the one it means here may be anybody's."""
    recorded = tmp_path / "workers.jsonl"
    sleeper = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        record_session(recorded, name="n0-s0-0", pid=sleeper.pid)
        if container == "another":
            line = json.loads(recorded.read_text())
            boot, _, _ = line["boot"].partition("/")
            recorded.write_text(json.dumps({**line, "boot": f"{boot}/1"}) + "\n")
        assert kill_recorded_sessions(recorded) == int(is_killed)
        assert (sleeper.poll() is not None) is is_killed
    finally:
        sleeper.kill()
        sleeper.wait()
