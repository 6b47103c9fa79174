"""The documents say what the code says: the states' diagram, every setting, links, and nothing that is not there."""

from __future__ import annotations

import re
import runpy
from dataclasses import fields
from pathlib import Path

import pytest

from batchyard.domain.deployments import ExecutionSettings, RetrySettings
from batchyard.domain.job_states import JobStatus
from batchyard.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
# Fields that hold others: their parts are documented instead.
_NESTED = {"retry"}
_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def _read(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def test_states_diagram_is_the_one_of_the_table() -> None:
    with_diagram = runpy.run_path(str(DOCS / "draw_states.py"))["with_diagram"]

    assert _read("jobs.md") == with_diagram(_read("jobs.md"))


@pytest.mark.parametrize("status", list(JobStatus))
def test_every_job_status_has_its_sentence(status: JobStatus) -> None:
    assert f"| `{status.value}` |" in _read("jobs.md")


@pytest.mark.parametrize("name", [field.name for field in fields(Settings)])
def test_every_setting_is_documented(name: str) -> None:
    assert f"| `{name}` |" in _read("settings.md")


def test_every_variable_that_is_read_is_documented() -> None:
    read = set(re.findall(r"BATCHYARD_[A-Z_]+[A-Z]", (ROOT / "src/batchyard/settings.py").read_text(encoding="utf-8")))

    assert read - set(re.findall(r"`(BATCHYARD_[A-Z_]+)`", _read("settings.md"))) == set()


@pytest.mark.parametrize(
    "name", [field.name for field in (*fields(ExecutionSettings), *fields(RetrySettings)) if field.name not in _NESTED]
)
def test_every_execution_setting_is_documented(name: str) -> None:
    key = name.removesuffix("_s")

    assert re.search(
        rf"^\| `(settings\.|resources\.)?(retry_settings\.)?{key}` \|", _read("deployments.md"), re.MULTILINE
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_documents_lead_somewhere(page: Path) -> None:
    targets = [link for link in _LINK.findall(page.read_text(encoding="utf-8")) if "://" not in link]

    assert [link for link in targets if not (page.parent / link).exists()] == []


def test_every_room_is_in_the_architecture() -> None:
    rooms = [path.name for path in (ROOT / "src/batchyard").iterdir() if (path / "__init__.py").exists()]
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")

    assert [room for room in rooms if not re.search(rf"^    {room}/ +\S", text, re.MULTILINE)] == []


def test_paths_named_in_the_architecture_exist() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:[a-z_]+/)+[a-z_]+\.(?:py|toml))`", text))
    roots = (ROOT, ROOT / "src", ROOT / "src/batchyard")

    assert [path for path in sorted(named) if not any((root / path).exists() for root in roots)] == []


def test_decisions_are_numbered_without_gaps() -> None:
    numbers = [int(path.name[:4]) for path in sorted((DOCS / "adr").glob("[0-9]*.md"))]

    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("path", sorted((DOCS / "adr").glob("[0-9]*.md")), ids=lambda path: path.stem)
def test_every_decision_says_what_violates_it(path: Path) -> None:
    text = path.read_text(encoding="utf-8")

    assert all(
        heading in text
        for heading in ("## Context", "## Decision", "## Consequences", "## A change violates this when")
    )
