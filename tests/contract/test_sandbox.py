"""Workers in sandboxes: the promises of `ports.instance` hold, and nothing outside is seen, changed or ended."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from batchyard.domain.job_states import JobStatus
from batchyard.domain.sandboxes import sandbox_arguments
from batchyard.domain.scoring.events import LeaseReported, WorkerEnded
from batchyard.instances.local import LocalInstances
from batchyard.instances.sandbox import Sandbox
from batchyard.instances.sandbox_places import system_places
from batchyard.instances.sessions import kill_recorded_sessions
from tests.runtime.bench import Bench
from tests.support.direct import DirectHome

ECHO = "def run(mini_batch): return mini_batch\n"


class Confined(Bench):
    """A bench whose workers run in sandboxes."""

    def __init__(self, folder: Path, source: str, *, sandbox: Sandbox | None = None, **chosen: Any) -> None:
        job = folder / "job"
        reads = (folder / "input", job / "listing", job / "listing.index")
        super().__init__(folder, source, reads=reads, **chosen)
        self.instances = LocalInstances(self.plan, sandbox=sandbox or Sandbox(masked=(folder / "home",)))


def told(folder: Path, body: str, **chosen: Any) -> str:
    """Run a body on one item in a sandbox, and give what it returns."""
    lines = "\n".join(f"    {line}" for line in body.strip().splitlines())
    with Confined(folder, f"import ctypes, os, signal, socket, subprocess, sys\ndef run(mini_batch):\n{lines}\n",
                  items=1, **chosen) as bench:  # fmt: skip
        bench.score()
        return bench.text()


def processes_below(folder: Path) -> list[int]:
    """Give the living processes that have the folder in their environment."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            is_one = os.fsencode(folder) in Path(f"/proc/{entry}/environ").read_bytes()
            state = Path(f"/proc/{entry}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            continue
        if is_one and state not in "ZX" and int(entry) != os.getpid():
            found.append(int(entry))
    return found


def test_rows_are_as_without_a_sandbox_and_each_worker_has_one_of_its_own(tmp_path: Path) -> None:
    with Confined(tmp_path, ECHO, items=6, slots=2) as bench:
        for number, worker in enumerate(bench.start()):
            bench.assign(worker, number * 3, 3)
        bench.wait(LeaseReported, number=2)
        bench.instances.sync_parts([s.part for event in bench.of(LeaseReported) for s in event.segments])
    assert bench.rows() == {k: b"%s/input/item-%d\n" % (os.fsencode(tmp_path), k) for k in range(6)}
    assert "executed, not forked: each worker has a sandbox of its own" in bench.log("sys/node/n0/n0-s0-0.txt")
    assert not (bench.plan.logs_dir / "user/error/n0/n0-s0-0.txt").exists()


@pytest.mark.parametrize(
    ("death", "words"),
    [
        ("os._exit(5)", "exited with code 5"),
        ("os.kill(os.getpid(), 9)", "was killed by signal 9 (SIGKILL), perhaps by the kernel for lack of memory,"),
        ("ctypes.string_at(0)", "was killed by signal 11 (SIGSEGV)"),
    ],
)
def test_how_a_worker_died_is_told_as_without_a_sandbox(tmp_path: Path, death: str, words: str) -> None:
    script = f"import os, ctypes\ndef run(m):\n    if m[0].endswith('2'): {death}\n    return m\n"
    with Confined(tmp_path, script, items=5) as bench:
        (worker,) = bench.start()
        bench.assign(worker, 0)
        bench.assign(worker, 1, 4)
        ended = bench.wait(WorkerEnded)
    assert ended.running is not None
    assert ended.running.mini_batch == 2
    assert words in ended.running.message


HANGS = """
import os, subprocess, sys, time
def run(mini_batch):
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(60)
        os._exit(0)
    open(os.environ["AZUREML_BI_OUTPUT_PATH"] + "/begun", "w").close()
    time.sleep(60)
"""


def test_a_timeout_tells_the_stack_and_ends_all_of_the_sandbox(tmp_path: Path) -> None:
    with Confined(tmp_path, HANGS, items=1, timeout_s=2.0) as bench:
        (worker,) = bench.start()
        bench.assign(worker, 0)
        ended = bench.wait(WorkerEnded)
        assert processes_below(tmp_path / "job") == []
    assert ended.running is not None
    assert ended.running.error_class.value == "timeout"
    assert "in run" in ended.running.stack


def test_usage_is_that_of_the_process_that_runs_the_script(tmp_path: Path) -> None:
    script = "held = b'x' * (200 << 20)\ndef run(mini_batch): return mini_batch\n"
    with Confined(tmp_path, script, items=1) as bench:
        (worker,) = bench.start()
        assert bench.instances.usage(worker).resident_bytes > 200 << 20


def test_a_worker_sees_its_own_processes_alone_and_ends_nobody_elses(tmp_path: Path) -> None:
    body = f"""
seen = sorted(int(name) for name in os.listdir("/proc") if name.isdigit())
for pid in ({os.getpid()}, {os.getppid()}):
    try: os.kill(pid, signal.SIGKILL)
    except ProcessLookupError: continue
    except PermissionError: pass
    return ["reached %d" % pid]
return ["%s %d" % (seen, os.getppid())]
"""
    assert told(tmp_path, body) == "[1, 2] 1\n"


def test_it_has_no_capability_and_can_get_none(tmp_path: Path) -> None:
    body = """
status = dict(line.split(":\\t") for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
libc = ctypes.CDLL(None, use_errno=True)
made = libc.unshare(0x10000000)
return ["%s %s %s %d" % (status["CapEff"], status["CapBnd"], status["NoNewPrivs"], made)]
"""
    assert told(tmp_path, body) == "0000000000000000 0000000000000000 1 -1\n"


def test_settings_of_the_kernel_cannot_be_written(tmp_path: Path) -> None:
    """Nothing is written, should one be open: opening is enough."""
    body = """
found = []
for folder, _, names in os.walk("/proc/sys"):
    found += [path for path in (os.path.join(folder, name) for name in names) if os.access(path, os.W_OK)]
try: os.close(os.open("/proc/sys/kernel/core_pattern", os.O_WRONLY)); found.append("core_pattern")
except OSError as exc: pass
return ["%s" % found]
"""
    assert told(tmp_path, body) == "[]\n"


def test_the_network_is_not_reached_unless_it_is_allowed(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        body = f"""
try: socket.create_connection(("127.0.0.1", {server.getsockname()[1]}), timeout=5).close()
except OSError as exc: return ["refused"]
return ["reached"]
"""
        (tmp_path / "closed").mkdir()
        (tmp_path / "open").mkdir()
        assert told(tmp_path / "closed", body) == "refused\n"
        assert told(tmp_path / "open", body, sandbox=Sandbox(has_network=True)) == "reached\n"


def test_only_its_own_folders_can_be_written(tmp_path: Path) -> None:
    """What is in nobody's folder below /tmp is in the sandbox's own, which is memory, and gone with it."""
    other = tmp_path / "job" / "parts" / "1-n9-s0-0.part"
    other.parent.mkdir(parents=True)
    other.write_text("rows of another worker")
    body = f"""
tried = {{}}
for path in ({str(tmp_path)!r} + "/input/item-0", os.environ["AZUREML_MODEL_DIR"] + "/new", "score.py",
             {str(other)!r}, {str(tmp_path)!r} + "/job/ledger", {str(tmp_path)!r} + "/new", "/new", "/usr/new",
             os.environ["AZUREML_BI_OUTPUT_PATH"] + "/mine", os.environ["TMPDIR"] + "/mine", "/tmp/mine",
             os.environ["HOME"] + "/mine"):
    try: open(path, "a").close()
    except OSError as exc: tried[path] = exc.errno
return [repr(sorted(os.path.basename(p) for p in tried))]
"""
    refused = told(tmp_path, body)
    assert refused in ("['item-0', 'new', 'new', 'new', 'score.py']\n",
                       "['1-n9-s0-0.part', 'item-0', 'ledger', 'new', 'new', 'new', 'new', 'score.py']\n")  # fmt: skip
    assert other.read_text() == "rows of another worker"
    assert not (tmp_path / "new").exists()
    assert not (tmp_path / "job" / "ledger").exists()


def test_variables_of_a_deployment_reach_the_script_and_not_the_program_that_confines_it(tmp_path: Path) -> None:
    """A library that is preloaded would run outside."""
    source, library = tmp_path / "evil.c", tmp_path / "model" / "evil.so"
    library.parent.mkdir()
    source.write_text(
        "#include <stdio.h>\n__attribute__((constructor)) static void reach(void) "
        f'{{ FILE *f = fopen("{tmp_path}/reached", "w"); if (f) fclose(f); }}\n'
    )
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
    body = 'return [os.environ["LD_PRELOAD"]]'
    assert told(tmp_path, body, environment_variables={"LD_PRELOAD": str(library)}) == f"{library}\n"
    assert not (tmp_path / "reached").exists()


def test_the_stack_of_a_hanging_script_is_never_read_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("the secret\n" * 9)
    script = f"""
import os, time
def run(mini_batch):
    stacks = os.path.dirname(os.environ["HOME"]) + "/stacks"
    os.unlink(stacks)
    os.symlink({str(tmp_path / "secret")!r}, stacks)
    time.sleep(60)
"""
    with Confined(tmp_path, script, items=1, timeout_s=0.5) as bench:
        (worker,) = bench.start()
        bench.assign(worker, 0)
        ended = bench.wait(WorkerEnded)
    assert ended.running is not None
    assert ended.running.stack == ""


class AsAScriptMight:
    """Puts a link in the place of every part file once all rows are committed."""

    def __init__(self, home: Path, target: Path) -> None:
        self._home, self._target = home, target

    def reach(self, point: str) -> None:
        for part in self._home.glob("jobs/*/parts/*/rows.part") if point == "score.verdict" else ():
            part.unlink()
            part.symlink_to(self._target)


def test_rows_are_never_read_through_a_link_in_the_place_of_a_part_file(direct: DirectHome, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("the secret\n" * 999)
    (tmp_path / "input").mkdir()
    (tmp_path / "input" / "one").write_text("x")
    direct.rooms = replace(
        direct.rooms,
        make_instances=partial(LocalInstances, sandbox=Sandbox(masked=(direct.home,))),
        faults=AsAScriptMight(direct.home, tmp_path / "secret"),
    )
    direct.submit("job", tmp_path / "input", ECHO)
    job = direct.run_next()
    assert job.error is not None
    assert (job.status, job.error.code) == (JobStatus.FAILED, "OutputConflict")
    assert "is a link that the script has put in its place" in job.error.message
    assert not direct.output("job").exists()


def test_who_is_not_root_can_have_a_sandbox_as_well() -> None:
    words = sandbox_arguments(system_places(), folder="/", environment={}, has_network=False, told_fd=2)
    other = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
    done = subprocess.run(
        ["bwrap", *words, "--", "/usr/bin/id", "-u"], capture_output=True, text=True, check=False, **other
    )
    assert (done.returncode, done.stdout.strip()) == (0, str(other.get("user", os.geteuid()))), done.stderr


AGENT = """
import sys, time
from pathlib import Path
from batchyard.domain.scoring.events import WorkerEnded
from tests.contract.test_sandbox import HANGS, Confined
with Confined(Path(sys.argv[1]), HANGS, items=1) as bench:
    (worker,) = bench.start()
    bench.assign(worker, 0)
    bench.wait(WorkerEnded, within_s=600)
"""


@pytest.mark.parametrize("is_taken_over", [False, True])
def test_a_killed_jobs_process_leaves_nothing_of_its_sandboxes(tmp_path: Path, *, is_taken_over: bool) -> None:
    root = Path(__file__).parents[2]
    agent = subprocess.Popen([sys.executable, "-c", AGENT, str(tmp_path)], cwd=root)
    try:
        wait_until(lambda: bool(list((tmp_path / "job/files").glob("*/1/begun"))))
        assert processes_below(tmp_path / "job")
        agent.send_signal(signal.SIGSTOP if is_taken_over else signal.SIGKILL)
        if is_taken_over:
            assert kill_recorded_sessions(tmp_path / "job" / "workers.jsonl") >= 1
            assert processes_below(tmp_path / "job") == []
    finally:
        agent.kill()
        agent.wait()
    wait_until(lambda: processes_below(tmp_path / "job") == [])


def wait_until(holds: Any, within_s: float = 30.0) -> None:
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)
