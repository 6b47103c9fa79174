"""`batchyard env`: what Azure's own clients need in their environment to reach this server instead of the cloud."""

from __future__ import annotations

import json
import os
import shlex
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

from batchyard.cli.failures import CommandFailed, UsageMistake
from batchyard.cli.grammar import Command

if TYPE_CHECKING:
    from batchyard.cli.rest import Server

COMMANDS = (Command("env", "env"),)

CONFIG_FILE = "config.json"
BUNDLE_FILE = "bundle.pem"
# A service principal in the environment would be asked before the managed identity, and knows nothing of this server;
# and a choice of credentials may leave the managed identity out.
_IN_THE_WAY = (
    "AZURE_CLIENT_ID",
    "AZURE_TENANT_ID",
    "AZURE_CLIENT_SECRET",
    "AZURE_CLIENT_CERTIFICATE_PATH",
    "AZURE_TOKEN_CREDENTIALS",
)
_PROXIES = ("https_proxy", "http_proxy", "all_proxy")


def env(server: Server, *, config: bool = False, words: list[str] | None = None) -> None:
    """Print the exports for `eval "$(batchyard env)"`, or run one command with them: `batchyard env -- COMMAND`.

    Unchanged code with `MLClient(DefaultAzureCredential(), …)` then reaches this server. With --config a `config.json`
    for `MLClient.from_config` is written into this folder.
    """
    command = list(words or [])
    if config and command:
        raise UsageMistake("Either write `config.json` with --config, or run a command after `--`; not both.")
    if config:
        _write_config(server)
        return
    variables = _variables(server)
    in_the_way = [name for name in _IN_THE_WAY if os.environ.get(name)]
    if command:
        _become(command, variables, in_the_way)
    if in_the_way:
        server.say(f"{', '.join(in_the_way)} would win over this server's identity; the exports unset them.")
    for name in in_the_way:
        print(f"unset {name}")
    for name, value in variables.items():
        print(f"export {name}={shlex.quote(value)}")


def _variables(server: Server) -> dict[str, str]:
    connection = server.connection
    home = server.settings.home
    if server.settings.url:
        raise CommandFailed(
            "BATCHYARD_URL points at a remote server, whose managed identity is not of this machine. "
            "Use `ClientSecretCredential` with the token as its secret (see docs/azure-sdk.md)."
        )
    bundle = str(_bundle(home, Path(connection.ca_file)))
    return {
        "AZUREML_DEV_URL_MFE": connection.url,
        "IDENTITY_ENDPOINT": f"{connection.url}/msi/token",
        "IDENTITY_HEADER": _read(home / "identity-header"),
        "REQUESTS_CA_BUNDLE": bundle,
        "CURL_CA_BUNDLE": bundle,
        **_past_proxies(),
    }


def _past_proxies() -> dict[str, str]:
    """Keep what is meant for this machine from a proxy, which could not reach it; {} where there is none."""
    if not any(name.lower() in _PROXIES and value for name, value in os.environ.items()):
        return {}
    # Where both are set, most clients read the one in small letters alone.
    named = (os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or "").split(",")
    kept = [host.strip() for host in named if host.strip()]
    listed = ",".join(dict.fromkeys([*kept, "127.0.0.1", "localhost"]))
    return {"NO_PROXY": listed, "no_proxy": listed}


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as exc:
        raise CommandFailed(
            f"{str(path)!r} cannot be read ({exc.strerror}); restart the server to have it made."
        ) from exc


def _bundle(home: Path, ca_file: Path) -> Path:
    """Write a bundle of the public roots and our own: what `requests` is given replaces its own roots."""
    target = home / "tls" / BUNDLE_FILE
    text = _public_roots(target) + ca_file.read_text(encoding="ascii")
    if not target.exists() or target.read_text(encoding="utf-8") != text:
        fresh = target.with_name(f".{BUNDLE_FILE}.{os.getpid()}")
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(target)
    return target


def _public_roots(ours: Path) -> str:
    """Give the roots trusted so far: those that the environment names (a company's, perhaps), else the machine's."""
    named = [os.environ.get(name) for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")]
    for path in (*named, ssl.get_default_verify_paths().cafile):
        # The bundle of an earlier call holds an earlier CA of ours as well.
        if path and Path(path) != ours and Path(path).is_file():
            return Path(path).read_text(encoding="utf-8", errors="replace").rstrip("\n") + "\n"
    return ""


def _become(command: list[str], variables: dict[str, str], in_the_way: list[str]) -> None:
    kept = {name: value for name, value in os.environ.items() if name not in in_the_way}
    try:
        os.execvpe(command[0], command, {**kept, **variables})
    except OSError as exc:
        raise CommandFailed(f"{command[0]!r} cannot be run: {exc.strerror}.") from exc


def _write_config(server: Server) -> None:
    from batchyard.domain.resource_ids import parse_arm_id

    # Asked, so that no file names a workspace that is not there.
    shown = server.get(server.scope.arm_id).body
    found = parse_arm_id(str(shown["id"]))
    scope = server.scope if found is None else found[0]
    wanted = {
        "subscription_id": scope.subscription,
        "resource_group": scope.resource_group,
        "workspace_name": scope.workspace,
    }
    target = Path(CONFIG_FILE)
    text = json.dumps(wanted, indent=2) + "\n"
    try:
        with open(target, "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        if target.read_text(encoding="utf-8", errors="replace") != text:
            raise CommandFailed(f"{str(target.absolute())!r} exists already and says something else.") from None
    server.say(f"{target.absolute()} names this workspace.")
