"""Workers that are forked from one process with the imported script: what they share, what not, and when not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from batchyard.domain.scoring.events import LeaseReported, WorkerEnded, WorkerReady
from tests.runtime.bench import Bench

ROOT = Path(__file__).parents[2]
ECHO = "def run(mini_batch): return mini_batch\n"
TELL = "import os\ndef init(): open('%d.pid' % os.getpid(), 'w')\n"
IMPORTED = "open('imported', 'a').write('once\\n')\n"


@pytest.fixture
def origin() -> str:
    """In this file each test says itself how workers come to be."""
    return ""


def own_log(bench: Bench, worker: str) -> str:
    return bench.log(f"sys/node/n0/{worker}.txt")


def zygotes(bench: Bench) -> list[int]:
    """Give the living zygotes of a bench."""
    found = []
    for entry in os.listdir("/proc"):
        try:
            command = Path(f"/proc/{entry}/cmdline").read_bytes() if entry.isdigit() else b""
            is_leader = entry.isdigit() and os.getsid(int(entry)) == int(entry)
            parent = int(Path(f"/proc/{entry}/stat").read_text().rsplit(")", 1)[1].split()[1]) if is_leader else 0
        except (FileNotFoundError, ProcessLookupError):
            continue
        arguments = command.split(b"\0")
        if b"--zygote" in arguments and os.fsencode(bench.plan.code_dir) in arguments and parent == os.getpid():
            found.append(int(entry))
    recorded = bench.plan.parts_dir.parent.joinpath("workers.jsonl").read_text()
    return [pid for pid in found if f'-zygote-0", "session": {pid},' in recorded]


def of_this_job(bench: Bench) -> list[int]:
    """Give the living processes of a bench, zygotes too."""
    found, folder = [], os.fsencode(bench.plan.scratch_dir) + b"/"
    for entry in os.listdir("/proc"):
        try:
            environment = Path(f"/proc/{entry}/environ").read_bytes() if entry.isdigit() else b""
        except OSError:
            continue
        if folder in environment and is_alive(int(entry)):
            found.append(int(entry))
    return found


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def test_a_script_is_imported_once_for_all_workers_and_their_replacements(tmp_path: Path, python: Path) -> None:
    script = f"import os\n{IMPORTED}def init(): open('ready', 'a').write('x')\ndef run(mini_batch): os._exit(1)\n"
    with Bench(tmp_path, script, items=1, slots=2, python=python) as bench:
        worker, _ = bench.start()
        bench.assign(worker, 0)
        bench.wait(WorkerEnded)
        bench.instances.restart("n0", 0)
        bench.wait(WorkerReady, number=3)
    assert (bench.plan.code_dir / "imported").read_text() == "once\n"
    assert (bench.plan.code_dir / "ready").read_text() == "xxx"
    for name in ("n0-s0-0", "n0-s1-1", "n0-s0-2"):
        assert "was forked from a process that has imported the script" in own_log(bench, name)


def test_a_single_worker_is_executed_and_its_replacements_are_forked(tmp_path: Path) -> None:
    script = f"import os\n{IMPORTED}def run(mini_batch): os._exit(1)\n"
    with Bench(tmp_path, script, items=1) as bench:
        bench.start()
        for ends in (1, 2):
            bench.assign(bench.of(WorkerReady)[-1].worker, 0)
            bench.wait(WorkerEnded, number=ends)
            bench.instances.restart("n0", 0)
            bench.wait(WorkerReady, number=ends + 1)
    assert (bench.plan.code_dir / "imported").read_text() == "once\n" * 2
    assert "was executed, not forked" in own_log(bench, "n0-s0-0")
    assert "was forked" in own_log(bench, "n0-s0-2")


def test_a_forked_worker_is_our_child_and_leads_a_session_of_its_own(tmp_path: Path, python: Path) -> None:
    script = "import os\ndef run(m): return [f'{os.getppid()} {os.getpid() == os.getsid(0) == os.getpgid(0)}']\n"
    with Bench(tmp_path, script, items=1, forks_from_slots=1, python=python) as bench:
        bench.score()
    assert bench.text() == f"{os.getpid()} True\n"


@pytest.mark.parametrize(
    ("left", "words"),
    [
        ("import tempfile; left = tempfile.mkdtemp(prefix='model-')", "/tmp/model-"),
        ("import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()", "2 threads running"),
        ("import subprocess; child = subprocess.Popen(['sleep', '60'])", "a process running"),
        ("import socket; left = socket.socket()", "'socket:["),
        ("left = open(__file__)", "score.py' open"),
        ("import mmap; left = mmap.mmap(-1, 4096)", "shared between processes"),
        ("import os; left = os.getenv('AZUREML_BI_OUTPUT_PATH')", "AZUREML_BI_OUTPUT_PATH, which each worker has"),
        ("import torch", "its import initialised CUDA"),
        ("import _ctypes, ctypes, shutil; shutil.copy(_ctypes.__file__, 'libcuda.so.1'); ctypes.CDLL('./libcuda.so.1')",
         "its import loaded"),
    ],
)  # fmt: skip
def test_workers_are_executed_where_the_import_leaves_what_no_fork_survives(
    tmp_path: Path, left: str, words: str, python: Path
) -> None:
    code = tmp_path / "code"
    code.mkdir()
    (code / "torch.py").write_text("class cuda:\n    is_initialized = staticmethod(lambda: True)\ndef seed(): pass\n")
    with Bench(tmp_path, f"{left}\n{ECHO}", items=2, slots=2, python=python) as bench:
        workers = bench.start()
        for mini_batch, worker in enumerate(workers):
            bench.assign(worker, mini_batch)
        bench.wait(LeaseReported, number=2)
        assert zygotes(bench) == []
    for name in ("n0-s0-0", "n0-s1-1"):
        log = own_log(bench, name)
        assert "was executed, not forked: its import" in log
        assert words in log
    assert sorted(bench.rows()) == [0, 1]


def test_a_thread_whose_library_sees_to_forks_forbids_none(tmp_path: Path, python: Path) -> None:
    """It has the name of jemalloc's, which comes with pyarrow and so with pandas."""
    named = """
import ctypes, threading
is_named = threading.Event()
def wait():
    ctypes.CDLL(None).prctl(15, b"jemalloc_bg_thd", 0, 0, 0)
    is_named.set()
    threading.Event().wait()
threading.Thread(target=wait, daemon=True).start()
is_named.wait()
"""
    with Bench(tmp_path, f"{named}\n{ECHO}", items=1, slots=2, python=python) as bench:
        bench.assign(bench.start()[0], 0)
        bench.wait(LeaseReported)
    assert "was forked from a process that has imported the script" in own_log(bench, "n0-s0-0")


def test_two_forked_workers_draw_different_numbers(tmp_path: Path, python: Path) -> None:
    """Whatever the import has seeded; `numpy` and `torch` stand for the real ones, whose functions are these."""
    for name in ("numpy/__init__.py", "numpy/random.py", "torch.py"):
        path = tmp_path / "code" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("import os\nstate = b'as imported'\ndef seed():\n    global state\n    state = os.urandom(8)\n")
    script = """
import random, numpy.random, torch
random.seed(1)
def run(mini_batch): return ["%r %s %s" % (random.random(), numpy.random.state.hex(), torch.state.hex())]
"""
    with Bench(tmp_path, script, items=2, slots=2, python=python) as bench:
        for mini_batch, worker in enumerate(bench.start()):
            bench.assign(worker, mini_batch)
        bench.wait(LeaseReported, number=2)
    first, second = (line.split(" ") for line in bench.text().splitlines())
    assert [a == b for a, b in zip(first, second, strict=True)] == [False] * 3


NUMPY = """
import ctypes, numpy
def openblas():
    with open("/proc/self/maps") as lines:
        paths = {line.split()[5] for line in lines if "openblas" in line}
    return next(path for path in paths if "libscipy_openblas" in path)
def run(mini_batch):
    import os
    get = ctypes.CDLL(openblas()).scipy_openblas_get_num_threads64_
    large = numpy.ones((500, 500))
    return ["%d %s %g" % (get(), os.environ["OPENBLAS_NUM_THREADS"], (large @ large)[0, 0])]
"""


def test_a_forked_worker_has_its_threads_of_openblas(tmp_path: Path) -> None:
    """NumPy would start them on import, and be refused then."""
    chosen = {"OPENBLAS_NUM_THREADS": "2"}
    with Bench(tmp_path, NUMPY, items=1, forks_from_slots=1, environment_variables=chosen) as bench:
        bench.score()
    assert "was forked" in own_log(bench, "n0-s0-0")
    assert bench.text() == "2 2 500\n"


def test_temporary_files_are_made_in_the_workers_own_folder(tmp_path: Path, python: Path) -> None:
    script = "import tempfile\nat_import = tempfile.gettempdir()\ndef run(m): return [tempfile.gettempdir()]\n"
    with Bench(tmp_path, script, items=1, forks_from_slots=1, python=python) as bench:
        bench.score()
    assert bench.text() == f"{tmp_path}/job/scratch-1/1-n0-s0-0/tmp\n"


@pytest.mark.parametrize("is_killed", [False, True], ids=["until the end", "killed"])
def test_folders_that_the_import_has_seen_are_there_until_the_last_worker_is_gone(
    tmp_path: Path, python: Path, is_killed: bool
) -> None:
    script = """
import os, tempfile
at_import, cache = tempfile.gettempdir(), os.path.expanduser("~/cache")
os.mkdir(cache)
def run(mini_batch): return mini_batch
def shutdown():
    with tempfile.NamedTemporaryFile(dir=at_import), open(cache + "/used", "a"): open("%d.ended" % os.getpid(), "w")
"""
    with Bench(tmp_path, script, items=1, slots=2, python=python) as bench:
        bench.start()
        if is_killed:
            os.kill(zygotes(bench)[0], signal.SIGKILL)
            bench.until(lambda: not zygotes(bench))
        bench.instances.close(is_early=False)
    assert len(list(bench.plan.code_dir.glob("*.ended"))) == 2


def test_a_zygote_that_is_killed_takes_no_worker_with_it_and_is_replaced(tmp_path: Path) -> None:
    script = f"{IMPORTED}import os\ndef run(m):\n    if m[0].endswith('0'): os._exit(1)\n    return m\n"
    with Bench(tmp_path, script, items=3, slots=2) as bench:
        workers = bench.start()
        (zygote,) = zygotes(bench)
        os.kill(zygote, signal.SIGKILL)
        bench.until(lambda: not Path(f"/proc/{zygote}").exists())
        bench.assign(workers[1], 1)
        bench.wait(LeaseReported)
        bench.assign(workers[0], 0)
        bench.wait(WorkerEnded)
        bench.instances.restart("n0", 0)
        bench.assign(bench.wait(WorkerReady, number=3).worker, 2)
        bench.wait(LeaseReported, number=2)
    assert sorted(bench.rows()) == [1, 2]
    assert (bench.plan.code_dir / "imported").read_text() == "once\n" * 2
    assert "was forked" in own_log(bench, "n0-s0-2")


@pytest.mark.parametrize("moment", ["zygote.imported", "zygote.asked", "zygote.forked"])
@pytest.mark.parametrize("fate", ["kill", "eio"])
def test_a_zygote_that_ends_at_a_bad_moment_costs_nothing_but_its_use(tmp_path: Path, moment: str, fate: str) -> None:
    with Bench(tmp_path, ECHO, items=2, slots=2, fault=f"{moment}:1:{fate}") as bench:
        for mini_batch, worker in enumerate(bench.start()):
            bench.assign(worker, mini_batch)
        bench.wait(LeaseReported, number=2)
    assert sorted(bench.rows()) == [0, 1]
    assert "was executed, not forked" in own_log(bench, "n0-s0-0")


@pytest.mark.parametrize("moment", ["zygote.asked", "zygote.forked"])
def test_a_zygote_that_falls_silent_leaves_no_twin_of_the_worker_that_is_executed(tmp_path: Path, moment: str) -> None:
    with Bench(tmp_path, TELL + ECHO, items=4, slots=2, fault=f"{moment}:1:stop") as bench:
        workers = bench.start()
        for mini_batch in range(4):
            bench.assign(workers[mini_batch % 2], mini_batch)
        bench.wait(LeaseReported, number=4)
        assert len(list(bench.plan.code_dir.glob("*.pid"))) == 2
        bench.until(lambda: len(of_this_job(bench)) == 2)
    assert sorted(bench.rows()) == [0, 1, 2, 3]
    assert "did not answer for 5000 ms" in own_log(bench, "n0-s0-0")


def test_an_import_that_takes_too_long_in_the_zygote_is_a_start_failure(tmp_path: Path) -> None:
    with Bench(tmp_path, "import time\ntime.sleep(60)\n" + ECHO, slots=2, start_timeout_s=0.5) as bench:
        bench.instances.start()
        ended = bench.wait(WorkerEnded)
    assert ended.start_failure is not None
    assert ended.start_failure.error_class.value == "timeout"


AGENT = """
import os, sys, time
from pathlib import Path
from batchyard.domain.scoring.events import WorkerReady
from tests.runtime.bench import Bench
with Bench(Path(sys.argv[1]), sys.argv[2], slots=2) as bench:
    bench.start()
    Path(sys.argv[1], "started").touch()
    time.sleep(60)
"""


def test_forked_workers_die_with_the_jobs_process_even_after_their_zygote(tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    agent = subprocess.Popen([sys.executable, "-c", AGENT, str(tmp_path), TELL + ECHO], cwd=ROOT, env=environment)
    try:
        wait_until((tmp_path / "started").exists)
        workers = [int(path.stem) for path in (tmp_path / "code").glob("*.pid")]
        recorded = (tmp_path / "job" / "workers.jsonl").read_text()
        zygote = int(recorded.split('zygote-0", "session": ')[1].split(",")[0])
        os.kill(zygote, signal.SIGKILL)
        wait_until(lambda: not Path(f"/proc/{zygote}").exists() or not is_alive(zygote))
        assert [is_alive(pid) for pid in workers] == [True, True]
    finally:
        agent.kill()
        agent.wait()
    wait_until(lambda: not any(map(is_alive, workers)))


def wait_until(holds: object, within_s: float = 120.0) -> None:
    deadline = time.monotonic() + within_s
    assert callable(holds)
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)
