"""The installed command's first step: `run` goes straight to its own process, everything else to the command line.

A local run is measured against the bare loop, so it does not wait for the command line's imports.
"""

from __future__ import annotations

import os
import sys


def become_a_run(arguments: list[str]) -> None:
    """Turn this process into a local run; does not return."""
    # -P: no module comes from the folder that the command is given in, whoever may write there.
    os.execv(sys.executable, [sys.executable, "-P", "-m", "batchyard.bootstrap.run", *arguments])


def main() -> int:
    """Run the command in sys.argv; does not return for `run`."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["run"]:
        become_a_run(arguments[1:])
    from batchyard.cli.main import main as run

    return run(arguments)
