"""`batchyard doctor` and `batchyard version`: does everything on this machine fit together?"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from typing import TYPE_CHECKING, Any  # JSON results

from batchyard.cli.grammar import Command
from batchyard.settings import server_environment

if TYPE_CHECKING:
    from batchyard.cli.rest import Server

COMMANDS = (Command("doctor", "doctor", list), Command("version", "version"))


def version(server: Server) -> Any:  # noqa: ARG001  # every command is handed its server
    """Show the version of batchyard and of the Python it runs on."""
    return {"batchyard": installed_version(), "python": platform.python_version()}


def doctor(server: Server) -> Any:
    """Check this machine, the home and the server: one row a check, with what to do about it. Starts nothing."""
    if server.settings.url:
        return [_remote(server)]
    home = server.settings.home
    command = [sys.executable, "-P", "-m", "batchyard.bootstrap.doctor", "--home", str(home), "--json"]
    done = subprocess.run(command, env=server_environment(home), stdout=subprocess.PIPE, text=True, check=False)
    server.exit_code = done.returncode
    return json.loads(done.stdout)


def installed_version() -> str:
    """Give the version of the installed package."""
    from importlib.metadata import version as of_package

    return of_package("batchyard")


def _remote(server: Server) -> dict[str, str]:
    from batchyard.cli.rest import Connection, is_healthy

    settings = server.settings
    is_good = is_healthy(Connection(settings.url, settings.token, settings.ca_file))
    server.exit_code = 0 if is_good else 1
    return {
        "check": "server",
        "verdict": "ok" if is_good else "fail",
        "found": f"{settings.url} {'answers' if is_good else 'does not answer'}",
        "remedy": "" if is_good else "Look at BATCHYARD_URL and BATCHYARD_CA.",
    }
