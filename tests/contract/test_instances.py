"""The promises of `ports.instance`, sentence by sentence, on every implementation, with real worker processes."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from batchyard.domain.errors import PlatformError
from batchyard.domain.scoring.events import (
    Lease,
    LeaseReported,
    TakenBack,
    Worker,
    WorkerEnded,
    WorkerReady,
    WritesFailed,
)
from batchyard.instances.local import LocalInstances
from batchyard.instances.memory import OOMKills
from batchyard.instances.sessions import kill_recorded_sessions
from batchyard.ports.instance import RowPlan
from tests.runtime.bench import Bench


@pytest.fixture(params=["executed", "forked"], autouse=True)
def origin(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every promise holds for workers that are executed, and for those forked from a process with the script."""
    monkeypatch.setattr(Bench, "forks_from_slots", 1 if request.param == "forked" else 2)


ECHO = "def run(mini_batch): return mini_batch\n"
# Sleeps 60 s on item-1 and writes its pid, and that of a child that has left its process group, before.
HANGS = """
import os, subprocess, sys, time
def run(mini_batch):
    if mini_batch[0].endswith("1"):
        child = subprocess.Popen([sys.executable, "-c", "import os, time; os.setpgid(0, 0); time.sleep(60)"])
        with open("pids", "w") as file: file.write("%d %d" % (os.getpid(), child.pid))
        os.rename("pids", "pids.whole")
        time.sleep(60)
    return mini_batch
"""


def is_alive(pid: int) -> bool:
    """Tell whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def pids_of_hanging(bench: Bench) -> tuple[int, int]:
    """Wait until the hanging script has told its pid and its child's."""
    told = bench.plan.code_dir / "pids.whole"
    bench.until(told.exists)
    worker, child = map(int, told.read_text().split())
    return worker, child


def test_every_slot_of_every_node_gets_a_worker_of_its_own_name(tmp_path: Path) -> None:
    with Bench(tmp_path, ECHO, nodes=2, slots=2) as bench:
        workers = bench.start()
    assert sorted(worker.name for worker in workers) == ["n0-s0-0", "n0-s1-1", "n1-s0-2", "n1-s1-3"]


def test_leases_are_reported_in_the_order_they_were_given(tmp_path: Path) -> None:
    with Bench(tmp_path, ECHO, items=9) as bench:
        (worker,) = bench.start()
        given = [bench.assign(worker, 6, 3), bench.assign(worker, 0, 3), bench.assign(worker, 3, 3)]
        bench.wait(LeaseReported, number=3)
    assert [event.lease for event in bench.of(LeaseReported)] == given
    assert sorted(bench.rows()) == list(range(9))


def test_mini_batch_over_its_limit_is_charged_as_timeout_and_its_children_are_killed(tmp_path: Path) -> None:
    with Bench(tmp_path, HANGS, items=3, timeout_s=0.5) as bench:
        (worker,) = bench.start()
        bench.assign(worker, 0, 3)
        pids = pids_of_hanging(bench)
        began = time.monotonic()
        ended = bench.wait(WorkerEnded)
        took_s = time.monotonic() - began
        assert [pid for pid in pids if is_alive(pid)] == []
    assert ended.running is not None
    assert (ended.running.mini_batch, ended.running.error_class.value) == (1, "timeout")
    assert ended.running.message.startswith("run() on one mini-batch exceeded the time limit of 0.5 s (measured 0.5")
    assert took_s < 10, "and not the 60 s that they would go on for"
    assert bench.of(LeaseReported) == []


@pytest.mark.parametrize(
    ("hang", "word"),
    [
        ("time.sleep(60)", "in run"),
        ("re.match('(a+)+$', 'a' * 60 + 'b')", "in match"),
        ("threading.Event().wait(60)", "in wait"),
    ],
    ids=["sleep", "native code that holds the lock", "lock"],
)
def test_a_worker_over_its_limit_tells_its_stacks_before_it_is_killed(tmp_path: Path, hang: str, word: str) -> None:
    script = f"""
import re, threading, time
def helper():
    time.sleep(60)
def run(mini_batch):
    threading.Thread(target=helper, daemon=True).start()
    {hang}
"""
    with Bench(tmp_path, script, items=1, timeout_s=0.5) as bench:
        (worker,) = bench.start()
        bench.assign(worker, 0)
        ended = bench.wait(WorkerEnded)
    assert ended.running is not None
    assert word in ended.running.stack
    assert 'score.py", line 7 in run' in ended.running.stack
    assert "batchyard_runtime" not in ended.running.stack
    assert "in helper" not in ended.running.stack
    assert ended.running.message.endswith("The stacks of its threads are in logs/user/error/n0/n0-s0-0.txt.")
    log = bench.log("user/error/n0/n0-s0-0.txt")
    assert "mini-batch 0: run() on one mini-batch exceeded" in log
    assert "in helper" in log


def test_workers_that_hang_tell_their_stacks_when_asked_and_go_on(tmp_path: Path) -> None:
    script = """
import os, time
def run(mini_batch):
    open("running", "w").close()
    while not os.path.exists("go"): time.sleep(0.01)
    return mini_batch
"""
    with Bench(tmp_path, script, items=1) as bench:
        (worker,) = bench.start()
        bench.assign(worker, 0)
        bench.until((bench.plan.code_dir / "running").exists)
        bench.instances.tell_stacks([worker, Worker("n0", 0, 99)])
        log = bench.log("user/error/n0/n0-s0-0.txt")
        (bench.plan.code_dir / "go").touch()
        bench.wait(LeaseReported)
    assert "The job makes no progress. Its stacks" in log
    assert 'score.py", line 5 in run' in log


def test_a_start_that_takes_too_long_tells_its_stacks(tmp_path: Path) -> None:
    script = "import time\ndef init(): time.sleep(60)\ndef run(mini_batch): return mini_batch\n"
    with Bench(tmp_path, script, start_timeout_s=2.0) as bench:
        bench.instances.start()
        ended = bench.wait(WorkerEnded)
    assert ended.start_failure is not None
    assert 'score.py", line 2 in init' in ended.start_failure.stack


def test_time_limit_covers_draining_a_generator(tmp_path: Path) -> None:
    script = "import itertools\ndef run(mini_batch): return (str(k) for k in itertools.count())\n"
    with Bench(tmp_path, script, items=1, timeout_s=0.3) as bench:
        (worker,) = bench.start()
        bench.assign(worker, 0)
        ended = bench.wait(WorkerEnded)
    assert ended.running is not None
    assert ended.running.error_class.value == "timeout"


def test_time_limit_is_of_each_mini_batch_not_of_the_lease(tmp_path: Path) -> None:
    script = "import time\ndef run(mini_batch):\n    time.sleep(0.2)\n    return mini_batch\n"
    with Bench(tmp_path, script, items=12, timeout_s=2.0) as bench:
        report = bench.score()
    assert sum(segment.count for segment in report.segments) == 12
    assert report.seconds >= 2.4


@pytest.mark.parametrize(
    ("death", "words"),
    [
        ("os._exit(5)", "exited with code 5"),
        ("os.kill(os.getpid(), 9)", "was killed by signal 9 (SIGKILL), perhaps by the kernel for lack of memory,"),
        ("ctypes.string_at(0)", "was killed by signal 11 (SIGSEGV)"),
    ],
)
def test_death_of_a_worker_is_charged_to_the_mini_batch_that_ran(tmp_path: Path, death: str, words: str) -> None:
    script = f"import os, ctypes\ndef run(m):\n    if m[0].endswith('2'): {death}\n    return m\n"
    with Bench(tmp_path, script, items=5) as bench:
        (worker,) = bench.start()
        bench.assign(worker, 0)
        bench.assign(worker, 1, 4)
        ended = bench.wait(WorkerEnded)
    assert [event.lease for event in bench.of(LeaseReported)] == [1]
    assert ended.running is not None
    assert (ended.running.mini_batch, ended.running.error_class.value) == (2, "script")
    assert words in ended.running.message


def test_a_kill_for_lack_of_memory_is_told_from_others(tmp_path: Path) -> None:
    counter = tmp_path / "memory.events"
    counter.write_text("oom_kill 0\n")
    script = f"""
import os
def run(mini_batch):
    open({str(counter)!r}, "w").write("oom_kill 1\\n")
    os.kill(os.getpid(), 9)
"""
    with Bench(tmp_path, script, items=1) as bench:
        bench.instances = LocalInstances(bench.plan, OOMKills([counter]))
        (worker,) = bench.start()
        bench.assign(worker, 0)
        ended = bench.wait(WorkerEnded)
    assert ended.running is not None
    assert ended.running.error_class.value == "memory"
    assert "by the kernel for lack of memory, during run()" in ended.running.message


def test_a_memory_error_ends_the_lease_and_charges_nobody_else(tmp_path: Path) -> None:
    script = "def run(m):\n    if m[0].endswith('1'): raise MemoryError('too much')\n    return m\n"
    with Bench(tmp_path, script, items=6) as bench:
        (worker,) = bench.start()
        bench.assign(worker, 0, 4)
        bench.assign(worker, 4, 2)
        ended = bench.wait(WorkerEnded)
    (report,) = bench.of(LeaseReported)
    assert [segment.first for segment in report.segments] == [0]
    assert [(failure.mini_batch, failure.error_class.value) for failure in report.failures] == [(1, "memory")]
    assert bench.taken() == {2, 3}
    assert ended.running is None


def test_native_crash_leaves_its_python_stack_in_the_log(tmp_path: Path) -> None:
    script = "import ctypes\ndef run(mini_batch): ctypes.string_at(0)\n"
    with Bench(tmp_path, script, items=1) as bench:
        (worker,) = bench.start()
        bench.assign(worker, 0)
        bench.wait(WorkerEnded)
    assert 'score.py", line 2 in run' in bench.log("user/stderr/n0/n0-s0-0.stderr.txt")


def test_stopped_worker_is_caught_by_the_limit(tmp_path: Path) -> None:
    script = "import os, signal\ndef run(mini_batch): os.kill(os.getpid(), signal.SIGSTOP)\n"
    with Bench(tmp_path, script, items=1, timeout_s=0.5) as bench:
        (worker,) = bench.start()
        bench.assign(worker, 0)
        ended = bench.wait(WorkerEnded)
    assert ended.running is not None
    assert ended.running.error_class.value == "timeout"


def test_worker_stopped_between_run_and_report_is_ended_and_nobody_charged(tmp_path: Path) -> None:
    with Bench(tmp_path, ECHO, items=1, timeout_s=0.2, fault="worker.before_report:1:stop") as bench:
        (worker,) = bench.start()
        bench.assign(worker, 0)
        ended = bench.wait(WorkerEnded)
    assert ended.running is None
    assert bench.of(LeaseReported) == []


def test_start_that_takes_too_long_is_a_start_failure(tmp_path: Path) -> None:
    script = "import time\ndef init(): time.sleep(60)\ndef run(mini_batch): return mini_batch\n"
    with Bench(tmp_path, script, start_timeout_s=0.5) as bench:
        bench.instances.start()
        ended = bench.wait(WorkerEnded)
    assert ended.start_failure is not None
    assert ended.running is None
    assert (ended.start_failure.mini_batch, ended.start_failure.error_class.value) == (-1, "timeout")


def test_death_in_init_is_a_start_failure(tmp_path: Path) -> None:
    script = "import os\ndef init(): os._exit(4)\ndef run(mini_batch): return mini_batch\n"
    with Bench(tmp_path, script) as bench:
        bench.instances.start()
        ended = bench.wait(WorkerEnded)
    assert ended.start_failure is not None
    assert "exited with code 4" in ended.start_failure.message


def test_restarted_worker_has_a_new_name_and_scores(tmp_path: Path) -> None:
    script = "import os\ndef run(m):\n    if m[0].endswith('0'): os._exit(1)\n    return m\n"
    with Bench(tmp_path, script, items=2) as bench:
        (worker,) = bench.start()
        bench.assign(worker, 0)
        bench.wait(WorkerEnded)
        bench.instances.restart("n0", 0)
        again = bench.wait(WorkerReady, number=2).worker
        bench.assign(again, 1)
        bench.wait(LeaseReported)
    assert again == Worker("n0", 0, 1)
    assert bench.text() == f"{tmp_path}/input/item-1\n"


def test_workers_import_and_init_before_the_listing_is_known(tmp_path: Path) -> None:
    with Bench(tmp_path, ECHO, items=2) as bench:
        bench.instances.start()
        worker = bench.wait(WorkerReady).worker
        bench.instances.open_listing(bench.listing)
        bench.assign(worker, 0, 2)
        bench.wait(LeaseReported)
    assert sorted(bench.rows()) == [0, 1]


def test_a_listing_that_cannot_be_read_is_charged_to_nobody(tmp_path: Path) -> None:
    with Bench(tmp_path, ECHO, items=2) as bench:
        bench.listing.paths.unlink()
        bench.instances.start()
        bench.wait(WorkerReady)
        bench.instances.open_listing(bench.listing)
        ended = bench.wait(WorkerEnded)
    assert ended.running is None
    assert "cannot be read" in bench.of(WritesFailed)[0].message


def test_lease_for_a_gone_worker_is_ignored(tmp_path: Path) -> None:
    with Bench(tmp_path, "import os\ndef run(mini_batch): os._exit(1)\n", items=2) as bench:
        (worker,) = bench.start()
        bench.assign(worker, 0)
        bench.wait(WorkerEnded)
        bench.instances.assign(worker, Lease(99, 1, 1))
        bench.instances.take_back(worker)
        assert bench.instances.poll(0.05) == ()


def test_what_was_taken_back_is_never_started_and_all_else_is_reported(tmp_path: Path) -> None:
    script = """
import time
def run(mini_batch):
    time.sleep(0.002)
    with open("started", "a") as file: file.write(mini_batch[0].rsplit("-")[-1] + "\\n")
    return mini_batch
"""
    with Bench(tmp_path, script, items=400) as bench:
        (worker,) = bench.start()
        bench.assign(worker, 0, 200)
        bench.assign(worker, 200, 200)
        bench.until((bench.plan.code_dir / "started").exists)
        bench.instances.take_back(worker)
        bench.wait(LeaseReported, number=2)
        started = {int(line) for line in (bench.plan.code_dir / "started").read_text().splitlines()}
        taken = bench.taken()
    assert started == set(bench.rows())
    assert taken == set(range(400)) - started
    assert taken >= set(range(200, 400))


def test_lease_assigned_while_taking_back_is_scored_afterwards(tmp_path: Path) -> None:
    script = "import time\ndef run(mini_batch):\n    time.sleep(0.01)\n    return mini_batch\n"
    with Bench(tmp_path, script, items=101) as bench:
        (worker,) = bench.start()
        first = bench.assign(worker, 0, 100)
        bench.until((bench.plan.parts_dir / "1-n0-s0-0.part").exists)
        bench.instances.take_back(worker)
        second = bench.assign(worker, 100)
        bench.wait(LeaseReported, number=2)
    assert [event.lease for event in bench.of(LeaseReported)] == [first, second]
    assert 100 in bench.rows()
    assert bench.taken() | set(bench.rows()) == set(range(101))


def test_taking_back_twice_takes_back_what_still_waits(tmp_path: Path) -> None:
    script = "import time\ndef run(mini_batch):\n    time.sleep(0.3)\n    return mini_batch\n"
    with Bench(tmp_path, script, items=6) as bench:
        (worker,) = bench.start()
        bench.assign(worker, 0, 3)
        bench.until((bench.plan.parts_dir / "1-n0-s0-0.part").exists)
        bench.instances.take_back(worker)
        second = bench.assign(worker, 3, 3)
        bench.instances.take_back(worker)
        bench.wait(TakenBack, number=2)
        bench.wait(LeaseReported, number=2)
    assert bench.of(LeaseReported)[1] == LeaseReported(worker, second, (), (), 0.0)
    assert bench.taken() >= {3, 4, 5}


def test_taking_back_from_an_idle_worker_tells_nothing(tmp_path: Path) -> None:
    with Bench(tmp_path, ECHO, items=1) as bench:
        (worker,) = bench.start()
        bench.instances.take_back(worker)
        assert bench.instances.poll(0.05) == ()
        bench.assign(worker, 0)
        bench.wait(LeaseReported)
    assert bench.of(TakenBack) == []


def test_a_worker_that_is_cut_off_ends_at_once_with_all_it_started(tmp_path: Path) -> None:
    with Bench(tmp_path, HANGS, items=2, timeout_s=50) as bench:
        (worker,) = bench.start()
        bench.assign(worker, 1)
        pids = pids_of_hanging(bench)
        bench.instances.cut_off(worker)
        ended = bench.wait(WorkerEnded)
        assert [pid for pid in pids if is_alive(pid)] == []
        bench.instances.cut_off(worker)
    assert ended.worker == worker
    assert bench.of(LeaseReported) == []


def test_early_close_kills_every_session_at_once(tmp_path: Path) -> None:
    with Bench(tmp_path, HANGS, items=2) as bench:
        (worker,) = bench.start()
        bench.assign(worker, 1)
        pids = pids_of_hanging(bench)
        began = time.monotonic()
        bench.instances.close(is_early=True)
        took_s = time.monotonic() - began
        assert [pid for pid in pids if is_alive(pid)] == []
        bench.instances.close(is_early=True)
    assert took_s < 10, "and not the 60 s that they would go on for"
    assert list(bench.plan.scratch_dir.iterdir()) == []


def test_gentle_close_lets_shutdown_and_exit_handlers_run(tmp_path: Path) -> None:
    script = """
import atexit
atexit.register(lambda: print("exit handler"))
def run(mini_batch): return mini_batch
def shutdown(): print("shutdown")
"""
    with Bench(tmp_path, script, slots=2) as bench:
        bench.start()
        bench.instances.close(is_early=False)
    for worker in ("n0-s0-0", "n0-s1-1"):
        assert bench.log(f"user/stdout/n0/{worker}.stdout.txt") == "shutdown\nexit handler\n"


def test_exception_in_shutdown_is_logged_and_harms_nothing(tmp_path: Path) -> None:
    script = "def run(mini_batch): return mini_batch\ndef shutdown(): raise KeyError('gone')\n"
    with Bench(tmp_path, script, items=1) as bench:
        bench.score()
        bench.instances.close(is_early=False)
    assert "KeyError: 'gone'" in bench.log("user/error/n0/n0-s0-0.txt")


@pytest.mark.parametrize("action", ["enospc", "eio"])
def test_rows_that_cannot_be_written_are_charged_to_nobody(tmp_path: Path, action: str) -> None:
    with Bench(tmp_path, ECHO, items=3, fault=f"worker.rows_written:2:{action}") as bench:
        (worker,) = bench.start()
        bench.assign(worker, 0, 3)
        ended = bench.wait(WorkerEnded)
    assert ended.running is None
    assert bench.of(WritesFailed)[0].message.startswith("rows cannot be written to")
    assert bench.of(LeaseReported) == []


@pytest.mark.parametrize("point", ["before_run", "after_run", "rows_written", "before_report"])
def test_worker_killed_at_a_fault_point_reports_nothing_and_its_successor_is_spared(tmp_path: Path, point: str) -> None:
    nth = 2 if point == "rows_written" else 1
    log = tmp_path / "faults"
    with Bench(tmp_path, ECHO, items=2, fault=f"worker.{point}:{nth}:kill", fault_log=str(log)) as bench:
        (worker,) = bench.start()
        bench.assign(worker, 0, 2)
        ended = bench.wait(WorkerEnded)
        bench.instances.restart("n0", 0)
        again = bench.wait(WorkerReady, number=2).worker
        bench.assign(again, 0, 2)
        bench.wait(LeaseReported)
    assert (ended.running is not None) == (point in ("before_run", "after_run"))
    assert sorted(bench.rows()) == [0, 1]
    assert f"worker.{point}\n" in log.read_text()


def test_part_file_of_another_worker_is_never_opened_again(tmp_path: Path) -> None:
    with Bench(tmp_path, ECHO) as bench:
        (bench.plan.parts_dir / "1-n0-s0-0.part").write_bytes(b"rows of somebody else")
        bench.instances.start()
        ended = bench.wait(WorkerEnded)
        assert (bench.plan.parts_dir / "1-n0-s0-0.part").read_bytes() == b"rows of somebody else"
    assert ended.start_failure is not None
    assert ended.start_failure.error_class.value == "platform"
    assert "File exists" in bench.of(WritesFailed)[0].message


def test_malformed_report_ends_the_worker(tmp_path: Path) -> None:
    script = """
import os
def run(mini_batch):
    for fd in map(int, os.listdir("/proc/self/fd")):
        try:
            is_pipe = fd > 2 and os.readlink("/proc/self/fd/%d" % fd).startswith("pipe:")
            if is_pipe: os.write(fd, b"\\xff" * 64)
        except OSError: pass
    return mini_batch
"""
    with Bench(tmp_path, script, items=1) as bench:
        (worker,) = bench.start()
        bench.assign(worker, 0)
        bench.wait(WorkerEnded)
    assert bench.of(LeaseReported) == []


def test_missing_interpreter_is_a_platform_error(tmp_path: Path) -> None:
    with Bench(tmp_path, ECHO, python=tmp_path / "no-python") as bench, pytest.raises(PlatformError, match="no-python"):
        bench.instances.start()


def test_rows_by_schema_lie_in_the_parts_that_the_report_names_also_when_the_worker_dies_later(tmp_path: Path) -> None:
    script = """
import os
def run(mini_batch):
    k = int(mini_batch[0][-1])
    if k == 3: os.kill(os.getpid(), 9)
    return [{"k": k, **({"b": 1} if k == 1 else {"c": 1} if k == 2 else {})}]
"""
    with Bench(tmp_path, script, items=5, rows=RowPlan("jsonl", mixes_types=True)) as bench:
        (worker,) = bench.start()
        bench.assign(worker, 0, 2)
        bench.assign(worker, 2, 2)
        bench.wait(WorkerEnded)
        bench.instances.restart("n0", 0)
        bench.wait(WorkerReady, number=2)
        bench.assign(Worker("n0", 0, 1), 4)
        reports = [bench.wait(LeaseReported), bench.wait(LeaseReported, number=2)]
        parts = [segment.part for report in reports for segment in report.segments]
        bench.instances.sync_parts(parts)
    assert parts == ["1-n0-s0-0.part", "1-n0-s0-0.2.part", "1-n0-s0-1.part"]
    assert bench.rows() == {0: b'{"k":0}\n', 1: b'{"k":1,"b":1}\n', 4: b'{"k":4}\n'}


def test_synced_parts_are_those_reported(tmp_path: Path) -> None:
    with Bench(tmp_path, ECHO, items=2) as bench:
        report = bench.score()
        bench.instances.sync_parts([segment.part for segment in report.segments])
        with pytest.raises(PlatformError):
            bench.instances.sync_parts(["9-nobody.part"])


STRAYS = """
import os, subprocess, sys, time
child = None
def stray():
    pid = os.fork()
    if pid == 0:
        os.setsid()
        if os.fork():
            os._exit(0)
        with open("forked.new", "w") as file: file.write(str(os.getpid()))
        os.rename("forked.new", "forked")
        time.sleep(60)
        os._exit(0)
    os.waitpid(pid, 0)
def run(mini_batch):
    stray()
    while not os.path.exists("forked"): time.sleep(0.01)
    child = subprocess.Popen(["sleep", "60"], start_new_session=True)
    with open("forked") as forked, open("pids", "w") as file: file.write("%d %s" % (child.pid, forked.read()))
    os.rename("pids", "pids.whole")
    return mini_batch
"""


def test_what_a_script_started_in_a_session_of_its_own_is_gone_when_the_workers_are(tmp_path: Path) -> None:
    with Bench(tmp_path, STRAYS, items=1) as bench:
        bench.score()
        strays = pids_of_hanging(bench)
        assert [pid for pid in strays if is_alive(pid)] == list(strays)
        bench.instances.close(is_early=False)
        assert [pid for pid in strays if is_alive(pid)] == []


def test_next_owner_kills_what_left_its_session_too(tmp_path: Path) -> None:
    with Bench(tmp_path, STRAYS, items=1) as bench:
        bench.score()
        strays = pids_of_hanging(bench)
        assert kill_recorded_sessions(bench.plan.parts_dir.parent / "workers.jsonl") >= 2
        assert [pid for pid in strays if is_alive(pid)] == []


def test_next_owner_kills_what_an_owner_left(tmp_path: Path) -> None:
    with Bench(tmp_path, HANGS, items=2) as bench:
        (worker,) = bench.start()
        bench.assign(worker, 1)
        leader, child = pids_of_hanging(bench)
        os.kill(leader, signal.SIGKILL)
        sessions = bench.plan.parts_dir.parent / "workers.jsonl"
        with sessions.open("ab") as file:
            file.write(b'{"worker": "torn')
        assert kill_recorded_sessions(sessions) >= 1
        assert not is_alive(child)
        assert kill_recorded_sessions(sessions) == 0
        assert kill_recorded_sessions(tmp_path / "never-written") == 0


def test_a_torn_line_hides_no_worker_that_was_recorded_after_it(tmp_path: Path) -> None:
    with Bench(tmp_path, HANGS, items=2) as bench:
        sessions = bench.plan.parts_dir.parent / "workers.jsonl"
        sessions.write_bytes(b'{"worker": "torn')
        (worker,) = bench.start()
        bench.assign(worker, 1)
        _, child = pids_of_hanging(bench)
        assert kill_recorded_sessions(sessions) >= 1
        assert not is_alive(child)


LINGERS = """
import os, subprocess, time
def run(mini_batch): return mini_batch
def shutdown():
    child = subprocess.Popen(["sleep", "60"])
    with open("pids", "w") as file: file.write("%d %d" % (os.getpid(), child.pid))
    os.rename("pids", "pids.whole")
    time.sleep(60)
"""


def test_a_close_that_is_cut_short_leaves_no_process_of_a_session(tmp_path: Path) -> None:
    """The job's process may be told to end while it waits for `shutdown()`."""
    with Bench(tmp_path, LINGERS, items=2) as bench:
        bench.start()
        told = bench.plan.code_dir / "pids.whole"

        def cut_short(number: int, frame: object) -> None:
            if told.exists():
                raise SystemExit(75)

        before = signal.signal(signal.SIGALRM, cut_short)
        signal.setitimer(signal.ITIMER_REAL, 0.1, 0.1)
        try:
            with pytest.raises(SystemExit):
                bench.instances.close(is_early=False)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        left = [pid for pid in map(int, told.read_text().split()) if is_alive(pid)]
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        assert left == []


CHATTERS = """
import gc, os, sys
frames = sys.modules["batchyard_runtime.frames"]
def run(mini_batch):
    done = {"kind": "done", "lease": 1, "segments": [[0, 1, 17, 0, 1, 1, [], []]], "failures": [], "seconds": 0.0}
    (channel,) = [found for found in gc.get_objects() if isinstance(found, frames.Channel)]
    os.write(channel._report_fd, frames.encode({"kind": "nonsense"}) + frames.encode(done, bytes(8)))
    return mini_batch
"""


def test_nothing_counts_that_comes_after_a_malformed_report(tmp_path: Path) -> None:
    with Bench(tmp_path, CHATTERS, items=1) as bench:
        (worker,) = bench.start()
        bench.assign(worker, 0)
        bench.wait(WorkerEnded)
        assert bench.of(LeaseReported) == []
