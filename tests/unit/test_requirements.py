"""`docs/requirements.md` and `docs/opportunities.md` tell the truth: every test they name is there and is run."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TABLE = (ROOT / "docs" / "requirements.md").read_text()
OPPORTUNITIES = (ROOT / "docs" / "opportunities.md").read_text()
ROW = re.compile(r"^\| (R\d+) \|(.*)\|$", re.MULTILINE)
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
FIRST_ISSUE = [
    *(f"R{n}" for n in range(1, 11)),
    *("R12", "R14", "R15", "R16", "R17", "R18", "R19", "R20", "R22", "R29", "R30", "R39"),
    *("R68", "R69", "R70", "R71", "R72", "R75", "R141"),
]
SKIPPING = {"skip", "skipif", "xfail"}


@pytest.mark.parametrize("requirement", FIRST_ISSUE)
def test_each_requirement_names_a_test(requirement: str) -> None:
    rows = [text for number, text in ROW.findall(TABLE) if number == requirement]
    assert len(rows) == 1
    assert NAMED.search(rows[0])


@pytest.mark.parametrize(("path", "name"), sorted(set(NAMED.findall(TABLE + OPPORTUNITIES))))
def test_each_named_test_exists_and_is_not_skipped(path: str, name: str) -> None:
    tree = ast.parse((ROOT / path).read_text())
    found = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == name]
    assert len(found) == 1, f"{path} has no test {name}"
    marks = {n.attr for d in found[0].decorator_list for n in ast.walk(d) if isinstance(n, ast.Attribute)}
    calls = {n.func.attr for n in ast.walk(found[0]) if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)}
    assert not SKIPPING & marks
    assert not SKIPPING & calls
