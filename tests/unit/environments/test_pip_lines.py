"""Lines under `pip:` are requirements by name; whatever reaches elsewhere is refused."""

from __future__ import annotations

import pytest

from batchyard.domain.errors import Mistake
from batchyard.environments.masking import mask
from batchyard.environments.pip_lines import PipLine, read_pip_line


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("numpy", "numpy"),
        ("numpy==1.26.4", "numpy"),
        ("numpy == 1.26.*", "numpy"),
        ("Scikit_Learn>=1.2, <1.5", "scikit-learn"),
        ("pandas[excel,parquet]>=2; python_version < '3.12'", "pandas"),
        ("torch==2.1.0+cpu", "torch"),
        ("requests (>=2.8)", "requests"),
        ("idna~=3.4 # for hosts", "idna"),
        ("a===2004d", "a"),
        ("pywin32==306; sys_platform == 'win32' and platform_machine != 'x86/64'", "pywin32"),
    ],
)
def test_a_requirement_by_name_passes(line: str, name: str) -> None:
    read = read_pip_line(line, field="here")

    assert isinstance(read, PipLine)
    assert read.name == name


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("-r requirements.txt", "an option line"),
        ("-e .", "an option line"),
        ("--index-url https://example.invalid/simple", "an option line"),
        ("--extra-index-url=https://example.invalid/simple", "an option line"),
        ("--find-links wheels", "an option line"),
        ("-f wheels", "an option line"),
        ("git+https://example.invalid/x.git", "a version control address"),
        ("x @ git+ssh://example.invalid/x.git", "a version control address"),
        ("https://example.invalid/x-1-py3-none-any.whl", "a URL"),
        ("x @ https://example.invalid/x.zip", "a URL"),
        ("x@file:///tmp/x", "a URL"),
        ("./package", "a local path"),
        ("../package", "a local path"),
        ("/opt/package", "a local path"),
        ("wheels/x", "a local path"),
        ("x-1-py3-none-any.whl", "a local path"),
        (".", "a local path"),
        ("numpy==1.26.4 --hash=sha256:00", "a requirement with an option"),
        ("numpy 1.26", "not a requirement"),
        ("numpy=1.26", "not a requirement"),
        ("${SECRET}", "not a requirement"),
    ],
)
def test_a_line_that_reaches_elsewhere_is_refused_by_name(line: str, kind: str) -> None:
    read = read_pip_line(line, field="conda_file.dependencies[0].pip[3]")

    assert isinstance(read, Mistake)
    assert kind in read.found
    assert line in read.found
    assert read.field == "conda_file.dependencies[0].pip[3]"


def test_a_comment_is_nothing() -> None:
    assert read_pip_line("# the models", field="here") is None


def test_a_refused_line_does_not_show_its_password() -> None:
    read = read_pip_line("--index-url https://anna:hunter2@example.invalid/simple", field="here")

    assert isinstance(read, Mistake)
    assert "hunter2" not in str(read)


def test_masking_covers_user_names_and_signed_queries() -> None:
    text = "get https://anna:hunter2@a.invalid/x?v=1&sig=abc%2B and //token@b.invalid/y"

    assert mask(text) == "get https://***@a.invalid/x?v=1&sig=*** and //***@b.invalid/y"
