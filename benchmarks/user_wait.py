"""What a user waits for, on a real embedded server: `python -m benchmarks.user_wait`.

1. `invoke` to Completed, above the engine's own time on the same input (p95 of 20; at most 0.5 s).
2. `invoke` itself, on a folder of 530,000 files, while 20 jobs are queued and one scores on all cores (p95 of 200 under
   300 ms, none over 1 s): over REST with one connection kept open, as SDKs and consumers do, and by the command.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx2

from benchmarks.inputs import input_folder
from benchmarks.measure import adopt_orphans
from benchmarks.peers import ENGINE
from benchmarks.results import machine, now
from benchmarks.runs import ROOT, Bench
from benchmarks.workloads import SCRIPTS, WORKLOADS
from tests.support.server_home import FINAL, WS, ServerHome

ENDPOINT, BUSY, WAITING = "bench-wait", "bench-busy", "bench-queue"
_MANY_FILES = ("images", 530_000)
# Holds every core until it is cancelled; nothing of it is measured.
_BUSY_SCRIPT = """
def run(mini_batch):
    total = 0
    for k in range(3_000_000):
        total += k * k
    return [total for _ in mini_batch]
"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.user_wait", description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT / ".bench")
    parser.add_argument("--invocations", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=20)
    given = parser.parse_args()
    adopt_orphans()
    folder = given.data.absolute() / "user-wait"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    bench, home = Bench(given.data), ServerHome(folder)
    print(f"{machine()}; {now()}; load {os.getloadavg()[0]:.1f}")
    try:
        found = {"to_completed": _to_completed(bench, home, given.jobs), **_invoke(bench, home, given.invocations)}
    finally:
        home.end()
        shutil.rmtree(folder, ignore_errors=True)
    results = given.data / "results"
    results.mkdir(parents=True, exist_ok=True)
    (results / "user_wait.json").write_text(json.dumps({**found, "when": now(), "machine": machine()}, indent=1))
    print(table(found))
    return 0


def table(found: dict[str, Any]) -> str:
    """Give the three waits as Markdown."""
    lines = ["| wait | n | median | p95 | longest | bar |", "|---|---|---|---|---|---|"]
    for key, title, bar in (
        ("to_completed", "`invoke` to Completed, above the engine's own time", "p95 ≤ 0.5 s"),
        (
            "invoke_rest",
            "`invoke` over REST: 530,000 files, 20 queued, one scoring",
            "p95 < 0.3 s, all < 1 s",
        ),
        ("invoke_command", "the same by the command, a process for each", "–"),
    ):
        values = found[key]
        numbers = [f"{x:.3f} s" for x in (statistics.median(values), p95(values), max(values))]
        lines.append(f"| {title} | {len(values)} | {' | '.join(numbers)} | {bar} |")
    return "\n".join(lines)


def p95(values: Sequence[float]) -> float:
    """Give the value that 95 of 100 do not exceed."""
    return sorted(values)[max(0, -(-len(values) * 95 // 100) - 1)]


def _to_completed(bench: Bench, home: ServerHome, jobs: int) -> list[float]:
    """Give the seconds from the invocation until Completed is seen, less the engine's own in the same minute."""
    workload = WORKLOADS["w1"]
    source = input_folder(bench.root, *workload.inputs).absolute()
    settings = {"mini_batch_size": workload.mini_batch_size, "max_concurrency_per_instance": 2}
    home.deploy(ENDPOINT, "blue", (SCRIPTS / workload.script).read_text(), **settings)
    waits: list[float] = []
    with home.rest() as client:
        for _ in range(jobs + 1):
            engine_s = min(bench.run(ENGINE, workload).wall_s for _ in range(2))
            began = time.monotonic()
            phases = _completed(client, _post(client, ENDPOINT, source))
            waits.append(time.monotonic() - began - engine_s)
            print(f"  {waits[-1]:.3f} s above the engine's {engine_s:.3f} s; {phases}", file=sys.stderr)
    return waits[1:]  # The first warms the server.


def _completed(client: httpx2.Client, job: str) -> dict[str, float]:
    while True:
        found = client.get(f"{WS}/jobs/{job}").raise_for_status().json()["properties"]
        if found["status"] in FINAL:
            assert found["status"] == "Completed", found
            return dict(found["batchyard"]["durations"])
        time.sleep(0.01)


def _invoke(bench: Bench, home: ServerHome, invocations: int) -> dict[str, list[float]]:
    """Measure invocations beside one job that keeps all cores busy and twenty that wait for its compute."""
    source = input_folder(bench.root, *_MANY_FILES).absolute()
    home.file("one.yml", {"name": "one", "type": "amlcompute", "max_instances": 1})
    home.run("compute", "create", "--file", "one.yml")
    cores = len(os.sched_getaffinity(0))
    home.deploy(BUSY, "blue", _BUSY_SCRIPT, compute="one", mini_batch_size=1, max_concurrency_per_instance=cores)
    home.deploy(WAITING, "blue", (SCRIPTS / "score_w4.py").read_text(), compute="one")
    with home.rest() as client:
        busy = _post(client, BUSY, source)
        while client.get(f"{WS}/jobs/{busy}").json()["properties"]["status"] != "Running":
            time.sleep(0.05)
        waiting = [_post(client, WAITING, source) for _ in range(20)]
        by_rest = _repeat(lambda: _post(client, WAITING, source), client, invocations)
        by_command = _repeat(lambda: home.invoke(WAITING, source), client, max(5, invocations // 20))
        for job in (*waiting, busy):
            _cancel(client, job)
    return {"invoke_rest": by_rest, "invoke_command": by_command}


def _repeat(invoke: Callable[[], str], client: httpx2.Client, times: int) -> list[float]:
    """Time invocations; each job leaves the queue again, so that always as many wait."""
    waits = []
    for _ in range(times):
        began = time.monotonic()
        job = invoke()
        waits.append(time.monotonic() - began)
        _cancel(client, job)
    return waits


def _post(client: httpx2.Client, endpoint: str, source: Path) -> str:
    body = {"properties": {"inputData": {"input": {"jobInputType": "UriFolder", "uri": source.as_uri()}}}}
    answer = client.post(f"/invoke{WS}/batchEndpoints/{endpoint}/jobs", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["name"])


def _cancel(client: httpx2.Client, job: str) -> None:
    client.post(f"{WS}/jobs/{job}/cancel").raise_for_status()


if __name__ == "__main__":
    sys.exit(main())
