"""What a scoring script must show before anything is built: it is there, it parses, it defines `run`."""

from __future__ import annotations

import pytest

from batchyard.control import script_sources, scripts
from batchyard.domain.assets import Sealed
from batchyard.domain.errors import Mistake

from .fakes import FakeSealedStore

GOOD = "def run(mini_batch):\n    return mini_batch\n"


def mistakes(source: str) -> list[Mistake]:
    return script_sources.source_mistakes(source, "score.py")


@pytest.mark.parametrize(
    "source",
    [
        GOOD,
        "\ufeff" + GOOD,
        "def run(mini_batch, context): ...",
        "def run(*args): ...",
        "def run(mini_batch, /): ...",
        "@wrapped\ndef run(): ...",
        "run = model.predict",
        "run: object = print",
        "init, run = make()",
        "a = run = print",
        "from other import run",
        "from other import score as run",
        "from other import *",
        "import run",
        "class run:\n    def __init__(self, mini_batch): ...",
        "try:\n    from fast import run\nexcept ImportError:\n    def run(mini_batch): ...",
        "try:\n    import fast\nexcept ImportError:\n    run = print",
        "if fast:\n    def run(mini_batch): ...\nelse:\n    def run(b): ...",
        "with quiet():\n    from other import run",
        "match kind:\n    case 1:\n        run = print",
        "def run(): ...\ndef run(mini_batch): ...",
    ],
)
def test_a_script_that_binds_run_at_the_top_level_is_taken(source: str) -> None:
    assert mistakes(source) == []


@pytest.mark.parametrize(
    "source",
    [
        "",
        "def init(): ...",
        "def main():\n    def run(mini_batch): ...",
        "class Model:\n    def run(self, mini_batch): ...",
        "run: object",
        "run.attempts = 1",
        "known[run] = 1",
        "from run import init",
        "print(run)",
        "def Run(mini_batch): ...",
    ],
)
def test_a_script_that_does_not_is_refused(source: str) -> None:
    (mistake,) = mistakes(source)
    assert mistake.field == "code_configuration.scoring_script"
    assert mistake.found == "no 'run' in 'score.py'"
    assert "run(mini_batch)" in mistake.allowed


def test_run_without_parameters_is_refused_with_its_line() -> None:
    (mistake,) = mistakes("import os\n\ndef run():\n    return []\n")
    assert mistake.found == "'run' without parameters in line 3 of 'score.py'"


def test_the_last_definition_of_run_counts() -> None:
    assert len(mistakes("def run(mini_batch): ...\ndef run(): ...")) == 1


def test_an_async_run_is_refused() -> None:
    (mistake,) = mistakes("async def run(mini_batch): ...")
    assert "must not be async" in str(mistake)


def test_a_syntax_error_is_told_with_line_and_column() -> None:
    (mistake,) = mistakes("def run(mini_batch):\n    return (\n")
    assert "'score.py' with a syntax error" in mistake.found
    assert "in line 2, column 12" in mistake.found


@pytest.mark.parametrize("source", ["x = '\0'", "x = " + "(" * 5000 + ")" * 5000, "x = " + "-" * 200_000 + "1"])
def test_what_the_parser_gives_up_on_is_refused_as_unparseable(source: str) -> None:
    (mistake,) = mistakes(source)
    assert "syntax error" in mistake.found


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ("score.py", "score.py"),
        ("./score.py", "score.py"),
        ("src//a/../score.py", "src/score.py"),
        ("/etc/score.py", None),
        ("../score.py", None),
        ("a/../../score.py", None),
        ("..", None),
        (".", None),
        ("", None),
    ],
)
def test_a_path_stays_in_the_code_folder(written: str, path: str | None) -> None:
    assert scripts.relative_path(written) == path


def sealed(store: FakeSealedStore, files: dict[str, str | bytes]) -> Sealed:
    store.upload("code", files)
    return store.seal(next(iter(store.uploads)), keep_name=False)


def check(files: dict[str, str | bytes], script: str) -> list[Mistake]:
    store = FakeSealedStore()
    return scripts.script_mistakes(store, sealed(store, files), script)


def test_a_script_in_a_folder_is_read() -> None:
    assert check({"src/score.py": GOOD}, "./src/score.py") == []


def test_a_missing_script_lists_the_near_ones() -> None:
    (mistake,) = check({"score.py": GOOD, "scores.txt": "", "src/train_everything.py": ""}, "scoer.py")
    assert mistake.found == "'scoer.py'"
    assert "'score.py'" in mistake.allowed
    assert "scores.txt" not in mistake.allowed


def test_a_script_in_another_folder_is_listed_first() -> None:
    (mistake,) = check({"score2.py": GOOD, "onlinescoring/score.py": GOOD}, "score.py")
    assert "such as 'onlinescoring/score.py'" in mistake.allowed


def test_a_folder_without_scripts_says_so() -> None:
    (mistake,) = check({"model.bin": "x"}, "score.py")
    assert "The folder has no .py file." in str(mistake)


def test_a_script_outside_the_folder_is_not_looked_for() -> None:
    (mistake,) = check({"score.py": GOOD}, "../score.py")
    assert "relative to the code folder" in mistake.allowed


@pytest.mark.parametrize("body", [b"\xff\xfe", b"#" * ((4 << 20) + 1)])
def test_a_script_that_is_no_text_or_far_too_long_is_refused(body: bytes) -> None:
    (mistake,) = check({"score.py": body}, "score.py")
    assert mistake.field == "code_configuration.scoring_script"
