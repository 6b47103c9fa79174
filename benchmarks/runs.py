"""One run of one peer on one workload, and interleaved rounds of many."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from batchyard.instances.launch import NO_TELEMETRY
from benchmarks.inputs import input_folder
from benchmarks.measure import Watch, watch
from benchmarks.models import model_folder
from benchmarks.peers import ENGINE, LIMIT, RUN, Peer
from benchmarks.peers.batchyard_run import prepare
from benchmarks.workloads import Workload

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Run:
    """What one run gave. first_s: from the start to the end of the first run(); own_s: of that, the script's own
    imports and init(). peak_pss: bytes, in a run of its own. sha256: of the sorted output."""

    wall_s: float
    cpu_s: float
    first_s: float | None
    own_s: float | None
    sha256: str
    peak_pss: int = 0
    processes: int = 0


@dataclass(frozen=True)
class Bench:
    """Where inputs, models and outputs lie, and who is disturbed by whom. root: usually `.bench`."""

    root: Path

    def run(self, peer: Peer, workload: Workload, *, with_memory: bool = False) -> Run:
        """Run a peer once. Raises: SystemExit when it fails."""
        with self._place() as work:
            source, output, stamp = input_folder(self.root, *workload.inputs), work / "output", work / "first"
            variables = {"BENCH_FIRST": str(stamp), **({"BENCH_MEMORY": "1"} if with_memory else {})}
            variables |= {} if workload.isolates else {"BENCH_NO_ISOLATION": "1"}
            command = _command(peer, workload, source, output, variables)
            used = _watched(peer, command, self._environment(workload, variables), with_memory=with_memory)
            if used.exit_code:
                raise SystemExit(f"{peer.name} on {workload.name} ended with {used.exit_code}: {' '.join(command)}")
            first_s, own_s = _first(stamp, used)
            rows = output / "predictions.csv" if peer is RUN else output
            return Run(used.wall_s, used.cpu_s, first_s, own_s, _sorted_sha256(rows), used.peak_pss, used.processes)

    def rounds(self, workload: Workload, peers: Sequence[Peer], *, rounds: int, share_s: float) -> list[dict[str, Run]]:
        """Run all peers in turns, the order rotated; a rival leaves once it has had its share of time.

        One round of the limit and of the engine before it warms the page cache and is not counted.
        """
        for peer in (LIMIT, ENGINE):
            self.run(peer, workload)
        done: list[dict[str, Run]] = []
        spent = {peer.name: 0.0 for peer in peers}
        for turn in range(rounds):
            stays = [peer for peer in peers if peer in (LIMIT, ENGINE) or _may_go_on(spent[peer.name], turn, share_s)]
            at = turn % len(stays)
            done.append({})
            for peer in stays[at:] + stays[:at]:
                run = done[-1][peer.name] = self.run(peer, workload)
                spent[peer.name] += run.wall_s
        return done

    def _environment(self, workload: Workload, variables: dict[str, str]) -> dict[str, str]:
        """Give everybody the same: one thread a process, no caches switched off, the model."""
        left_out = ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH")
        found = {k: v for k, v in os.environ.items() if k not in left_out}
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        model = {"AZUREML_MODEL_DIR": str(model_folder(self.root, workload.model))} if workload.model else {}
        quiet = {**NO_TELEMETRY, "RAY_DISABLE_IMPORT_WARNING": "1", "RAY_USAGE_STATS_ENABLED": "0"}
        home = {"BATCHYARD_HOME": str(self.root.absolute() / "home")}
        return {**found, **threads, **model, **quiet, **home, **variables}

    @contextmanager
    def _place(self) -> Iterator[Path]:
        (self.root / "work").mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(dir=self.root.absolute() / "work"))
        try:
            yield work
        finally:
            shutil.rmtree(work)


def _may_go_on(spent_s: float, turns: int, share_s: float) -> bool:
    return turns == 0 or spent_s + spent_s / turns <= share_s


def _command(peer: Peer, workload: Workload, source: Path, output: Path, variables: dict[str, str]) -> list[str]:
    source = source.absolute()
    if peer is RUN:
        deployment = prepare(workload.script_path, output, workload.mini_batch_size, variables)
        program = [str(Path(sys.executable).with_name("batchyard")), "run", str(deployment)]
        return [*program, "--input", str(source), "--output", str(output)]
    program = ["-m", f"benchmarks.peers.{peer.path.stem}"] if peer.measures_itself else [str(peer.path)]
    arguments = [str(workload.script_path), str(source), str(output), str(workload.mini_batch_size)]
    return [sys.executable, *program, *arguments, *peer.options]


def _watched(peer: Peer, command: list[str], environment: dict[str, str], *, with_memory: bool) -> Watch:
    if peer.measures_itself:
        done = subprocess.run(command, check=False, env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        if done.returncode:
            return Watch(0, 0, 0, done.returncode)
        return Watch(**json.loads(done.stdout))
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}

    def start() -> int:
        process = subprocess.Popen(command, env=environment, cwd=ROOT, **silent)  # type: ignore[call-overload]
        process.returncode = 0  # `watch` reaps it.
        return int(process.pid)

    return watch(start, with_memory=with_memory)


def _first(stamp: Path, used: Watch) -> tuple[float | None, float | None]:
    if not stamp.exists():
        return None, None
    began, ready, first = map(float, stamp.read_text().split())
    return first - used.began_s, ready - began


def _sorted_sha256(output: Path) -> str:
    rows = sorted(output.read_bytes().splitlines())
    return hashlib.sha256(b"\n".join(rows)).hexdigest()
