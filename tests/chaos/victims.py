"""Who is who among the processes of a served home, so that one of a kind can be killed."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path

from batchyard.bootstrap.locks import holder, is_held
from batchyard.bootstrap.process_identity import is_alive, pid_space
from batchyard.domain.jobs import Owner
from batchyard.domain.scoring.ledger import Committed, read


def _holder_of(lock: str) -> Callable[[Path, str], list[int]]:
    def find(home: Path, job: str) -> list[int]:
        path = home / lock
        return [int(holder(path)["pid"])] if is_held(path) and "pid" in holder(path) else []

    return find


def _job_process(home: Path, job: str) -> list[int]:
    owner = _owner(home, job)
    engine = _holder_of("engine.lock")(home, job)  # It is the owner for the moment until its child has taken over.
    return [owner.pid] if owner is not None and is_alive(owner) and owner.pid not in engine else []


def _workers(home: Path, job: str) -> list[int]:
    return [pid for name, pid in recorded(home, job) if "zygote" not in name]


def _zygotes(home: Path, job: str) -> list[int]:
    """Its zygotes; while there is none a worker, for the next worker's start makes a new one."""
    return [pid for name, pid in recorded(home, job) if "zygote" in name] or _workers(home, job)


KINDS: Mapping[str, Callable[[Path, str], list[int]]] = {
    "doors": _holder_of("doors.lock"),
    "engine": _holder_of("engine.lock"),
    "job": _job_process,
    "worker": _workers,
    "zygote": _zygotes,
}


def recorded(home: Path, job: str) -> list[tuple[str, int]]:
    """Give name and pid of every worker and zygote of a job that is alive."""
    path = home / "jobs" / job / "workers.jsonl"
    lines = [json.loads(line) for line in path.read_bytes().splitlines() if line] if path.exists() else []
    here = pid_space()
    return [(line["worker"], line["pid"]) for line in lines if is_alive(Owner(here, line["pid"], line["started"]))]


def committed(home: Path, job: str) -> int:
    """Count the commits in the ledgers of a job: what it got done, under all its owners."""
    found = 0
    for path in (home / "jobs" / job / "ledger").glob("*.log"):
        with open(path, "rb") as stream:
            found += sum(isinstance(record, Committed) for record, _ in read(stream))
    return found


def is_published(home: Path, job: str) -> bool:
    """Whether the job is final, by its record."""
    with sqlite3.connect(f"file:{home / 'batchyard.db'}?mode=ro", uri=True, timeout=30) as database:
        (status,) = database.execute("select status from jobs where name = ?", (job,)).fetchone()
    database.close()
    return status in ("Completed", "Failed", "Canceled")


def _owner(home: Path, job: str) -> Owner | None:
    with sqlite3.connect(f"file:{home / 'batchyard.db'}?mode=ro", uri=True, timeout=30) as database:
        query = "select owner_boot, owner_pid, owner_start from jobs where name = ?"
        boot, pid, start = database.execute(query, (job,)).fetchone()
    database.close()
    return None if pid is None else Owner(boot, pid, start)
