"""What an ended job needs no more is deleted, and nothing of who has taken it up again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast

from batchyard.datastores.job_home import LocalJobHomes
from batchyard.domain.job_states import JobStatus
from batchyard.domain.jobs import Counts, Job
from batchyard.engine.rooms import Rooms
from batchyard.engine.tidy import tidy


@dataclass(frozen=True)
class Ended:
    """What is looked at of a job."""

    name: str = "job"
    status: JobStatus = JobStatus.FAILED
    fence: int = 2
    counts: Counts = Counts()  # noqa: RUF009 - frozen
    spec: object = None


@dataclass(frozen=True)
class Homes:
    """The one room that is needed."""

    homes: LocalJobHomes


def test_folders_of_an_owner_that_came_later_stay(tmp_path: Path) -> None:
    homes = LocalJobHomes(tmp_path)
    names = [f"{kind}{fence}" for kind in ("code-", "scratch-", "collect/") for fence in (1, 2, 3)]
    for name in [*names, "parts"]:
        homes.open("job").path(f"{name}/x").touch()
    tidy(cast(Rooms, Homes(homes)), cast(Job, Ended()))
    left = [name for name in names if (tmp_path / "job" / name).exists()]
    assert left == ["code-3", "scratch-3", "collect/3"]
    assert (tmp_path / "job" / "parts").exists()
