"""`batchyard env`: a shell and a command that reach this server by Azure's own means."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.support.server_home import WS, ServerHome

SHOW = "import os, json; print(json.dumps(dict(os.environ)))"


def test_the_exports_make_azures_credential_a_caller_of_this_server(served: ServerHome) -> None:
    exports = served.run("env").stdout
    script = (
        "import os, requests, azure.identity\n"
        "token = azure.identity.DefaultAzureCredential().get_token('https://management.azure.com/.default').token\n"
        f"url = os.environ['AZUREML_DEV_URL_MFE'] + {WS!r}\n"
        "answer = requests.get(url, headers={'Authorization': 'Bearer ' + token})\n"
        "print(answer.status_code, answer.json()['name'])\n"
    )

    done = subprocess.run(
        ["sh", "-c", f'{exports}\nexec "$0" -c "$1"', sys.executable, script],
        env={**served.environment(), "AZURE_CLIENT_ID": ""},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout == "200 default\n", done.stderr


def test_a_command_runs_with_the_variables_and_its_own_flags(served: ServerHome) -> None:
    seen = json.loads(served.run("env", "--", sys.executable, "-c", SHOW, "--name", "x").stdout)

    bundle = Path(seen["REQUESTS_CA_BUNDLE"]).read_text()
    assert (served.home / "tls" / "ca.pem").read_text() in bundle
    assert seen["IDENTITY_ENDPOINT"] == seen["AZUREML_DEV_URL_MFE"] + "/msi/token"
    assert served.run("env", "--", "false", exit_code=1).stdout == ""
    assert "'no-such-command' cannot be run" in served.run("env", "--", "no-such-command", exit_code=1).stderr


def test_a_proxy_of_the_environment_is_not_asked_for_this_server(served: ServerHome) -> None:
    script = (
        "import os, requests, azure.identity, urllib.request\n"
        "token = azure.identity.DefaultAzureCredential().get_token('https://management.azure.com/.default').token\n"
        f"url = os.environ['AZUREML_DEV_URL_MFE'] + {WS!r}\n"
        "answer = requests.get(url, headers={'Authorization': 'Bearer ' + token})\n"
        "print(answer.status_code, *map(urllib.request.proxy_bypass, ['internal', 'example.org']))\n"
    )
    proxied = {"HTTPS_PROXY": "http://127.0.0.1:9", "no_proxy": "internal"}
    served.variables |= proxied
    try:
        done = served.run("env", "--", sys.executable, "-c", script)
        exports = served.run("env").stdout
        again = subprocess.run(
            ["sh", "-c", f"{exports}\necho $no_proxy $NO_PROXY"],
            env=served.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        for name in proxied:
            del served.variables[name]

    assert done.stdout == "200 True False\n", done.stderr
    assert again.stdout == "internal,127.0.0.1,localhost internal,127.0.0.1,localhost\n"
    assert "PROXY" not in served.run("env").stdout


def test_a_bundle_that_was_named_before_stays_in_it(served: ServerHome) -> None:
    company = served.file("company.pem", "-----BEGIN CERTIFICATE-----\nours\n-----END CERTIFICATE-----\n")
    served.variables["REQUESTS_CA_BUNDLE"] = str(company)
    try:
        seen = json.loads(served.run("env", "--", sys.executable, "-c", SHOW).stdout)
    finally:
        del served.variables["REQUESTS_CA_BUNDLE"]

    assert Path(seen["REQUESTS_CA_BUNDLE"]).read_text().startswith(company.read_text())


def test_a_service_principal_in_the_way_is_unset_and_named(served: ServerHome) -> None:
    served.variables["AZURE_CLIENT_ID"] = "somebody"
    try:
        done = served.run("env")
    finally:
        del served.variables["AZURE_CLIENT_ID"]

    assert "unset AZURE_CLIENT_ID" in done.stdout.splitlines()
    assert "AZURE_CLIENT_ID would win" in done.stderr


def test_a_choice_of_other_credentials_does_not_leave_this_servers_out(served: ServerHome) -> None:
    served.variables["AZURE_TOKEN_CREDENTIALS"] = "dev"
    script = (
        "import azure.identity\n"
        "print(azure.identity.DefaultAzureCredential().get_token('https://ml.azure.com/.default').expires_on > 0)\n"
    )
    try:
        done = served.run("env", "--", sys.executable, "-c", script, exit_code=None)
    finally:
        del served.variables["AZURE_TOKEN_CREDENTIALS"]

    assert done.stdout == "True\n", done.stderr


def test_config_json_is_written_once_and_never_over_another(served: ServerHome) -> None:
    served.run("env", "--config")
    served.run("env", "--config")
    written = json.loads((served.folder / "config.json").read_text())
    (served.folder / "config.json").write_text("{}")

    refused = served.run("env", "--config", exit_code=1)

    assert written == {
        "subscription_id": "00000000-0000-0000-0000-000000000000",
        "resource_group": "local",
        "workspace_name": "default",
    }
    assert "exists already" in refused.stderr
