"""What a scoring script sees and may rely on, under the oldest and the newest Python."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

import pytest

from batchyard.domain.scoring.events import LeaseReported, WorkerEnded
from tests.runtime.bench import Bench

BASE_NAMES = """
import os
import zlib
def run(mini_batch):
    return [os.path.basename(path) for path in mini_batch]
"""


def test_script_gets_absolute_paths_in_listing_order(tmp_path: Path, python: Path) -> None:
    script = "def run(mini_batch):\n    return mini_batch\n"
    with Bench(tmp_path, script, items=3, mini_batch_size=2, python=python) as bench:
        report = bench.score()
    assert bench.text() == "".join(f"{tmp_path}/input/item-{k}\n" for k in range(3))
    assert [(s.first, s.rows, s.succeeded, s.short) for s in report.segments] == [(0, 3, 3, ())]


def test_odd_file_names_reach_the_script_as_the_file_system_spells_them(tmp_path: Path, python: Path) -> None:
    names = [b"new\nline", b"not-utf8-\xff", b"sp ace", b"#hash", "smörgås".encode(), b"sub/deep/x"]
    for name in names:
        path = os.fsencode(tmp_path / "input") + b"/" + name
        os.makedirs(os.path.dirname(path), exist_ok=True)
        Path(os.fsdecode(path)).write_bytes(name)
    script = "def run(mini_batch):\n    return [repr(open(p, 'rb').read()) for p in mini_batch]\n"
    with Bench(tmp_path, script, names=names, mini_batch_size=4, python=python) as bench:
        bench.score()
    assert bench.text().splitlines() == [repr(name) for name in names]


def test_names_as_rows_are_quoted_and_escaped(tmp_path: Path, python: Path) -> None:
    with Bench(tmp_path, BASE_NAMES, names=[b'a\n"b', b"\xff", b"c d"], mini_batch_size=3, python=python) as bench:
        bench.score()
    assert bench.text() == '"a\n""b"\n\\udcff\nc d\n'


def test_init_and_shutdown_run_once_around_all_mini_batches(tmp_path: Path, python: Path) -> None:
    script = """
calls = []
def init(): calls.append("init")
def run(mini_batch):
    calls.append("run")
    return [" ".join(calls)]
def shutdown(): print("shutdown after", *calls)
"""
    with Bench(tmp_path, script, items=2, python=python) as bench:
        bench.score()
        bench.instances.close(is_early=False)
    assert bench.text() == "init run\ninit run run\n"
    assert bench.log("user/stdout/n0/n0-s0-0.stdout.txt") == "shutdown after init run run\n"


def test_second_parameter_gets_the_context(tmp_path: Path, python: Path) -> None:
    script = """
def run(mini_batch, context):
    return [(context.minibatch_index, context.minibatch_id, context.partition_key_value, context.attempt)]
"""
    with Bench(tmp_path, script, items=2, python=python) as bench:
        (worker,) = bench.start()
        bench.assign(worker, 1, attempt=2)
        bench.wait(LeaseReported)
    assert bench.text() == "(1, '1', {}, 2)\n"


def test_the_context_says_where_the_input_is(tmp_path: Path, python: Path) -> None:
    script = """
import os
def run(mini_batch, context):
    return [(os.path.relpath(path, context.input_root), context.has_columns) for path in mini_batch]
"""
    with Bench(tmp_path, script, names=[b"deep/item"], python=python) as bench:
        (worker,) = bench.start()
        bench.assign(worker, 0)
        bench.wait(LeaseReported)
    assert bench.text() == "('deep/item', False)\n"


def test_code_folder_is_working_directory_and_first_on_the_path(tmp_path: Path, python: Path) -> None:
    script = """
import os, sys
import frames, neighbour
def run(mini_batch):
    return [os.getcwd(), sys.path[0], sys.argv[0], __name__, frames.NAME, neighbour.NAME]
"""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "neighbour.py").write_text("NAME = 'a module of the code folder'")
    (tmp_path / "code" / "frames.py").write_text("NAME = 'not a module of the runtime'")
    with Bench(tmp_path, script, items=1, python=python) as bench:
        bench.score()
    code = str(tmp_path / "code")
    script_path = str(tmp_path / "code" / "score.py")
    expected = [code, code, script_path, "score", "not a module of the runtime", "a module of the code folder"]
    assert bench.text().splitlines() == expected


def test_modules_beside_a_script_in_a_subfolder_are_found(tmp_path: Path, python: Path) -> None:
    (tmp_path / "code" / "driver").mkdir(parents=True)
    (tmp_path / "code" / "driver" / "neighbour.py").write_text("NAME = 'beside'")
    script = "import neighbour\ndef run(mini_batch): return [neighbour.NAME]\n"
    with Bench(tmp_path, script, items=1, script="driver/score.py", python=python) as bench:
        bench.score()
    assert bench.text() == "beside\n"


def test_classes_of_the_script_can_be_pickled(tmp_path: Path, python: Path) -> None:
    script = """
import pickle
class Model:
    def predict(self, path): return "scored"
def init():
    global model
    model = pickle.loads(pickle.dumps(Model()))
def run(mini_batch): return [model.predict(path) for path in mini_batch]
"""
    with Bench(tmp_path, script, items=1, python=python) as bench:
        bench.score()
    assert bench.text() == "scored\n"


def test_script_named_like_a_loaded_module_hides_it_from_nobody(tmp_path: Path, python: Path) -> None:
    script = "import json\ndef run(mini_batch): return [json.dumps({'a': 1}) for _ in mini_batch]\n"
    with Bench(tmp_path, script, items=1, script="logging.py", python=python) as bench:
        bench.score()
    assert bench.text() == '{"a": 1}\n'


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_multiprocessing_works_in_a_script(tmp_path: Path, python: Path, method: str) -> None:
    script = f"""
import multiprocessing
def work(path): return path[-1]
def run(mini_batch):
    with multiprocessing.get_context("{method}").Pool(2) as pool:
        return pool.map(work, mini_batch)
"""
    with Bench(tmp_path, script, items=4, mini_batch_size=2, python=python) as bench:
        bench.score()
    assert bench.text() == "0\n1\n2\n3\n"


def test_short_and_long_results_count_by_items(tmp_path: Path, python: Path) -> None:
    script = """
def run(mini_batch):
    if mini_batch[0].endswith("0"): return ["one"]
    if mini_batch[0].endswith("2"): return ["a", "b", "c"]
    return None
"""
    with Bench(tmp_path, script, items=6, mini_batch_size=2, python=python) as bench:
        segments = bench.score().segments
        rows = bench.rows()
    assert [(s.rows, s.succeeded, s.short) for s in segments] == [(1, 1, ((0, 1),)), (3, 2, ()), (0, 0, ((2, 2),))]
    assert [s.lengths for s in segments] == [(4,), (6,), (0,)]
    assert [s.crc for s in segments] == [zlib.crc32(rows[number]) for number in range(3)]


def test_a_part_of_a_mini_batch_is_scored_alone(tmp_path: Path, python: Path) -> None:
    script = "import os\ndef run(mini_batch): return [os.path.basename(path) for path in mini_batch]\n"
    with Bench(tmp_path, script, items=10, mini_batch_size=5, python=python) as bench:
        (worker,) = bench.start()
        bench.assign(worker, 1, items=(1, 3))
        report = bench.wait(LeaseReported)
    (segment,) = report.segments
    assert (segment.first, segment.count, segment.rows, segment.succeeded) == (1, 1, 2, 2)
    assert bench.text() == "item-6\nitem-7\n"


def test_run_is_called_on_so_many_items_at_most_and_the_rows_are_joined(tmp_path: Path, python: Path) -> None:
    script = """
import os
def run(mini_batch):
    with open(os.path.join(os.environ["AZUREML_BI_OUTPUT_PATH"], "same.txt"), "w") as out:
        out.write(os.path.basename(mini_batch[0]))
    return ["%s of %d" % (os.path.basename(path), len(mini_batch)) for path in mini_batch]
"""
    with Bench(tmp_path, script, items=10, mini_batch_size=5, python=python) as bench:
        (worker,) = bench.start()
        bench.assign(worker, 0, 2, run_items=2)
        (segment,) = bench.wait(LeaseReported).segments
        files = [(m, (bench.plan.files_dir / folder / "same.txt").read_text()) for m, folder in segment.files]
    sizes = [2, 2, 2, 2, 1] * 2
    assert bench.text() == "".join(f"item-{k} of {size}\n" for k, size in enumerate(sizes))
    assert (segment.count, segment.rows, segment.succeeded) == (2, 10, 10)
    assert files == [(0, "item-0"), (0, "item-2"), (0, "item-4"), (1, "item-5"), (1, "item-7"), (1, "item-9")]


def test_each_call_on_a_piece_has_its_own_time_limit(tmp_path: Path, python: Path) -> None:
    script = "import time\ndef run(mini_batch):\n    time.sleep(0.3)\n    return mini_batch\n"
    with Bench(tmp_path, script, items=8, mini_batch_size=8, python=python, timeout_s=2.0) as bench:
        (worker,) = bench.start()
        bench.assign(worker, 0, run_items=1)
        report = bench.wait(LeaseReported)
    assert [segment.rows for segment in report.segments] == [8]


def test_a_short_result_of_pieces_keeps_all_their_files(tmp_path: Path, python: Path) -> None:
    script = """
import os
def run(mini_batch):
    open(os.path.join(os.environ["AZUREML_BI_OUTPUT_PATH"], "any"), "w").close()
    return mini_batch[1:] if mini_batch[0].endswith("0") else mini_batch
"""
    with Bench(tmp_path, script, items=4, mini_batch_size=4, python=python) as bench:
        (worker,) = bench.start()
        bench.assign(worker, 0, run_items=2)
        (segment,) = bench.wait(LeaseReported).segments
    assert (segment.short, len(segment.files)) == (((0, 1),), 2)


def test_a_file_of_one_piece_is_kept_in_a_lease_of_very_many_mini_batches(tmp_path: Path, python: Path) -> None:
    script = """
import os
def run(mini_batch):
    if mini_batch[0].endswith("item-400"):
        open(os.path.join(os.environ["AZUREML_BI_OUTPUT_PATH"], "any"), "w").close()
    return mini_batch
"""
    with Bench(tmp_path, script, items=600, mini_batch_size=2, python=python) as bench:
        (worker,) = bench.start()
        bench.assign(worker, 0, 300, run_items=1)
        bench.until(lambda: bool(bench.of(LeaseReported) or bench.of(WorkerEnded)))
        assert not bench.of(WorkerEnded), "the worker has broken down"
        (segment,) = bench.wait(LeaseReported).segments
    assert (segment.count, [m for m, _ in segment.files]) == (300, [200])


def test_failed_attempts_leave_no_rows_and_do_not_end_the_worker(tmp_path: Path, python: Path) -> None:
    script = """
def run(mini_batch):
    if mini_batch[0].endswith("1"): raise ValueError("bad item")
    if mini_batch[0].endswith("3"): raise SystemExit(5)
    return [mini_batch[0][-1]]
"""
    with Bench(tmp_path, script, items=5, python=python) as bench:
        report = bench.score()
    assert [(s.first, s.count) for s in report.segments] == [(0, 1), (2, 1), (4, 1)]
    assert [(f.mini_batch, f.error_class.value, f.error, f.message) for f in report.failures] == [
        (1, "script", "ValueError", "bad item"),
        (3, "script", "SystemExit", "5"),
    ]
    assert bench.text() == "0\n2\n4\n"
    first_frame = report.failures[0].stack.splitlines()[1]
    assert first_frame.startswith(f'  File "{tmp_path}/code/score.py", line 3')
    assert "mini-batch 1, attempt 1" in bench.log("user/error/n0/n0-s0-0.txt")


def test_generator_that_fails_late_leaves_none_of_its_rows(tmp_path: Path, python: Path) -> None:
    script = """
def run(mini_batch):
    for k in range(200000):
        yield "row %06d of %s" % (k, mini_batch[0][-1])
    if mini_batch[0].endswith("1"): raise OSError("late")
"""
    with Bench(tmp_path, script, items=3, python=python) as bench:
        report = bench.score()
    rows = bench.rows()
    assert [failure.mini_batch for failure in report.failures] == [1]
    assert sorted(rows) == [0, 2]
    assert [rows[m].count(b"\n") for m in (0, 2)] == [200000, 200000]
    assert rows[2].startswith(b"row 000000 of 2\n")
    part = (bench.plan.parts_dir / report.segments[0].part).stat().st_size
    assert part == report.segments[1].offset + sum(report.segments[1].lengths)


def test_memory_error_has_its_own_class(tmp_path: Path, python: Path) -> None:
    with Bench(tmp_path, "def run(mini_batch): raise MemoryError\n", items=1, python=python) as bench:
        (failure,) = bench.score().failures
    assert failure.error_class.value == "memory"


def test_summary_only_counts_and_writes_nothing(tmp_path: Path, python: Path) -> None:
    script = "def run(mini_batch): return (path for path in mini_batch)\n"
    with Bench(tmp_path, script, items=4, mini_batch_size=2, writes_rows=False, python=python) as bench:
        (segment,) = bench.score().segments
    assert (segment.rows, segment.succeeded, segment.lengths) == (4, 4, (0, 0))


def test_string_as_result_is_the_scripts_error(tmp_path: Path, python: Path) -> None:
    with Bench(tmp_path, "def run(mini_batch): return 'abc'\n", items=1, python=python) as bench:
        (failure,) = bench.score().failures
    assert "run() returned a str, which is not a list of rows" in failure.message


def test_failing_init_is_told_with_its_stack(tmp_path: Path, python: Path) -> None:
    script = "def init(): raise RuntimeError('no model')\ndef run(mini_batch): return mini_batch\n"
    with Bench(tmp_path, script, python=python) as bench:
        bench.instances.start()
        ended = bench.wait(WorkerEnded)
    assert ended.start_failure is not None
    assert ended.running is None
    assert (ended.start_failure.error, ended.start_failure.mini_batch) == ("RuntimeError", -1)
    assert ended.start_failure.message == "init() failed: no model"
    assert "in init" in ended.start_failure.stack


def test_script_without_run_is_refused_at_start(tmp_path: Path, python: Path) -> None:
    with Bench(tmp_path, "def score(mini_batch): return mini_batch\n", python=python) as bench:
        bench.instances.start()
        ended = bench.wait(WorkerEnded)
    assert ended.start_failure is not None
    assert "defines no function run(mini_batch)" in ended.start_failure.message


def test_retry_of_an_early_mini_batch_by_the_same_worker_is_scored(tmp_path: Path, python: Path) -> None:
    with Bench(tmp_path, BASE_NAMES, items=5, python=python) as bench:
        (worker,) = bench.start()
        bench.assign(worker, 2, 3)
        bench.assign(worker, 0, 1, attempt=2)
        bench.wait(LeaseReported, number=2)
    assert sorted(bench.rows()) == [0, 2, 3, 4]


def test_rows_of_several_workers_stand_in_files_of_their_own(tmp_path: Path, python: Path) -> None:
    with Bench(tmp_path, BASE_NAMES, items=20, nodes=2, slots=2, python=python) as bench:
        for number, worker in enumerate(bench.start()):
            bench.assign(worker, number * 5, 5)
        bench.wait(LeaseReported, number=4)
    assert len(list(bench.plan.parts_dir.iterdir())) == 4
    assert bench.text() == "".join(f"item-{k}\n" for k in range(20))
