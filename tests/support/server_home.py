"""A home used as people use it: the installed command in processes of their own, and the server that it starts."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
import textwrap
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx2
import yaml

from tests.support.commands import run_command
from tests.support.processes import end_all, processes_of

BATCHYARD = Path(sys.executable).with_name("batchyard")
FINAL = ("Completed", "Failed", "Canceled")
WS = (
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/local"
    "/providers/Microsoft.MachineLearningServices/workspaces/default"
)


class CommandFailed(Exception):
    """The command ended with another exit code than expected; carries what it printed."""


class ServerHome:
    """One BATCHYARD_HOME below a test's folder."""

    def __init__(self, folder: Path, *, variables: dict[str, str] | None = None, program: Path | None = None) -> None:
        """program: another installed command than the one beside the Python of the tests; that one begins at once."""
        self.folder = folder
        self.home = folder / "home"
        self.variables = variables or {}
        self._program = program

    def run(
        self, *arguments: str, exit_code: int | None = 0, timeout_s: float = 240
    ) -> subprocess.CompletedProcess[str]:
        """Run a command and give what it printed. exit_code: the one expected, None for any."""
        done = self._run(arguments, timeout_s)
        if exit_code is not None and done.returncode != exit_code:
            raise CommandFailed(f"{arguments} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return done

    def _run(self, arguments: Sequence[str], timeout_s: float) -> subprocess.CompletedProcess[str]:
        if self._program is None:
            return run_command(arguments, variables=self.environment(), folder=self.folder, timeout_s=timeout_s)
        return subprocess.run(
            [self._program, *arguments],
            env=self.environment(),
            cwd=self.folder,
            text=True,
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )

    def environment(self) -> dict[str, str]:
        """Give the environment in which a user of this home runs commands."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            **{k: v for k, v in os.environ.items() if k.startswith(("UV_", "PIP_", "SSL_CERT"))},
            "BATCHYARD_HOME": str(self.home),
            **self.variables,
        }

    def rest(self, *, with_token: bool = True) -> httpx2.Client:
        """Give a client of the running server that trusts the home's own CA; paths begin with `WS`."""
        url = json.loads((self.home / "server.json").read_text())["url"]
        token = (self.home / "token").read_text().strip()
        return httpx2.Client(
            base_url=url,
            verify=ssl.create_default_context(cafile=str(self.home / "tls" / "ca.pem")),
            headers={"Authorization": f"Bearer {token}"} if with_token else {},
            params={"api-version": "2024-01-01-preview"},
            trust_env=False,
            timeout=90,
        )

    def json(self, *arguments: str) -> Any:
        """Run a command and give its result."""
        return json.loads(self.run(*arguments).stdout)

    def file(self, name: str, content: str | dict[str, Any]) -> Path:
        """Write a file below the test's folder; a dict becomes YAML."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(content) if isinstance(content, str) else yaml.safe_dump(content))
        return path

    def files(self, name: str, count: int) -> Path:
        """Make a folder of numbered small files."""
        for k in range(count):
            self.file(f"{name}/item-{k:04d}.txt", f"{k}")
        return self.folder / name

    def deploy(self, endpoint: str, name: str, script: str, **settings: Any) -> None:
        """Create compute, endpoint and deployment as needed; the deployment becomes the default."""
        self.file("compute.yml", {"name": "cpu", "type": "amlcompute", "max_instances": 4})
        self.file("model/model.txt", "weights")
        self.file(f"{name}/code/score.py", script)
        compute = settings.pop("compute", "cpu")
        extra = settings.pop("document", {})
        self.file(
            f"{name}/deployment.yml",
            {
                "name": name,
                "endpoint_name": endpoint,
                "type": "model",
                "model": {"name": f"{endpoint}-model", "version": "1", "path": "../model", "type": "custom_model"},
                "code_configuration": {"code": "code", "scoring_script": "score.py"},
                "environment": {"conda_file": {"dependencies": []}},
                "compute": f"azureml:{compute}",
                "settings": settings,
                **extra,
            },
        )
        self.run("compute", "create", "--file", "compute.yml")
        if self.run("batch-endpoint", "show", "--name", endpoint, exit_code=None).returncode:
            self.run("batch-endpoint", "create", "--name", endpoint)
        self.run("batch-deployment", "create", "--file", f"{name}/deployment.yml", "--set-default")

    def invoke(self, endpoint: str, source: Path, *more: str) -> str:
        """Invoke and give the job's name."""
        answer = self.json("batch-endpoint", "invoke", "--name", endpoint, "--input", str(source), *more)
        return str(answer["name"])

    def finish(self, job: str, *, within_s: float = 180.0) -> dict[str, Any]:
        """Wait until a job is final and give its record."""
        deadline = time.monotonic() + within_s
        found: dict[str, Any] = {}
        while True:
            if self._may_be_final(job):
                found = self.json("job", "show", "--name", job)
                if found["status"] in FINAL:
                    return found
            assert time.monotonic() < deadline, f"not final after {within_s} s: {found}"
            time.sleep(0.1)

    def _may_be_final(self, job: str) -> bool:
        """Ask over REST, which costs a tenth of a command; True where that tells nothing, so that the command does."""
        try:
            with self.rest() as client:
                answer = client.get(f"{WS}/jobs/{job}")
        except (OSError, httpx2.HTTPError):
            return True  # No server: a command starts it.
        return answer.status_code != 200 or answer.json()["properties"]["status"] in FINAL

    def output(self, job: str) -> Path:
        """The folder in which a job publishes by default."""
        return self.home / "datastores" / "workspaceblobstore" / "azureml" / job / "score"

    def logs(self, job: str) -> Path:
        """The folder of a job's logs."""
        return self.home / "datastores" / "workspaceartifactstore" / "ExperimentRun" / f"dcid.{job}"

    def processes(self) -> dict[int, str]:
        """Everything that runs for this home."""
        return processes_of(self.home)

    def end(self) -> None:
        """Stop the server and kill whatever is left."""
        try:
            if self.home.exists():
                self.run("server", "stop", exit_code=None, timeout_s=30)
        finally:
            end_all(self.home)


def ended(client: httpx2.Client, job: str, *, within_s: float = 180.0) -> dict[str, Any]:
    """Wait over REST until a job is final and give its `properties`."""
    deadline = time.monotonic() + within_s
    while True:
        found = client.get(f"{WS}/jobs/{job}").json()["properties"]
        if found["status"] in FINAL:
            return dict(found)
        assert time.monotonic() < deadline, f"not final after {within_s} s: {found}"
        time.sleep(0.05)


def copy_deployment(client: httpx2.Client, source: str, target: str, **properties: Any) -> dict[str, Any]:
    """Make the deployment `endpoint/name` like another over REST, faster than with commands, and wait until it serves.

    A missing endpoint is made with it, and has it as its default. properties: in ARM's words, instead of the source's.
    """
    (endpoint, name), (from_endpoint, from_name) = target.split("/"), source.split("/")
    found = client.get(f"{WS}/batchEndpoints/{from_endpoint}/deployments/{from_name}").json()["properties"]
    is_new = client.get(f"{WS}/batchEndpoints/{endpoint}").status_code == 404
    if is_new:
        client.put(f"{WS}/batchEndpoints/{endpoint}", json={"properties": {}}).raise_for_status()
    path, deadline = f"{WS}/batchEndpoints/{endpoint}/deployments/{name}", time.monotonic() + 180
    made = client.put(path, json={"properties": {**found, **properties}}).raise_for_status().json()
    while made["properties"]["provisioningState"] != "Succeeded":
        assert made["properties"]["provisioningState"] != "Failed", made
        assert time.monotonic() < deadline, made
        time.sleep(0.05)
        made = client.get(path).json()
    if is_new:
        default = {"properties": {"defaults": {"deploymentName": name}}}
        client.put(f"{WS}/batchEndpoints/{endpoint}", json=default).raise_for_status()
    return dict(made)
