"""Whether estimates and advice are right when executed (R33, R115, O11): `python -m benchmarks.tuning`, `make tuning`.

Ten seeded workloads (CPU-, I/O-, init-, memory-bound; constant, heavy-tailed and growing costs) on a real embedded
server, some minutes in all. Of each:

1. `batch-deployment tune` with a 1 % sample finds settings for a target duration; `invoke --estimate` says what a job
   with these takes; the job is run.
2. Every setting of a full sweep is reckoned from the workload's true costs, and the cheapest ones that meet the target
   are run too. `--full` runs them all, which takes hours.

The bar: in nine of ten the job meets its target at no more than 1.15 times the worker-seconds of the cheapest, and the
estimate is within 20 % of what the job took.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.results import machine, now
from tests.support.server_home import ServerHome

ROOT = Path(__file__).parents[1]
SCRIPT = """
import os, time
NAMES = ("CALL_S", "CPU_S", "WAIT_S", "INIT_S", "MEMORY_MB")
CALL_S, CPU_S, WAIT_S, INIT_S, MEMORY_MB = (float(os.environ[name]) for name in NAMES)
def init():
    time.sleep(INIT_S)
def run(mini_batch):
    time.sleep(CALL_S)
    cost = sum(float(open(path).read().split()[0]) for path in mini_batch)
    held = bytearray(b"x") * int(MEMORY_MB * len(mini_batch) * 2 ** 20)
    end = time.thread_time() + cost * CPU_S
    while time.thread_time() < end:
        pass
    time.sleep(cost * WAIT_S)
    return [os.path.basename(path) for path in mini_batch]
"""
SIZES, WORKERS = (1, 2, 5, 10, 20, 50, 100, 200), (1, 2, 3, 4, 6, 8)
FIXED_S, WORKER_MB = 0.6, 14.0
MARGIN, MOST_COST, MOST_ERROR = 0.05, 1.15, 0.20
LEAST_SHARE = 0.9


@dataclass(frozen=True)
class Workload:
    """A script with known costs. cpu_s, wait_s: of an item of cost 1; call_s: of each `run()`; memory: MB an item."""

    name: str
    items: int
    cpu_s: float = 0.0
    wait_s: float = 0.0
    call_s: float = 0.0
    init_s: float = 0.0
    memory_mb: float = 0.0
    limit_mb: int = 4000
    shape: str = "constant"
    slack: float = 1.6

    def costs(self) -> list[float]:
        """The cost of each item, 1 on the average."""
        chance = random.Random(self.name)
        if self.shape == "growing":
            return [2 * (k + 0.5) / self.items for k in range(self.items)]
        if self.shape == "tail":
            drawn = [min(30.0, chance.paretovariate(1.5)) for _ in range(self.items)]
            return [one * self.items / sum(drawn) for one in drawn]
        return [1.0] * self.items

    def seconds(self, size: int, workers: int, cores: int) -> float:
        """What a job takes, reckoned from the true costs."""
        run_s = self.call_s + size * (self.cpu_s + self.wait_s)
        slower = max(1.0, workers * size * self.cpu_s / run_s / cores)
        rounds = math.ceil(math.ceil(self.items / size) / workers)
        return FIXED_S + self.init_s + rounds * run_s * slower

    def fits(self, size: int, workers: int) -> bool:
        """Whether the workers keep within the memory."""
        return workers * (WORKER_MB + size * self.memory_mb) <= self.limit_mb

    def sweep(self, cores: int) -> dict[tuple[int, int], float]:
        """Every setting that fits, with its seconds."""
        return {(b, n): self.seconds(b, n, cores) for b in SIZES for n in WORKERS if self.fits(b, n)}


WORKLOADS = (
    Workload("cpu", 600, cpu_s=0.01),
    Workload("cpu-calls", 800, cpu_s=0.003, call_s=0.02),
    Workload("cpu-tail", 500, cpu_s=0.01, shape="tail"),
    Workload("waiting", 600, wait_s=0.03, slack=2.0),
    Workload("waiting-calls", 1000, wait_s=0.005, call_s=0.08),
    Workload("waiting-more", 600, wait_s=0.02, cpu_s=0.001, shape="growing", slack=2.5),
    Workload("init", 600, wait_s=0.01, init_s=2.0),
    Workload("init-cpu", 400, cpu_s=0.008, init_s=1.5, slack=1.4),
    Workload("memory", 400, wait_s=0.01, call_s=0.05, memory_mb=12.0, limit_mb=500),
    Workload("memory-cpu", 300, cpu_s=0.008, call_s=0.05, memory_mb=20.0, limit_mb=300),
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tuning", description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only these workloads")
    parser.add_argument("--full", action="store_true", help="run the whole sweep of each")
    parser.add_argument("--data", type=Path, default=ROOT / ".bench")
    given = parser.parse_args()
    folder = given.data.absolute() / "tuning"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    chosen = [one for one in WORKLOADS if not given.only or one.name in given.only]
    print(f"{machine()}; {now()}; load {os.getloadavg()[0]:.1f}")
    home, began = ServerHome(folder), time.monotonic()
    try:
        found = [_measure(home, one, is_full=given.full) for one in chosen]
    finally:
        home.end()
        shutil.rmtree(folder, ignore_errors=True)
    results = given.data / "results"
    results.mkdir(exist_ok=True)
    (results / "tuning.json").write_text(json.dumps({"machine": machine(), "at": now(), "found": found}, indent=1))
    return _judged(found, time.monotonic() - began)


def _measure(home: ServerHome, one: Workload, *, is_full: bool) -> dict[str, Any]:
    """Tune, estimate and run one workload, and run what would have been the cheapest."""
    cores = len(os.sched_getaffinity(0))
    source = _input(home, one)
    variables = {name: str(value) for name, value in _variables(one)}
    home.deploy(one.name, "one", SCRIPT, mini_batch_size=1, environment_variables=variables)
    sweep = one.sweep(cores)
    target_s = round(min(sweep.values()) * one.slack + 0.5, 1)
    limits = ("--memory-limit", f"{one.limit_mb}MB", "--max-workers", str(max(WORKERS)), "--trial-time", "1.5")
    tune = ("batch-deployment", "tune", "-e", one.name, "-n", "one", "--input", str(source), *limits)
    began = time.monotonic()
    told = home.json(*tune, "--max-trials", "14", "--target-duration", str(target_s))
    tuned_s = time.monotonic() - began
    size, workers = told["recommended"]["mini_batch_size"], told["recommended"]["workers"]
    sets = ("--set", f"mini_batch_size={size}", f"max_concurrency_per_instance={workers}")
    invoke = ("batch-endpoint", "invoke", "--name", one.name, "--input", str(source))
    estimated_s = home.json(*invoke, *sets, "--estimate", "--sample-time", "4")["duration_s"]
    took_s = _run(home, one, source, size, workers)
    print(json.dumps(told), json.dumps(home.json(*invoke, *sets, "--estimate", "--sample-time", "4")), flush=True)
    others = {
        setting: _run(home, one, source, *setting) for setting in _worth_running(sweep, target_s, is_full=is_full)
    }
    costs = {setting: setting[1] * seconds for setting, seconds in others.items() if seconds <= target_s}
    cheapest = min([*costs.values(), workers * took_s])
    line = {
        "workload": asdict(one),
        "target_s": target_s,
        "tuned_s": tuned_s,
        "trials": len(told["trials"]),
        "setting": (size, workers),
        "said_to_meet": told["meets_target"],
        "took_s": took_s,
        "meets": took_s <= target_s,
        "cost": workers * took_s / cheapest,
        "estimate": estimated_s / took_s,
        "others": [[*setting, seconds] for setting, seconds in others.items()],
    }
    print(_row(line), flush=True)
    return line


def _worth_running(sweep: dict[tuple[int, int], float], target_s: float, *, is_full: bool) -> Sequence[tuple[int, int]]:
    """The settings to run beside the advised one: the two cheapest that should meet the target, or all of them."""
    if is_full:
        return list(sweep)
    good = [setting for setting, seconds in sweep.items() if seconds <= target_s * (1 - MARGIN)]
    return sorted(good, key=lambda setting: setting[1] * sweep[setting])[:2]


def _run(home: ServerHome, one: Workload, source: Path, size: int, workers: int) -> float:
    sets = ("--set", f"mini_batch_size={size}", f"max_concurrency_per_instance={workers}")
    job = home.finish(home.invoke(one.name, source, *sets), within_s=600)
    if job["status"] != "Completed":
        raise RuntimeError(f"{one.name} with {size}, {workers} ended {job['status']}: {job['error']}")
    return float(job["durations"]["total_s"])


def _input(home: ServerHome, one: Workload) -> Path:
    """Write the items; what costs more is larger."""
    folder = home.folder / f"{one.name}-input"
    folder.mkdir()
    for k, cost in enumerate(one.costs()):
        (folder / f"item-{k:05d}.txt").write_text(f"{cost:.6f} " + "x" * int(1000 * cost))
    return folder


def _variables(one: Workload) -> Iterator[tuple[str, float]]:
    yield from (("CALL_S", one.call_s), ("CPU_S", one.cpu_s), ("WAIT_S", one.wait_s))
    yield from (("INIT_S", one.init_s), ("MEMORY_MB", one.memory_mb))


def _row(line: dict[str, Any]) -> str:
    size, workers = line["setting"]
    return (
        f"{line['workload']['name']:14} target {line['target_s']:5.1f} s  tuned in {line['tuned_s']:5.1f} s, "
        f"{line['trials']:2} trials  {size:3} x {workers}  took {line['took_s']:5.1f} s "
        f"{'meets' if line['meets'] else 'MISSES'}  cost {line['cost']:.2f}  estimate {line['estimate']:.2f}"
    )


def _judged(found: Sequence[dict[str, Any]], seconds: float) -> int:
    """Print whether the bar is met; 0 when it is."""
    advised = sum(line["meets"] and line["cost"] <= MOST_COST for line in found)
    estimated = sum(abs(line["estimate"] - 1) <= MOST_ERROR for line in found)
    needed = math.ceil(LEAST_SHARE * len(found))
    print(
        f"advice right in {advised} of {len(found)}, estimate in {estimated}; {needed} needed; {seconds:.0f} s in all"
    )
    return 0 if min(advised, estimated) >= needed else 1


if __name__ == "__main__":
    sys.exit(main())
