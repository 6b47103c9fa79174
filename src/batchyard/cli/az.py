"""The command `az` of scripts written for Azure, as far as they need it to reach this server; `az install` makes it.

`az ml …` is our own command line. `az account`, `az group` and `az configure` answer for the local workspace; signing
in and installing the extension `ml` succeed without doing anything.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any  # JSON of the server's answers
from urllib.parse import quote

from batchyard.cli.failures import CommandFailed, UsageMistake
from batchyard.cli.grammar import Command

if TYPE_CHECKING:
    from batchyard.cli.rest import Server

COMMANDS = (
    Command("az install", "install"),
    Command("account show", "show_account"),
    Command("account list", "list_accounts"),
    Command("account set", "set_account"),
    Command("account get-access-token", "get_access_token"),
    Command("group show", "show_group"),
)

# What of `az` is answered; the first is our own command line.
SERVED = ("ml", "account", "group", "configure", "version")
_TENANT = "local"
# What scripts do once before anything else, and nothing has to be done for here.
_NEEDLESS = {
    ("login",): "Nobody signs in here: the commands are those of the owner of this home.",
    ("logout",): "Nobody signs in here, so nobody signs out.",
    ("group", "create"): "A resource group comes with its first workspace: `az ml workspace create -n NAME -g GROUP`.",
    ("extension", "add"): "`az ml` is built in; it needs no extension.",
    ("extension", "update"): "`az ml` is built in; it needs no extension.",
    ("extension", "remove"): "`az ml` is built in; it is no extension.",
}
_OWN_EXTENSIONS = ("ml", "azure-cli-ml")
_RESOURCES = {
    "arm": "https://management.azure.com",
    "aml": "https://ml.azure.com",
    "ml": "https://ml.azure.com",
    "storage": "https://storage.azure.com",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run `az ARGUMENTS` and give its exit code."""
    from batchyard.cli.main import main as run

    args = list(sys.argv[1:] if argv is None else argv)
    first = args[0].lower() if args else ""
    if first in ("-v", "--version"):
        return run(["version"])
    if (needless := _needless(args)) is not None:
        print(needless, file=sys.stderr)
        return 0
    if first not in SERVED:
        named = f"`az {first}`" if first else "`az` alone"
        listed = ", ".join(f"`az {word}`" for word in SERVED)
        print(f"ERROR: {named} is not served by batchyard; served: {listed}.", file=sys.stderr)
        return 2
    return run(args[1:] if first == "ml" else args)


def _needless(args: Sequence[str]) -> str | None:
    words = tuple(word.lower() for word in args[:2])
    if words[:1] == ("extension",) and not {arg.rpartition("=")[2] for arg in args[2:]} & set(_OWN_EXTENSIONS):
        return None
    return None if {"-h", "--help"} & set(args) else _NEEDLESS.get(words[:1], _NEEDLESS.get(words))


def install(server: Server, *, folder: str) -> dict[str, str]:
    """Write an executable `az` into a folder; put it first in PATH, and scripts for Azure reach this server."""
    target = Path(folder).expanduser().absolute() / "az"
    # -P: modules come from where batchyard is installed, never from the folder that a script happens to run in.
    text = f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -P -m batchyard.cli.az "$@"\n'
    if target.exists() and "batchyard.cli.az" not in target.read_text(errors="replace"):
        raise CommandFailed(f"{str(target)!r} is another program; name another folder.")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)
    target.chmod(0o755)
    server.say(f"Run `export PATH={shlex.quote(str(target.parent))}:$PATH` to have scripts find it.")
    return {"path": str(target)}


def show_account(server: Server) -> dict[str, object]:
    """Show the subscription, as `az account show` does."""
    return _account(server, server.scope.subscription)


def list_accounts(server: Server) -> list[dict[str, object]]:
    """List the subscriptions that have a workspace."""
    return [_account(server, str(one["subscriptionId"])) for one in server.list_all("/subscriptions")]


def _account(server: Server, id: str) -> dict[str, object]:
    from batchyard.domain.resource_ids import DEFAULT_SCOPE

    return {
        "environmentName": "batchyard",
        "homeTenantId": _TENANT,
        "id": id,
        "isDefault": id.lower() == server.scope.subscription.lower(),
        "managedByTenants": [],
        "name": _TENANT if id == DEFAULT_SCOPE.subscription else id,
        "state": "Enabled",
        "tenantId": _TENANT,
        "user": {"name": _user(), "type": "user"},
    }


def set_account(server: Server, *, subscription_id: str | None = None) -> None:
    """Keep a subscription as the default of later commands; the server tells when it is not its own."""
    from batchyard.cli.configure import Defaults
    from batchyard.domain.resource_ids import DEFAULT_SCOPE

    wanted = subscription_id or server.scope.subscription
    by_name = DEFAULT_SCOPE.subscription if wanted == _TENANT else wanted
    Defaults(config_dir=str(server.settings.home)).keep({"subscription": by_name})


def get_access_token(
    server: Server,
    *,
    resource: str | None = None,
    resource_type: str = "arm",
    scope: list[str] | None = None,
    tenant: str | None = None,  # noqa: ARG001  # there is one
) -> dict[str, object]:
    """Give a token for an hour, as `az account get-access-token` does; curl sends it as a bearer token."""
    known = _RESOURCES.get(resource_type)
    if resource is None and known is None:
        raise UsageMistake(f"--resource-type is {resource_type!r}, must be one of {', '.join(_RESOURCES)}.")
    of_scope = scope[0].removesuffix("/.default") if scope else None
    asked = (resource or of_scope or str(known)).rstrip("/")
    if server.settings.url:
        raise CommandFailed("BATCHYARD_URL points at a remote server; use the token that you have for it.")
    connection = server.connection
    header = (server.settings.home / "identity-header").read_text(encoding="utf-8").strip()
    path = f"{connection.url}/msi/token"
    answer = server.request(
        "GET", path, params={"resource": asked}, headers={"X-IDENTITY-HEADER": header}, is_signed=True
    ).body
    expires_at = int(answer["expires_on"])
    local = datetime.fromtimestamp(expires_at, tz=UTC).astimezone().replace(tzinfo=None)
    return {
        "accessToken": answer["access_token"],
        # Azure: local time without a zone, and beside it the number that newer scripts use.
        "expiresOn": local.isoformat(sep=" ", timespec="microseconds"),
        "expires_on": expires_at,
        "subscription": server.scope.subscription,
        "tenant": _TENANT,
        "tokenType": "Bearer",
    }


def show_group(server: Server, *, group_name: str | None = None) -> Any:
    """Show a resource group that has a workspace."""
    name = quote(group_name or server.scope.resource_group, safe="")
    return server.get(f"/subscriptions/{quote(server.scope.subscription, safe='')}/resourceGroups/{name}").body


def _user() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "owner"


if __name__ == "__main__":
    sys.exit(main())
