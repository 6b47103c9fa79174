"""Scripts written for Azure, run with nothing but PATH changed."""

from __future__ import annotations

import json
import subprocess

from tests.support.server_home import WS, ServerHome

SCRIPT = "from pathlib import Path\n\ndef run(mini_batch):\n    return [Path(p).name for p in mini_batch]\n"

# As in the public samples of batch endpoints, with their flags and queries.
SAMPLE = r"""
set -e
SUBSCRIPTION=$(az account show --query id -o tsv)
az account set --subscription $SUBSCRIPTION
az configure --defaults group=local workspace=default location=westeurope
LOCATION=$(az ml workspace show --query location -o tsv)
RESOURCE_GROUP=$(az group show --query id -o tsv)

az ml compute create -n cpu --type amlcompute --min-instances 0 --max-instances 2 > /dev/null
ENDPOINT_NAME="sample-endpoint"
az ml batch-endpoint create --name $ENDPOINT_NAME > /dev/null
az ml batch-deployment create --f blue/deployment.yml --endpoint-name $ENDPOINT_NAME --set-default > /dev/null
az ml batch-endpoint show --name $ENDPOINT_NAME --query "{Name:name, Defaults:defaults}" > defaults.json
JOB_NAME=$(az ml batch-endpoint invoke --name $ENDPOINT_NAME --input numbers --query name -o tsv)
az ml job stream -n $JOB_NAME 2> /dev/null
STATUS=$(az ml job show -n $JOB_NAME --query status -o tsv)
test "$STATUS" = Completed
az ml job download --name $JOB_NAME --output-name score --download-path ./down > /dev/null
az ml batch-deployment list --endpoint-name $ENDPOINT_NAME --query "[].name" -o tsv > deployments.txt

SCORING_URI=$(az ml batch-endpoint show --name $ENDPOINT_NAME --query scoring_uri -o tsv)
SCORING_TOKEN=$(az account get-access-token --resource https://ml.azure.com --query accessToken -o tsv)
curl -s --cacert "$CA" --request POST "$SCORING_URI" --header "Authorization: Bearer $SCORING_TOKEN" \
  --header 'Content-Type: application/json' --header 'azureml-model-deployment: blue' \
  --data-raw '{"properties": {"inputData": {"x": {"jobInputType": "UriFolder",
    "uri": "azureml://datastores/workspaceblobstore/paths/samples"}}}}' > posted.json
echo "$LOCATION $RESOURCE_GROUP $JOB_NAME"
"""


def az(served: ServerHome, script: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a script in the test's folder with our `az` first in PATH."""
    served.run("az", "install", "bin")
    environment = served.environment()
    environment["PATH"] = f"{served.folder / 'bin'}:{environment['PATH']}"
    return subprocess.run(
        ["bash", "-c", script],
        env={**environment, **variables},
        cwd=served.folder,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


def test_a_sample_script_runs_with_nothing_but_path_changed(own_home: ServerHome) -> None:
    home = own_home
    home.files("numbers", 4)
    home.deploy("prepares", "blue", SCRIPT)
    store = home.home / "datastores/workspaceblobstore/samples"
    store.mkdir(parents=True)
    (store / "a.txt").write_text("1")

    done = az(home, SAMPLE, CA=str(home.home / "tls" / "ca.pem"))

    assert done.returncode == 0, done.stdout + done.stderr
    location, group, job = done.stdout.splitlines()[-1].split()
    assert (location, group) == ("local", WS.rsplit("/providers", 1)[0])
    assert json.loads((home.folder / "defaults.json").read_text()) == {
        "Defaults": {"deployment_name": "blue"},
        "Name": "sample-endpoint",
    }
    assert (home.folder / "deployments.txt").read_text() == "blue\n"
    found = next((home.folder / "down").rglob("predictions.csv"))
    assert sorted(found.read_text().split()) == [f"item-{k:04d}.txt" for k in range(4)]
    assert home.finish(job)["counts"]["succeeded"] == 4
    posted = json.loads((home.folder / "posted.json").read_text())
    assert home.finish(posted["name"])["output"]["path"].startswith("azureml/")


def test_what_is_not_served_says_so_and_nothing_else_is_overwritten(served: ServerHome) -> None:
    other = served.file("bin2/az", "#!/bin/sh\necho real\n")

    refused = az(served, "az storage account list")
    kept = served.run("az", "install", "bin2", exit_code=1)

    assert refused.returncode == 2
    assert "`az storage` is not served by batchyard" in refused.stderr
    assert "is another program" in kept.stderr
    assert "real" in other.read_text()
    assert az(served, "az group show -n elsewhere").returncode == 3


def test_no_module_comes_from_the_folder_that_a_command_is_given_in(served: ServerHome) -> None:
    names = ("json", "shlex", "argparse", "batchyard")
    planted = [served.file(f"{name}.py", f"raise SystemExit('{name} of this folder was run')") for name in names]

    versions = az(served, "az version && az --version && az ml batch-endpoint list -o tsv")
    run = served.run("run", "missing.yml", "--input", "in", "--output", "out", exit_code=1)
    doctor = served.run("doctor", exit_code=None)
    for module in planted:
        module.unlink()

    assert versions.returncode == 0, versions.stderr
    assert "of this folder was run" not in run.stderr + run.stdout + doctor.stderr + doctor.stdout
