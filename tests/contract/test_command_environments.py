"""The environment of a command that nobody has built yet, that is gone, or that cannot be built."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TextIO

import pytest

from batchyard.domain.assets import Environment, EnvironmentBuild
from batchyard.domain.errors import PlatformError, ScriptError
from batchyard.domain.job_states import JobStatus
from batchyard.domain.jobs import Job
from batchyard.engine.claim import claim_job
from batchyard.engine.steps.command_run import run_command
from batchyard.ports.records import Key, Kind
from tests.support.direct import DirectHome, ThisPython

GONE, BUILT = EnvironmentBuild("1" * 64, "3"), EnvironmentBuild("0" * 64, "3")


@dataclass(frozen=True)
class Builder(ThisPython):
    """Knows one build alone. refusal: why it builds nothing, "" if it does."""

    refusal: str = ""
    asked: list[str] = field(default_factory=list)

    def build(self, environment: Environment, log: TextIO) -> EnvironmentBuild:
        self.asked.append(f"{environment.name}:{environment.version}")
        log.write("resolving\n")
        if self.refusal:
            raise ScriptError(self.refusal)
        return BUILT

    def python(self, build: EnvironmentBuild) -> Path:
        if build != BUILT:
            raise PlatformError("It is gone.")
        return super().python(build)


def run(direct: DirectHome, builder: Builder, build: EnvironmentBuild | None) -> tuple[Job, Sequence[str]]:
    direct.submit_command("job", "python --version", build=build)
    with direct.rooms.records.writing() as tx:
        key = Key(Kind.ENVIRONMENT, "env", "1")
        tx.documents.save(key, Environment("env", "1"), actor="tester", now=1.0)
    rooms = replace(direct.rooms, environments=builder)
    job = claim_job(rooms)
    assert job is not None
    run_command(rooms, job)
    return direct.job("job"), builder.asked


@pytest.mark.parametrize("build", [None, GONE])
def test_an_environment_that_is_not_there_is_built_before_the_command_runs(
    direct: DirectHome, build: EnvironmentBuild | None
) -> None:
    job, asked = run(direct, Builder(), build)
    assert (job.status, asked) == (JobStatus.COMPLETED, ["env:1"])
    assert (direct.logs_of("job") / "logs" / "environment.txt").read_text() == "resolving\n"


def test_an_environment_that_is_there_is_not_built_again(direct: DirectHome) -> None:
    job, asked = run(direct, Builder(), BUILT)
    assert (job.status, asked) == (JobStatus.COMPLETED, [])


def test_an_environment_that_cannot_be_built_fails_the_job_and_names_its_log(direct: DirectHome) -> None:
    job, _ = run(direct, Builder("There is no package of that name."), None)
    assert job.error is not None
    assert job.status is JobStatus.FAILED
    assert job.error.message == "There is no package of that name."
    assert job.error.log == "logs/environment.txt"
