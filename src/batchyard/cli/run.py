"""`batchyard run` as the table of commands shows it; the installed command never gets here, see `entry`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from batchyard.cli.entry import become_a_run
from batchyard.cli.grammar import Command

if TYPE_CHECKING:
    from batchyard.cli.rest import Server

COMMANDS = (Command("run", "run"),)


def run(server: Server) -> None:  # noqa: ARG001  # every command is handed its server
    """Score a folder here and now, without a server: run DEPLOYMENT.yml --input DIR --output DIR."""
    become_a_run(sys.argv[2:])
