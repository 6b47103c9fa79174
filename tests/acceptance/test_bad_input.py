"""Bad input: every mistake is told at once with what to do, nothing is half done, and nobody sees a stack trace."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.server_home import WS, ServerHome, copy_deployment, ended

# One home and one set-up for the whole file.
pytestmark = pytest.mark.xdist_group("bad-input")

ECHO = "def run(mini_batch):\n    return list(mini_batch)\n"


@dataclass
class Ground:
    """A home with one good deployment, `ground/good`, and a client."""

    home: ServerHome
    client: httpx2.Client
    few: Path

    def refused(self, *arguments: str, exit_code: int = 1) -> str:
        """Run a command that must be refused, and give what it told: on stderr alone, and without a stack of ours.

        The end of a log that is quoted, each line after a bar, may hold the stack of a user's script.
        """
        done = self.home.run(*arguments, exit_code=exit_code)
        assert done.stdout == ""
        assert [line for line in done.stderr.splitlines() if "Traceback" in line and not line.startswith("  | ")] == []
        assert "unexpectedly" not in done.stderr
        return done.stderr

    def create(self, *sets: str, exit_code: int = 1, name: str = "bad", **document: Any) -> str:
        """Create a deployment from the good one's file with some things wrong, and give what it told."""
        self.home.file(f"good/{name}.yml", {**GOOD, "name": name, **document})
        more = ("--set", *sets) if sets else ()
        return self.refused("batch-deployment", "create", "--file", f"good/{name}.yml", *more, exit_code=exit_code)

    def invoke(self, *more: str, exit_code: int = 1) -> str:
        arguments = ("batch-endpoint", "invoke", "--name", "ground", "--input", str(self.few), *more)
        return self.refused(*arguments, exit_code=exit_code)

    def registered(self) -> dict[str, set[str]]:
        """Give everything that is registered or uploaded, to see that nothing was added."""
        collections = ("models", "environments", "computes", "batchEndpoints", "jobs")
        found = {}
        for collection in collections:
            answer = self.client.get(f"{WS}/{collection}").raise_for_status().json()
            found[collection] = {one["name"] for one in answer["value"]}
        found["deployments"] = {
            one["name"] for one in self.client.get(f"{WS}/batchEndpoints/ground/deployments").json()["value"]
        }
        found["sealed"] = set(os.listdir(self.home.home / "sealed"))
        stores = self.home.home / "datastores"
        found["files"] = {str(path) for path in stores.rglob("*") if "ExperimentRun" not in path.parts}
        return found


GOOD: dict[str, Any] = {
    "endpoint_name": "ground",
    "type": "model",
    "model": {"path": "../model", "type": "custom_model"},
    "code_configuration": {"code": "code", "scoring_script": "score.py"},
    "environment": {"conda_file": {"dependencies": []}},
    "compute": "azureml:cpu",
}


@pytest.fixture(scope="module")
def ground(served: ServerHome) -> Iterator[Ground]:
    served.deploy("ground", "good", ECHO)
    with served.rest() as client:
        yield Ground(served, client, served.files("few-items", 2))


def test_all_mistakes_of_a_file_are_told_at_once_with_field_found_allowed_and_remedy(ground: Ground) -> None:
    ground.home.file("good/no-run/score.py", "def score(mini_batch):\n    return []\n")
    before = ground.registered()
    told = ground.create(
        model="azureml:ground-modle:1",
        compute="azureml:cpus",
        code_configuration={"code": "no-run", "scoring_script": "score.py"},
        settings={
            "mini_batch_size": 0,
            "mini_bach_size": 5,
            "error_threshold": -2,
            "retry_settings": {"max_retries": -1, "timeout": 0},
            "output_action": "append_rows",
            "logging_level": "error",
            "output_file_name": "a/b.csv",
        },
    )
    for field, *words in (
        ("settings.mini_batch_size", "0", "1 or more"),
        ("settings.mini_bach_size", "unknown key", "'mini_batch_size'"),
        ("settings.error_threshold", "-2", "-1"),
        ("settings.retry_settings.max_retries", "-1", "0 or more"),
        ("settings.retry_settings.timeout", "0", "more than 0"),
        ("settings.output_action", "append_rows", "append_row", "summary_only"),
        ("settings.logging_level", "error", "warning", "info", "debug"),
        ("settings.output_file_name", "a/b.csv", "file name"),
        ("model", "ground-modle", "'ground-model'"),
        ("compute", "cpus", "'cpu'"),
        ("code_configuration.scoring_script", "score.py", "run(mini_batch)"),
    ):
        lines = [line for line in told.splitlines() if f"- {field}: " in line]
        assert lines, f"{field} is not told in:\n{told}"
        assert "found" in lines[0]
        assert "expected" in lines[0]
        assert [word for word in words if word not in lines[0]] == [], lines[0]
    assert ground.registered() == before


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, ("score.py", "code_configuration.scoring_script")),
        ("def run(mini_batch:\n    return []\n", ("score.py", "line 1", "parse")),
        ("def init():\n    pass\n", ("score.py", "without `run`", "run(mini_batch)")),
    ],
    ids=["missing", "not parseable", "without run"],
)
def test_a_bad_script_is_refused_before_anything_is_uploaded_or_registered(
    ground: Ground, text: str | None, words: tuple[str, ...]
) -> None:
    ground.home.file("good/bad-code/other.py" if text is None else "good/bad-code/score.py", text or "x = 1\n")
    if text is None:
        (ground.home.folder / "good/bad-code/score.py").unlink(missing_ok=True)
    before = ground.registered()
    told = ground.create(code_configuration={"code": "bad-code", "scoring_script": "score.py"})
    assert [word for word in words if word not in told] == [], told
    assert ground.registered() == before


def test_a_script_that_cannot_be_imported_ends_failed_and_listed_with_reason_and_log(ground: Ground) -> None:
    ground.home.file("good/imports/score.py", "print('so far')\nimport no_such_module\n" + ECHO)
    told = ground.create(name="imports", code_configuration={"code": "imports", "scoring_script": "score.py"})
    assert "Failed" in told
    assert "No module named 'no_such_module'" in told
    named = re.search(r"\S+/build\.txt", told)
    assert named or "so far" in told, f"neither the log nor its place is told:\n{told}"
    assert named is None or "so far" in Path(named[0]).read_text()
    listed = ground.home.json("batch-deployment", "list", "--endpoint-name", "ground")
    (found,) = [one for one in listed if one["name"] == "imports"]
    assert found["provisioning_state"] == "Failed"
    assert "no_such_module" in found["provisioning_error"]
    assert found["serving_revision"] is None
    assert "imports" in ground.invoke("--deployment-name", "imports")
    default = ("batch-endpoint", "update", "--name", "ground", "--set", "defaults.deployment_name=imports")
    assert "imports" in ground.refused(*default)


def test_all_conda_names_that_are_not_known_are_listed_with_the_remedy(ground: Ground) -> None:
    conda = {"dependencies": ["python=3.11", "no-such-lib=1.0", "six", "another-strange-lib"]}
    told = ground.create(name="condas", environment={"conda_file": conda})
    assert "no-such-lib" in told
    assert "another-strange-lib" in told
    assert "pip" in told, "the remedy: name it under pip"


def test_a_deployment_to_a_missing_endpoint_is_refused_and_the_near_names_are_listed(ground: Ground) -> None:
    before = ground.registered()
    told = ground.create(endpoint_name="grund", exit_code=3)
    assert "'grund'" in told
    assert "'ground'" in told
    assert ground.registered() == before


def test_a_default_that_does_not_exist_is_refused_and_the_old_one_stays(ground: Ground) -> None:
    update = ("batch-endpoint", "update", "--name", "ground", "--set", "defaults.deployment_name=goood")
    told = ground.refused(*update)
    assert "'goood'" in told
    assert "'good'" in told
    shown = ground.home.json("batch-endpoint", "show", "--name", "ground")
    assert shown["defaults"]["deployment_name"] == "good"
    assert len(shown["default_history"]) == 1
    create = ("batch-endpoint", "create", "--name", "fresh", "--set", "defaults.deployment_name=good")
    assert "good" in ground.refused(*create)
    ground.refused("batch-endpoint", "show", "--name", "fresh", exit_code=3)


def test_unknown_keys_are_mistakes_with_near_names_in_set_and_in_overrides(ground: Ground) -> None:
    update = ("batch-deployment", "update", "--endpoint-name", "ground", "--name", "good", "--set")
    told = ground.refused(*update, "settings.eror_threshold=1", "descripton=x", "settings.mini_batch_size=0")
    for word in ("settings.eror_threshold", "'error_threshold'", "descripton", "'description'", "mini_batch_size"):
        assert word in told
    told = ground.invoke("--set", "mini_batch_sise=1", "logging_level=debug", "retry_settings.max_retry=1")
    for word in ("mini_batch_sise", "'mini_batch_size'", "logging_level", "max_retry", "'max_retries'"):
        assert word in told
    assert ground.home.json("batch-deployment", "show", "-e", "ground", "-n", "good")["revision"] == 2
    told = ground.refused("compute", "create", "--name", "cpu-two", "--set", "max_instanses=2")
    assert "'max_instances'" in told
    told = ground.refused("batch-endpoint", "update", "--name", "ground", "--set", "defaults.deployment=good")
    assert "'deployment_name'" in told


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("batch-endpoint", "create", "--name", "a"), ("'a'", "3 to 32")),
        (("batch-endpoint", "create", "--name", "1st"), ("'1st'", "starting with a letter")),
        (("batch-endpoint", "create", "--name", "under_score"), ("'under_score'", "letters, digits and '-'")),
        (("batch-endpoint", "create", "--name", "x" * 33), ("3 to 32",)),
        (("batch-endpoint", "create", "--name", "ends-"), ("ending with a letter or digit",)),
        (("batch-endpoint", "create", "--name", "fine", "--set", "auth_mode=key"), ("auth_mode", "aad_token")),
        (("compute", "create", "--name", "cc", "--max-instances", "1"), ("'cc'", "3 to 24")),
        (("compute", "create", "--name", "none", "--max-instances", "-1"), ("max_instances", "-1", "1 or more")),
        (("compute", "create", "--name", "cheap", "--tier", "spot"), ("tier", "'spot'", "low_priority")),
        (("model", "create", "--name", "m/m", "--path", "model"), ("m/m", "letters, digits")),
    ],
    ids=lambda value: " ".join(value)[:60] if value and " " not in value[0] else "",
)
def test_names_enums_and_numbers_out_of_rule_are_refused(
    ground: Ground, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    told = ground.refused(*arguments)
    assert [word for word in words if word not in told] == [], told


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name: fine\ntags:\n  a: [1, 2\nmore: x\n", ("line 4",)),
        ("name: fine\ndescription: a\ndescription: b\n", ("description", "line 3")),
        ("- a list\n", ("a list", "a mapping")),
        ("", ("nothing", "a mapping")),
        ("name: fine\ntags: {a: *missing}\n", ("line 2",)),
    ],
    ids=["syntax", "duplicate key", "a list", "empty", "alias"],
)
def test_a_file_that_is_no_good_yaml_is_refused_with_the_line(
    ground: Ground, text: str, words: tuple[str, ...]
) -> None:
    path = ground.home.folder / "broken.yml"
    path.write_text(text)
    told = ground.refused("batch-endpoint", "create", "--file", "broken.yml")
    assert "broken.yml" in told
    assert [word for word in words if word not in told] == [], told


def test_invocations_are_refused_for_every_bad_input_output_and_override_at_once(ground: Ground) -> None:
    before = ground.registered()
    (ground.home.folder / "empty-folder").mkdir(exist_ok=True)
    empty = ("batch-endpoint", "invoke", "--name", "ground", "--input", "empty-folder")
    told = ground.refused(*empty, "--mini-batch-size", "0", "--output-path", "somewhere", "--set", "error_threshold=-9")
    for word in ("empty folder", "mini_batch_size", "'somewhere'", "error_threshold", "4 mistakes"):
        assert word in told
    missing = ("batch-endpoint", "invoke", "--name", "ground", "--input", "no-such-folder")
    assert "does not exist" in ground.refused(*missing)
    assert "max_instances" in ground.invoke("--instance-count", "5")
    assert "mini_batch_size: found 'many'" in ground.invoke("--mini-batch-size", "many")
    assert "'nowhere'" in ground.invoke("--output-path", "azureml://datastores/nowhere/paths/x/")
    assert "inside" in ground.invoke("--output-path", "azureml://datastores/workspaceblobstore/paths/../../x")
    assert "'bad name'" in ground.invoke("--job-name", "bad name")
    assert "goood" in ground.invoke("--deployment-name", "goood", exit_code=3)
    gone = ("batch-endpoint", "invoke", "--name", "grund", "--input", str(ground.few))
    assert "'ground'" in ground.refused(*gone, exit_code=3)
    ground.refused("batch-endpoint", "invoke", "--name", "ground", exit_code=2)
    ground.home.file("invoke.yml", {"inputs": {"a": {"path": "few-items", "tipe": "uri_folder"}}, "mini_bach_size": 1})
    told = ground.refused("batch-endpoint", "invoke", "--name", "ground", "--file", "invoke.yml")
    assert "inputs.a.tipe" in told
    assert "'mini_batch_size'" in told
    assert ground.registered() == before


def test_an_output_that_exists_or_is_reserved_is_refused_with_nothing_half_done(ground: Ground) -> None:
    copy_deployment(ground.client, "ground/good", "ground/other")
    place = ("--output-path", "azureml://datastores/workspaceblobstore/paths/taken/here")
    first = ground.home.json("batch-endpoint", "invoke", "--name", "ground", "--input", str(ground.few), *place)
    # Reserved while the first one runs, there once it has ended: refused either way.
    jobs = ground.client.get(f"{WS}/jobs", params={"endpoint": "ground"}).json()["value"]
    assert "taken/here" in ground.invoke(*place)
    assert ended(ground.client, first["name"])["status"] == "Completed"
    kept = {path: path.read_bytes() for path in (ground.home.home / "datastores").rglob("taken/here/*")}
    assert kept
    assert "exists" in ground.invoke(*place)
    assert {path: path.read_bytes() for path in kept} == kept
    assert len(ground.client.get(f"{WS}/jobs", params={"endpoint": "ground"}).json()["value"]) == len(jobs)
