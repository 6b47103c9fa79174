"""A sample of an input scored by real workers: what is measured, what is told of failures, and that nothing is left."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import fields, replace
from pathlib import Path

import pytest

from batchyard.bootstrap.job import fork, operation_child
from batchyard.control import calibrations
from batchyard.domain.deployments import ExecutionSettings, OutputAction, RetrySettings
from batchyard.domain.errors import PlatformError
from batchyard.domain.forecast.calibration import Calibration, SampleWish
from batchyard.domain.outputs.contracts import InputContract, InputFormat, OutputContract, RowsPerItem
from batchyard.engine.calibrate import calibrate
from batchyard.engine.claim import claim_operation
from batchyard.ports.instance import Instances, WorkerPlan
from batchyard.ports.records import JobFilter, Operation, OperationStatus
from tests.support.direct import DirectHome
from tests.support.processes import processes_of

ECHO = "def run(mini_batch): return mini_batch\n"


@pytest.fixture
def forty(tmp_path: Path) -> Path:
    folder = tmp_path / "input"
    folder.mkdir()
    for number in range(40):
        (folder / f"{number:02}.txt").write_text("x" * (number + 1))
    return folder


def begin(
    direct: DirectHome, source: Path, script: str, settings: ExecutionSettings, wish: SampleWish | None = None
) -> Operation:
    """Ask for a calibration of a job that is then taken away, and claim it."""
    spec = direct.submit("asked", source, script, settings).spec
    with direct.rooms.records.writing() as tx:
        tx.jobs.request_cancel("asked", now=time.time())
        calibrations.add(tx, spec, wish or SampleWish(), asked_by="ada", now=time.time(), new_id="cal")
    operation = claim_operation(direct.rooms)
    assert operation is not None
    return operation


def calibrated(
    direct: DirectHome, source: Path, script: str, settings: ExecutionSettings, wish: SampleWish | None = None
) -> Calibration:
    operation = begin(direct, source, script, settings, wish)
    assert operation.calibration is not None
    calibrate(direct.rooms, operation, operation.calibration)
    ended = found(direct)
    assert ended.calibrated is not None, ended.error_message
    assert_nothing_is_left(direct)
    return ended.calibrated


def found(direct: DirectHome) -> Operation:
    with direct.rooms.records.reading() as tx:
        operation = tx.operations.get("cal")
    assert operation is not None
    return operation


def assert_nothing_is_left(direct: DirectHome) -> None:
    assert not processes_of(direct.home)
    assert not (direct.home / "operations" / "cal").exists()
    assert not direct.output("asked").exists()
    assert not (direct.home / "jobs").exists() or not list((direct.home / "jobs").iterdir())
    with direct.rooms.records.reading() as tx:
        assert [job.name for job in tx.jobs.list(JobFilter()).items] == ["asked"]
        assert list(tx.audit.list(action="batchEndpoints/jobs/write")) == []


def test_each_run_of_the_sample_is_measured(direct: DirectHome, forty: Path) -> None:
    script = """
import time
held = []
def init():
    time.sleep(0.2)
def run(mini_batch):
    time.sleep(0.05)
    end = time.process_time() + 0.05
    while time.process_time() < end:
        pass
    held.append(bytearray(30_000_000))
    return mini_batch
"""
    told = calibrated(direct, forty, script, ExecutionSettings(mini_batch_size=4), SampleWish(items=20))
    assert (told.items, told.size_bytes, told.mini_batches, told.skipped) == (40, 820, 10, 0)
    assert (len(told.runs), told.sample_items, told.failures) == (5, 20, ())
    assert sum(run.stands_for_items for run in told.runs) == 40
    assert sum(run.stands_for_bytes for run in told.runs) == 820
    assert told.cores >= 1 and told.memory_bytes > 1 << 20
    start = told.starts[0]
    assert start.seconds >= 0.2 and start.resident_bytes > 1 << 20
    for run in told.runs:
        assert (run.items, run.rows, run.run_items) == (4, 4, 4)
        assert run.output_bytes > 4 * len(str(forty))
        assert run.seconds >= 0.1
        assert 0.05 <= run.cpu_seconds < run.seconds
    assert [run.is_first for run in told.runs] == [True, False, False, False, False]
    peaks = [run.peak_bytes for run in told.runs]
    assert peaks == sorted(peaks) and peaks[-1] - peaks[0] > 100_000_000
    assert told.peak_bytes == peaks[-1]
    assert told.seconds >= told.list_seconds > 0 and not told.is_cut_short


def test_several_sizes_and_workers_are_tried_as_asked(direct: DirectHome, forty: Path) -> None:
    script = "import os\ndef run(mini_batch): return [os.environ['OMP_NUM_THREADS']] * len(mini_batch)\n"
    wish = SampleWish(items=16, run_items=(1, 8), workers=2, environment_variables={"OMP_NUM_THREADS": "7"})
    told = calibrated(direct, forty, script, ExecutionSettings(mini_batch_size=4), wish)
    assert sorted((run.run_items, run.items) for run in told.runs) == [(1, 1)] * 8 + [(8, 8)]
    assert {run.worker for run in told.runs} <= {start.worker for start in told.starts}
    assert (len(told.starts), told.workers) == (2, 2)
    assert all(run.output_bytes == 2 * run.items for run in told.runs)
    for size in (1, 8):
        assert sum(run.stands_for_items for run in told.runs if run.run_items == size) == 40


def test_what_the_script_writes_itself_is_gone_with_the_rest(direct: DirectHome, forty: Path) -> None:
    script = """
import os
def run(mini_batch):
    with open(os.path.join(os.environ["AZUREML_BI_OUTPUT_PATH"], os.path.basename(mini_batch[0])), "w") as out:
        out.write("mine")
    return [1] * len(mini_batch)
"""
    told = calibrated(direct, forty, script, ExecutionSettings(output_action=OutputAction.SUMMARY_ONLY))
    assert [run.output_bytes for run in told.runs] == [0] * len(told.runs)


def test_a_script_that_fails_is_told_with_item_and_stack(direct: DirectHome, forty: Path) -> None:
    script = "def run(mini_batch):\n    raise ValueError('no ' + mini_batch[0][-6:])\n"
    told = calibrated(direct, forty, script, ExecutionSettings(mini_batch_size=10), SampleWish(items=1))
    failure = told.failures[0]
    assert (failure.error_class, failure.error) == ("script", "ValueError")
    assert failure.message == f"no {failure.item}"
    assert "raise ValueError" in failure.stack
    assert told.succeeded == ()


def test_an_init_that_fails_is_told_and_no_run_is(direct: DirectHome, forty: Path) -> None:
    told = calibrated(direct, forty, f"def init(): raise OSError('no weights')\n{ECHO}", ExecutionSettings())
    assert told.runs == ()
    assert told.failures[0].message == "init() failed: no weights"
    assert told.is_cut_short


def test_workers_that_die_are_told_and_replaced_a_few_times(direct: DirectHome, forty: Path) -> None:
    script = (
        "import os, sys\ndef run(mini_batch):\n    print('last words', file=sys.stderr, flush=True)\n    os._exit(9)\n"
    )
    told = calibrated(direct, forty, script, ExecutionSettings(mini_batch_size=1), SampleWish(items=20))
    assert [failure.error for failure in told.failures] == ["WorkerDied"] * 4
    assert "last words" in told.failures[0].stack
    assert told.is_cut_short


def test_the_time_limit_of_a_run_holds_in_a_sample_too(direct: DirectHome, forty: Path) -> None:
    script = "import time\ndef run(mini_batch): time.sleep(60)\n"
    settings = ExecutionSettings(retry=RetrySettings(timeout_s=0.3))
    told = calibrated(direct, forty, script, settings, SampleWish(items=1))
    assert [failure.error_class for failure in told.failures] == ["timeout"]


def test_a_sample_that_takes_too_long_is_cut_short(direct: DirectHome, forty: Path) -> None:
    script = "import time\ndef run(mini_batch):\n    time.sleep(0.1)\n    return mini_batch\n"
    wish = SampleWish(items=40, time_limit_s=0.35)
    told = calibrated(direct, forty, script, ExecutionSettings(mini_batch_size=1), wish)
    assert told.is_cut_short
    assert 1 <= len(told.runs) < 40


def test_a_run_that_never_ends_is_not_waited_for(direct: DirectHome, forty: Path) -> None:
    script = "import time\ndef run(mini_batch): time.sleep(600)\n"
    settings = ExecutionSettings(retry=RetrySettings(timeout_s=3600))
    told = calibrated(direct, forty, script, settings, SampleWish(items=1, time_limit_s=0.3))
    assert (told.runs, told.is_cut_short, len(told.starts)) == ((), True, 1)


def test_an_empty_input_starts_no_worker(direct: DirectHome, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    told = calibrated(direct, tmp_path / "empty", ECHO, ExecutionSettings())
    assert (told.items, told.runs, told.starts) == (0, (), ())


def test_mini_batches_bounded_by_bytes_are_sampled_as_the_job_would_cut_them(direct: DirectHome, forty: Path) -> None:
    told = calibrated(
        direct, forty, ECHO, ExecutionSettings(mini_batch_size=10, mini_batch_max_bytes=41), SampleWish(items=40)
    )
    assert max(run.size_bytes for run in told.runs) <= 41
    assert told.mini_batches == len(told.runs) > 4


def test_an_input_that_is_gone_fails_the_calibration_with_the_reason(direct: DirectHome, tmp_path: Path) -> None:
    source = tmp_path / "gone"
    source.mkdir()
    operation = begin(direct, source, ECHO, ExecutionSettings())
    source.rmdir()
    assert operation.calibration is not None
    calibrate(direct.rooms, operation, operation.calibration)
    ended = found(direct)
    assert ended.status is OperationStatus.FAILED
    assert "gone" in ended.error_message
    assert_nothing_is_left(direct)


def test_after_a_kill_the_next_try_clears_what_is_left_and_tells_all(direct: DirectHome, forty: Path) -> None:
    script = "import time\ndef run(mini_batch):\n    time.sleep(0.5)\n    return mini_batch\n"
    operation = begin(direct, forty, script, ExecutionSettings(mini_batch_size=1), SampleWish(items=4))
    pid = fork(direct.rooms, operation_child(operation), leave=lambda: None, ends_with_parent=True)
    deadline = time.monotonic() + 120
    while not list((direct.home / "operations" / "cal" / "parts").glob("*.part")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    with direct.rooms.records.writing() as tx:
        tx.operations.release("cal", fence=operation.fence)
    again = claim_operation(direct.rooms)
    assert again is not None and again.calibration is not None
    calibrate(direct.rooms, again, again.calibration)
    told = found(direct).calibrated
    assert told is not None and len(told.runs) == 4
    assert_nothing_is_left(direct)


def test_workers_of_a_sample_are_told_all_that_those_of_the_job_are(direct: DirectHome, forty: Path) -> None:
    """A field that a job's plan gets one day must not be forgotten in the sample's."""
    plans: list[WorkerPlan] = []

    def noting(plan: WorkerPlan) -> Instances:
        plans.append(plan)
        raise PlatformError("seen enough")

    direct.rooms = replace(direct.rooms, make_instances=noting)
    settings = ExecutionSettings(
        mini_batch_size=7,
        output_file_name="rows.jsonl",
        output_contract=OutputContract(rows_per_item=RowsPerItem.ANY),
        input_contract=InputContract(InputFormat.TEXT),
        environment_variables={"X": "1"},
    )
    operation = begin(direct, forty, ECHO, settings)
    assert operation.calibration is not None
    direct.submit("job", forty, ECHO, settings)
    with pytest.raises(PlatformError, match="seen enough"):
        calibrate(direct.rooms, operation, operation.calibration)
    with pytest.raises(PlatformError, match="seen enough"):
        direct.run_next()
    # reads: the sample is of copies in a folder of its own.
    own = {"job", "parts_dir", "files_dir", "logs_dir", "scratch_dir", "code_dir", "core_shares", "reads"}
    sample, job = ({f.name: getattr(plan, f.name) for f in fields(plan)} for plan in plans)
    assert {name for name in sample if sample[name] != job[name]} == own


@pytest.mark.parametrize(("kind", "errors"), [("int64", set()), ("string", {"WrongType"})])
def test_a_sample_is_written_and_checked_as_the_rows_of_the_job_will_be(
    direct: DirectHome, forty: Path, kind: str, errors: set[str]
) -> None:
    script = """
import os
def run(mini_batch):
    return [{"file": os.path.basename(path), "size": os.path.getsize(path)} for path in mini_batch]
"""
    contract = OutputContract(RowsPerItem.ONE, {"size": kind}, key_column="file")
    settings = ExecutionSettings(mini_batch_size=4, output_file_name="sizes.jsonl", output_contract=contract)
    told = calibrated(direct, forty, script, settings)
    assert {failure.error for failure in told.failures} == errors
    assert bool(told.runs) and all(run.rows == (0 if errors else run.items) for run in told.runs)
