"""What surrounds a script: environment, descriptors, streams, logs, folders for its own files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from batchyard.domain.scoring.events import LeaseReported, WorkerEnded
from batchyard.instances.cores import thread_counts
from batchyard.instances.launch import NO_TELEMETRY
from tests.runtime.bench import Bench


def test_environment_holds_what_the_contract_names_and_nothing_else(tmp_path: Path, python: Path) -> None:
    script = "import os, json\ndef run(mini_batch): return [json.dumps(dict(os.environ))]\n"
    os.environ["BATCHYARD_SECRET_OF_OURS"] = "never seen"
    try:
        with Bench(
            tmp_path, script, items=1, python=python, environment_variables={"MINE": "1", "OMP_NUM_THREADS": "7"}
        ) as bench:
            bench.score()
    finally:
        del os.environ["BATCHYARD_SECRET_OF_OURS"]
    seen = json.loads(bench.text())
    scratch = f"{tmp_path}/job/scratch-1/1-n0-s0-0"
    seen.pop("LC_CTYPE", None)  # Python itself may set it.
    assert seen == {
        "PATH": f"{python.parent}:/usr/bin:/bin",
        "HOME": f"{scratch}/home",
        "TMPDIR": f"{scratch}/tmp",
        "LANG": "C.UTF-8",
        "AZUREML_MODEL_DIR": str(tmp_path / "model"),
        "AZUREML_BI_OUTPUT_PATH": f"{scratch}/output",
        "AZUREML_RUN_ID": "job-1",
        **NO_TELEMETRY,
        **thread_counts(1),
        "OMP_NUM_THREADS": "7",
        "MINE": "1",
    }


def test_only_the_workers_own_files_are_open_and_its_children_get_none(tmp_path: Path, python: Path) -> None:
    script = """
import os, json, subprocess
def links(folder):
    found = {}
    for fd in os.listdir(folder):
        try: found[int(fd)] = os.readlink(os.path.join(folder, fd))
        except OSError: pass
    return found
def run(mini_batch):
    child = "import os; print([fd for fd in os.listdir('/proc/self/fd') if os.path.exists('/proc/self/fd/' + fd)])"
    import sys
    below = subprocess.check_output([sys.executable, "-c", child]).decode()
    return [json.dumps(links("/proc/self/fd")), below]
"""
    with open(tmp_path / "of-the-engine", "w") as kept, Bench(tmp_path, script, items=1, python=python) as bench:
        os.set_inheritable(kept.fileno(), True)
        bench.score()
    open_files, below = bench.text().replace('"[', "[").splitlines()[:2]
    targets = {int(fd): path for fd, path in json.loads(open_files).items()}
    assert targets[0] == "/dev/null"
    allowed = ("pipe:", "/memfd:batchyard-stamp", f"{tmp_path}/job/", "/proc/")
    assert [path for fd, path in targets.items() if fd > 0 and not path.startswith(allowed)] == []
    assert sum(path.startswith("pipe:") for path in targets.values()) == 2
    assert below.split("\n")[0] == "['0', '1', '2']"


def test_nothing_of_ours_is_on_the_path_of_the_script(tmp_path: Path, python: Path) -> None:
    script = "import sys, json\ndef run(mini_batch): return [json.dumps(sys.path)]\n"
    with Bench(tmp_path, script, items=1, python=python) as bench:
        bench.score()
    assert [entry for entry in json.loads(bench.text()) if "batchyard" in Path(entry).name] == []


def test_prints_and_logging_are_captured_line_by_line(tmp_path: Path, python: Path) -> None:
    script = """
import logging, os, sys, time
logging.info("at import")
def run(mini_batch):
    print("text \\udcff ünd", mini_batch[0][-1])
    print("to stderr", file=sys.stderr)
    logging.info("in run")
    logging.debug("not shown")
    os._exit(7)
"""
    with Bench(tmp_path, script, items=1, python=python) as bench:
        (worker,) = bench.start()
        bench.assign(worker, 0)
        bench.wait(WorkerEnded)
    assert bench.log("user/stdout/n0/n0-s0-0.stdout.txt") == "text \\udcff ünd 0\n"
    errors = bench.log("user/stderr/n0/n0-s0-0.stderr.txt").splitlines()
    assert [line.split(" INFO ")[-1] for line in errors] == ["root: at import", "to stderr", "root: in run"]


def test_a_stream_that_reaches_its_cap_says_so_once(tmp_path: Path, python: Path) -> None:
    script = "def run(mini_batch):\n    for k in range(1000): print('x' * 99)\n    return mini_batch\n"
    with Bench(tmp_path, script, items=1, log_cap_bytes=1000, python=python) as bench:
        bench.score()
    log = bench.log("user/stdout/n0/n0-s0-0.stdout.txt")
    assert log.count("x") == 990
    assert log.endswith("\n[batchyard] The limit of 1000 bytes is reached; the rest is dropped.\n")


def test_native_output_beyond_twice_the_cap_is_cut(tmp_path: Path, python: Path) -> None:
    script = """
import os, time
def run(mini_batch):
    for k in range(300):
        os.write(1, b"x" * 1000)
        time.sleep(0.01)
    return mini_batch
"""
    with Bench(tmp_path, script, items=1, log_cap_bytes=1000, python=python) as bench:
        bench.score()
    assert (bench.plan.logs_dir / "user/stdout/n0/n0-s0-0.stdout.txt").stat().st_size < 250_000


def test_debug_level_writes_a_line_for_each_mini_batch(tmp_path: Path, python: Path) -> None:
    script = "def run(mini_batch): return mini_batch[:1]\n"
    with Bench(tmp_path, script, items=4, mini_batch_size=2, logging_level="DEBUG", python=python) as bench:
        bench.score()
    log = bench.log("sys/node/n0/n0-s0-0.txt")
    told = "positions %d to %d, items 2, succeeded 1, failed 1, rows 1, start 2"
    assert "mini-batch 0, attempt 1: " + told % (0, 1) in log
    assert "mini-batch 1, attempt 1: " + told % (2, 3) in log


def test_files_of_each_mini_batch_lie_in_a_folder_of_their_own(tmp_path: Path, python: Path) -> None:
    script = """
import os
output = os.environ["AZUREML_BI_OUTPUT_PATH"]
def init():
    open(os.path.join(output, "from-init.txt"), "w").close()
    os.makedirs(os.path.join(output, "deep", "er"))
def run(mini_batch):
    name = mini_batch[0][-1]
    if name == "1":
        open(os.path.join(output, "half.txt"), "w").close()
        raise ValueError
    if name == "2":
        open(os.path.join(output, "passing.txt"), "w").close()
        os.remove(os.path.join(output, "passing.txt"))
    if name in "03":
        with open(os.path.join(output, "same.txt"), "w") as file: file.write(name)
    if name == "4":
        with open(os.path.join(output, "deep", "er", "x.txt"), "w") as file: file.write(name)
    return mini_batch
"""
    with Bench(tmp_path, script, items=6, python=python) as bench:
        report = bench.score()
        files = {m: folder for segment in report.segments for m, folder in segment.files}
        found = {m: _files(bench.plan.files_dir / folder) for m, folder in files.items()}
        own = _files(bench.plan.files_dir / "_workers" / "1-n0-s0-0")
    assert found == {0: {"same.txt": "0"}, 3: {"same.txt": "3"}, 4: {"deep/er/x.txt": "4"}}
    assert own == {"from-init.txt": ""}


def test_files_are_found_however_many_mini_batches_a_lease_has(tmp_path: Path, python: Path) -> None:
    script = """
import os, subprocess, threading
output = os.environ["AZUREML_BI_OUTPUT_PATH"]
def touch(name):
    open(os.path.join(output, name), "w").close()
def run(mini_batch):
    name = os.path.basename(mini_batch[0])
    if name in ("item-7", "item-299"):
        thread = threading.Thread(target=touch, args=("same.txt",))
        thread.start()
        thread.join()
    if name == "item-150":
        subprocess.check_call(["touch", os.path.join(output, "same.txt")])
    return mini_batch
"""
    with Bench(tmp_path, script, items=300, python=python) as bench:
        report = bench.score()
        files = {m: folder for segment in report.segments for m, folder in segment.files}
        found = {m: _files(bench.plan.files_dir / folder) for m, folder in files.items()}
    assert found == {7: {"same.txt": ""}, 150: {"same.txt": ""}, 299: {"same.txt": ""}}


def test_a_forked_child_of_the_script_cannot_speak_for_the_worker(tmp_path: Path, python: Path) -> None:
    script = """
import os
def run(mini_batch):
    if mini_batch[0].endswith("1"):
        pid = os.fork()
        if pid: os.waitpid(pid, 0)
    return [str(os.getpid())]
"""
    with Bench(tmp_path, script, items=4, python=python) as bench:
        bench.score()
    assert len(set(bench.text().splitlines())) == 1
    assert len(bench.of(LeaseReported)) == 1


def test_worker_of_another_protocol_is_refused(python: Path) -> None:
    import batchyard_runtime
    from batchyard_runtime.frames import Decoder, encode

    command_read, command_write = os.pipe()
    report_read, report_write = os.pipe()
    door = Path(batchyard_runtime.__file__).parent / "__main__.py"
    os.write(command_write, encode({"kind": "start", "protocol": 99}))
    arguments = [python, door, str(command_read), str(report_write), "0", str(os.getpid())]
    subprocess.run(arguments, pass_fds=(command_read, report_write), check=False)
    os.close(report_write)
    decoder = Decoder()
    decoder.feed(os.read(report_read, 1 << 16))
    frame = decoder.take()
    for fd in (command_read, command_write, report_read):
        os.close(fd)
    assert frame is not None
    assert (frame[0]["kind"], frame[0]["stage"], frame[0]["class"]) == ("start_failed", "protocol", "platform")


def test_worker_whose_agent_is_another_process_ends_at_once(python: Path) -> None:
    import batchyard_runtime

    door = Path(batchyard_runtime.__file__).parent / "__main__.py"
    ended = subprocess.run([python, door, "0", "1", "2", "1"], check=False, timeout=20)
    assert ended.returncode == 3


def test_runtime_can_be_started_as_a_module(tmp_path: Path) -> None:
    import batchyard_runtime

    source = Path(batchyard_runtime.__file__).parent.parent
    ended = subprocess.run(
        [sys.executable, "-m", "batchyard_runtime"],
        env={"PYTHONPATH": str(source)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "is started by batchyard alone" in ended.stderr


def _files(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}
