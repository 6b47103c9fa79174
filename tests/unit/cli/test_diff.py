"""`batchyard diff` of files: each mutation is one field, what means the same is no difference, no secret is shown."""

from __future__ import annotations

import copy
import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from .bench import Terminal

SECRET = "hunter2-3f9a"
DOCUMENTS: dict[str, dict[str, Any]] = {
    "endpoint.yml": {
        "name": "scores",
        "description": "nightly",
        "defaults": {"deployment_name": "blue"},
        "tags": {"team": "risk"},
    },
    "blue.yml": {
        "name": "blue",
        "endpoint_name": "scores",
        "type": "model",
        "model": "azureml:scorer:3",
        "environment": "azureml:sklearn@latest",
        "code_configuration": {"code": "code", "scoring_script": "score.py"},
        "compute": "azureml:cpu",
        "resources": {"instance_count": 2},
        "settings": {
            "mini_batch_size": 20,
            "error_threshold": 5,
            "output_format": "csv",
            "retry_settings": {"max_retries": 1, "timeout": 60},
            "environment_variables": {"REGION": "eu", "API_TOKEN": SECRET},
        },
    },
    "green.yml": {
        "name": "green",
        "endpoint_name": "scores",
        "model": "model",
        "environment": {"conda_file": "conda.yml", "image": "ubuntu"},
        "code_configuration": {"code": "code", "scoring_script": "score.py"},
        "compute": "azureml:cpu",
        "mini_batch_size": 4,
        "output_action": "append_row",
    },
    "model.yml": {"name": "scorer", "version": "3", "type": "custom_model", "path": "model", "tags": {"auc": "0.91"}},
    "environment.yml": {
        "name": "sklearn",
        "version": "1",
        "image": "python:3.11",
        "conda_file": {"channels": ["a", "b"], "dependencies": ["python=3.11", "pip", {"pip": ["scikit-learn==1.5"]}]},
    },
    "compute.yml": {"name": "cpu", "type": "amlcompute", "max_instances": 4, "tier": "dedicated"},
    "data.yml": {"name": "claims", "version": "7", "type": "uri_folder", "path": "azureml://datastores/a/paths/b/"},
    "schedule.yml": {
        "name": "nightly",
        "trigger": {"type": "cron", "expression": "0 2 * * *"},
        "create_job": {"type": "pipeline", "job": "azureml:last", "inputs": {"n": 1}},
    },
    "store.yml": {
        "name": "lake",
        "type": "azure_blob",
        "account_name": "acct",
        "container_name": "raw",
        "credentials": {"account_key": "c2VjcmV0"},
    },
}
ENDPOINT, BLUE, GREEN = "batch-endpoint/scores", "batch-deployment/scores/blue", "batch-deployment/scores/green"
# file, subject, field as reported, where it stands in the document, values it may take
Mutation = tuple[str, str, str, str, list[Any]]
MUTATIONS: list[Mutation] = [
    ("endpoint.yml", ENDPOINT, "description", "description", ["daily", None]),
    ("endpoint.yml", ENDPOINT, "defaults.deployment_name", "defaults.deployment_name", ["green", None]),
    ("endpoint.yml", ENDPOINT, "tags.team", "tags.team", ["fraud", None]),
    ("endpoint.yml", ENDPOINT, "tags.cost", "tags.cost", ["12"]),
    ("blue.yml", BLUE, "model", "model", ["azureml:scorer:4", "azureml:other@latest"]),
    ("blue.yml", BLUE, "environment", "environment", ["azureml:sklearn:1"]),
    ("blue.yml", BLUE, "compute", "compute", ["azureml:gpu"]),
    ("blue.yml", BLUE, "code_configuration.scoring_script", "code_configuration.scoring_script", ["other.py"]),
    ("blue.yml", BLUE, "code_configuration.code", "code_configuration.code", ["azureml:code:1"]),
    ("blue.yml", BLUE, "resources.instance_count", "resources.instance_count", [1, 3]),
    ("blue.yml", BLUE, "settings.mini_batch_size", "settings.mini_batch_size", [1, 21]),
    ("blue.yml", BLUE, "settings.mini_batch_max_bytes", "settings.mini_batch_max_bytes", [4096]),
    ("blue.yml", BLUE, "settings.output_format", "settings.output_format", ["azure_text", None]),
    ("blue.yml", BLUE, "settings.output_columns", "settings.output_columns", [["item"]]),
    ("blue.yml", BLUE, "settings.output_shard_bytes", "settings.output_shard_bytes", [4096]),
    ("blue.yml", BLUE, "settings.max_concurrency_per_instance", "settings.max_concurrency_per_instance", [2, 8]),
    ("blue.yml", BLUE, "settings.error_threshold", "settings.error_threshold", [0, -1, 6]),
    ("blue.yml", BLUE, "settings.retry_settings.max_retries", "settings.retry_settings.max_retries", [0, 2]),
    ("blue.yml", BLUE, "settings.retry_settings.timeout", "settings.retry_settings.timeout", [61, 0.5]),
    ("blue.yml", BLUE, "settings.logging_level", "settings.logging_level", ["debug", "warning"]),
    ("blue.yml", BLUE, "settings.output_file_name", "settings.output_file_name", ["out.csv"]),
    ("blue.yml", BLUE, "settings.isolate_failing_items", "settings.isolate_failing_items", [False]),
    ("blue.yml", BLUE, "settings.environment_variables.REGION", "settings.environment_variables.REGION", ["us", None]),
    ("green.yml", GREEN, "settings.mini_batch_size", "mini_batch_size", [5, None]),
    ("green.yml", GREEN, "settings.output_action", "output_action", ["summary_only"]),
    ("green.yml", GREEN, "settings.retry_settings.timeout", "retry_settings.timeout", [31]),
    ("green.yml", GREEN, "environment.image", "environment.image", ["debian"]),
    ("green.yml", GREEN, "model.path", "model", ["code"]),
    ("model.yml", "model/scorer:3", "tags.auc", "tags.auc", ["0.92", None]),
    ("model.yml", "model/scorer:3", "type", "type", ["mlflow_model"]),
    ("environment.yml", "environment/sklearn:1", "image", "image", ["python:3.12"]),
    ("environment.yml", "environment/sklearn:1", "conda_file.channels", "conda_file.channels", [["b", "a"]]),
    (
        *("environment.yml", "environment/sklearn:1", "conda_file.dependencies.conda", "conda_file.dependencies.0"),
        ["python=3.12"],
    ),
    (
        *("environment.yml", "environment/sklearn:1", "conda_file.dependencies.pip", "conda_file.dependencies.2.pip"),
        [["scikit-learn==1.6"]],
    ),
    ("compute.yml", "compute/cpu", "max_instances", "max_instances", [1, 5]),
    ("compute.yml", "compute/cpu", "tier", "tier", ["low_priority"]),
    ("compute.yml", "compute/cpu", "idle_time_before_scale_down", "idle_time_before_scale_down", [60]),
    ("data.yml", "data/claims:7", "path", "path", ["azureml://datastores/a/paths/c/"]),
    ("data.yml", "data/claims:7", "type", "type", ["uri_file"]),
    ("schedule.yml", "schedule/nightly", "trigger.expression", "trigger.expression", ["0 3 * * *"]),
    ("schedule.yml", "schedule/nightly", "create_job.inputs.n", "create_job.inputs.n", [2]),
    ("store.yml", "datastore/lake", "container_name", "container_name", ["curated"]),
]


@pytest.fixture
def left(tmp_path: Path) -> Path:
    return write(tmp_path / "left")


@pytest.mark.parametrize("seed", range(30))
def test_a_seeded_mutation_is_reported_as_exactly_one_field(terminal: Terminal, left: Path, seed: int) -> None:
    chance = random.Random(seed)
    # Thirty seeds, thirty places: each place is met once, with a value by chance.
    places = random.Random("places").sample(MUTATIONS, 30)
    file, subject, field, place, values = places[seed]
    right = write(left.with_name("right"), {file: put(place, chance.choice(values))})
    assert terminal.run("diff", str(left), str(right)) == 1
    assert [line.split("  ")[:2] for line in terminal.out.splitlines()] == [[subject, field]]
    assert " → " in terminal.out
    assert terminal.err == ""


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda one: f"{one[0]}-{one[2]}")
def test_every_field_that_can_change_is_named_alone(terminal: Terminal, left: Path, mutation: Mutation) -> None:
    file, subject, field, place, values = mutation
    right = write(left.with_name("right"), {file: put(place, values[-1])})
    assert terminal.run("diff", str(right), str(left)) == 1
    assert [line.split("  ")[:2] for line in terminal.out.splitlines()] == [[subject, field]]


def test_unchanged_folders_print_nothing_and_exit_0(terminal: Terminal, left: Path) -> None:
    assert terminal.run("diff", str(left), str(left)) == 0
    assert (terminal.out, terminal.err) == ("", "")
    shutil.copytree(left, left.with_name("copy"))
    assert terminal.run("diff", str(left), str(left.with_name("copy"))) == 0
    assert (terminal.out, terminal.err) == ("", "")


def test_order_ids_names_of_files_and_defaults_written_out_make_no_difference(terminal: Terminal, left: Path) -> None:
    right = left.with_name("right")
    for name, document in DOCUMENTS.items():
        turned = {"$schema": "", "id": "/subscriptions/x", **dict(reversed(copy.deepcopy(document).items()))}
        del turned["$schema"]
        save(right / "nested" / f"renamed-{name}", turned)
    endpoint = {**DOCUMENTS["endpoint.yml"], "auth_mode": "aad_token", "provisioning_state": "Succeeded"}
    save(right / "nested" / "renamed-endpoint.yml", endpoint)
    packages = ["pip", {"pip": ["scikit-learn==1.5"]}, "python=3.11"]
    environment = {**DOCUMENTS["environment.yml"], "os_type": "linux"}
    environment["conda_file"] = {"dependencies": packages, "channels": ["a", "b"]}
    save(right / "nested" / "renamed-environment.yml", environment)
    blue = copy.deepcopy(DOCUMENTS["blue.yml"])
    blue["settings"] |= {"mini_batch_size": "20", "logging_level": "INFO", "output_action": "AppendRow"}
    blue["tags"] = None
    save(right / "nested" / "renamed-blue.yml", blue)
    parts(right / "nested")
    assert terminal.run("diff", str(left), str(right)) == 0, terminal.out
    assert terminal.out == ""


def test_both_generations_of_yaml_are_equal_when_they_mean_the_same(terminal: Terminal, left: Path) -> None:
    old = copy.deepcopy(DOCUMENTS["blue.yml"])
    settings = old.pop("settings")
    del old["type"]
    right = write(left.with_name("right"), {"blue.yml": lambda _: {**old, **settings}})
    assert terminal.run("diff", str(left), str(right)) == 0, terminal.out


def test_changed_bytes_of_code_and_model_are_changes_of_what_names_them(terminal: Terminal, left: Path) -> None:
    right = write(left.with_name("right"))
    (right / "code" / "score.py").write_text("def run(mini_batch):\n    return []\n")
    assert terminal.run("diff", str(left), str(right)) == 1
    assert [line.split("  ")[:2] for line in terminal.out.splitlines()] == [
        [BLUE, "code_configuration.code"],
        [GREEN, "code_configuration.code"],
    ]
    assert "sha256:" in terminal.out


@pytest.mark.parametrize(
    ("file", "place", "field"),
    [
        ("blue.yml", "settings.environment_variables.API_TOKEN", "settings.environment_variables.API_TOKEN"),
        ("store.yml", "credentials.account_key", "credentials.account_key"),
        ("endpoint.yml", "tags.db_password", "tags.db_password"),
    ],
)
def test_a_secret_is_shown_as_changed_and_never_printed(
    terminal: Terminal, left: Path, file: str, place: str, field: str
) -> None:
    other = "correct-horse-42"
    right = write(left.with_name("right"), {file: put(place, other)})
    for form in ((), ("-o", "json"), ("-o", "table"), ("-o", "tsv"), ("-o", "yaml"), ("--query", "[].right")):
        for sides in ((left, right), (right, left)):
            assert terminal.run("diff", *map(str, sides), *form) == 1
            printed = terminal.out + terminal.err
            assert all(secret not in printed for secret in (SECRET, "c2VjcmV0", other))
    assert terminal.run("diff", str(left), str(right)) == 1
    assert terminal.out.split("  ")[1] == field
    assert "(" in terminal.out
    assert "secret)" in terminal.out


@pytest.mark.parametrize(
    ("file", "place", "old", "new"),
    [
        ("blue.yml", "settings.environment_variables", {"DB.PASSWORD.OLD": SECRET}, {"DB.PASSWORD.OLD": "other-4242"}),
        (
            "schedule.yml",
            "create_job.inputs",
            {"api_key": {"type": "string", "default": SECRET}},
            {"api_key": {"type": "string", "default": "other-4242"}},
        ),
        (
            "schedule.yml",
            "create_job",
            {"job": {"arguments": [{"api_token": SECRET}, {"name": "password", "value": SECRET}]}},
            {"job": {"arguments": [{"api_token": "other-4242"}, {"name": "password", "value": "other-4242"}]}},
        ),
        (
            "environment.yml",
            "conda_file",
            {"channels": [f"https://conda.acme.com/t/{SECRET}/pkgs"], "dependencies": ["pip"]},
            {"channels": ["https://conda.acme.com/t/other-4242/pkgs"], "dependencies": ["pip"]},
        ),
    ],
)
def test_a_secret_is_masked_below_its_name_as_well(
    terminal: Terminal, left: Path, file: str, place: str, old: object, new: object
) -> None:
    left = write(left.with_name("old"), {file: put(place, old)})
    right = write(left.with_name("new"), {file: put(place, new)})

    for form in ((), ("-o", "json"), ("-o", "table")):
        assert terminal.run("diff", str(left), str(right), *form) == 1
        printed = terminal.out + terminal.err
        assert SECRET not in printed
        assert "other-4242" not in printed
        assert "(another secret)" in printed


def test_a_value_that_looks_secret_is_masked_whatever_its_name(terminal: Terminal, left: Path) -> None:
    url = "https://acct.blob.core.windows.net/c/model?sv=1&sig=abc%2F123"
    right = write(left.with_name("right"), {"blue.yml": put("settings.environment_variables.REGION", url)})
    assert terminal.run("diff", str(left), str(right)) == 1
    assert terminal.out == f"{BLUE}  settings.environment_variables.REGION  (secret) → (another secret)\n"


def test_a_thing_that_one_side_lacks_is_one_difference(terminal: Terminal, left: Path) -> None:
    right = write(left.with_name("right"))
    (right / "green.yml").unlink()
    assert terminal.run("diff", str(left), str(right)) == 1
    assert terminal.out == f"{GREEN}  exists  true → false\n"


def test_the_result_is_json_or_a_table_where_it_is_asked_for(terminal: Terminal, left: Path) -> None:
    right = write(left.with_name("right"), {"compute.yml": put("max_instances", 9)})
    assert terminal.run("diff", str(left), str(right), "-o", "json") == 1
    row = {"noun": "compute", "name": "cpu", "field": "max_instances", "left": 4, "right": 9, "is_secret": False}
    assert json.loads(terminal.out) == [row]
    assert list(json.loads(terminal.out)[0]) == sorted(row)
    assert terminal.run("diff", str(left), str(right), "--query", "[].field", "-o", "tsv") == 1
    assert terminal.out == "max_instances\n"
    assert terminal.run("diff", str(left), str(right), "-o", "table") == 1
    assert terminal.out.splitlines()[0].split() == ["Subject", "Field", "Left", "Right"]
    assert terminal.out.splitlines()[2].split() == ["compute/cpu", "max_instances", "4", "9"]
    assert terminal.run("diff", str(left), str(left), "-o", "json") == 0
    assert json.loads(terminal.out) == []


def test_single_files_are_compared(terminal: Terminal, left: Path) -> None:
    right = write(left.with_name("right"), {"compute.yml": put("max_instances", 9)})
    assert terminal.run("diff", str(left / "compute.yml"), str(right / "compute.yml")) == 1
    assert terminal.out == "compute/cpu  max_instances  4 → 9\n"


def test_what_cannot_be_compared_ends_with_2_and_says_why(terminal: Terminal, left: Path) -> None:
    assert terminal.run("diff", str(left), str(left / "nowhere")) == 2
    assert "no file or folder" in terminal.err
    assert terminal.run("diff", str(left)) == 2
    save(left / "broken.yml", {"name": "blue", "endpoint_name": "scores", "settings": {"mini_batch_size": "many"}})
    assert terminal.run("diff", str(left), str(left)) == 2
    assert "settings.mini_batch_size" in terminal.err
    assert "broken.yml" in terminal.err
    save(left / "broken.yml", {"name": "cpu", "type": "amlcompute", "max_instances": 5})
    assert terminal.run("diff", str(left), str(left)) == 2
    assert "declared twice" in terminal.err
    assert terminal.run("diff", str(left), "workspace@/nowhere/at/all") == 2
    assert "not the home of a server" in terminal.err


def test_a_mistake_in_a_secret_does_not_show_it(terminal: Terminal, left: Path) -> None:
    wrong = write(left.with_name("right"), {"blue.yml": put("settings.environment_variables.API_TOKEN", [SECRET])})
    assert terminal.run("diff", str(left), str(wrong)) == 2
    assert "settings.environment_variables: found (secret)" in terminal.err
    assert "'API_TOKEN'" in terminal.err
    assert SECRET not in terminal.out + terminal.err


def test_yaml_that_declares_nothing_of_ours_is_left_out(terminal: Terminal, left: Path) -> None:
    right = write(left.with_name("right"))
    save(right / "conda2.yml", {"name": "x", "dependencies": ["python"]})
    save(right / ".github" / "ci.yml", {"name": "ci", "on": "push"})
    save(right / "notes.yml", {"name": "notes", "people": ["a"]})
    assert terminal.run("diff", str(left), str(right)) == 0
    assert terminal.out == ""
    assert "notes.yml" in terminal.err
    assert "conda2" not in terminal.err


def write(folder: Path, changes: dict[str, Callable[[Any], Any]] | None = None) -> Path:
    for name, document in DOCUMENTS.items():
        change = (changes or {}).get(name, lambda same: same)
        save(folder / name, change(copy.deepcopy(document)))
    return parts(folder)


def parts(folder: Path) -> Path:
    save(folder / "conda.yml", {"dependencies": ["python=3.11"]})
    for name, text in (("code/score.py", "def run(mini_batch):\n    return mini_batch\n"), ("model/weights", "1")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def save(path: Path, document: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(document, sort_keys=False))


def put(place: str, value: Any) -> Callable[[Any], Any]:
    """Give what sets a value in a document; None takes the key out."""

    def change(document: Any) -> Any:
        *way, last = [int(part) if part.isdecimal() else part for part in place.split(".")]
        at = document
        for part in way:
            at = at.setdefault(part, {}) if isinstance(at, dict) else at[part]
        if value is None:
            del at[last]
        else:
            at[last] = value
        return document

    return change
