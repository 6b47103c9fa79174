from __future__ import annotations

import pytest

from batchyard.cli.failures import CommandFailed
from batchyard.cli.local_files import first_file, read_yaml, script_mistakes, tree_of


def listed(path):
    tree, mistakes = tree_of(path, field="code")
    assert mistakes == []
    return [file.relative for file in tree.files]


def write(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)


def test_a_tree_is_sorted_and_leaves_out_what_python_and_git_make(tmp_path):
    write(tmp_path, "b.py", "a/z.py", "__pycache__/b.pyc", "a/__pycache__/z.pyc", ".git/HEAD", ".hidden")

    assert listed(tmp_path) == [".hidden", "a/z.py", "b.py"]


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("*.log", ["a/keep.txt", "a/sub/b.txt", "data/x.csv"]),
        ("/data", ["a/keep.txt", "a/one.log", "a/sub/b.txt"]),
        ("sub/", ["a/keep.txt", "a/one.log", "data/x.csv"]),
        ("a/*.log", ["a/keep.txt", "a/sub/b.txt", "data/x.csv"]),
        ("a/**", ["data/x.csv"]),
        ("**/b.txt", ["a/keep.txt", "a/one.log", "data/x.csv"]),
        ("[ab]/?eep.txt", ["a/one.log", "a/sub/b.txt", "data/x.csv"]),
        ("*\n!*.log\n!a/", ["a/one.log"]),
        ("# only a comment\n\n", ["a/keep.txt", "a/one.log", "a/sub/b.txt", "data/x.csv"]),
    ],
)
def test_ignore_lines_mean_what_git_means(tmp_path, line, kept):
    write(tmp_path, "a/keep.txt", "a/one.log", "a/sub/b.txt", "data/x.csv")
    (tmp_path / ".gitignore").write_text(line)

    assert listed(tmp_path) == kept


def test_amlignore_replaces_gitignore(tmp_path):
    write(tmp_path, "one.log", "two.txt")
    (tmp_path / ".gitignore").write_text("*.log")
    (tmp_path / ".amlignore").write_text("*.txt")

    assert listed(tmp_path) == ["one.log"]


def test_a_link_inside_is_followed(tmp_path):
    write(tmp_path, "real/one.py")
    (tmp_path / "alias").symlink_to("real")

    assert listed(tmp_path) == ["alias/one.py", "real/one.py"]


@pytest.mark.parametrize(("target", "words"), [("../secret", "outside"), ("nowhere", "nowhere"), (".", "above itself")])
def test_links_that_lead_elsewhere_are_mistakes(tmp_path, target, words):
    (tmp_path / "secret").write_text("s")
    root = tmp_path / "code"
    write(root, "score.py")
    (root / "link").symlink_to(target)

    _, mistakes = tree_of(root, field="code")

    assert len(mistakes) == 1
    assert words in str(mistakes[0])


def test_an_empty_folder_and_a_missing_one_are_mistakes(tmp_path):
    (tmp_path / "empty").mkdir()

    assert "empty folder" in str(tree_of(tmp_path / "empty", field="code")[1][0])
    assert "does not exist" in str(tree_of(tmp_path / "gone", field="code")[1][0])


@pytest.mark.parametrize(
    "text",
    [
        "def run(mini_batch): return []",
        "async def run(mini_batch): return []",
        "from other import run",
        "from other import score as run",
        "from other import *",
        "run = make()",
        "run: object = make()",
        "try:\n    from fast import run\nexcept ImportError:\n    from slow import run",
        "if True:\n    def run(b): return b\nelse:\n    run = None",
    ],
)
def test_run_may_come_about_in_any_way_python_knows(tmp_path, text):
    (tmp_path / "score.py").write_text(text)

    assert script_mistakes(tmp_path, "score.py", field="s") == []


@pytest.mark.parametrize("text", ["def init(): pass", "class A:\n    def run(self, b): pass", "x = run", ""])
def test_a_script_without_run_is_a_mistake(tmp_path, text):
    (tmp_path / "score.py").write_text(text)

    assert "without `run`" in str(script_mistakes(tmp_path, "score.py", field="s")[0])


def test_a_script_outside_the_folder_is_a_mistake(tmp_path):
    (tmp_path / "code").mkdir()
    (tmp_path / "score.py").write_text("def run(b): return b")

    assert "inside the code folder" in str(script_mistakes(tmp_path / "code", "../score.py", field="s")[0])


def test_any_one_file_is_found_at_any_depth(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert first_file(tmp_path) is None
    write(tmp_path, "a/b/c.txt")
    assert first_file(tmp_path) == tmp_path / "a/b/c.txt"


def test_a_folder_in_place_of_a_yaml_file_is_told(tmp_path):
    with pytest.raises(CommandFailed, match=r"is a folder\. Give the path of a YAML file in it"):
        read_yaml(str(tmp_path))
