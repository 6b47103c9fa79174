"""`docs/azure-compatibility.md` tells the truth: nothing is forgotten, its tests exist, its flags are taken."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from batchyard.cli import grammar
from batchyard.cli.main import run
from batchyard.settings import Settings

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "azure-compatibility.md").read_text(encoding="utf-8")
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
STATUSES = ("works", "differs", "not served")
SKIPPING = {"skip", "skipif", "xfail"}
# Every public operation of azure-ai-ml 1.35.2 that reads or changes a workspace (sdk-wire, section 3, and its fellows).
OPERATIONS = {
    "workspaces": "get list begin_create begin_delete begin_update begin_diagnose begin_provision_network "
    "begin_sync_keys get_keys",
    "datastores": "get list get_default create_or_update delete",
    "compute": "begin_create_or_update begin_update get list begin_delete begin_attach begin_start begin_stop "
    "begin_restart enable_sso list_nodes",
    "models": "create_or_update get list archive restore download package",
    "environments": "create_or_update get list archive restore",
    "data": "create_or_update get list archive restore",
    "components": "create_or_update get list archive restore validate",
    "batch_endpoints": "begin_create_or_update get list begin_delete invoke list_jobs",
    "batch_deployments": "begin_create_or_update get list begin_delete list_jobs",
    "jobs": "get list stream download begin_cancel update archive restore show_services create_or_update begin_delete",
    "schedules": "begin_create_or_update get list begin_enable begin_disable begin_delete trigger",
}
# What `az ml` has of the nouns that batch scoring needs.
COMMANDS = {
    "batch-endpoint": "create show list update delete invoke list-jobs",
    "batch-deployment": "create show list update delete list-jobs",
    "job": "create show list stream cancel download update archive restore validate connect-ssh show-services",
    "model": "create show list update archive restore download share package",
    "environment": "create show list update archive restore share",
    "data": "create show list update archive restore share mount import",
    "compute": "create show list update delete start stop restart attach detach list-nodes list-sizes list-usage "
    "connect-ssh",
    "component": "create show list update archive restore validate",
    "datastore": "create show list update delete mount",
    "schedule": "create show list update enable disable delete",
}
OF_AZURE = (*COMMANDS, "workspace", "account", "group", "configure")
# Commands of those nouns that Azure does not have.
OURS = (
    *("job logs", "job pause", "job continue", "job resume", "job retry-failed", "job verify", "job lineage"),
    *("batch-deployment tune", "batch-deployment validate", "account list"),
)
PAINS = ("17", "18", "19", "20", "21", "22", "23", "24", "25", "26", "28", "29", "33", "36", "49", "50", "51")


def rows(title: str) -> list[list[str]]:
    """Give the cells of the first table below a heading."""
    section = PAGE.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[1:]]


SDK, CLI = rows("The SDK"), rows("The command line")
ALL = {cells[0].strip("`"): cells for cells in (*SDK, *CLI)}


@cache
def defined(path: str) -> dict[str, ast.FunctionDef]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize(("path", "name"), sorted(set(NAMED.findall(PAGE))))
def test_each_named_test_exists_and_is_not_skipped(path: str, name: str) -> None:
    assert name in defined(path), f"{path} has no test {name}"
    node = defined(path)[name]
    marks = {n.attr for d in node.decorator_list for n in ast.walk(d) if isinstance(n, ast.Attribute)}
    calls = {n.func.attr for n in ast.walk(node) if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)}
    assert not SKIPPING & (marks | calls)


@pytest.mark.parametrize("name", ALL)
def test_each_row_has_a_status_and_a_test(name: str) -> None:
    assert ALL[name][1] in STATUSES
    assert NAMED.search(ALL[name][-1]), f"{name} names no test"
    assert ALL[name][1] != "differs" or ALL[name][-2], f"{name} does not say what is not as in Azure"


def test_each_operation_of_the_sdk_has_one_row() -> None:
    told = [cells[0].strip("`") for cells in SDK]
    wanted = [f"{noun}.{verb}" for noun, verbs in OPERATIONS.items() for verb in verbs.split()]

    assert [name for name in wanted if told.count(name) != 1] == []


def test_an_operation_that_names_the_suite_of_operations_is_tried_there() -> None:
    files = (ROOT / "tests" / "acceptance" / "sdk" / "operations").glob("on_*.py")
    tried = " ".join(name for file in files for name in re.findall(r'@operation\("(.*)"\)', file.read_text()))
    cited = [cells[0].strip("`") for cells in SDK if "test_the_operation_works" in cells[-1]]

    assert len(cited) > 40
    assert [name for name in cited if not re.search(rf"(?<!\w){re.escape(name)}(?!\w)", tried)] == []


def test_each_command_of_azure_has_one_row() -> None:
    told = [cells[0].strip("`") for cells in CLI]
    wanted = [f"{noun} {verb}" for noun, verbs in COMMANDS.items() for verb in verbs.split()]

    assert [name for name in wanted if told.count(name) != 1] == []


def test_each_command_of_ours_that_azure_has_too_has_its_row() -> None:
    served = [one.name for noun in OF_AZURE if noun in grammar.GROUPS for one in grammar.commands_of(noun)]
    told = {cells[0].strip("`") for cells in CLI if cells[1] != "not served"}

    assert [name for name in served if name not in told and name not in OURS] == []


@pytest.mark.parametrize("name", [cells[0].strip("`") for cells in CLI if cells[1] != "not served"])
def test_a_command_that_is_served_takes_the_flags_of_its_row(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*name.split(), "--help"], Settings(home=tmp_path)) == 0
    words = capsys.readouterr().out.split()
    assert [flag for flag in re.findall(r"`(-[^`]+)`", ALL[name][2]) if flag not in words] == []
    missing = ALL[name][3].partition("not taken:")[2].partition(";")[0]
    assert [flag for flag in re.findall(r"`(--[^`]+)`", missing) if flag in words] == []


def test_a_command_that_is_not_served_is_refused_as_a_usage_mistake(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [cells[0].strip("`") for cells in CLI if cells[1] == "not served"]:
        assert run(name.split(), Settings(home=tmp_path)) == 2, f"{name} is served now; change its row"
        assert "there is no command" in capsys.readouterr().err


@pytest.mark.parametrize("number", PAINS)
def test_each_pain_is_answered_by_a_test(number: str) -> None:
    (cells,) = [cells for cells in rows("What users of Azure complained of") if cells[0] == number]
    assert NAMED.search(cells[-1])
