"""`make bench`: interleaved rounds of the limit, the peers and batchyard's engine; tables, goals, results, chart."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.chart import draw
from benchmarks.goals import sampled
from benchmarks.inputs import input_folder
from benchmarks.measure import adopt_orphans
from benchmarks.models import model_folder
from benchmarks.peers import peers_of
from benchmarks.peers.parts import list_input
from benchmarks.report import goal_table, goals_reached, workload_table
from benchmarks.results import Measured, load, machine, now, save
from benchmarks.runs import Bench
from benchmarks.workloads import WORKLOADS, Workload

ROOT = Path(__file__).resolve().parent.parent
# Pairs of limit and engine, and the seconds that each rival may use up beyond its first round.
_ROUNDS, _SHARE_S = 9, 4.0
_BUSY = (
    "import os\nos.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\nwhile os.getppid() == %d: sum(range(10000))"
)


def main() -> int:
    given = _parser().parse_args()
    adopt_orphans()
    chosen = [WORKLOADS[name] for name in given.only or (("w2l", "w3") if given.set == "noise" else WORKLOADS)]
    bench = Bench(given.data)
    for workload in chosen:  # Inputs first: making them is no part of the measurement.
        input_folder(bench.root, *workload.inputs)
        if workload.model:
            model_folder(bench.root, workload.model)
    print(f"{machine()}; {now()}; load {os.getloadavg()[0]:.1f}\n")
    results, is_equal = given.data / "results", True
    for workload in chosen:
        measured = _measure(bench, workload, given)
        if measured is not None:
            save(measured, results)
            print(workload_table(measured), end="\n\n", flush=True)
            is_equal &= all(measured.is_equal(name) for turn in measured.rounds for name in turn)
    everything = load(results)
    print(goal_table(everything))
    reached, missed, unmeasured = goals_reached(everything)
    print(f"\n{reached} goals reached, {missed} not reached, {unmeasured} not measured yet. Results: {results}")
    print(f"Chart: {draw(everything, results / 'performance.svg')}")
    if not is_equal:
        print("Outputs differ: see the column `equal`.", file=sys.stderr)
    return 0 if is_equal else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--set", choices=("short", "long", "noise"), default="short", help="which peers take part")
    parser.add_argument("--only", nargs="+", choices=list(WORKLOADS), metavar="WORKLOAD", help=", ".join(WORKLOADS))
    parser.add_argument("--rounds", type=int, help=f"pairs of limit and engine; {_ROUNDS}, fewer for long workloads")
    parser.add_argument("--share", type=float, default=_SHARE_S, help="seconds for each rival beyond its first round")
    parser.add_argument("--data", type=Path, default=ROOT / ".bench", help="where inputs and results are kept")
    return parser


def _measure(bench: Bench, workload: Workload, given: argparse.Namespace) -> Measured | None:
    peers = peers_of(workload.name, is_long=given.set == "long")
    if given.set == "noise":
        peers = peers[:2]
    if not peers:
        return None
    before = os.getloadavg()[0]
    rounds = given.rounds or (2 if given.set == "long" else workload.rounds)
    busy = subprocess.Popen([sys.executable, "-c", _BUSY % os.getpid()]) if given.set == "noise" else None
    try:
        timed = bench.rounds(workload, peers, rounds=rounds, share_s=given.share)
    finally:
        if busy is not None:
            busy.kill()
            busy.wait()
    chosen = [peer for peer in peers if peer.name in sampled(workload.name)] if given.set != "noise" else []
    memory = {peer.name: bench.run(peer, workload, with_memory=True) for peer in chosen}
    listing_s = min(_listing_s(bench, workload) for _ in range(3))
    load_averages = (before, os.getloadavg()[0])
    return Measured(given.set, workload, timed, memory, listing_s, now(), machine(), load_averages)


def _listing_s(bench: Bench, workload: Workload) -> float:
    folder = input_folder(bench.root, *workload.inputs)
    began = time.monotonic()
    list_input(str(folder))
    return time.monotonic() - began


if __name__ == "__main__":
    sys.exit(main())
