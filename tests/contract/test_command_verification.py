"""`job verify` of jobs that ran a command: what was published is held against what was sealed, file by file."""

from __future__ import annotations

from batchyard.domain.job_states import JobStatus
from batchyard.domain.outputs.verification import Check
from batchyard.domain.pipelines.components import PortType
from batchyard.engine.steps.verification import verify_outputs
from tests.support.direct import DirectHome

OUTPUTS = {"all": PortType.URI_FOLDER, "one": PortType.URI_FILE}
COMMAND = "echo a > ${{outputs.all}}/a; echo b > ${{outputs.all}}/b; echo 1 > ${{outputs.one}}"


def found(direct: DirectHome) -> dict[str, str]:
    """Give file -> outcome of every check but those that are fine."""
    events = verify_outputs(direct.rooms.homes, direct.datastores, direct.job("job"))
    checks = [event for event in events if isinstance(event, Check)]
    assert any(check.result.value == "ok" for check in checks)
    return {check.file: check.result.value for check in checks if check.result.value != "ok"}


def test_an_output_as_it_was_published_is_fine(direct: DirectHome) -> None:
    direct.submit_command("job", COMMAND, outputs=OUTPUTS)
    assert direct.run_next().status is JobStatus.COMPLETED
    assert found(direct) == {}


def test_every_file_that_is_changed_gone_or_too_much_is_named(direct: DirectHome) -> None:
    direct.submit_command("job", COMMAND, outputs=OUTPUTS)
    direct.run_next()
    (direct.published("job", "all") / "a").write_text("changed")
    (direct.published("job", "all") / "b").unlink()
    (direct.published("job", "all") / "c").write_text("more")
    direct.published("job", "one").unlink()
    assert found(direct) == {"all/a": "wrong", "all/b": "wrong", "all/c": "wrong", "one": "wrong"}


def test_a_record_that_is_not_the_sealed_one_is_told(direct: DirectHome) -> None:
    direct.submit_command("job", COMMAND, outputs=OUTPUTS)
    direct.run_next()
    (direct.home / "jobs" / "job" / "outputs" / "1.json").write_text("{}")
    assert found(direct) == {"": "wrong"}
