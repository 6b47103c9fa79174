"""The grammar of the command line (B.0), with the installed command: formats, flags, exit codes, a remote server."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.server_home import BATCHYARD, ServerHome, copy_deployment

# One home and one set-up for the whole file.
pytestmark = pytest.mark.xdist_group("command-line")

ECHO = """
import os
def run(mini_batch):
    return [os.path.basename(path) + " " + open(path).read() for path in mini_batch]
"""
SCOPE = ("--resource-group", "local", "--workspace-name", "default")
FINAL_S = 30


@pytest.fixture(scope="module")
def lines(served: ServerHome) -> Iterator[ServerHome]:
    """The home with endpoint `lines`: its deployments are `one`, the default, and `two`."""
    served.deploy("lines", "one", ECHO)
    with served.rest() as client:
        copy_deployment(client, "lines/one", "lines/two", miniBatchSize=2)
    yield served


SHOW = ("batch-endpoint", "show", "--name", "lines")


def test_each_output_format_gives_the_same_result_on_stdout_alone(lines: ServerHome) -> None:
    done = {kind: lines.run(*SHOW, "-o", kind) for kind in ("json", "jsonc", "yaml", "yamlc", "none", "table", "tsv")}
    plain = json.loads(done["json"].stdout)
    assert json.loads(lines.run(*SHOW).stdout) == plain
    assert json.loads(re.sub(r"\x1b\[[0-9;]*m", "", done["jsonc"].stdout)) == plain
    assert yaml.safe_load(done["yaml"].stdout)["name"] == plain["name"]
    assert yaml.safe_load(re.sub(r"\x1b\[[0-9;]*m", "", done["yamlc"].stdout))["name"] == plain["name"]
    assert done["none"].stdout == ""
    header, rule, row = done["table"].stdout.splitlines()[:3]
    assert header.split()[:2] == ["Name", "Default"]
    assert set(rule) <= {"-", " "}
    assert row.split()[:2] == ["lines", "one"]
    assert "lines" in done["tsv"].stdout.rstrip("\n").split("\t")
    assert {one.stderr for one in done.values()} == {""}


def test_query_is_applied_before_the_format_and_tsv_gives_bare_scalars(lines: ServerHome) -> None:
    assert lines.run(*SHOW, "--query", "name", "-o", "tsv").stdout == "lines\n"
    assert lines.run(*SHOW, "--query", "defaults.deployment_name", "-o", "json").stdout == '"one"\n'
    listed = ("batch-deployment", "list", "--endpoint-name", "lines")
    query = "[].[name, settings.mini_batch_size]"
    assert lines.run(*listed, "--query", query, "-o", "tsv").stdout == "one\t10\ntwo\t2\n"
    only = "[?is_default].{who: name}"
    assert lines.json(*listed, "--query", only) == [{"who": "one"}]
    bad = lines.run(*SHOW, "--query", "a[", exit_code=2)
    assert "--query" in bad.stderr
    assert bad.stdout == ""


def test_set_takes_several_assignments_and_may_be_repeated(lines: ServerHome) -> None:
    create = ("batch-endpoint", "create", "--name", "many-sets")
    made = lines.json(*create, "--set", "description=a b", "tags.x=1", "--set", 'tags={"y": "2"}', "tags.z=three")
    assert made["description"] == "a b"
    assert made["tags"] == {"y": "2", "z": "three"}
    changed = lines.json("batch-endpoint", "update", "-n", "many-sets", "--set", "tags.y=null", "description=")
    assert (changed["tags"], changed["description"]) == ({"z": "three"}, "")


def test_unique_prefixes_of_flags_are_understood_and_ambiguous_ones_are_usage_errors(lines: ServerHome) -> None:
    lines.file("short.yml", {"name": "short-flags", "description": "by prefix"})
    made = lines.json("batch-endpoint", "create", "--f", "short.yml", "--ou", "json")
    assert made["description"] == "by prefix"
    assert lines.json("batch-deployment", "show", "--end", "lines", "--na", "one")["name"] == "one"
    ambiguous = lines.run("batch-endpoint", "invoke", "--name", "lines", "--in", ".", exit_code=2)
    assert "ambiguous" in ambiguous.stderr


def test_exit_codes_tell_success_failure_usage_and_a_missing_resource(lines: ServerHome) -> None:
    for expected, arguments in (
        (0, SHOW),
        (0, ("--help",)),
        (0, ("batch-endpoint", "invoke", "--help")),
        (0, ("--version",)),
        (1, ("batch-endpoint", "create", "--name", "!")),
        (1, ("batch-endpoint", "create", "--file", "no-such-file.yml")),
        (2, ("batch-endpoint", "show")),
        (2, ("batch-endpoint", "shwo", "--name", "lines")),
        (2, ("batch-endpoint", "show", "--name", "lines", "--nope")),
        (2, ("batch-endpoint", "show", "--name", "lines", "-o", "xml")),
        (3, ("batch-endpoint", "show", "--name", "line")),
        (3, ("batch-deployment", "show", "-e", "lines", "-n", "three")),
        (3, ("job", "show", "--name", "no-such-job")),
        (3, ("model", "show", "--name", "no-such-model")),
    ):
        done = lines.run(*arguments, exit_code=None)
        assert done.returncode == expected, f"{arguments}: {done.returncode}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        assert (done.stdout == "") == (expected != 0), arguments


def test_a_failed_job_is_shown_with_0_and_followed_with_1(lines: ServerHome) -> None:
    source = str(lines.files("pair", 2))
    settings = {"loggingLevel": "Info", "errorThreshold": 0, "retrySettings": {"maxRetries": 0, "timeout": "PT30S"}}
    lines.file("fails/code/score.py", "def run(b):\n    raise ValueError('on purpose')\n")
    with lines.rest() as client:
        copy_deployment(client, "lines/one", "lines/fails", **settings)
    update = ("batch-deployment", "update", "-e", "lines", "-n", "fails", "--set")
    lines.run(*update, "code_configuration.code=fails/code")
    invoke = ("batch-endpoint", "invoke", "-n", "lines", "-d", "fails", "--input", source)
    done = lines.run(*invoke, "--wait", exit_code=1)
    answer = json.loads(done.stdout)
    assert answer["status"] == "Failed"
    assert "on purpose" in done.stderr
    assert "Traceback (most recent call last)" in done.stderr, "the script's own stack belongs to the story"
    assert lines.run("job", "show", "--name", answer["name"], "--query", "status", "-o", "tsv").stdout == "Failed\n"
    assert "on purpose" in lines.run("job", "stream", "--name", answer["name"], exit_code=1).stderr


def test_notes_go_to_stderr_and_only_show_errors_silences_them(lines: ServerHome) -> None:
    create = ("batch-endpoint", "create", "--name", "noted", "--set", "location=westeurope")
    loud, quiet = lines.run(*create), lines.run(*create, "--only-show-errors")
    assert "location" in loud.stderr
    assert quiet.stderr == ""
    assert json.loads(loud.stdout)["name"] == json.loads(quiet.stdout)["name"] == "noted"
    refused = lines.run("batch-endpoint", "show", "--name", "no-such", "--only-show-errors", exit_code=3)
    assert refused.stderr.startswith("ERROR: ")


def test_delete_without_a_terminal_needs_yes(lines: ServerHome) -> None:
    lines.run("batch-endpoint", "create", "--name", "kept")
    refused = lines.run("batch-endpoint", "delete", "--name", "kept", exit_code=1)
    assert "--yes" in refused.stderr
    lines.run("batch-endpoint", "show", "--name", "kept")
    assert lines.run("batch-endpoint", "delete", "--name", "kept", "-y").stdout == ""
    lines.run("batch-endpoint", "show", "--name", "kept", exit_code=3)


def test_no_wait_returns_at_once_and_show_tells_the_state(lines: ServerHome) -> None:
    lines.file("one/code/later.py", "import time\ntime.sleep(2)\n" + ECHO)
    create = ("batch-deployment", "create", "--file", "one/deployment.yml", "--name", "later")
    script = ("--set", "code_configuration.scoring_script=later.py")
    assert lines.json(*create, *script, "--no-wait")["provisioning_state"] == "Creating"
    show = ("batch-deployment", "show", "-e", "lines", "-n", "later", "--query", "provisioning_state", "-o", "tsv")
    states = [lines.run(*show).stdout.strip()]
    while states[-1] == "Creating" and len(states) < FINAL_S:
        states.append(lines.run(*show).stdout.strip())
    assert (states[0], states[-1]) == ("Creating", "Succeeded")
    lines.run(*create, "--set-default", "--no-wait", exit_code=2)


def test_defaults_are_kept_by_configure(own_home: ServerHome) -> None:
    own_home.run("configure", "--defaults", "group=local", "workspace=default", "output=tsv")
    assert own_home.run("batch-endpoint", "create", "-n", "kept", "--query", "name").stdout == "kept\n"
    own_home.run("configure", "--defaults", "workspace=elsewhere", "output=")
    assert "elsewhere" in own_home.run("batch-endpoint", "show", "-n", "kept", exit_code=None).stderr
    assert own_home.json("batch-endpoint", "show", "-n", "kept", *SCOPE)["name"] == "kept"
    assert "grup" in own_home.run("configure", "--defaults", "grup=x", exit_code=2).stderr


def test_batch_deployment_list_as_a_table_carries_what_ops_look_for(lines: ServerHome) -> None:
    done = lines.run(
        "batch-deployment", "list", "-g", "local", "-w", "default", "--endpoint-name", "lines", "-o", "table"
    )
    header, _, *rows = done.stdout.splitlines()
    columns = header.split()
    for column in ("Name", "Default", "State", "Model", "Environment", "Compute"):
        assert columns.count(column) == 1
    assert len(set(columns)) == len(columns)
    starts = [header.index(column) for column in columns]
    cells = {
        row.split()[0]: [row[a:b].strip() for a, b in zip(starts, [*starts[1:], None], strict=True)] for row in rows
    }
    shown = lines.json("batch-deployment", "show", "-e", "lines", "-n", "one")
    one, two = (dict(zip(columns, cells[name], strict=True)) for name in ("one", "two"))
    assert (one["Default"], two["Default"]) == ("*", "")
    assert (one["Model"], one["Compute"], one["State"]) == ("lines-model:1", "cpu", "Succeeded")
    assert shown["environment_hash"].startswith(one["Environment"])
    assert len(one["Environment"]) >= 8


def test_the_five_commands_work_as_written_for_azure(lines: ServerHome) -> None:
    lines.run("batch-deployment", "list", *SCOPE, "--endpoint-name", "lines", "-o", "table")
    shown = lines.json("batch-deployment", "show", *SCOPE, "--endpoint-name", "lines", "--name", "two")
    assert (shown["name"], shown["settings"]["mini_batch_size"]) == ("two", 2)
    document: dict[str, Any] = {
        "$schema": "https://azuremlschemas.azureedge.net/latest/modelBatchDeployment.schema.json",
        "name": "azure-made",
        "description": "as in the documents",
        "endpoint_name": "lines",
        "type": "model",
        "model": "azureml:lines-model@latest",
        "code_configuration": {"code": "one/code", "scoring_script": "score.py"},
        "environment": {"conda_file": "azure-conda.yml", "image": "mcr.microsoft.com/azureml/base:latest"},
        "compute": "azureml:cpu",
        "resources": {"instance_count": 1},
        "settings": {
            "max_concurrency_per_instance": 2,
            "mini_batch_size": 10,
            "output_action": "append_row",
            "output_file_name": "predictions.csv",
            "retry_settings": {"max_retries": 3, "timeout": 30},
            "error_threshold": -1,
            "logging_level": "info",
        },
    }
    lines.file("azure-conda.yml", {"name": "e", "channels": ["conda-forge"], "dependencies": ["python=3.11", "pip"]})
    lines.file("azure.yml", document)
    made = lines.json("batch-deployment", "create", "--file", "azure.yml", *SCOPE)
    assert (made["model"], made["provisioning_state"]) == ("azureml:lines-model:1", "Succeeded")
    update = ("batch-endpoint", "update", *SCOPE, "--name", "lines", "--set")
    assert lines.json(*update, "defaults.deployment_name=azure-made")["defaults"]["deployment_name"] == "azure-made"
    job = lines.finish(lines.invoke("lines", lines.files("pair", 2)))
    assert (job["status"], job["deployment_name"]) == ("Completed", "azure-made")
    assert lines.json("job", "show", *SCOPE, "--name", job["name"])["status"] == "Completed"
    lines.run(*update, "defaults.deployment_name=one")


def test_results_have_stable_sorted_keys_and_times_in_utc(lines: ServerHome) -> None:
    job = lines.finish(lines.invoke("lines", lines.files("pair", 2)))["name"]
    commands = (SHOW, ("batch-deployment", "show", "-e", "lines", "-n", "one"), ("job", "show", "-n", job))
    times = []
    for command in (*commands, ("compute", "show", "-n", "cpu"), ("model", "show", "-n", "lines-model", "-v", "1")):
        text = lines.run(*command).stdout
        assert text == lines.run(*command).stdout
        assert_sorted(json.loads(text))
        times += re.findall(r'"(\d{4}-\d\d-\d\dT[^"]*)"', text)
    assert len(times) > 10
    assert [time for time in times if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+\+00:00", time)] == []
    keys = [set(one) for one in lines.json("batch-deployment", "list", "-e", "lines")]
    assert all(one == keys[0] for one in keys)


def assert_sorted(value: Any, path: str = "") -> None:
    if isinstance(value, dict):
        assert list(value) == sorted(value), f"keys at {path or 'the top'}"
        for key, inner in value.items():
            assert_sorted(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for inner in value:
            assert_sorted(inner, path)


def test_another_machine_reaches_the_server_by_url_token_and_ca_and_uploads_its_input(
    lines: ServerHome, tmp_path: Path
) -> None:
    told = json.loads((lines.home / "server.json").read_text())
    remote = {
        "BATCHYARD_URL": told["url"],
        "BATCHYARD_TOKEN": (lines.home / "token").read_text().strip(),
        "BATCHYARD_CA": str(lines.home / "tls" / "ca.pem"),
    }
    other = ServerHome(tmp_path, variables=remote)
    source = other.files("far", 12)
    other.file("far/deep/er/item with space ü.txt", "deep")
    answer = other.json("batch-endpoint", "invoke", "--name", "lines", "--input", str(source))
    job = other.finish(answer["name"])
    assert (job["status"], job["counts"]["items"]) == ("Completed", 13)
    assert job["input"]["uri"].startswith("azureml://datastores/workspaceblobstore/")
    other.run("job", "download", "--name", job["name"], "--download-path", "got")
    fetched = (tmp_path / "got/named-outputs/score/predictions.csv").read_bytes()
    uploaded = lines.finish(lines.invoke("lines", source, "--upload"))
    in_place = lines.finish(lines.invoke("lines", source))
    assert in_place["input"]["uri"] == source.as_uri()
    assert uploaded["input"]["uri"].startswith("azureml://")
    for one in (uploaded, in_place):
        assert (lines.output(one["name"]) / "predictions.csv").read_bytes() == fetched
    assert other.processes() == {}, "a client of a remote server starts none of its own"
    assert not (other.home / "server.json").exists()


def test_a_remote_server_with_a_wrong_token_or_ca_is_refused_clearly(lines: ServerHome, tmp_path: Path) -> None:
    url = json.loads((lines.home / "server.json").read_text())["url"]
    good = {"BATCHYARD_URL": url, "BATCHYARD_TOKEN": (lines.home / "token").read_text().strip()}
    ca = {"BATCHYARD_CA": str(lines.home / "tls" / "ca.pem")}
    for variables, word in (
        ({**good, **ca, "BATCHYARD_TOKEN": "wrong"}, "token"),
        (good, "BATCHYARD_CA"),
        ({**ca, "BATCHYARD_URL": url}, "BATCHYARD_TOKEN"),
        ({**good, **ca, "BATCHYARD_URL": "https://127.0.0.1:9"}, "BATCHYARD_URL"),
    ):
        done = ServerHome(tmp_path, variables=variables).run("batch-endpoint", "list", exit_code=1)
        assert word in done.stderr
        assert "Traceback" not in done.stderr
        assert good["BATCHYARD_TOKEN"] not in done.stderr


def test_a_pipe_that_closes_early_is_no_error(lines: ServerHome) -> None:
    command = "batchyard batch-deployment list -e lines | head -c 1; exit ${PIPESTATUS[0]}"
    path = {**lines.environment(), "PATH": f"{BATCHYARD.parent}:{lines.environment()['PATH']}"}
    done = subprocess.run(
        ["bash", "-c", command], env=path, cwd=lines.folder, capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
