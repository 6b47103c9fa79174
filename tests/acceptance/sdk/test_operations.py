"""Every operation of azure-ai-ml, by name: `docs/azure-compatibility.md` cites these tests."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass

import pytest

from tests.acceptance.sdk.conftest import HERE, PATIENCE_S, run_guarded
from tests.support.server_home import BATCHYARD, ServerHome

pytestmark = [pytest.mark.timeout(PATIENCE_S + 60), pytest.mark.xdist_group("sdk-operations")]

STEPS = HERE / "operations"
NAMES = [
    name for file in sorted(STEPS.glob("on_*.py")) for name in re.findall(r'@operation\("(.*)"\)', file.read_text())
]


# Tried by another test than those of the table.
ELSEWHERE = {"workspaces.begin_delete": "test_two_workspaces.py"}
# Operations of the SDK that this server does not have, and why.
_CLOUD = "of the cloud's machines, networks and keys, which are not here"
_REGISTRY = "of registries and packaging, which are not here"
_NOT_YET = "not in this version"
NOT_SERVED = {
    "workspaces.begin_create": "the SDK sends a template to the cloud; `batchyard workspace create` makes one",
    "workspaces.begin_update": _NOT_YET,
    **dict.fromkeys(
        (
            "workspaces.begin_diagnose",
            "workspaces.begin_provision_network",
            "workspaces.begin_sync_keys",
            "workspaces.get_keys",
            "compute.begin_attach",
            "compute.begin_restart",
            "compute.begin_start",
            "compute.begin_stop",
            "compute.enable_sso",
            "compute.list_sizes",
            "compute.list_usage",
        ),
        _CLOUD,
    ),
    **dict.fromkeys(
        ("models.package", "models.share", "environments.share", "data.share", "components.prepare_for_sign"), _REGISTRY
    ),
    **dict.fromkeys(
        (
            "compute.list_nodes",
            "components.download",
            "data.import_data",
            "data.list_materialization_status",
            "data.mount",
            "datastores.create_or_update",
            "datastores.delete",
            "datastores.mount",
            "jobs.begin_delete",
            "jobs.validate",
            "schedules.trigger",
        ),
        _NOT_YET,
    ),
}


@dataclass(frozen=True)
class Found:
    """outcomes: what went wrong with each operation, by name. public: those that the SDK has."""

    outcomes: dict[str, str]
    public: list[str]


@pytest.fixture(scope="module")
def found(served: ServerHome, tmp_path_factory: pytest.TempPathFactory) -> Found:
    """Run all of them once, in one process."""
    folder = tmp_path_factory.mktemp("operations")
    subprocess.run([BATCHYARD, "env", "--config"], env=served.environment(), cwd=folder, check=True)
    answers = folder / "answers.json"
    done = run_guarded(served, STEPS / "main.py", str(answers), folder=folder)
    assert done.returncode == 0, done.stderr
    return Found(**json.loads(answers.read_text()))


@pytest.mark.parametrize("name", NAMES)
def test_the_operation_works(found: Found, name: str) -> None:
    assert found.outcomes[name] == ""


def test_each_operation_is_tried_once(found: Found) -> None:
    assert sorted(found.outcomes) == sorted(set(NAMES))
    assert len(NAMES) == len(set(NAMES))


def test_every_operation_of_the_sdk_is_tried_or_said_not_to_be_served(found: Found) -> None:
    tried = {part for name in NAMES for part in re.split(", ?", name)}
    assert sorted(set(found.public) - tried - ELSEWHERE.keys()) == sorted(NOT_SERVED)
    assert all((HERE / file).exists() for file in ELSEWHERE.values())
