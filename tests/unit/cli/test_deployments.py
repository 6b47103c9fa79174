from __future__ import annotations

import json
from pathlib import Path

import httpx2
import pytest

from .bench import WS, failure

YAML = """\
$schema: https://azuremlschemas.azureedge.net/latest/modelBatchDeployment.schema.json
name: stable
endpoint_name: digits
type: model
model: azureml:digits:1
code_configuration:
  code: code
  scoring_script: score.py
environment:
  conda_file: conda.yml
compute: azureml:cpu-cluster
resources:
  instance_count: 1
settings:
  mini_batch_size: 20
"""


@pytest.fixture
def folder(azure, tmp_path) -> Path:
    """A deployment's files, and everything it names at the server."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "score.py").write_text("def run(mini_batch):\n    return mini_batch\n")
    (tmp_path / "conda.yml").write_text("dependencies:\n  - python=3.11\n")
    (tmp_path / "deployment.yml").write_text(YAML)
    azure.put("batchEndpoints/digits", {"defaults": {"deploymentName": None}, "authMode": "AADToken"})
    azure.put("computes/cpu-cluster", {"properties": {"scaleSettings": {"maxNodeCount": 2}}})
    azure.put("models/digits/versions/1", {"modelUri": "azureml://datastores/workspaceblobstore/paths/m"})
    azure.rules.append(lambda request, path: pending(request) if path.endswith("/startPendingUpload") else None)
    return tmp_path


def pending(_: httpx2.Request) -> httpx2.Response:
    uri = "https://localhost:8443/blob/code.blob.core.windows.net/code-1"
    reference = {"blobUri": uri, "credential": {"credentialType": "SAS", "sasUri": f"{uri}?sig=s"}}
    return httpx2.Response(200, json={"blobReferenceForConsumption": reference})


def create(terminal, folder, *args):
    return terminal.run("batch-deployment", "create", "--file", str(folder / "deployment.yml"), *args)


def test_create_registers_what_is_local_and_then_the_deployment(terminal, folder):
    assert create(terminal, folder) == 0, terminal.err

    puts = terminal.azure.sent("PUT")
    body = terminal.azure.body("PUT", "batchEndpoints/digits/deployments/stable")["properties"]
    # The server may refuse the environment: nothing is uploaded before it.
    assert puts[0].startswith("environments/digits-stable/versions/sha-")
    assert puts[1] == "/blob/code.blob.core.windows.net/code-1/code/score.py"
    assert puts[-1] == "batchEndpoints/digits/deployments/stable"
    assert "/codes/" in body["codeConfiguration"]["codeId"]
    assert "/environments/digits-stable/versions/sha-" in body["environmentId"]
    assert (body["miniBatchSize"], json.loads(terminal.out)["name"]) == (20, "stable")
    assert "Registered environment digits-stable" in terminal.err


def test_code_that_is_registered_already_is_not_sent_again(terminal, folder):
    known = httpx2.Response(200, json={"value": [{"id": f"{WS}/codes/known/versions/1"}]})
    terminal.azure.rules.append(lambda request, _: known if "hash" in request.url.params else None)

    assert create(terminal, folder) == 0, terminal.err

    body = terminal.azure.body("PUT", "batchEndpoints/digits/deployments/stable")["properties"]
    assert body["codeConfiguration"]["codeId"].endswith("/codes/known/versions/1")
    assert not [path for path in terminal.azure.sent("PUT") if path.startswith("/blob/")]


def test_every_mistake_is_told_at_once_and_nothing_is_sent(terminal, folder):
    (folder / "code" / "score.py").write_text("def init():\n    pass\n")
    (folder / "conda.yml").unlink()
    sets = ["--set", "settings.mini_batch_size=0", "model=azureml:digitz:1", "compute=azureml:nowhere", "colour=red"]

    assert create(terminal, folder, *sets) == 1

    expected = ["mini_batch_size", "colour", "without `run`", "conda.yml", "digitz", "nowhere"]
    assert [word for word in expected if word not in terminal.err] == []
    assert terminal.azure.sent("PUT") == []
    assert terminal.azure.sent("POST") == []


def test_a_script_that_does_not_parse_is_told_with_its_line(terminal, folder):
    (folder / "code" / "score.py").write_text("def run(mini_batch)\n    return []\n")

    assert create(terminal, folder) == 1
    assert "line 1" in terminal.err


def test_a_missing_script_names_those_that_are_there(terminal, folder):
    assert create(terminal, folder, "--set", "code_configuration.scoring_script=skore.py") == 1
    assert "score.py" in terminal.err


def test_more_instances_than_the_compute_has_are_refused(terminal, folder):
    assert create(terminal, folder, "--set", "resources.instance_count=3") == 1
    assert "max_instances" in terminal.err


def test_a_missing_endpoint_alone_ends_with_3(terminal, folder):
    assert create(terminal, folder, "--endpoint-name", "letters") == 3
    assert terminal.azure.sent("PUT") == []


def test_script_validation_can_be_skipped(terminal, folder):
    (folder / "code" / "score.py").write_text("not python at all")

    assert create(terminal, folder, "--skip-script-validation") == 0, terminal.err


def test_set_default_cannot_go_with_no_wait(terminal, folder):
    assert create(terminal, folder, "--set-default", "--no-wait") == 2


def provisioning(azure, *states, error=None):
    def accepted(request):
        azure.put("batchEndpoints/digits/deployments/stable", {"provisioningState": "Creating"})
        link = "https://localhost:8443/operations/1"
        return httpx2.Response(
            201,
            json=azure.documents["batchEndpoints/digits/deployments/stable"],
            headers={"Azure-AsyncOperation": link, "Retry-After": "1"},
        )

    azure.answer_with("PUT", "batchEndpoints/digits/deployments/stable", accepted)
    for state in states:
        body = {"status": state, **({"error": error} if error and state == "Failed" else {})}
        azure.answer_with("GET", "/operations/1", lambda _, body=body: httpx2.Response(200, json=body))


def test_create_waits_for_the_operation_and_shows_the_end(terminal, folder):
    provisioning(terminal.azure, "InProgress", "InProgress", "Succeeded")

    assert create(terminal, folder) == 0, terminal.err
    assert terminal.azure.sent("GET").count("/operations/1") == 3


def test_no_wait_returns_at_once(terminal, folder):
    provisioning(terminal.azure, "InProgress")

    assert create(terminal, folder, "--no-wait") == 0
    assert json.loads(terminal.out)["provisioning_state"] == "Creating"
    assert "/operations/1" not in terminal.azure.sent("GET")


def test_a_failed_operation_ends_with_1_and_its_log(terminal, folder):
    error = {"code": "EnvironmentFailed", "message": "No solution found.\nlog:\n  numpyy was not found"}
    provisioning(terminal.azure, "InProgress", "Failed", error=error)

    assert create(terminal, folder) == 1
    assert "EnvironmentFailed" in terminal.err
    assert "numpyy was not found" in terminal.err
    assert terminal.out == ""


def test_set_default_switches_after_the_deployment_is_ready(terminal, folder):
    provisioning(terminal.azure, "InProgress", "Succeeded")

    assert create(terminal, folder, "--set-default", "--reason", "first") == 0, terminal.err

    sent = terminal.azure.body("PUT", "batchEndpoints/digits")["properties"]
    assert sent["defaults"] == {"deploymentName": "stable"}


def test_an_inline_model_is_uploaded_and_registered_once_for_its_content(terminal, folder):
    (folder / "model").mkdir()
    (folder / "model" / "weights.bin").write_bytes(b"12345")
    args = ["--set", "model={path: model, type: custom_model}"]

    assert create(terminal, folder, *args) == 0, terminal.err
    first = [path for path in terminal.azure.sent("PUT") if path.startswith("models/")]
    assert create(terminal, folder, *args) == 0, terminal.err

    models = [path for path in terminal.azure.sent("PUT") if path.startswith("models/")]
    uploads = [path for path in terminal.azure.sent("PUT") if path.endswith("/model/weights.bin")]
    assert set(models) == set(first)
    # The bytes, then the mark that all of them are there.
    assert len(uploads) == 2


def test_update_keeps_every_setting_that_is_not_named(terminal, folder):
    assert create(terminal, folder) == 0
    before = terminal.azure.body("PUT", "batchEndpoints/digits/deployments/stable")["properties"]

    args = ["batch-deployment", "update", "-e", "digits", "-n", "stable", "--set", "settings.error_threshold=0"]
    assert terminal.run(*args) == 0, terminal.err

    after = terminal.azure.body("PUT", "batchEndpoints/digits/deployments/stable")["properties"]
    assert after == {**before, "errorThreshold": 0}
    assert "settings.error_threshold: -1 → 0" in terminal.err


def test_force_is_asked_of_the_server(terminal, folder):
    create(terminal, folder)

    terminal.run("batch-deployment", "delete", "-e", "digits", "-n", "stable", "-y", "--force")

    assert terminal.azure.requests[-1].url.params["force"] == "true"


def test_update_takes_a_file_in_the_legacy_form(terminal, folder):
    create(terminal, folder)
    (folder / "patch.yml").write_text("name: stable\nendpoint_name: digits\nmini_batch_size: 7\n")

    args = ["batch-deployment", "update", "-f", str(folder / "patch.yml")]
    assert terminal.run(*args) == 0, terminal.err

    sent = terminal.azure.body("PUT", "batchEndpoints/digits/deployments/stable")["properties"]
    assert (sent["miniBatchSize"], sent["errorThreshold"]) == (7, -1)


def test_a_file_without_a_name_has_all_its_mistakes_told(terminal, folder):
    wrong = YAML.replace("name: stable\nendpoint", "nme: stable\nendpoint").replace("cpu-cluster", "nowhere")
    (folder / "deployment.yml").write_text(wrong.replace("mini_batch_size: 20", "mini_batch_size: 0"))

    assert create(terminal, folder) == 1

    lines = [line.strip() for line in terminal.err.splitlines()]
    for start in ("- nme: found an unknown key", "- name: found nothing", "- compute: found 'nowhere'"):
        assert [line for line in lines if line.startswith(start)], terminal.err
    assert "Did you mean 'name'" in terminal.err
    assert "settings.mini_batch_size: found 0" in terminal.err


def test_null_for_a_key_that_nobody_knows_is_a_mistake(terminal, folder):
    create(terminal, folder)
    before = terminal.azure.sent("PUT")
    args = ["batch-deployment", "update", "-e", "digits", "-n", "stable", "--set"]

    assert terminal.run(*args, "settings.description=null", "colour=null", "settings.error_threshold=0") == 1

    assert "settings.description: found an unknown key" in terminal.err
    assert "colour: found an unknown key" in terminal.err
    assert terminal.azure.sent("PUT") == before


def test_null_for_a_known_key_that_holds_nothing_changes_nothing(terminal, folder):
    create(terminal, folder)
    before = terminal.azure.sent("PUT")
    args = ["batch-deployment", "update", "-e", "digits", "-n", "stable", "--set"]

    assert terminal.run(*args, "description=null", "tags.team=null", "settings.environment_variables.A=null") == 0

    assert "Nothing to change" in terminal.err
    assert terminal.azure.sent("PUT") == before


def test_an_update_with_the_same_file_shows_no_difference_and_writes_nothing(terminal, folder):
    create(terminal, folder)
    code = next(path for path in terminal.azure.sent("PUT") if path.startswith("codes/"))
    known = httpx2.Response(200, json={"value": [{"id": f"{WS}/{code}"}]})
    terminal.azure.rules.append(lambda request, _: known if "hash" in request.url.params else None)
    args = ["batch-deployment", "update", "-f", str(folder / "deployment.yml")]

    assert terminal.run(*args) == 0, terminal.err
    assert terminal.err == "Nothing to change.\n"
    assert terminal.azure.sent("PUT").count("batchEndpoints/digits/deployments/stable") == 1

    (folder / "conda.yml").write_text("dependencies:\n  - python=3.12\n")
    assert terminal.run(*args, "--set", "settings.mini_batch_size=7") == 0, terminal.err
    changed = [line.split(":")[0].strip() for line in terminal.err.splitlines() if " → " in line]
    assert changed == ["environment", "settings.mini_batch_size"]


def test_warnings_of_the_environment_are_told_when_it_is_ready(terminal, folder):
    path = "batchEndpoints/digits/deployments/stable"
    warning = "Python 3.8 is not on this machine; 3.11 is used."

    def built(request):
        properties = json.loads(request.content)["properties"]
        terminal.azure.put(path, {**properties, "environmentWarnings": [warning]})
        return httpx2.Response(201, json=terminal.azure.documents[path])

    terminal.azure.answer_with("PUT", path, built, built)

    assert create(terminal, folder) == 0
    assert f"Warning: {warning}\n" in terminal.err
    args = ["batch-deployment", "update", "-e", "digits", "-n", "stable", "--set", "settings.error_threshold=0"]
    assert terminal.run(*args) == 0
    assert f"Warning: {warning}\n" in terminal.err
    create(terminal, folder, "--only-show-errors")
    assert warning not in terminal.err


def test_warnings_of_the_environment_are_not_told_again_when_nothing_changes(terminal, folder):
    create(terminal, folder)
    properties = terminal.azure.documents["batchEndpoints/digits/deployments/stable"]["properties"]
    properties["environmentWarnings"] = ["Python 3.8 is not on this machine."]

    args = ["batch-deployment", "update", "-e", "digits", "-n", "stable", "--set", "settings.mini_batch_size=20"]
    assert terminal.run(*args) == 0, terminal.err
    assert terminal.err == "Nothing to change.\n"


def test_a_refused_environment_leaves_nothing_uploaded(terminal, folder):
    (folder / "model").mkdir()
    (folder / "model" / "weights.bin").write_bytes(b"12345")
    refusal = failure(400, "InvalidInput", "conda_file: found the unknown name 'numpyy'.")
    terminal.azure.rules.append(
        lambda request, path: refusal if request.method == "PUT" and path.startswith("environments/") else None
    )

    assert create(terminal, folder, "--set", "model={path: model, type: custom_model}") == 1

    assert [path.split("/")[0] for path in terminal.azure.sent("PUT")] == ["environments"]
    assert terminal.azure.sent("POST") == []


def test_a_failed_update_that_still_serves_is_seen_in_the_table(terminal, azure):
    failed = {"provisioningState": "Failed", "revision": 4, "servingRevision": 2}
    azure.put("batchEndpoints/digits", {})
    azure.put("batchEndpoints/digits/deployments/stable", failed)

    terminal.run("batch-deployment", "list", "-e", "digits", "-o", "table")

    head, _, row = terminal.out.splitlines()[:3]
    assert row[head.index("Revision") :].split()[:2] == ["4", "2"]
    assert "Serving" in head


def test_an_old_revision_is_asked_of_the_server(terminal, folder):
    create(terminal, folder)

    terminal.json("batch-deployment", "show", "-e", "digits", "-n", "stable", "--revision", "3")

    assert terminal.azure.requests[-1].url.params["revision"] == "3"


LOG = "ExperimentRun/dcid.operation-1/build.txt"
LOG_URI = f"azureml://datastores/workspaceartifactstore/paths/{LOG}"


def failing_with_a_log(azure):
    text = "".join(f"line {i}\n" for i in range(100)).encode()
    azure.blobs[f"/blob/workspaceartifactstore.blob.core.windows.net/azureml/{LOG}"] = text
    provisioning(azure)
    body = {"status": "Failed", "error": {"code": "ScriptError", "message": "No."}, "properties": {"log": LOG_URI}}
    azure.answer_with("GET", "/operations/1", lambda _: httpx2.Response(200, json=body))


def test_a_failed_operation_shows_the_end_of_its_log_and_where_it_is(terminal, folder):
    failing_with_a_log(terminal.azure)

    assert create(terminal, folder) == 1

    lines = terminal.err.splitlines()
    assert lines[lines.index("  | line 80") - 1] == "The log ends with:"
    assert "line 79" not in terminal.err
    error = f"ERROR: Deployment 'stable' of endpoint 'digits' ended Failed: (ScriptError) No. The log: {LOG_URI}"
    assert lines[-2:] == ["  | line 99", error]


def test_the_log_of_the_embedded_server_is_named_by_its_path(terminal, folder):
    path = terminal.home / "datastores" / "workspaceartifactstore" / LOG
    path.parent.mkdir(parents=True)
    path.write_text("so far\n")
    failing_with_a_log(terminal.azure)

    assert create(terminal, folder) == 1
    assert terminal.err.endswith(f" The log: {path}\n")


def test_a_failed_operation_whose_log_is_gone_is_told_all_the_same(terminal, folder):
    failing_with_a_log(terminal.azure)
    terminal.azure.blobs.clear()

    assert create(terminal, folder) == 1
    assert "(ScriptError) No." in terminal.err


def test_a_failed_deployment_names_its_log(terminal, azure):
    azure.put("batchEndpoints/digits/deployments/stable", {"provisioningState": "Failed", "provisioningLog": LOG_URI})

    shown = terminal.json("batch-deployment", "show", "-e", "digits", "-n", "stable")

    assert shown["provisioning_log"] == LOG_URI


def mlflow_yaml(folder, *, environment: str = "", files: tuple[str, ...] = ("MLmodel", "conda.yaml")) -> None:
    (folder / "heart").mkdir()
    for name in ("model.pkl", *files):
        (folder / "heart" / name).write_text("x: 1\n")
    model = "model:\n  path: heart\n  type: mlflow_model\n"
    (folder / "deployment.yml").write_text(
        f"name: stable\nendpoint_name: digits\ntype: model\ncompute: azureml:cpu-cluster\n{model}{environment}"
    )


@pytest.mark.parametrize(
    ("files", "told"),
    [
        (("conda.yaml",), "model.path: found 'heart' without a file 'MLmodel'"),
        (
            ("MLmodel",),
            "environment: found nothing, and 'heart' has none of conda.yaml, python_env.yaml, requirements.txt",
        ),
    ],
)
def test_an_mlflow_model_that_the_server_could_not_score_with_is_refused_before_it_is_uploaded(
    terminal, folder, files, told
):
    mlflow_yaml(folder, files=files)

    assert create(terminal, folder) == 1

    assert told in terminal.err
    assert terminal.azure.sent("PUT") == []


@pytest.mark.parametrize("file", ["conda.yaml", "python_env.yaml", "requirements.txt"])
def test_an_mlflow_model_without_a_script_is_uploaded_and_left_to_the_server(terminal, folder, file):
    mlflow_yaml(folder, files=("MLmodel", file))

    assert create(terminal, folder) == 0, terminal.err

    assert "/heart/MLmodel" in "".join(terminal.azure.sent("PUT"))


def test_a_registered_model_that_needs_a_script_is_told_before_anything_is_registered(terminal, folder):
    without = [line for line in YAML.splitlines() if "code" not in line and "scoring_script" not in line]
    (folder / "deployment.yml").write_text("\n".join(without))

    assert create(terminal, folder) == 1

    assert "A custom_model needs a script that scores with it." in terminal.err
    assert terminal.azure.sent("PUT") == []
