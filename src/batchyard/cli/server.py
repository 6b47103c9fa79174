"""`batchyard server`: the embedded server of this home."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any  # JSON results

from batchyard.cli import output
from batchyard.cli.failures import CommandFailed
from batchyard.cli.grammar import Command
from batchyard.cli.visible import visible

if TYPE_CHECKING:
    from batchyard.cli.rest import Server

COMMANDS = (
    Command("server start", "start", output.processes),
    Command("server stop", "stop", output.processes),
    Command("server status", "status", output.processes),
    Command("server logs", "logs"),
)

_LINES = 50


def start(server: Server) -> Any:
    """Start the embedded server of this home; nothing happens when it runs."""
    from batchyard.cli import embedded

    _refuse_remote(server)
    embedded.start(server.settings, say=server.say)
    return embedded.status(server.settings.home)


def stop(server: Server) -> Any:
    """Stop the embedded server of this home, whole; its jobs go on at the next start."""
    from batchyard.cli import embedded

    _refuse_remote(server)
    ended = embedded.stop(server.settings.home)
    server.say(f"Stopped the embedded server of {server.settings.home}." if ended else "Nothing was running.")
    return embedded.status(server.settings.home)


def status(server: Server) -> Any:
    """Show what runs of this home; starts nothing."""
    from batchyard.cli import embedded

    _refuse_remote(server)
    return embedded.status(server.settings.home)


def logs(server: Server, *, process: str | None = None, lines: int = _LINES, follow: bool = False) -> None:
    """Print the logs of the server's processes."""
    from batchyard.cli.embedded import PROCESSES

    _refuse_remote(server)
    names = [process] if process else list(PROCESSES)
    paths = [path for name in names if (path := server.settings.home / "logs" / f"{name}.log").exists()]
    if not paths:
        raise CommandFailed(f"There are no logs in {server.settings.home / 'logs'}; the server was never started.")
    read: dict[Path, int] = {}
    for path in paths:
        text = path.read_bytes()
        read[path] = len(text)
        _print(text.splitlines()[-lines:] if lines > 0 else [])
    while follow:
        server.sleep(0.3)
        for path in paths:
            read[path] = _print_from(path, read[path])


def _print_from(path: Path, offset: int) -> int:
    with open(path, "rb") as file:
        # A log that was rotated away begins again.
        file.seek(offset if path.stat().st_size >= offset else 0)
        whole, newline, _ = file.read().rpartition(b"\n")
        _print(whole.splitlines())
        return (offset if path.stat().st_size >= offset else 0) + len(whole) + len(newline)


def _print(lines: list[bytes]) -> None:
    is_terminal = sys.stdout.isatty()
    for line in lines:
        text = line.decode(errors="replace")
        print(visible(text) if is_terminal else text)
    sys.stdout.flush()


def _refuse_remote(server: Server) -> None:
    if server.settings.url:
        raise CommandFailed("BATCHYARD_URL points at a remote server; unset it to work with the embedded one.")
