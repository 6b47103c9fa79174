"""One job under one fault, from invoke to the end, restarted as the doors would; and what must be true afterwards."""

from __future__ import annotations

import json
import signal
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path

from batchyard.domain.deployments import ExecutionSettings, OutputAction, OutputFormat, RetrySettings
from batchyard.domain.job_states import JobStatus
from batchyard.domain.jobs import Job
from tests.support.direct import DirectHome
from tests.support.engine_process import start_engine
from tests.support.power_loss import forget, note_all
from tests.support.processes import end_all, kill, processes_of, wait_for_none

ROOT = Path(__file__).parents[2]
ITEMS = 60
_MIGRATING = threading.Lock()  # Alembic keeps its context in globals: one migration at a time in one process.

ROWS_SCRIPT = """
import os, time
def run(mini_batch, context):
    time.sleep(PAUSE_S)
    for path in mini_batch:
        with open(path) as stream:
            yield f"{os.path.basename(path)} {stream.read()}"
"""
FILES_SCRIPT = """
import os, time
def run(mini_batch):
    time.sleep(PAUSE_S)
    for path in mini_batch:
        target = os.path.join(os.environ["AZUREML_BI_OUTPUT_PATH"], os.path.basename(path))
        with open(path) as stream, open(target, "w") as out:
            out.write(stream.read())
    return list(mini_batch)
"""
# Rows differ in their columns, so that workers begin further part files and csv is written anew.
UNLIKE_ROWS_SCRIPT = """
import os, time
def run(mini_batch):
    time.sleep(PAUSE_S)
    rows = []
    for path in mini_batch:
        number = int(os.path.basename(path)[5:8])
        rows.append({"item": os.path.basename(path), "number": number, "text": '"%d",\\n' % number + "x" * 100})
        if number % 4 == 0:
            rows[-1]["fourth"] = number / 4
    return rows
"""
SHARD_BYTES = 4096

# Its schema widens twice in each worker, which goes on in a new part file; which rows do that is another matter in
# each run, what is published is not.
COLUMNS_SCRIPT = """
import os, time
def run(mini_batch, context):
    time.sleep(PAUSE_S)
    rows = []
    for path in mini_batch:
        with open(path) as stream:
            number = int(stream.read().rpartition(" ")[2])
        rows.append({"name": os.path.basename(path), "number": number if number % 5 else number + 0.5})
        if number % 7 == 0:
            rows[-1]["seventh"] = "x,y"
    return rows
"""

ROWS = {
    "predictions.csv": b"".join(b"item-%03d.txt content of %d\n" % (k, k) for k in range(ITEMS)),
    "_failed_items.jsonl": b"",
}
COLUMNS = {
    "predictions.csv": b"name,number,seventh\n"
    + b"".join(
        b"item-%03d.txt,%s,%s\n" % (k, str(k if k % 5 else k + 0.5).encode(), b"" if k % 7 else b'"x,y"')
        for k in range(ITEMS)
    ),
    "_failed_items.jsonl": b"",
}
FILES = {**{f"item-{k:03d}.txt": f"content of {k}".encode() for k in range(ITEMS)}, "_failed_items.jsonl": b""}


@dataclass(frozen=True)
class Outcome:
    """What became of a run: the files of its output (without the manifest) and the points that were reached."""

    status: JobStatus
    files: dict[str, bytes]
    reached: frozenset[str]
    owners: int


def run_under_fault(
    folder: Path,
    fault: str,
    *,
    writes_files: bool = False,
    within_s: float = 150.0,
    notes: Path | None = None,
    most_bytes: int | None = None,
    has_columns: bool = False,
    output_format: OutputFormat | None = None,
) -> Outcome:
    """Run one job in a fresh home with BATCHYARD_FAULT set, and check what must always be true.

    A process that stopped itself is woken 15 s later, as a machine that slept would be. With `notes`, a folder beside
    the home, it is the power that goes when it stops: everything is killed, and what was not synced is forgotten.
    """
    fault_log = folder / "reached"
    direct = submitted(
        folder,
        writes_files=writes_files,
        most_bytes=most_bytes,
        has_columns=has_columns,
        output_format=output_format,
    )
    home = direct.home
    fault_log.touch()
    if notes is not None:
        note_all(home, notes)
    try:
        drive(direct, fault, fault_log, within_s, notes)
        return finish(direct, fault_log)
    finally:
        end_all(home)


def submitted(
    folder: Path,
    *,
    writes_files: bool = False,
    folders: int = 0,
    most_bytes: int | None = None,
    pause_s: float = 0.02,
    has_columns: bool = False,
    output_format: OutputFormat | None = None,
) -> DirectHome:
    """Give a fresh home below a folder with one queued job; its input lies in so many folders, or in none.

    pause_s: what each mini-batch of two items takes. output_format: of rows in columns, in several files.
    """
    source = folder / "input"
    for k in range(ITEMS):
        place = source / f"folder-{k * folders // ITEMS:02d}" if folders else source
        place.mkdir(parents=True, exist_ok=True)
        (place / f"item-{k:03d}.txt").write_text(f"content of {k}")
    with _MIGRATING:
        direct = DirectHome(folder / "home")
    settings = ExecutionSettings(
        mini_batch_size=2,
        mini_batch_max_bytes=most_bytes,
        max_concurrency_per_instance=2,
        retry=RetrySettings(max_retries=5, timeout_s=3.0),
        output_action=OutputAction.SUMMARY_ONLY if writes_files else OutputAction.APPEND_ROW,
        output_format=OutputFormat.CSV if has_columns else None,
        error_threshold=0,
    )
    script = FILES_SCRIPT if writes_files else COLUMNS_SCRIPT if has_columns else ROWS_SCRIPT
    if output_format is not None:
        script, file_name = UNLIKE_ROWS_SCRIPT, f"rows.{output_format.value}"
        settings = replace(
            settings, output_format=output_format, output_file_name=file_name, output_shard_bytes=SHARD_BYTES
        )
    direct.submit("job", source, script.replace("PAUSE_S", str(pause_s)), settings)
    return direct


def finish(direct: DirectHome, fault_log: Path | None = None) -> Outcome:
    """Check what must be true of any job that has ended, and give what became of it."""
    left = wait_for_none(direct.home, within_s=60.0)
    assert not left, f"left running: {left}"
    return _outcome(direct, fault_log)


def finish_of(direct: DirectHome) -> Job:
    """Check what must be true of any job that has ended, of whatever kind, and give it."""
    left = wait_for_none(direct.home, within_s=60.0)
    assert not left, f"left running: {left}"
    assert left_overs(direct.home, "job") == [], "temporary files were left"
    return direct.job("job")


def drive(direct: DirectHome, fault: str, fault_log: Path, within_s: float, notes: Path | None) -> None:
    """Keep an engine running until the job is final and every process that stopped was woken."""
    variables = {"BATCHYARD_FAULT": fault, "BATCHYARD_FAULT_LOG": str(fault_log)}
    options = [] if notes is None else ["--notes", str(notes)]
    deadline, engine, asleep = time.monotonic() + within_s, None, dict[int, float]()
    while engine is None or engine.poll() != 0 or asleep:  # It ends by itself when nothing is left to do.
        assert time.monotonic() < deadline, f"not final: {direct.job('job')}"
        if engine is None or engine.poll() not in (None, 0):
            engine = start_engine(direct.home, *options, variables=variables)
        if notes is None:
            _wake_late(direct.home, asleep)
        elif _stopped(direct.home):
            end_all(direct.home)
            engine.wait()
            forget(direct.home, notes)
        time.sleep(0.1)


def _wake_late(home: Path, asleep: dict[int, float]) -> None:
    for pid in _stopped(home):
        asleep.setdefault(pid, time.monotonic())
    for pid, since in list(asleep.items()):
        if not Path(f"/proc/{pid}").exists():
            del asleep[pid]
        elif time.monotonic() - since > 15.0:
            kill(pid, signal.SIGCONT)
            del asleep[pid]


def _stopped(home: Path) -> list[int]:
    found = []
    for pid in processes_of(home):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if state == "T":
            found.append(pid)
    return found


def _outcome(direct: DirectHome, fault_log: Path | None) -> Outcome:
    job, folder = direct.job("job"), direct.output("job")
    files = {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
    counts = job.counts
    assert counts.succeeded + counts.failed + counts.skipped + counts.incomplete == counts.items == ITEMS
    if job.status is JobStatus.COMPLETED:
        manifest = json.loads(files.pop("_manifest.json"))
        assert manifest["counts"]["succeeded"] == counts.succeeded
    assert left_overs(direct.home, "job") == [], "temporary files were left"
    reached = fault_log.read_text().split() if fault_log else []
    return Outcome(job.status, files, frozenset(reached), job.fence)


def left_overs(home: Path, job: str) -> list[str]:
    """Give what only a running job may have: hidden files beside outputs, folders of one owner in the job home.

    Rows and files of a job that completed without failed items are in its output, and deleted in its home.
    """
    place = home / "jobs" / job
    found = [
        *(home / "datastores").rglob(".*"),
        *place.glob("code-*"),
        *place.glob("scratch-*"),
        *place.glob("collect/*"),
        *place.glob("inputs-*"),
        *place.glob("outputs-*"),
    ]
    return [str(path.relative_to(home)) for path in [*found, *place.glob("parts"), *place.glob("files")]]
