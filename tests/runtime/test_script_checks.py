"""Scripts looked at before any job: imported once in a child, nothing called."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from batchyard.domain.errors import PlatformError
from batchyard.instances.launch import NO_TELEMETRY
from batchyard.instances.scripts import LocalScripts
from batchyard.ports.instance import ScriptReport


def check(folder: Path, source: str, python: Path, *, timeout_s: float = 20.0) -> ScriptReport:
    """Check a script of this source."""
    (folder / "score.py").write_text(source)
    return LocalScripts().check(python, folder, "score.py", scratch=scratch_for(folder), timeout_s=timeout_s)


def scratch_for(folder: Path) -> Path:
    scratch = folder.with_name(f"{folder.name}-scratch")
    scratch.mkdir()
    return scratch


def test_good_script_is_imported_and_not_called(tmp_path: Path, python: Path) -> None:
    source = "print('imported')\nimport neighbour\ndef init(): print('called')\ndef run(mini_batch): print('called')\n"
    (tmp_path / "neighbour.py").touch()
    assert check(tmp_path, source, python) == ScriptReport("", "", "", "imported\n")
    assert sorted(os.listdir(tmp_path)) == ["neighbour.py", "score.py"]


def test_failing_import_is_told_with_its_stack(tmp_path: Path, python: Path) -> None:
    report = check(tmp_path, "import no_such_module\n", python)
    assert (report.error, report.message) == ("ModuleNotFoundError", "No module named 'no_such_module'")
    assert report.stack.splitlines()[1] == f'  File "{tmp_path}/score.py", line 1, in <module>'


@pytest.mark.parametrize(
    ("source", "error", "words"),
    [
        ("def score(mini_batch): pass\n", "NotAScript", "defines no function run(mini_batch)"),
        ("def run(a, b, c): pass\n", "NotAScript", "run() takes 3 arguments"),
        ("def run(:\n", "SyntaxError", "invalid syntax"),
        ("raise SystemExit(3)\n", "SystemExit", "3"),
        ("import os; os._exit(3)\n", "WorkerDied", "exited with code 3"),
        ("import os; os.kill(os.getpid(), 11)\n", "WorkerDied", "killed by signal 11"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, python: Path, source: str, error: str, words: str) -> None:
    report = check(tmp_path, source, python)
    assert report.error == error
    assert words in report.message


def test_import_that_hangs_ends_with_its_children(tmp_path: Path, python: Path) -> None:
    source = "import subprocess, time\nprint('begun', flush=True)\nsubprocess.Popen(['sleep', '60'])\ntime.sleep(60)\n"
    report = check(tmp_path, source, python, timeout_s=1.0)
    assert (report.error, report.output) == ("TimeoutError", "begun\n")


def test_output_is_bounded(tmp_path: Path, python: Path) -> None:
    report = check(tmp_path, "print('x' * 5_000_000)\ndef run(mini_batch): pass\n", python)
    assert (report.error, len(report.output)) == ("", 64 << 10)


def test_environment_is_made_up_with_the_deployments_variables(tmp_path: Path, python: Path) -> None:
    (tmp_path / "score.py").write_text("import os\nprint(sorted(os.environ))\ndef run(mini_batch): pass\n")
    report = LocalScripts().check(
        python,
        tmp_path,
        "score.py",
        scratch=scratch_for(tmp_path),
        timeout_s=20,
        environment_variables={"MINE": "1", "LC_CTYPE": "C.UTF-8"},
    )
    named = ["AZUREML_BI_OUTPUT_PATH", "AZUREML_MODEL_DIR", "HOME", "LANG", "LC_CTYPE", "MINE", "PATH", "TMPDIR"]
    assert report.output == f"{sorted([*named, *NO_TELEMETRY])}\n"


def test_missing_interpreter_is_a_platform_error(tmp_path: Path) -> None:
    with pytest.raises(PlatformError, match="no-python"):
        check(tmp_path, "def run(mini_batch): pass\n", tmp_path / "no-python")
