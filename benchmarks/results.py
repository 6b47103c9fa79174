"""What was measured, as it is kept below `.bench/results` (a file for each set and workload), and sums over it."""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any  # JSON

from benchmarks.runs import Run
from benchmarks.workloads import WORKLOADS, Workload


@dataclass(frozen=True)
class Measured:
    """One workload in one set. rounds: peer -> run. memory: peer -> the run in which it was sampled.

    listing_s: listing and sorting the input, best of three. when: UTC. load: of the machine before and after.
    """

    set_name: str
    workload: Workload
    rounds: list[dict[str, Run]]
    memory: dict[str, Run]
    listing_s: float
    when: str
    machine: str
    load: tuple[float, float]

    def runs(self, peer: str) -> list[Run]:
        """Give the timed runs of a peer."""
        return [turn[peer] for turn in self.rounds if peer in turn]

    def paired(self, mine: str, other: str, value: Callable[[Run], float]) -> list[float]:
        """Give mine / other for each round in which both ran."""
        return [value(t[mine]) / value(t[other]) for t in self.rounds if mine in t and other in t]

    def best(self, peer: str) -> float:
        """Give the shortest wall time of a peer."""
        return min(run.wall_s for run in self.runs(peer))

    def after_first_us(self, peer: str) -> float | None:
        """Give the microseconds for each mini-batch after the first result, at best."""
        found = [run.wall_s - run.first_s for run in self.runs(peer) if run.first_s is not None]
        return min(found) / self.workload.mini_batches * 1e6 if found else None

    def first_above_own_s(self, peer: str) -> float | None:
        """Give the time to the first result above the script's own start (the limit's, the same for all); median."""
        own = [run.own_s for run in self.runs("limit") if run.own_s is not None]
        found = [run.first_s for run in self.runs(peer) if run.first_s is not None]
        return statistics.median(found) - statistics.median(own) if own and found else None

    def is_equal(self, peer: str) -> bool:
        """Tell whether all outputs of a peer are the limit's."""
        return {run.sha256 for run in self.runs(peer)} == {run.sha256 for run in self.runs("limit")}


def save(measured: Measured, folder: Path) -> Path:
    """Write one file and give its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{measured.set_name}-{measured.workload.name}.json"
    document = {**asdict(measured), "workload": measured.workload.name}
    path.write_text(json.dumps(document, indent=1))
    return path


def load(folder: Path) -> list[Measured]:
    """Read all files of a folder, in the order of the workloads; of each the one with most rounds first."""
    found = [_read(json.loads(path.read_text())) for path in folder.glob("*-*.json")]
    order = list(WORKLOADS)
    return sorted(found, key=lambda one: (order.index(one.workload.name), -len(one.rounds), one.set_name))


def _read(document: dict[str, Any]) -> Measured:
    return Measured(
        set_name=document["set_name"],
        workload=WORKLOADS[document["workload"]],
        rounds=[{name: Run(**run) for name, run in turn.items()} for turn in document["rounds"]],
        memory={name: Run(**run) for name, run in document["memory"].items()},
        listing_s=document["listing_s"],
        when=document["when"],
        machine=document["machine"],
        load=tuple(document["load"]),
    )


def machine() -> str:
    """Describe this machine: processor, cores, memory, kernel, Python."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 30
    cores = len(os.sched_getaffinity(0))
    return f"{model}, {cores} cores, {memory} GiB, Linux {platform.release()}, Python {platform.python_version()}"


def now() -> str:
    """Give the time as it is written into results."""
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Give `median [least–most]`."""
    return f"{statistics.median(values):.{digits}f} [{min(values):.{digits}f}–{max(values):.{digits}f}]"
